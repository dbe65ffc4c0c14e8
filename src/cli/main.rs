//! The command line: the only room that speaks to people.

mod args;
mod commands;
mod exit_code;
mod helper;
mod lab;
mod render;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let result = match args.command {
        args::Command::Run(run) => commands::run::run(&run),
        args::Command::Inventory(inventory) => commands::inventory::run(&inventory),
        args::Command::Doc(doc) => commands::doc::run(&doc),
        args::Command::Lab { command } => commands::lab::run(&command),
    };
    match result {
        Ok(code) => code,
        Err(problems) => {
            render::diagnostic::print_all(&problems);
            ExitCode::from(exit_code::ERROR)
        }
    }
}
