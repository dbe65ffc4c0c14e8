//! The command line: the only room that speaks to people.

mod args;
mod commands;
mod compatibility;
mod config;
mod doors;
mod exit_code;
mod helper;
mod lab;
mod prompt;
mod render;
mod scenario;
mod secrets;

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match doors::command(std::env::args_os().collect()) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match dispatch(&command) {
        Ok(code) => code,
        Err(problems) => {
            render::diagnostic::print_all(&problems);
            ExitCode::from(exit_code::of(&problems))
        }
    }
}

fn dispatch(command: &args::Command) -> commands::Outcome {
    let (config, warnings) = config::Config::load(config::Surroundings::here())?;
    render::diagnostic::print_all(&warnings);
    match command {
        args::Command::Run(run) => commands::run::run(run, &config),
        args::Command::Adhoc(adhoc) => commands::adhoc::run(adhoc, &config),
        args::Command::Inventory(inventory) => commands::inventory::run(inventory, &config),
        args::Command::Vault(vault) => commands::vault::run(vault, &config),
        args::Command::Pull(pull) => commands::pull::run(pull, &config),
        args::Command::Config(settings) => commands::config::run(settings, &config),
        args::Command::Doc(doc) => commands::doc::run(doc, &config),
        args::Command::Test(test) => commands::test::run(test, &config),
        args::Command::Lab { command } => commands::lab::run(command),
    }
}
