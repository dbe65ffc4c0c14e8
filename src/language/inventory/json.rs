//! JSON that is trusted as a file would be: text in it may hold templates.

use std::sync::Arc;

use crate::source::Span;
use crate::value::{Encrypted, Key, Map, Value};

/// A value out of trusted JSON. Ansible's own marks for encrypted and for
/// unsafe text are known.
pub(super) fn trusted(json: &serde_json::Value, span: &Span) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => Value::trusted(text, span, None),
        Json::Array(items) => items.iter().map(|item| trusted(item, span)).collect(),
        Json::Object(map) => {
            let mark = (map.len() == 1).then(|| map.iter().next()).flatten();
            match mark.map(|(key, value)| (key.as_str(), value)) {
                Some(("__ansible_vault", Json::String(text))) => {
                    Value::Vault(Arc::new(Encrypted {
                        text: text.as_str().into(),
                        span: span.clone(),
                    }))
                }
                Some(("__ansible_unsafe", Json::String(text))) => Value::from(text.as_str()),
                _ => Value::from(
                    map.iter()
                        .map(|(key, value)| (Key::from(key.as_str()), trusted(value, span)))
                        .collect::<Map>(),
                ),
            }
        }
        other => Value::from_json(other),
    }
}
