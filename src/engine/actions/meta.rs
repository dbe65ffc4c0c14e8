//! `meta`: what concerns the run itself.

use super::Call;
use crate::event::Event;
use crate::outcome::{ActionOutcome, Effect, Meta};

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let name = call
        .args
        .get("_raw_params")
        .and_then(|raw| raw.as_str().map(str::to_owned));
    if let Some(name) = name.as_deref().filter(|name| *name != "flush_handlers") {
        call.shared.events.event(Event::Note {
            level: 2,
            text: format!("META: {name}"),
        });
    }
    let meta = match name.as_deref() {
        Some("noop" | "role_complete") => return ActionOutcome::ok(),
        Some("flush_handlers") => Meta::FlushHandlers,
        Some("end_play") => Meta::EndPlay,
        Some("end_batch") => Meta::EndBatch,
        Some("end_host") => Meta::EndHost,
        Some("end_role") => Meta::EndRole,
        Some("clear_facts") => Meta::ClearFacts,
        Some("clear_host_errors") => Meta::ClearHostErrors,
        Some("refresh_inventory") => Meta::RefreshInventory,
        Some("reset_connection") => Meta::ResetConnection,
        other => {
            return ActionOutcome::failure(format!(
                "'{}' is not an action of meta",
                other.unwrap_or_default()
            ));
        }
    };
    ActionOutcome::ok().effect(Effect::Meta(meta))
}
