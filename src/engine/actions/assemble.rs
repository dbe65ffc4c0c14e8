//! `assemble` of a folder of the controller: its files travel along.

use ocplay_language::value::Value;
use ocplay_protocol::coerce;

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let on_host = call
        .args
        .get("remote_src")
        .is_none_or(|value| coerce::boolean(&value.to_json()) != Ok(false));
    let src = call
        .args
        .get("src")
        .and_then(|value| coerce::text(&value.to_json()).ok());
    let (Some(src), false) = (src, on_host) else {
        return host::run(call, "assemble").await;
    };
    let context = &call.step.planned.context;
    let span = &call.step.planned.task.action.name_span;
    let path = match call
        .shared
        .resolver
        .find(&src, &context.search("files"), span)
    {
        Ok(path) => path,
        Err(problems) => {
            return problems.into_iter().next().map_or_else(
                || ActionOutcome::failure("not found"),
                ActionOutcome::mistake,
            );
        }
    };
    if !path.is_dir() {
        return ActionOutcome::failure(format!("Source ({src}) is not a directory"));
    }
    let unlock = call
        .args
        .get("decrypt")
        .is_none_or(|value| coerce::boolean(&value.to_json()) != Ok(false));
    let unlock = unlock.then_some(&*call.shared.loader);
    let cargo = match Cargo::fragments(&path, unlock) {
        Ok(cargo) => cargo,
        Err(reason) => return ActionOutcome::failure(reason),
    };
    let args = Value::from(call.args.clone()).to_json();
    host::execute(call, "assemble", args, cargo.blobs, cargo.sources).await
}
