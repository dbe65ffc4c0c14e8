//! `command`: runs a program, without a shell.

use std::ffi::OsString;
use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::{Value, json};

use super::execute::{Execution, Guards, verdict};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch, words};

ocplay_protocol::arguments! {
    /// Runs a program on the host, without a shell: no pipes, redirections or `;`.
    pub(super) struct Args {
        /// The command line, split into words as a shell would split it.
        raw as "_raw_params": Option<String>,
        /// The command line; the same as free text.
        cmd: Option<String>,
        /// The command as a list of words; nothing is split.
        argv: Option<Vec<String>>,
        /// Directory to change into first.
        chdir: Option<PathBuf>,
        /// Path or pattern; the command is not run if it exists.
        creates: Option<PathBuf>,
        /// Path or pattern; the command is not run if it does not exist.
        removes: Option<PathBuf>,
        /// Text for the standard input.
        stdin: Option<String>,
        /// End the standard input with a newline.
        stdin_add_newline: bool = true,
        /// Drop newlines at the end of the output.
        strip_empty_ends: bool = true,
        /// Replace `$NAME` and `~` in the words.
        expand_argument_vars: bool = true,
        /// Accepted for old playbooks; only shell uses it.
        executable: Option<String>,
    }
}

pub(super) struct CommandModule;

pub(super) const NO_COMMAND: &str = "one of the following is required: _raw_params, cmd, argv; \
                                     write the command after the module's name";

/// Standard input as the program gets it.
pub(super) fn stdin(text: Option<&String>, newline: bool) -> Option<Vec<u8>> {
    text.map(|text| {
        let mut data = text.clone().into_bytes();
        if newline && !data.ends_with(b"\n") {
            data.push(b'\n');
        }
        data
    })
}

fn words_of(args: &Args) -> Result<Vec<String>, Failure> {
    let line = args.raw.as_ref().or(args.cmd.as_ref());
    let words = match (&args.argv, line) {
        (Some(_), Some(_)) => {
            return Err("parameters are mutually exclusive: _raw_params|cmd|argv".into());
        }
        (Some(argv), None) => argv.clone(),
        (None, Some(line)) => words::split(line)?,
        (None, None) => Vec::new(),
    };
    if words.is_empty() {
        return Err(NO_COMMAND.into());
    }
    Ok(words)
}

impl Module for CommandModule {
    const NAME: &'static str = "command";
    const FREE_FORM: bool = true;
    type Args = Args;
    type Plan = Execution;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Execution>, Failure> {
        let words = words_of(args)?;
        // Shown as they are written, run as they are expanded.
        let shown = json!(words);
        let ready = |word: String| {
            OsString::from(if args.expand_argument_vars {
                look.expand(&word)
            } else {
                word
            })
        };
        let execution = Execution {
            command: Command {
                argv: words.into_iter().map(ready).collect(),
                directory: args.chdir.clone(),
                stdin: stdin(args.stdin.as_ref(), args.stdin_add_newline),
                live: true,
                ..Command::default()
            },
            shown: shown.clone(),
            strip: args.strip_empty_ends,
            warning: args.executable.as_ref().map(|program| {
                format!(
                    "the parameter 'executable' is no longer supported with the 'command' module. \
                     Not using '{program}'; the shell module takes it"
                )
            }),
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

/// `run: …` for the diff.
pub(super) fn run_line(shown: &Value) -> String {
    match shown {
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            format!("run: {}\n", words::join(&words))
        }
        Value::String(line) => format!("run: {line}\n"),
        other => format!("run: {other}\n"),
    }
}
