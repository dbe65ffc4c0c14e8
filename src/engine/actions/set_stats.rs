//! `set_stats`: values to be shown at the end of the run.

use ocplay_language::value::Value;
use ocplay_protocol::{arguments, coerce};
use serde_json::Map;

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

arguments! {
    /// Collects values that are shown at the end of the run, if
    /// `show_custom_stats` is set.
    pub struct Args {
        /// Names and values.
        data: serde_json::Value,
        /// Keep the values of each host apart.
        per_host: serde_json::Value = serde_json::Value::Bool(false),
        /// Add to values that are there already, rather than replace them.
        aggregate: serde_json::Value = serde_json::Value::Bool(true),
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let flag = |name: &str, default: bool| match call.args.get(name) {
        // Anything that is no word for false counts as true.
        Some(value) => coerce::boolean(&value.to_json()).unwrap_or(false),
        None => default,
    };
    let per_host = flag("per_host", false);
    let aggregate = flag("aggregate", true);
    let data = match call.args.get("data") {
        None => Map::new(),
        Some(data) => match data.to_json() {
            serde_json::Value::Object(map) => map,
            _ => {
                return ActionOutcome::failure("The 'data' option needs to be a dictionary/hash");
            }
        },
    };
    for name in data.keys() {
        let start = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !start || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return ActionOutcome::failure(format!("Invalid variable name '{name}'."));
        }
    }
    let stats = serde_json::json!({
        "data": data,
        "per_host": per_host,
        "aggregate": aggregate,
    });
    ActionOutcome::ok()
        .with("ansible_stats", Value::from_json(&stats))
        .effect(Effect::Stats {
            data,
            per_host,
            aggregate,
        })
}
