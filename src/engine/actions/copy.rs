//! `copy`: the controller's half. The host decides what is needed.

use std::path::Path;

use ocplay_language::value::Value;
use ocplay_protocol::coerce;

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let mut args = call.args.clone();
    let flag = |name: &str| {
        call.args
            .get(name)
            .is_some_and(|value| coerce::boolean(&value.to_json()) == Ok(true))
    };
    let text = |name: &str| {
        call.args
            .get(name)
            .filter(|value| !value.is_null())
            .and_then(|value| coerce::text(&value.to_json()).ok())
    };
    for internal in ["_original_basename", "_diff_peek", "_source"] {
        if text(internal).is_some() {
            return ActionOutcome::failure(format!("Invalid parameter specified: \"{internal}\""));
        }
    }
    let source = text("src").filter(|src| !src.is_empty());
    let content = args.remove("content").filter(|content| !content.is_null());
    if content.is_none() && source.is_none() {
        return ActionOutcome::failure("src (or content) is required");
    }
    let Some(dest) = text("dest").filter(|dest| !dest.is_empty()) else {
        return ActionOutcome::failure("dest is required");
    };
    let cargo = match (content, source) {
        (Some(_), Some(_)) => {
            return ActionOutcome::failure("src and content are mutually exclusive");
        }
        (Some(_), None) if dest.ends_with('/') => {
            return ActionOutcome::failure("can not use content with a dir as dest");
        }
        (Some(content), None) => Cargo::bytes(content_bytes(&content), 0o644),
        (None, None) => return ActionOutcome::failure("src (or content) is required"),
        (None, Some(_)) if flag("remote_src") => Cargo::default(),
        (None, Some(src)) => {
            let context = &call.step.planned.context;
            let span = &call.step.planned.task.action.name_span;
            let path = match call
                .shared
                .resolver
                .find(&src, &context.search("files"), span)
            {
                Ok(path) => path,
                Err(problems) => {
                    return problems.into_iter().next().map_or_else(
                        || ActionOutcome::failure("not found"),
                        ActionOutcome::mistake,
                    );
                }
            };
            let loader = &*call.shared.loader;
            let unlock = call.args.get("decrypt").is_none() || flag("decrypt");
            let unlock = unlock.then_some(loader);
            let read = if path.is_dir() {
                Cargo::folder(
                    &path,
                    call.args.get("local_follow").is_none() || flag("local_follow"),
                    unlock,
                )
            } else {
                Cargo::file(Path::new(&path), unlock)
            };
            match read {
                Ok(cargo) => cargo,
                Err(reason) => return ActionOutcome::failure(reason),
            }
        }
    };
    let args = Value::from(args).to_json();
    host::execute(call, "copy", args, cargo.blobs, cargo.sources).await
}

/// Text as it is; a list or mapping as JSON, as Ansible writes it.
fn content_bytes(content: &Value) -> Vec<u8> {
    match content.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => match content {
            Value::List(_) | Value::Map(_) => python_json(&content.to_json()).into_bytes(),
            other => ocplay_language::python::text(other).into_bytes(),
        },
    }
}

/// JSON with Python's blanks after `,` and `:`.
fn python_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_json).collect();
            format!("[{}]", items.join(", "))
        }
        serde_json::Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}: {}",
                        serde_json::Value::from(key.as_str()),
                        python_json(value)
                    )
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_becomes_json_as_python_writes_it() {
        let value = Value::from_json(&serde_json::json!({"a": [1, "x"], "b": true}));
        assert_eq!(content_bytes(&value), br#"{"a": [1, "x"], "b": true}"#);
        assert_eq!(content_bytes(&Value::Int(5)), b"5");
    }
}
