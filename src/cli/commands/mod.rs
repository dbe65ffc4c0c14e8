//! One file per subcommand, and what several of them need.

pub(crate) mod adhoc;
pub(crate) mod config;
pub(crate) mod doc;
mod execution;
pub(crate) mod inventory;
pub(crate) mod lab;
mod options;
pub(crate) mod pull;
pub(crate) mod run;
mod sources;
pub(crate) mod test;
mod vars;
pub(crate) mod vault;

use std::process::ExitCode;

use ocplay_language::diagnostic::Diagnostic;

/// A command's exit code, or every mistake that kept it from starting.
pub(crate) type Outcome = Result<ExitCode, Vec<Diagnostic>>;
