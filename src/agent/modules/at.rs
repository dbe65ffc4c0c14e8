//! `at`: a command that runs once, later.

use std::path::PathBuf;

use super::acts::{Acts, acting, command, need, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// Units of time.
    pub(super) enum Units {
        Minutes = "minutes",
        Hours = "hours",
        Days = "days",
        Weeks = "weeks",
    }
}

ocplay_protocol::arguments! {
    /// Has a command or script run once after some time, or takes that back.
    pub(super) struct Args {
        /// The command.
        command: Option<String>,
        /// A script on the host, instead.
        script_file: Option<PathBuf>,
        /// How many units from now.
        count: Option<i64>,
        /// The unit.
        units: Option<Units>,
        /// Whether it shall run.
        state: State = State::Present,
        /// Add nothing if the same is waiting already.
        unique: bool = false,
    }
}

pub(super) struct At;

/// Numbers of waiting jobs that end in this script.
fn waiting(look: &Look, script: &str) -> Result<Vec<String>, Failure> {
    let queue = look.query(["atq"])?;
    let mut found = Vec::new();
    for line in queue.out().lines() {
        let Some(number) = line.split_whitespace().next() else {
            continue;
        };
        let job = look.query(["at", "-c", number])?;
        if job.out().trim_end().ends_with(script.trim_end()) {
            found.push(number.to_owned());
        }
    }
    Ok(found)
}

impl Module for At {
    const NAME: &'static str = "at";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "at", "at")?;
        let script = match (&args.command, &args.script_file) {
            (Some(command), None) => format!("{command}\n"),
            (None, Some(path)) => look
                .read_text(path)?
                .ok_or_else(|| Failure::new(format!("there is no file {}", path.display())))?,
            _ => return Err("exactly one of command and script_file is required".into()),
        };
        let result = Return::new()
            .with("state", args.state.word())
            .maybe(
                "script_file",
                args.script_file.as_ref().map(|path| path.to_string_lossy()),
            )
            .maybe("count", args.count)
            .maybe("units", args.units.map(Units::word));
        let mut acts = Acts::new(result);
        let there = waiting(look, &script)?;
        match args.state {
            State::Present => {
                let (Some(count), Some(units)) = (args.count, args.units) else {
                    return Err(
                        "state is present but all of the following are missing: count, units"
                            .into(),
                    );
                };
                if args.unique && !there.is_empty() {
                    return Ok(acts.verdict());
                }
                acts.diff(state("job", "", &script));
                let when = ["now", "+", &count.to_string(), units.word()].map(str::to_owned);
                let mut words = vec!["at".to_owned()];
                words.extend(when);
                acts.run(command(words).stdin(script), "queue the job");
            }
            State::Absent => {
                for number in there {
                    acts.diff(state(&format!("job {number}"), &script, ""));
                    acts.run(command(["atrm", &number]), "remove the job");
                }
            }
        }
        Ok(acts.verdict())
    }
}
