//! Behaviour recorded from ansible-core 2.19: every file of
//! `cases/template`. A line is a template (`\n` for a line end), or a
//! condition after `when `, the next one its value as Python's `repr` shows it after `=>`, or a part of the message
//! after `!!`. A line `vars {...}` sets the variables, as JSON.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::{Jinja, Templar, python};
use crate::loader::Machine;
use crate::source::{Source, Span};
use crate::value::{Key, Map, Value};
use crate::vars::{Level, Scope};

/// JSON with templates in it.
pub(super) fn trusted(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) => {
            let source = Source::new("case", text.as_str());
            Value::trusted(text, &Span::new(&source, 0..text.len()), Some(0))
        }
        serde_json::Value::Array(items) => items.iter().map(trusted).collect(),
        serde_json::Value::Object(map) => Value::from(
            map.iter()
                .map(|(key, value)| (Key::from(key.as_str()), trusted(value)))
                .collect::<Map>(),
        ),
        other => Value::from_json(other),
    }
}

pub(super) fn scope(json: &str) -> Scope {
    let json = serde_json::from_str(json).unwrap();
    match trusted(&json) {
        Value::Map(map) => Scope::new().with(Level::PlayVars, map),
        other => panic!("variables must be a mapping, not {other:?}"),
    }
}

fn plain(value: &Value) -> Jinja {
    match value {
        Value::Null | Value::Omit => Jinja::from(()),
        Value::Bool(truth) => Jinja::from(*truth),
        Value::Int(number) => Jinja::from(*number),
        Value::BigInt(number) => Jinja::from(*number),
        Value::Float(number) => Jinja::from(*number),
        Value::Str(text) | Value::Trusted(text) | Value::Date(text) => {
            Jinja::from(Arc::clone(text))
        }
        Value::Template(template) => Jinja::from(Arc::clone(&template.text)),
        Value::Vault(sealed) => Jinja::from(Arc::clone(&sealed.text)),
        Value::List(items) => python::list(items.iter().map(plain).collect()),
        Value::Map(map) => python::dict(
            map.iter()
                .map(|(key, value)| (super::convert::live_key(key), plain(value))),
        ),
    }
}

pub(super) fn shown(value: &Value) -> String {
    python::repr(&plain(value)).unwrap()
}

fn check(path: &Path, failures: &mut String) {
    let text = std::fs::read_to_string(path).unwrap();
    let templar = Templar::new(Arc::new(Machine));
    let mut variables = Scope::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with("## ") {
            continue;
        }
        if let Some(json) = line.strip_prefix("vars ") {
            variables = scope(json);
            continue;
        }
        let template = trusted(&serde_json::Value::String(line.replace("\\n", "\n")));
        let (_, wanted) = lines.next().unwrap_or((0, "nothing"));
        let result = match line.strip_prefix("when ") {
            Some(condition) => {
                let condition = trusted(&serde_json::Value::String(condition.replace("\\n", "\n")));
                templar.condition(&condition, &variables).map(Value::Bool)
            }
            None => templar.resolve(&template, &variables),
        };
        let fits = match &result {
            Ok(value) => wanted
                .strip_prefix("=> ")
                .is_some_and(|wanted| shown(value) == wanted),
            Err(error) => wanted
                .strip_prefix("!!")
                .is_some_and(|wanted| error.message.contains(wanted.trim())),
        };
        if !fits {
            let got = match result {
                Ok(value) => format!("=> {}", shown(&value)),
                Err(error) => format!("!! {}", error.message),
            };
            writeln!(
                failures,
                "{}:{}: {line}\n  want {wanted}\n  got  {got}",
                path.file_name().unwrap().display(),
                number + 1
            )
            .unwrap();
        }
    }
}

#[test]
fn recorded_behaviour() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/template");
    let mut failures = String::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "cases")
        {
            check(&path, &mut failures);
            count += 1;
        }
    }
    assert!(count > 0);
    assert!(failures.is_empty(), "\n{failures}");
}
