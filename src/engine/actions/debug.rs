//! `debug`: shows a message or a variable.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::value::Value;
use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::ActionOutcome;

arguments! {
    /// Prints a message or the value of an expression.
    pub struct Args {
        /// Text to print.
        msg: Option<serde_json::Value>,
        /// Expression to print.
        var: Option<serde_json::Value>,
        /// Print only with at least so many `-v`.
        verbosity: i64 = 0,
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    if args.verbosity > i64::from(call.shared.options.verbosity) {
        return ActionOutcome::skipped("Verbosity threshold not met.");
    }
    let say = || {
        let message = call.args.get("msg").cloned();
        ActionOutcome::ok().with("msg", message.unwrap_or_else(|| "Hello world!".into()))
    };
    let Some(var) = call.args.get("var") else {
        return say();
    };
    let named = call.shared.templar.resolve(var, call.scope);
    if matches!(named, Ok(Value::Omit)) {
        return say();
    }
    if args.msg.is_some() {
        return ActionOutcome::failure("parameters are mutually exclusive: msg|var");
    }
    // A template gives the expression's text: `var: "{{ name }}"`.
    let text = match named {
        Ok(Value::Trusted(text)) => text.to_string(),
        Ok(Value::Str(_)) => {
            return ActionOutcome::failure("Encountered untrusted template or expression.");
        }
        Ok(other) => {
            let Some(name) = var.as_str() else {
                let shown = ocplay_language::python::repr(&other);
                return ActionOutcome::failure(format!(
                    "argument 'var' is of type {}: {shown} is not a string and conversion is not allowed",
                    other.type_name()
                ));
            };
            return ActionOutcome::ok().with(name, other);
        }
        Err(error) => return ActionOutcome::template(&error),
    };
    let span = &call.step.planned.task.span;
    let (value, failures) = match call.shared.templar.shown(&text, span, call.scope) {
        Ok(shown) => shown,
        Err(error) => return ActionOutcome::template(&error),
    };
    let mut warnings = Vec::new();
    for (index, error) in failures.iter().enumerate() {
        let text = format!(
            "Encountered 1 template error.\nerror {} - {}",
            index + 1,
            error.message
        );
        warnings.push(Value::from(text.as_str()));
        let mut warning = Diagnostic::warning("template-shown", text);
        if !error.span.is_nowhere() {
            warning = warning.at(&error.span);
        }
        call.warn_once(warning, None);
    }
    let value = match value {
        Value::Omit => {
            let text = format!("The variable '{text}' could not be omitted.");
            warnings.push(Value::from(text.as_str()));
            call.warn_once(Diagnostic::warning("omit", text), Some(span.clone()));
            Value::from("<<Omit>>")
        }
        value => value,
    };
    let outcome = ActionOutcome::ok().with(&text, value);
    if warnings.is_empty() {
        return outcome;
    }
    let warnings: Value = warnings.into_iter().collect();
    outcome.with("warnings", warnings)
}
