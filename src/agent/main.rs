//! The program on the host: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ocplay_agent::serve()
}
