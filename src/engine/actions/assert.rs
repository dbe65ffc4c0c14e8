//! `assert`: conditions that must hold.

use ocplay_language::template::{DELIMITED, is_delimited};
use ocplay_language::value::Value;
use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::ActionOutcome;
use crate::task::condition;

arguments! {
    /// Fails unless all conditions hold.
    pub struct Args {
        /// Conditions, as in `when`.
        that: serde_json::Value,
        /// Message when a condition does not hold.
        fail_msg: Option<serde_json::Value> ["msg"],
        /// Message when all hold.
        success_msg: Option<serde_json::Value>,
        /// Do not print the message of success.
        quiet: bool = false,
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    if call.args.get("that") == Some(&Value::Null) {
        return ActionOutcome::failure("Empty conditional expression.");
    }
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let message = |given: Option<serde_json::Value>, default: &str| {
        given.map_or_else(|| Value::from(default), |value| Value::from_json(&value))
    };
    let Some(that) = call.args.get("that") else {
        return ActionOutcome::failure("assert needs the argument 'that'");
    };
    let conditions = match that {
        Value::List(list) => list.to_vec(),
        one => match call.shared.templar.condition_list(one, call.scope) {
            Some(list) => list,
            None => vec![one.clone()],
        },
    };
    let span = call
        .step
        .planned
        .task
        .action
        .arg("that")
        .map(|arg| arg.value_span.clone());
    let span = span.unwrap_or_else(|| call.step.planned.task.span.clone());
    let delimited = conditions
        .iter()
        .any(|wanted| wanted.as_str().is_some_and(is_delimited));
    let told = |outcome: ActionOutcome| match delimited {
        true => outcome.deprecated(DELIMITED),
        false => outcome,
    };
    for wanted in conditions {
        let text = wanted.as_str().map_or_else(|| wanted.clone(), Value::from);
        match condition(&call.shared.templar, &wanted, &span, call.scope) {
            Ok(true) => {}
            Ok(false) => {
                let mut outcome = ActionOutcome::ok()
                    .with("assertion", text)
                    .with("evaluated_to", false)
                    .with("msg", message(args.fail_msg, "Assertion failed"));
                outcome.failed = true;
                return told(outcome);
            }
            Err(error) => return ActionOutcome::template(&error).with("assertion", text),
        }
    }
    let outcome = ActionOutcome::ok();
    if args.quiet {
        return told(outcome);
    }
    told(outcome.with("msg", message(args.success_msg, "All assertions passed")))
}
