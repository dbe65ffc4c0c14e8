//! Events and mistakes as people see them. Each file is a fold over events.

pub(crate) mod beside;
mod change;
mod compact;
pub(crate) mod diagnostic;
pub(crate) mod journal;
mod json;
pub(crate) mod lines;
pub(crate) mod lists;
mod log;
pub(crate) mod paint;
mod prompt;
mod result;
pub(crate) mod scenario;
pub(crate) mod screen;
pub(crate) mod style;

use std::io::Write;

/// Prints text to standard output. A reader that went away is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints text to standard error.
pub(crate) fn print_error(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
