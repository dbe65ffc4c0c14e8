//! What command, shell, raw and script have in common: whether to run at all,
//! running, and the return values.

use std::path::Path;
use std::time::{Instant, SystemTime};

use serde_json::Value;

use super::Verdict;
use crate::host::clock::{Moment, delta};
use crate::host::{Command, Failure, Look, Return, Touch, glob};

/// A program ready to run.
pub(super) struct Execution {
    pub(super) command: Command,
    /// The command as the result shows it.
    pub(super) shown: Value,
    pub(super) strip: bool,
    /// Something to tell the user, whatever comes of it.
    pub(super) warning: Option<String>,
}

/// Files that decide whether a command needs to run.
pub(super) struct Guards<'a> {
    pub(super) creates: Option<&'a str>,
    pub(super) removes: Option<&'a str>,
    pub(super) directory: Option<&'a Path>,
}

/// Decides by the guards; `plan` is what would run.
pub(super) fn verdict<P>(
    guards: &Guards<'_>,
    look: &Look,
    shown: &Value,
    plan: P,
) -> Result<Verdict<P>, Failure> {
    if let Some(directory) = guards.directory
        && !look
            .stat(directory)?
            .is_some_and(|metadata| metadata.is_dir())
        && !look.is_check()
    {
        return Err(Failure::new(format!(
            "Unable to change directory before execution: {} is no directory on this host",
            directory.display()
        ))
        .with_values(blank(shown).changed(false)));
    }
    let exists = |pattern: &str| {
        let pattern = look.expand(pattern);
        let pattern = match guards.directory {
            Some(directory) => directory.join(pattern).display().to_string(),
            None => pattern,
        };
        !glob::expand(&pattern).is_empty()
    };
    let not_needed = |path: &str, is: &str| {
        let would = if look.is_check() { "Would" } else { "Did" };
        Verdict::Same(
            blank(shown)
                .with("rc", 0)
                .with("stdout", format!("skipped, since {path} {is}"))
                .with(
                    "msg",
                    format!("{would} not run command since '{path}' {is}"),
                ),
        )
    };
    if let Some(path) = guards.creates
        && exists(path)
    {
        return Ok(not_needed(path, "exists"));
    }
    if let Some(path) = guards.removes
        && !exists(path)
    {
        return Ok(not_needed(path, "does not exist"));
    }
    let foreseen = blank(shown)
        .with("rc", 0)
        .with("msg", "Command would have run if not in check mode");
    if guards.creates.is_some() || guards.removes.is_some() {
        return Ok(Verdict::Change(plan, foreseen));
    }
    if look.is_check() {
        return Ok(Verdict::Skip(foreseen));
    }
    Ok(Verdict::MustRun(plan))
}

/// The values that are always there, before anything has run.
fn blank(shown: &Value) -> Return {
    Return::new()
        .with("cmd", shown.clone())
        .with("stdout", "")
        .with("stderr", "")
        .with("rc", Value::Null)
        .with("start", Value::Null)
        .with("end", Value::Null)
        .with("delta", Value::Null)
        .with("msg", "")
}

impl Execution {
    /// Runs it; an exit code other than 0 is a failure with all values.
    pub(super) fn run(self, touch: &mut Touch) -> Result<Return, Failure> {
        let start = SystemTime::now();
        let clock = Instant::now();
        let output = touch.run(&self.command).map_err(|failure| Failure {
            data: {
                let mut data = failure.data;
                for (name, value) in blank(&self.shown).values {
                    if name != "msg" {
                        data.entry(name).or_insert(value);
                    }
                }
                data
            },
            ..failure
        })?;
        let took = clock.elapsed();
        let text = |bytes: String| {
            if self.strip {
                bytes.trim_end_matches(['\r', '\n']).to_owned()
            } else {
                bytes
            }
        };
        let mut result = Return::new();
        if let Some(warning) = self.warning {
            result = result.warn(warning);
        }
        let result = result
            .with("cmd", self.shown)
            .with("stdout", text(output.out()))
            .with("stderr", text(output.err()))
            .with("rc", output.code)
            .with("start", Moment::local(start).full())
            .with("end", Moment::local(start + took).full())
            .with("delta", delta(took));
        if output.ok() {
            return Ok(result.with("msg", ""));
        }
        Err(Failure::new("non-zero return code").with_values(result.changed(true)))
    }
}
