//! The controller itself: the agent as a child process.

use std::process::Stdio;

use tokio::process::Command;

use super::{ConnectError, Pipe};

/// Starts a command line in a shell, here or where the program before it
/// starts one. The child ends when its input is closed.
pub(super) fn exec(before: &[String], command: &str) -> Result<Pipe, ConnectError> {
    let shell = "/bin/sh".to_owned();
    let mut words = before.iter().chain([&shell]);
    let program = words.next().unwrap_or(&shell);
    let mut child = Command::new(program)
        .args(words)
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| ConnectError::Bootstrap(format!("{program}: {error}")))?;
    let (Some(input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(ConnectError::Bootstrap("no pipes".to_owned()));
    };
    // Waited for, so that no zombie stays behind.
    tokio::spawn(async move { child.wait().await });
    Ok(Pipe {
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
    })
}
