//! `make`: targets of a Makefile are made.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::acts::{Acts, acting, need};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, words};

ocplay_protocol::arguments! {
    /// Makes targets of a Makefile, if make finds that they are not up to date.
    pub(super) struct Args {
        /// Directory to work in.
        chdir: PathBuf,
        /// The Makefile, if it has another name.
        file: Option<PathBuf>,
        /// How many jobs may run at once.
        jobs: Option<i64>,
        /// The make program.
        make: Option<PathBuf>,
        /// Variables to set.
        params: Option<Map<String, Value>>,
        /// Target.
        target: Option<String>,
        /// Several targets.
        targets: Option<Vec<String>>,
    }
}

pub(super) struct Make;

fn line(args: &Args, program: String, question: bool) -> Command {
    let mut argv = vec![program];
    if let Some(jobs) = args.jobs {
        argv.extend(["-j".to_owned(), jobs.to_string()]);
    }
    if let Some(file) = &args.file {
        argv.extend(["--file".to_owned(), file.to_string_lossy().into_owned()]);
    }
    if question {
        argv.push("-q".to_owned());
    }
    argv.extend(args.target.clone());
    argv.extend(args.targets.iter().flatten().cloned());
    for (name, value) in args.params.iter().flatten() {
        argv.push(match value {
            Value::Null => name.clone(),
            value => format!(
                "{name}={}",
                ocplay_protocol::coerce::text(value).unwrap_or_default()
            ),
        });
    }
    let mut command = Command::new(argv);
    command.directory = Some(args.chdir.clone());
    command
}

impl Module for Make {
    const NAME: &'static str = "make";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.target.is_some() && args.targets.is_some() {
            return Err("parameters are mutually exclusive: target|targets".into());
        }
        let program = match &args.make {
            Some(path) => path.to_string_lossy().into_owned(),
            None => {
                need(look, "make", "make")?;
                "make".to_owned()
            }
        };
        let question = look.ask(&line(args, program.clone(), true))?;
        let command = line(args, program, false);
        let shown: Vec<_> = command
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let mut acts = Acts::new(
            Return::new()
                .with("command", words::join(&shown))
                .with("chdir", args.chdir.to_string_lossy())
                .with(
                    "file",
                    args.file.as_ref().map(|file| file.to_string_lossy()),
                )
                .with("jobs", args.jobs)
                .with("params", args.params.clone().map(Value::Object))
                .with("target", args.target.as_deref())
                .with("targets", args.targets.clone())
                .with("stdout", question.out())
                .with("stderr", question.err()),
        );
        // 0 is up to date, 1 is not, and anything else shows in the real run.
        if !question.ok() {
            acts.run(command, "make the target");
            acts.after(|_, outputs, result| {
                let output = outputs.first();
                Ok(result
                    .maybe("stdout", output.map(crate::host::Output::out))
                    .maybe("stderr", output.map(crate::host::Output::err)))
            });
        }
        Ok(acts.verdict())
    }
}
