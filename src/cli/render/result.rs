//! Results as text: which keys are shown, and how they are laid out.

use ocplay_language::playbook::ast::short_module_name;
use ocplay_language::value::Value as Plain;
use serde_json::{Map, Value};

use super::style::Style;

/// Keys that are never shown.
const INTERNAL: [&str; 6] = [
    "failed",
    "failed_when_suppressed_exception",
    "exception",
    "warnings",
    "deprecations",
    "diagnostic",
];
/// Keys that `debug` leaves out when it shows a variable.
const DEBUG_HIDDEN: [&str; 5] = ["changed", "failed", "skipped", "invocation", "skip_reason"];

/// Whether a module's result is shown without being asked for.
pub(super) fn is_loud(module: &str, result: &Value) -> bool {
    let quiet = result.get("_ansible_verbose_always") == Some(&Value::Bool(false));
    match short_module_name(module) {
        "debug" => true,
        "assert" => !quiet && result.get("msg").is_some(),
        _ => result
            .get("_ansible_verbose_always")
            .is_some_and(|always| *always == Value::Bool(true)),
    }
}

/// Whether a module's result is too long to be shown.
pub(super) fn is_hushed(module: &str) -> bool {
    matches!(short_module_name(module), "setup" | "gather_facts")
}

/// What is shown of a result.
pub(super) fn shown(result: &Value, module: &str, verbosity: u8) -> Value {
    let Value::Object(map) = result else {
        return result.clone();
    };
    let debug = short_module_name(module) == "debug";
    let only_message = debug && map.contains_key("msg");
    let keep = |key: &str| {
        if key.starts_with("_ansible_") || INTERNAL.contains(&key) {
            return false;
        }
        if only_message {
            return key == "msg";
        }
        if debug && DEBUG_HIDDEN.contains(&key) {
            return false;
        }
        verbosity > 2 || !matches!(key, "invocation" | "diff")
    };
    Value::Object(
        map.iter()
            .filter(|(key, _)| keep(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

/// A result as the default look shows it.
pub(super) fn dump(result: &Value, module: &str, style: &Style) -> String {
    let loud = is_loud(module, result);
    let shown = sorted(&shown(result, module, style.verbosity));
    let several = style
        .pretty
        .unwrap_or(loud || style.yaml || style.verbosity > 2);
    if style.yaml {
        let mut shown = shown;
        if let Value::Object(map) = &mut shown {
            for stream in ["stdout", "stderr"] {
                if map.contains_key(stream) {
                    map.remove(&format!("{stream}_lines"));
                }
            }
        }
        let mut out = String::from("\n");
        block(&shown, style.indent, 0, &mut out);
        return out.trim_end_matches('\n').to_owned();
    }
    if several {
        pretty(&shown, style.indent)
    } else {
        one_line(&shown)
    }
}

/// Keys in the order of their names, at every level.
pub(super) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Value::Object(
                keys.into_iter()
                    .map(|key| (key.clone(), sorted(&map[key])))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// JSON with a blank after `:` and `,`, as Python prints it.
pub(super) fn one_line(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), one_line(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

pub(super) fn pretty(value: &Value, indent: usize) -> String {
    let blanks = vec![b' '; indent];
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(&blanks);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Serialising a value into memory cannot fail.
    drop(serde::Serialize::serialize(value, &mut serializer));
    String::from_utf8_lossy(&out).into_owned()
}

/// YAML in block style; text of several lines as it is.
fn block(value: &Value, indent: usize, level: usize, out: &mut String) {
    let pad = " ".repeat(indent + level);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = scalar(&Value::from(key.as_str()));
                out.push_str(&format!("{pad}{key}:"));
                // A list stands below its key without being indented.
                let deeper = if value.is_array() {
                    level
                } else {
                    level + indent
                };
                member(value, indent, deeper, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut text = String::new();
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        block(item, indent, level + indent, &mut text);
                        let dash = format!("{pad}-{}", " ".repeat(indent - 1));
                        let rest = text.trim_start_matches(' ');
                        out.push_str(&dash);
                        out.push_str(rest);
                    }
                    other => {
                        out.push_str(&format!("{pad}-"));
                        member(other, indent, level + indent, out);
                    }
                }
            }
        }
        other => out.push_str(&format!("{pad}{}\n", scalar(other))),
    }
}

fn member(value: &Value, indent: usize, level: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent, level, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent, level, out);
        }
        Value::String(text) if text.trim_end().contains('\n') => {
            out.push_str(if text.ends_with('\n') {
                " |\n"
            } else {
                " |-\n"
            });
            for line in text.trim_end().lines() {
                let line = line.trim_end();
                if line.is_empty() {
                    out.push('\n');
                } else {
                    out.push_str(&format!("{:1$}{line}\n", "", indent + level));
                }
            }
        }
        other => out.push_str(&format!(" {}\n", scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    let text = ocplay_language::template::block_yaml(&Plain::from_json(value), true);
    let text = text.unwrap_or_default();
    let text = text.trim_end_matches('\n');
    text.strip_suffix("\n...").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_internal_ones_left_out() {
        let style = Style::default();
        let result = json!({"msg": "x", "changed": false, "_ansible_x": 1, "a": {"c": 1, "b": 2}, "invocation": {}, "failed": true});
        assert_eq!(
            dump(&result, "copy", &style),
            "{\"a\": {\"b\": 2, \"c\": 1}, \"changed\": false, \"msg\": \"x\"}"
        );
        assert_eq!(dump(&result, "debug", &style), "{\n    \"msg\": \"x\"\n}");
        let result = json!({"x": 1, "changed": false});
        assert_eq!(dump(&result, "debug", &style), "{\n    \"x\": 1\n}");
    }

    #[test]
    fn yaml_keeps_lines() {
        let style = Style {
            yaml: true,
            ..Style::default()
        };
        let result = json!({"stdout": "a\nb", "stdout_lines": ["a", "b"], "rc": 0, "l": [1, {"k": "v", "w": []}], "t": "yes"});
        assert_eq!(
            dump(&result, "command", &style),
            "\n    l:\n    - 1\n    -   k: v\n        w: []\n    rc: 0\n    stdout: |-\n        a\n        b\n    t: 'yes'"
        );
    }
}
