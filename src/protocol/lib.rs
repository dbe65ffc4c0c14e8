//! What the controller and the on-host agent say to each other.
//!
//! Types and framing only: nothing here opens a file or a socket. Both halves
//! also share the argument rules ([`argument`], [`catalogue`]), so that a
//! playbook is checked on the controller by the very description that the
//! module on the host reads its arguments with.

pub mod argument;
mod bytes;
pub mod catalogue;
pub mod coerce;
pub mod diff;
pub mod frame;
pub mod hello;
pub mod outcome;
pub mod request;

pub use argument::{Argument, Arguments};
pub use catalogue::{ArgInfo, ArgKind, ArgProblem, ModuleInfo, Place};
pub use diff::Diff;
pub use frame::{FrameError, MAX_FRAME, read_frame, write_frame};
pub use hello::{Hello, MARKER, PROTOCOL_VERSION};
pub use outcome::{FromAgent, Outcome, Stream};
pub use request::{Blob, BlobKind, Detached, Request, ToAgent};

// Used by the `arguments!` macro in other crates.
#[doc(hidden)]
pub use serde_json;
