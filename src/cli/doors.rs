//! The names under which the program can be called.
//!
//! Called as one of Ansible's commands (by a link of that name), it takes that
//! command's words, so that scripts around them go on working.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use ocplay_language::diagnostic::Diagnostic;

use crate::args::{Args, Command, DocArgs, InventoryArgs, RunArgs};
use crate::commands::adhoc::AdhocArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::pull::PullArgs;
use crate::commands::vault::VaultCommandArgs;
use crate::config::{Config, Surroundings};
use crate::exit_code;
use crate::render::diagnostic;

/// The language that is spoken here; scripts look for it.
const LANGUAGE: &str = "2.19.14";

/// The command that the words of the command line ask for, or how the
/// program ends without one.
///
/// A wrong word ends the program with exit code 2.
pub(crate) fn command(words: Vec<OsString>) -> Result<Command, ExitCode> {
    let called = words
        .first()
        .and_then(|first| Path::new(first).file_name())
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned();
    if called.starts_with("ansible") {
        diagnostic::use_classic_words();
    }
    Ok(match &*called {
        "ansible-playbook" => Command::Run(Box::new(RunArgs {
            classic: true,
            ..parse::<RunArgs>(&called, words)
        })),
        "ansible" => Command::Adhoc(Box::new(parse::<AdhocArgs>(&called, words))),
        "ansible-inventory" => Command::Inventory(parse::<InventoryArgs>(&called, words)),
        "ansible-vault" => Command::Vault(parse::<VaultCommandArgs>(&called, words)),
        "ansible-config" => Command::Config(parse::<ConfigArgs>(&called, words)),
        "ansible-pull" => Command::Pull(Box::new(parse::<PullArgs>(&called, words))),
        "ansible-doc" => Command::Doc(parse::<DocArgs>(&called, words)),
        "ansible-console" | "ansible-galaxy" | "ansible-test" => {
            let instead = match &*called {
                "ansible-console" => "'ansible PATTERN -m MODULE' runs one module",
                "ansible-galaxy" => {
                    "install roles and collections with ansible-galaxy itself, or with git: ocplay reads them where they are"
                }
                _ => "it tests Ansible's own code",
            };
            diagnostic::print_all(&[Diagnostic::error(
                "door",
                format!("'{called}' is not among the commands that ocplay stands in for"),
            )
            .help(instead)]);
            return Err(ExitCode::from(exit_code::HOST_FAILED));
        }
        _ => Args::parse_from(words).command,
    })
}

/// Reads the words of one of Ansible's commands. As there, options can be
/// cut short, and `--version` begins with the command's name.
fn parse<T: CommandFactory + FromArgMatches>(called: &str, words: Vec<OsString>) -> T {
    let command = T::command()
        .infer_long_args(true)
        .version(version(called).leak() as &'static str)
        .long_version(None);
    let mut matches = command.get_matches_from(words);
    T::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
}

/// What `--version` prints behind the command's name.
fn version(_: &str) -> String {
    let file = Config::load(Surroundings::here())
        .ok()
        .and_then(|(config, _)| config.file().map(|file| file.display().to_string()))
        .unwrap_or_else(|| "None".to_owned());
    let program = std::env::current_exe()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    format!(
        "[core {LANGUAGE}]\n  config file = {file}\n  executable location = {program}\n  ocplay version = {}",
        env!("CARGO_PKG_VERSION")
    )
}
