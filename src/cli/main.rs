//! The command line: the only room that speaks to people.

mod args;
mod commands;
mod doors;
mod exit_code;
mod helper;
mod lab;
mod render;

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match doors::command(std::env::args_os().collect()) {
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
