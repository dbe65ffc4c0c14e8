//! `raw`: a line as typed over SSH, without any of shell's arguments.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::command::run_line;
use super::execute::Execution;
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Runs a line in the host's shell. Hosts need no Python here, so this is
    /// shell with fewer arguments.
    pub(super) struct Args {
        /// The line, handed to the shell as it is.
        raw as "_raw_params": String,
        /// The shell, with its full path.
        executable: Option<PathBuf>,
    }
}

pub(super) struct Raw;

impl Module for Raw {
    const NAME: &'static str = "raw";
    const FREE_FORM: bool = true;
    type Args = Args;
    type Plan = Execution;

    fn check(args: &Args, _: &Look) -> Result<Verdict<Execution>, Failure> {
        let shell = args.executable.clone().unwrap_or_else(|| "/bin/sh".into());
        Ok(Verdict::MustRun(Execution {
            command: Command {
                argv: vec![shell.into(), "-c".into(), args.raw.clone().into()],
                live: true,
                ..Command::default()
            },
            shown: args.raw.as_str().into(),
            strip: false,
            warning: None,
        }))
    }

    fn describe(plan: &Execution) -> Vec<Diff> {
        vec![Diff::prepared(run_line(&plan.shown))]
    }

    fn apply(plan: Execution, touch: &mut Touch) -> Result<Return, Failure> {
        let mut result = plan.run(touch);
        // raw says only what came back over the line.
        let values = match &mut result {
            Ok(result) => &mut result.values,
            Err(failure) => &mut failure.data,
        };
        for name in ["cmd", "start", "end", "delta", "msg"] {
            values.shift_remove(name);
        }
        result
    }
}
