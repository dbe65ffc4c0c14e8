//! `shell`: runs a line in a shell.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::command::{NO_COMMAND, run_line, stdin};
use super::execute::{Execution, Guards, verdict};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Runs a line in a shell on the host.
    pub(super) struct Args {
        /// The line, handed to the shell as it is.
        raw as "_raw_params": Option<String>,
        /// The line; the same as free text.
        cmd: Option<String>,
        /// Directory to change into first.
        chdir: Option<PathBuf>,
        /// Path or pattern; the line is not run if it exists.
        creates: Option<PathBuf>,
        /// Path or pattern; the line is not run if it does not exist.
        removes: Option<PathBuf>,
        /// The shell, with its full path.
        executable: Option<PathBuf>,
        /// Text for the standard input.
        stdin: Option<String>,
        /// End the standard input with a newline.
        stdin_add_newline: bool = true,
        /// Drop newlines at the end of the output.
        strip_empty_ends: bool = true,
        /// Refused: the shell itself expands.
        expand_argument_vars: Option<bool>,
    }
}

pub(super) struct Shell;

impl Module for Shell {
    const NAME: &'static str = "shell";
    const FREE_FORM: bool = true;
    type Args = Args;
    type Plan = Execution;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Execution>, Failure> {
        if args.expand_argument_vars.is_some() {
            return Err("Unsupported parameters for (shell) module: expand_argument_vars".into());
        }
        let line = args
            .raw
            .as_ref()
            .or(args.cmd.as_ref())
            .filter(|line| !line.trim().is_empty())
            .ok_or(NO_COMMAND)?;
        let shell = args.executable.clone().unwrap_or_else(|| "/bin/sh".into());
        let shown = serde_json::Value::from(line.as_str());
        let execution = Execution {
            command: Command {
                argv: vec![shell.into(), "-c".into(), line.into()],
                directory: args.chdir.clone(),
                stdin: stdin(args.stdin.as_ref(), args.stdin_add_newline),
                live: true,
                ..Command::default()
            },
            shown: shown.clone(),
            strip: args.strip_empty_ends,
            warning: None,
        };
        let guards = Guards {
            creates: args.creates.as_deref().and_then(|path| path.to_str()),
            removes: args.removes.as_deref().and_then(|path| path.to_str()),
            directory: args.chdir.as_deref(),
        };
        verdict(&guards, look, &shown, execution)
    }

    fn describe(plan: &Execution) -> Vec<Diff> {
        vec![Diff::prepared(run_line(&plan.shown))]
    }

    fn apply(plan: Execution, touch: &mut Touch) -> Result<Return, Failure> {
        plan.run(touch)
    }
}
