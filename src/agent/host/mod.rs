//! The only door to the machine.
//!
//! [`Look`] reads and asks, [`Touch`] changes. A module's check gets a `&Look`
//! and so cannot change anything; only its apply is handed a `Touch`.

pub(crate) mod accounts;
pub(crate) mod attributes;
pub(crate) mod cache;
pub(crate) mod channel;
pub(crate) mod clock;
pub(crate) mod failure;
pub(crate) mod glob;
pub(crate) mod job;
mod look;
pub(crate) mod mode;
pub(crate) mod net;
pub(crate) mod process;
pub(crate) mod session;
mod staged;
mod terminal;
mod touch;
pub(crate) mod words;

pub(crate) use attributes::{Attributes, Settled};
pub(crate) use failure::{Explain, Failure, Return};
pub(crate) use look::{Look, digest, hex, sha1_of};
pub(crate) use mode::Mode;
pub(crate) use process::{Command, Output};
pub(crate) use staged::Staged;
pub(crate) use touch::{Touch, Unpacked, missing_directories, parent, real_path};
