//! `validate_argument_spec`: what was given to a role against its
//! specification (`meta/argument_specs.yml`).

use ocplay_language::value::Value;
use ocplay_protocol::{arguments, coerce};
use serde_json::{Map, Value as Json};

use super::Call;
use crate::outcome::ActionOutcome;

arguments! {
    /// Checks variables against a specification; plays do it by themselves at
    /// the start of a role that has one.
    pub struct Args {
        /// The specification: options by name.
        argument_spec: Json,
        /// Values to check instead of the variables.
        provided_arguments: Option<Json>,
        /// Said in messages.
        validate_args_context: Option<Json>,
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let Json::Object(spec) = args.argument_spec else {
        return ActionOutcome::failure("argument_spec must be a mapping");
    };
    let provided = args
        .provided_arguments
        .and_then(|provided| provided.as_object().cloned());
    let mut errors = Vec::new();
    for (name, option) in &spec {
        let value = match &provided {
            Some(provided) => provided.get(name).cloned(),
            None => match call.scope.get(name) {
                None => None,
                Some(value) => match call.shared.templar.resolve(value, call.scope) {
                    Ok(Value::Omit) => None,
                    Ok(value) => Some(value.to_json()),
                    // What the role never uses may stay undefined.
                    Err(error) if error.undefined && !required(option) => None,
                    Err(error) => {
                        errors.push(format!("{name}: {}", error.message));
                        continue;
                    }
                },
            },
        };
        check(name, value.as_ref(), option, &mut errors);
    }
    if errors.is_empty() {
        return ActionOutcome::ok().with("msg", "The arg spec validation passed");
    }
    let list: Vec<Value> = errors
        .iter()
        .map(|error| Value::from(error.as_str()))
        .collect();
    ActionOutcome::failure(format!(
        "Validation of arguments failed:\n{}",
        errors.join("\n")
    ))
    .with("argument_errors", list)
}

fn required(option: &Json) -> bool {
    option
        .get("required")
        .is_some_and(|required| coerce::boolean(required) == Ok(true))
}

fn check(name: &str, value: Option<&Json>, option: &Json, errors: &mut Vec<String>) {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        if required(option) {
            errors.push(format!("missing required arguments: {name}"));
        }
        return;
    };
    let kind = option.get("type").and_then(Json::as_str).unwrap_or("str");
    if let Err(reason) = typed(kind, value) {
        errors.push(format!("argument '{name}' is of the wrong type: {reason}"));
        return;
    }
    let elements: Vec<Json> = match kind {
        "list" => coerce::list(value).unwrap_or_default(),
        _ => vec![value.clone()],
    };
    if let (Some(kind), "list") = (option.get("elements").and_then(Json::as_str), kind) {
        for element in &elements {
            if let Err(reason) = typed(kind, element) {
                errors.push(format!(
                    "an element of '{name}' is of the wrong type: {reason}"
                ));
            }
        }
    }
    if let Some(choices) = option.get("choices").and_then(Json::as_array) {
        for element in &elements {
            let same = |choice: &Json| coerce::text(choice) == coerce::text(element);
            if !choices.iter().any(same) {
                let words: Vec<String> = choices
                    .iter()
                    .filter_map(|choice| coerce::text(choice).ok())
                    .collect();
                errors.push(format!(
                    "value of {name} must be one of: {}, got: {}",
                    words.join(", "),
                    coerce::text(element).unwrap_or_default()
                ));
            }
        }
    }
    if let Some(options) = option.get("options").and_then(Json::as_object) {
        for element in &elements {
            if let Some(map) = element.as_object() {
                inside(name, map, options, errors);
            }
        }
    }
}

fn inside(
    outer: &str,
    given: &Map<String, Json>,
    options: &Map<String, Json>,
    errors: &mut Vec<String>,
) {
    for key in given.keys() {
        let known = |option: &Json| {
            option
                .get("aliases")
                .and_then(Json::as_array)
                .is_some_and(|aliases| aliases.iter().any(|alias| alias == key))
        };
        if !options.contains_key(key) && !options.values().any(known) {
            let names: Vec<&str> = options.keys().map(String::as_str).collect();
            let near = ocplay_language::suggest::nearest(key, names.iter().copied());
            let hint = near.map_or_else(
                || format!("Supported parameters include: {}", names.join(", ")),
                |near| format!("did you mean '{near}'?"),
            );
            errors.push(format!("{outer}.{key}: unsupported parameter. {hint}"));
        }
    }
    for (name, option) in options {
        check(&format!("{outer}.{name}"), given.get(name), option, errors);
    }
}

fn typed(kind: &str, value: &Json) -> Result<(), String> {
    match kind {
        "bool" => coerce::boolean(value).map(drop),
        "int" => coerce::integer(value).map(drop),
        "float" => coerce::float(value).map(drop),
        "list" => coerce::list(value).map(drop),
        "dict" => coerce::mapping(value).map(drop),
        "str" | "path" if value.is_array() || value.is_object() => {
            Err(format!("{} is not text", coerce::describe(value)))
        }
        _ => Ok(()),
    }
}
