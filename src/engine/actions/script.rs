//! `script`: sends a script of the controller and runs it on the host.

use ocplay_language::playbook::first_word;
use ocplay_language::value::Value;
use ocplay_protocol::coerce;

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let line = call
        .args
        .get("_raw_params")
        .or_else(|| call.args.get("cmd"));
    let line = line.and_then(|line| coerce::text(&line.to_json()).ok());
    let Some(name) = line.as_deref().and_then(first_word) else {
        return ActionOutcome::failure(
            "one of the following is required: _raw_params, cmd; write the script's path after \
             'script:'",
        );
    };
    let name = name.as_str();
    let context = &call.step.planned.context;
    let span = &call.step.planned.task.action.name_span;
    let path = match call
        .shared
        .resolver
        .find(name, &context.search("files"), span)
    {
        Ok(path) => path,
        Err(problems) => {
            return problems.into_iter().next().map_or_else(
                || ActionOutcome::failure("not found"),
                ActionOutcome::mistake,
            );
        }
    };
    let cargo = match Cargo::file(&path, Some(&*call.shared.loader)) {
        Ok(cargo) => cargo,
        Err(reason) => return ActionOutcome::failure(reason),
    };
    let args = Value::from(call.args.clone()).to_json();
    host::execute(call, "script", args, cargo.blobs, cargo.sources).await
}
