//! `async_status`: how a job is that was left running.

use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// What to do.
    pub(super) enum What {
        /// Tell how the job is.
        Status = "status",
        /// Remove its result.
        Cleanup = "cleanup",
    }
}

ocplay_protocol::arguments! {
    /// Tells whether a job that was left running has ended, and what came of it.
    pub(super) struct Args {
        /// The job's name: `ansible_job_id` of the task that started it.
        jid: String,
        /// Tell how it is, or remove its result.
        mode: What = What::Status,
        /// Where results are; set by the controller.
        _async_dir: PathBuf = PathBuf::from("~/.ansible_async"),
    }
}

pub(super) struct AsyncStatus;

pub(super) struct Plan {
    id: String,
    path: PathBuf,
}

impl Module for AsyncStatus {
    const NAME: &'static str = "async_status";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let id = args.jid.as_str();
        if id.is_empty() || id.contains('/') || id.starts_with('.') {
            return Err(Failure::new(format!("'{id}' is no job")));
        }
        let path = PathBuf::from(look.expand(&args._async_dir.to_string_lossy())).join(id);
        let blank = Return::new()
            .with("ansible_job_id", id)
            .with("started", true)
            .with("finished", false)
            .with("stdout", "")
            .with("stderr", "");
        let Some(data) = look.read(&path)? else {
            return Err(
                Failure::new("could not find job").with_values(blank.with("finished", true))
            );
        };
        if args.mode == What::Cleanup {
            return Ok(Verdict::Always(Plan {
                id: id.to_owned(),
                path,
            }));
        }
        let mut result = blank.with("results_file", path.to_string_lossy());
        let Ok(values) = serde_json::from_slice::<Map<String, Value>>(&data) else {
            // It is being written.
            return Ok(Verdict::Same(result));
        };
        let finished = !values.contains_key("started");
        let is = |name: &str| values.get(name) == Some(&Value::Bool(true));
        let (changed, failed) = (is("changed"), is("failed"));
        result.values.extend(values);
        result = result
            .with("finished", finished)
            .with("ansible_job_id", id)
            .changed(changed);
        if !failed {
            return Ok(Verdict::Same(result));
        }
        let message = match result.values.shift_remove("msg") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Err(Failure::new(message).with_values(result))
    }

    fn describe(_: &Plan) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        touch.remove(&plan.path)?;
        Ok(Return::new()
            .with("ansible_job_id", plan.id)
            .with("erased", plan.path.to_string_lossy())
            .with("started", false)
            .with("finished", false)
            .with("stdout", "")
            .with("stderr", "")
            .changed(false))
    }
}
