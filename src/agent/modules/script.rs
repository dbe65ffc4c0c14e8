//! `script`: runs a script of the controller on the host.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;
use serde_json::Value;

use super::command::run_line;
use super::execute::Execution;
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Mode, Return, Settled, Touch, glob, words};

ocplay_protocol::arguments! {
    /// Sends a script from the controller and runs it on the host.
    pub(super) struct Args {
        /// The script on the controller, and its arguments.
        raw as "_raw_params": Option<String>,
        /// The same as free text.
        cmd: Option<String>,
        /// Path or pattern on the host; the script is not run if it exists.
        creates: Option<PathBuf>,
        /// Path or pattern on the host; the script is not run if it does not exist.
        removes: Option<PathBuf>,
        /// Directory on the host to change into first.
        chdir: Option<PathBuf>,
        /// Program that shall run the script, such as /usr/bin/perl.
        executable: Option<String>,
        /// Decrypt a vaulted script; done by the controller.
        decrypt: bool = true,
    }
}

pub(super) struct Script;

pub(super) struct Plan {
    line: String,
    /// Everything after the script's name, as a shell reads it.
    arguments: String,
    executable: Option<String>,
    directory: Option<PathBuf>,
}

/// The line without its first word.
fn arguments_of(line: &str) -> &str {
    let line = line.trim_start();
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => return line[at..].trim(),
            (None, _) => {}
        }
    }
    ""
}

impl Module for Script {
    const NAME: &'static str = "script";
    const FREE_FORM: bool = true;
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let line = args.raw.as_ref().or(args.cmd.as_ref()).ok_or(
            "one of the following is required: _raw_params, cmd; write the script's path \
                 after 'script:'",
        )?;
        if look.blobs().is_empty() {
            return Err("the script did not come along; this is a bug of ocplay".into());
        }
        let skipped = |path: &Path, text: &str, option: &str| {
            let message = format!("{} {text}, matching {option} option", path.display());
            Ok(Verdict::Skip(Return::new().with("msg", message)))
        };
        let exists = |path: &PathBuf| !glob::expand(&path.to_string_lossy()).is_empty();
        if let Some(path) = args.creates.as_ref().filter(|path| exists(path)) {
            return skipped(path, "exists", "creates");
        }
        if let Some(path) = args.removes.as_ref().filter(|path| !exists(path)) {
            return skipped(path, "does not exist", "removes");
        }
        if let Some(directory) = args.chdir.as_ref().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(format!(
                "chdir {} must be an absolute path for a Unix-aware remote node",
                directory.display()
            )));
        }
        let plan = Plan {
            line: line.clone(),
            arguments: arguments_of(line).to_owned(),
            executable: args.executable.clone(),
            directory: args.chdir.clone(),
        };
        if args.creates.is_some() || args.removes.is_some() {
            return Ok(Verdict::Change(plan, Return::new()));
        }
        if look.is_check() {
            let text = "Check mode is not supported for this task.";
            return Ok(Verdict::Skip(Return::new().with("msg", text)));
        }
        Ok(Verdict::MustRun(plan))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::prepared(run_line(&Value::from(plan.line.as_str())))]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        // /tmp may be mounted noexec; the agent's own directory is not.
        let own = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(PathBuf::from));
        let mut staged = match own.map(|directory| touch.stage(&directory)) {
            Some(Ok(staged)) => staged,
            _ => touch.stage(&std::env::temp_dir())?,
        };
        touch.fill(&mut staged, 0)?;
        let executable = Settled {
            mode: Some(Mode::Bits(0o700)),
            ..Settled::default()
        };
        touch.settle(staged.path(), &executable)?;
        let script = staged.close_for_running();
        let path = words::quote(&script.path().to_string_lossy());
        let line = match &plan.executable {
            Some(program) => format!("{program} {path} {}", plan.arguments),
            None => format!("{path} {}", plan.arguments),
        };
        let execution = Execution {
            command: Command {
                argv: vec!["/bin/sh".into(), "-c".into(), line.trim_end().into()],
                directory: plan.directory,
                live: true,
                ..Command::default()
            },
            shown: Value::from(plan.line),
            strip: false,
            warning: None,
        };
        execution.run(touch)
    }
}

#[cfg(test)]
mod tests {
    use super::arguments_of;

    #[test]
    fn the_first_word_is_the_script() {
        assert_eq!(arguments_of("a.sh"), "");
        assert_eq!(arguments_of(" 'a b.sh' --x 'y z' "), "--x 'y z'");
        assert_eq!(arguments_of("a\\ b.sh 1"), "1");
    }
}
