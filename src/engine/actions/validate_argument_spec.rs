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
    let context = args
        .validate_args_context
        .unwrap_or_else(|| Json::Object(Map::new()));
    let given = match given(call, &spec, args.provided_arguments.as_ref()) {
        Ok(given) => given,
        Err(outcome) => return *outcome,
    };
    let mut errors = Vec::new();
    level(
        &[],
        &given,
        &spec,
        args.provided_arguments.is_some(),
        &mut errors,
    );
    let data = Value::from_json(&Json::Object(spec));
    let context = Value::from_json(&context);
    if errors.is_empty() {
        return ActionOutcome::ok()
            .with("msg", "The arg spec validation passed")
            .with("argument_spec_data", data)
            .with("validate_args_context", context);
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
    .with("argument_spec_data", data)
    .with("validate_args_context", context)
}

/// The values of options: those that are given, else variables.
fn given(
    call: &Call<'_>,
    spec: &Map<String, Json>,
    provided: Option<&Json>,
) -> Result<Map<String, Json>, Box<ActionOutcome>> {
    if let Some(provided) = provided {
        return Ok(provided.as_object().cloned().unwrap_or_default());
    }
    let mut given = Map::new();
    for name in spec.keys() {
        let Some(value) = call.scope.find(name) else {
            continue;
        };
        match call.shared.templar.resolve(&value, call.scope) {
            Ok(Value::Omit) => {}
            Ok(value) => {
                given.insert(name.clone(), value.to_json());
            }
            Err(error) => return Err(Box::new(ActionOutcome::template(&error))),
        }
    }
    Ok(given)
}

fn required(option: &Json) -> bool {
    option
        .get("required")
        .is_some_and(|required| coerce::boolean(required) == Ok(true))
}

/// One level of options: what is missing, of the wrong type, none of the
/// choices; then the levels below; then what nobody knows.
fn level(
    path: &[&str],
    given: &Map<String, Json>,
    spec: &Map<String, Json>,
    closed: bool,
    errors: &mut Vec<String>,
) {
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" found in {}", path.join(" -> "))
    };
    let mut missing: Vec<&str> = spec
        .iter()
        .filter(|(name, option)| required(option) && value_of(given, name, option).is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        errors.push(format!(
            "missing required arguments: {}{place}",
            missing.join(", ")
        ));
    }
    let present = spec.iter().filter_map(|(name, option)| {
        let value = value_of(given, name, option)?;
        let optional = !required(option) && option.get("default").is_none_or(Json::is_null);
        (!(value.is_null() && optional)).then_some((name, option, value))
    });
    let present: Vec<(&String, &Json, &Json)> = present.collect();
    for (name, option, value) in &present {
        types(name, option, value, path, errors);
    }
    for (name, option, value) in &present {
        choices(name, option, value, &place, errors);
    }
    for (name, option, value) in &present {
        if let Some(options) = option.get("options").and_then(Json::as_object) {
            let below: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            for element in elements(option, value) {
                if let Some(map) = element.as_object() {
                    level(&below, map, options, true, errors);
                }
            }
        }
    }
    if closed {
        unknown(path, given, spec, errors);
    }
}

fn aliases(option: &Json) -> impl Iterator<Item = &str> {
    let aliases = option.get("aliases").and_then(Json::as_array);
    aliases.into_iter().flatten().filter_map(Json::as_str)
}

fn value_of<'a>(given: &'a Map<String, Json>, name: &str, option: &Json) -> Option<&'a Json> {
    given
        .get(name)
        .or_else(|| aliases(option).find_map(|alias| given.get(alias)))
}

fn kind(option: &Json) -> &str {
    option.get("type").and_then(Json::as_str).unwrap_or("str")
}

fn elements(option: &Json, value: &Json) -> Vec<Json> {
    match kind(option) {
        "list" => coerce::list(value).unwrap_or_default(),
        _ => vec![value.clone()],
    }
}

fn types(name: &str, option: &Json, value: &Json, path: &[&str], errors: &mut Vec<String>) {
    let wanted = kind(option);
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" found in '{}'.", path.join(" -> "))
    };
    if let Err(reason) = typed(wanted, value) {
        errors.push(format!(
            "argument '{name}' is of type {}{place} and we were unable to convert to {wanted}: {reason}",
            type_name(value)
        ));
        return;
    }
    if let (Some(wanted), "list") = (option.get("elements").and_then(Json::as_str), wanted) {
        for element in elements(option, value) {
            if let Err(reason) = typed(wanted, &element) {
                errors.push(format!(
                    "Elements value for option '{name}'{place} is of type {} and we were unable to convert to {wanted}: {reason}",
                    type_name(&element)
                ));
            }
        }
    }
}

fn choices(name: &str, option: &Json, value: &Json, place: &str, errors: &mut Vec<String>) {
    let Some(choices) = option.get("choices").and_then(Json::as_array) else {
        return;
    };
    let wrong: Vec<String> = elements(option, value)
        .iter()
        .map(coerce::text)
        .filter_map(Result::ok)
        .filter(|text| {
            !choices
                .iter()
                .any(|choice| coerce::text(choice).as_ref() == Ok(text))
        })
        .collect();
    if !wrong.is_empty() {
        let words: Vec<String> = choices
            .iter()
            .map(coerce::text)
            .filter_map(Result::ok)
            .collect();
        let several = if kind(option) == "list" {
            "one or more of"
        } else {
            "one of"
        };
        errors.push(format!(
            "value of {name} must be {several}: {}, got: {}{place}",
            words.join(", "),
            wrong.join(", ")
        ));
    }
}

fn unknown(
    path: &[&str],
    given: &Map<String, Json>,
    spec: &Map<String, Json>,
    errors: &mut Vec<String>,
) {
    let known = |key: &str| {
        spec.contains_key(key)
            || spec
                .values()
                .any(|option| aliases(option).any(|a| a == key))
    };
    let mut odd: Vec<String> = given
        .keys()
        .filter(|key| !known(key))
        .map(|key| {
            path.iter()
                .copied()
                .chain([key.as_str()])
                .collect::<Vec<_>>()
                .join(".")
        })
        .collect();
    odd.sort();
    if !odd.is_empty() {
        let mut names: Vec<&str> = spec.keys().map(String::as_str).collect();
        names.sort_unstable();
        errors.push(format!(
            "{}. Supported parameters include: {}.",
            odd.join(", "),
            names.join(", ")
        ));
    }
}

fn type_name(value: &Json) -> &'static str {
    match Value::from_json(value) {
        Value::Null => "NoneType",
        other => other.type_name(),
    }
}

fn typed(kind: &str, value: &Json) -> Result<(), String> {
    let shown = || ocplay_language::python::repr(&Value::from_json(value));
    let class = || {
        format!(
            "<class '{}'> cannot be converted to a {kind}",
            type_name(value)
        )
    };
    match kind {
        "bool" => coerce::boolean(value).map(drop).map_err(|_| {
            let text = coerce::text(value).unwrap_or_default();
            format!("The value '{text}' is not a valid boolean: yes or no is needed")
        }),
        "int" => coerce::integer(value)
            .map(drop)
            .map_err(|_| format!("\"{}\" cannot be converted to an int", shown())),
        "float" => coerce::float(value).map(drop).map_err(|_| class()),
        "list" => coerce::list(value).map(drop).map_err(|_| class()),
        "dict" => coerce::mapping(value).map(drop).map_err(|_| match value {
            Json::String(_) => "dictionary requested, could not parse JSON or key=value".to_owned(),
            _ => class(),
        }),
        "str" if value.is_null() => {
            Err("'None' is not a string and conversion is not allowed".to_owned())
        }
        _ => Ok(()),
    }
}
