//! The names under which the program can be called.
//!
//! Called as one of Ansible's commands (by a link of that name), it takes that
//! command's words, so that scripts around them go on working.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;

use crate::args::{Args, Command, InventoryArgs, RunArgs};
use crate::render::diagnostic;

/// The command that the words of the command line ask for.
///
/// A wrong word ends the program with exit code 2.
pub(crate) fn command(words: Vec<OsString>) -> Command {
    let called = words
        .first()
        .and_then(|first| Path::new(first).file_name())
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if called.starts_with("ansible") {
        diagnostic::use_classic_words();
    }
    match called {
        "ansible-playbook" => Command::Run(Box::new(RunArgs::parse_from(words))),
        "ansible-inventory" => Command::Inventory(InventoryArgs::parse_from(words)),
        _ => Args::parse_from(words).command,
    }
}
