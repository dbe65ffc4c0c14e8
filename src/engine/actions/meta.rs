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
            text: format!("META: {}", told(name, call.host)),
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

/// What is said about it.
fn told(name: &str, host: &str) -> String {
    match name {
        "refresh_inventory" => "inventory successfully refreshed".to_owned(),
        "clear_facts" => "facts cleared".to_owned(),
        "clear_host_errors" => "cleared host errors".to_owned(),
        "end_batch" => "ending batch".to_owned(),
        "end_play" => "ending play".to_owned(),
        "end_host" => format!("ending play for {host}"),
        "end_role" => format!("ending role for {host}"),
        "reset_connection" => "reset connection".to_owned(),
        other => other.to_owned(),
    }
}

/// Why it was left out, as far as a condition says so.
pub(crate) fn left_out(name: &str, host: &str) -> String {
    let what = match name {
        "flush_handlers" => format!(", not running handlers for {host}"),
        "clear_facts" => format!(", not clearing facts and fact cache for {host}"),
        "clear_host_errors" => format!(", not clearing host error state for {host}"),
        "end_batch" => ", continuing current batch".to_owned(),
        "end_play" => ", continuing play".to_owned(),
        "end_host" => format!(", continuing execution for {host}"),
        "end_role" => format!(", continuing role for {host}"),
        _ => String::new(),
    };
    format!("{name} conditional evaluated to False{what}")
}
