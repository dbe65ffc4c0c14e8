//! `set_fact`: variables of the host for the rest of the run.

use ocplay_language::playbook::{is_reserved_name, is_variable_name, reserved_name};
use ocplay_language::value::{Map, Value};
use ocplay_protocol::{arguments, coerce};

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

arguments! {
    /// Sets variables of the host; they stay for the rest of the run.
    pub struct Args {
        /// Keep the variables among the facts, too.
        cacheable: bool = false,
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let mut vars = Map::new();
    let mut cacheable = false;
    // What a template makes of a line is split again: names may come of it.
    let mut args = call.args.clone();
    if let Some(line) = args.remove("_raw_params").as_ref().and_then(Value::as_str) {
        for (name, value) in ocplay_language::playbook::split_pairs(line, None).pairs {
            args.insert(name, value);
        }
    }
    for (name, value) in args.entries() {
        if &**name == "cacheable" {
            cacheable = coerce::boolean(&value.to_json()).unwrap_or(false);
        } else {
            if is_reserved_name(name) {
                let arg = call.step.planned.task.action.arg(name);
                let span = arg.map(|arg| arg.name_span.clone());
                call.warn_once(reserved_name(name), span);
            }
            if !is_variable_name(name) {
                return ActionOutcome::failure(format!(
                    "Invalid variable name '{name}'. A name starts with a letter or underscore, has only letters, numbers and underscores, and is no word of the language."
                ));
            }
            vars.insert(name.to_string(), value.clone());
        }
    }
    if vars.is_empty() {
        return ActionOutcome::failure("set_fact needs at least one 'name: value'");
    }
    let mut outcome = ActionOutcome::ok()
        .with("ansible_facts", vars.clone())
        .with("_ansible_facts_cacheable", cacheable);
    if cacheable {
        outcome = outcome.effect(Effect::Facts(vars.clone()));
    }
    outcome.effect(Effect::SetFacts(vars))
}
