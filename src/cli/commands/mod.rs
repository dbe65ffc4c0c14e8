//! One file per subcommand, and what several of them need.

pub(crate) mod doc;
pub(crate) mod inventory;
pub(crate) mod lab;
pub(crate) mod run;
mod sources;
mod vars;

use std::process::ExitCode;

use ocplay_language::diagnostic::Diagnostic;

/// A command's exit code, or every mistake that kept it from starting.
pub(crate) type Outcome = Result<ExitCode, Vec<Diagnostic>>;
