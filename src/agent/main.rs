//! The program on the host: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Asked by the shell script that installs the program: does it run here?
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == "--probe")
    {
        ocplay_agent::installed();
        return ExitCode::SUCCESS;
    }
    ocplay_agent::job().unwrap_or_else(ocplay_agent::serve)
}
