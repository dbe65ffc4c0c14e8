//! `async`: a task as a job of its own, which outlives the connection.

use std::time::{Duration, Instant};

use ocplay_language::value::Value;
use ocplay_protocol::{Detached, Place};
use serde_json::json;

use super::{Call, external, host};
use crate::outcome::ActionOutcome;

/// What `async` and `poll` ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Seconds that the job may take.
    pub(crate) limit: u64,
    /// Seconds between two looks at it; 0 leaves it running.
    pub(crate) poll: f64,
}

/// Modules whose work is in part the controller's.
const ATTENDED: [&str; 10] = [
    "assemble",
    "async_status",
    "copy",
    "fetch",
    "gather_facts",
    "patch",
    "raw",
    "script",
    "template",
    "unarchive",
];
/// A job that is waited for is looked at more often at first.
const FIRST_LOOK: Duration = Duration::from_millis(50);

pub(super) async fn run(call: &Call<'_>, wish: Wish) -> ActionOutcome {
    let action = &call.step.planned.task.action;
    let module = call.step.planned.module();
    let catalogue = call.shared.resolver.catalogue();
    let on_host = catalogue
        .get(&action.name)
        .is_some_and(|info| info.place == Place::Host);
    if !on_host || ATTENDED.contains(&module) {
        return ActionOutcome::failure(format!("This action ({module}) does not support async."));
    }
    if call.settings.check {
        return ActionOutcome::failure("\"check mode\" and \"async\" cannot be used on same task.");
    }
    let mut started = match catalogue.external(&action.name) {
        Some(program) => external::run(call, program).await,
        None => host::run(call, module).await,
    };
    if started.failed || started.unreachable {
        return started;
    }
    started.changed = true;
    let id = started.result.get("ansible_job_id").cloned();
    let (Some(id), true) = (id, wish.poll > 0.0) else {
        return started;
    };
    await_end(call, wish, &id.to_json()).await
}

/// Looks at the job until it has ended or has had its time.
async fn await_end(call: &Call<'_>, wish: Wish, id: &serde_json::Value) -> ActionOutcome {
    let folder = match folder(call) {
        Ok(folder) => folder,
        Err(outcome) => return *outcome,
    };
    let ask = |mode: &str| json!({ "jid": id, "mode": mode, "_async_dir": folder });
    let attended = call.attended();
    let begun = Instant::now();
    let longest = Duration::from_secs_f64(wish.poll.clamp(0.05, 86_400.0));
    let mut pause = FIRST_LOOK.min(longest);
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
        let args = ask("status");
        let outcome = host::execute(&attended, "async_status", args, vec![], vec![]).await;
        let finished = outcome
            .result
            .get("finished")
            .is_some_and(|value| value.truthy());
        if outcome.unreachable || finished || outcome.failed {
            if finished {
                let args = ask("cleanup");
                host::execute(&attended, "async_status", args, vec![], vec![]).await;
            }
            return outcome;
        }
        if begun.elapsed() > Duration::from_secs(wish.limit) {
            let text = format!(
                "async task did not complete within the requested time - {}s",
                wish.limit
            );
            return ActionOutcome::failure(text).with("async_result", outcome.result);
        }
    }
}

/// Where the host keeps results.
pub(super) fn folder(call: &Call<'_>) -> Result<String, Box<ActionOutcome>> {
    if let Some(value) = call.scope.get("ansible_async_dir") {
        let value = call
            .shared
            .templar
            .resolve(value, call.scope)
            .map_err(|error| Box::new(ActionOutcome::template(&error)))?;
        if let Some(text) = value.as_str() {
            return Ok(text.to_owned());
        }
    }
    let name = "ANSIBLE_ASYNC_DIR";
    let given = call
        .settings
        .environment
        .iter()
        .rfind(|(key, _)| key == name)
        .map(|(_, value)| value.clone());
    Ok(given
        .or_else(|| call.shared.loader.env(name))
        .unwrap_or_else(|| "~/.ansible_async".to_owned()))
}

/// `async_status` with the folder that only the controller knows.
pub(super) async fn status(call: &Call<'_>) -> ActionOutcome {
    let folder = match folder(call) {
        Ok(folder) => folder,
        Err(outcome) => return *outcome,
    };
    let mut args = call.args.clone();
    args.insert("_async_dir", folder);
    let args = Value::from(args).to_json();
    host::execute(call, "async_status", args, vec![], vec![]).await
}

/// What the host is asked.
pub(super) fn request(call: &Call<'_>) -> Result<Option<Detached>, Box<ActionOutcome>> {
    match call.detached {
        None => Ok(None),
        Some(wish) => Ok(Some(Detached {
            limit: wish.limit,
            folder: folder(call)?,
        })),
    }
}
