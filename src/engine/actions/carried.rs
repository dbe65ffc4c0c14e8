//! Modules whose source is a file of the controller unless the task says that
//! it is on the host: `unarchive`, `patch`.

use ocplay_language::value::Value;
use ocplay_protocol::coerce;

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>, module: &str) -> ActionOutcome {
    let flag = |name: &str, default: bool| {
        call.args.get(name).map_or(default, |value| {
            coerce::boolean(&value.to_json()).unwrap_or(default)
        })
    };
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| call.args.get(name))
            .and_then(|value| coerce::text(&value.to_json()).ok())
    };
    let Some(src) = text(&["src", "patchfile"]).filter(|src| !src.is_empty()) else {
        return ActionOutcome::failure("src is required");
    };
    let args = Value::from(call.args.clone()).to_json();
    if flag("remote_src", false) || !flag("copy", true) {
        return host::execute(call, module, args, Vec::new(), Vec::new()).await;
    }
    let context = &call.step.planned.context;
    let span = &call.step.planned.task.action.name_span;
    let folder = context.search("files");
    let path = match call.shared.resolver.find(&src, &folder, span) {
        Ok(path) => path,
        Err(problems) => {
            return problems.into_iter().next().map_or_else(
                || ActionOutcome::failure("not found"),
                ActionOutcome::mistake,
            );
        }
    };
    let loader = &*call.shared.loader;
    let unlock = flag("decrypt", true).then_some(loader);
    match Cargo::file(&path, unlock) {
        Ok(cargo) => host::execute(call, module, args, cargo.blobs, cargo.sources).await,
        Err(reason) => ActionOutcome::failure(reason),
    }
}
