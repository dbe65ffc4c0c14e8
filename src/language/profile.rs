//! Profiles of JSON: what becomes of trust and of secrets in it.

use std::sync::Arc;

use crate::source::Span;
use crate::value::{Encrypted, Key, Map, Value};

const UNSAFE: &str = "__ansible_unsafe";
const VAULT: &str = "__ansible_vault";

/// How JSON is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing but the values.
    Tagless,
    /// Text that may not be evaluated is marked.
    Legacy,
    /// The same, only where an inventory has its variables.
    Inventory,
}

impl Profile {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "tagless" => Ok(Self::Tagless),
            "legacy" => Ok(Self::Legacy),
            "inventory_legacy" => Ok(Self::Inventory),
            _ => Err(format!("Unknown profile name '{name}'.")),
        }
    }

    /// Whether text at a place may be trusted. An inventory's places are
    /// `_meta.hostvars.HOST.NAME` and `GROUP.vars.NAME`.
    fn covers(self, path: &[&str]) -> bool {
        match self {
            Self::Tagless => false,
            Self::Legacy => true,
            Self::Inventory => {
                (path.len() >= 4 && path[..2] == ["_meta", "hostvars"])
                    || (path.len() >= 3 && path[1] == "vars")
            }
        }
    }

    /// A value out of JSON, where text is as trusted as the JSON was.
    pub(crate) fn decode(
        self,
        json: &serde_json::Value,
        trusted: bool,
        span: &Span,
    ) -> Result<Value, String> {
        if self == Self::Tagless {
            return Ok(Value::from_json(json));
        }
        let mut reading = Reading {
            profile: self,
            trusted,
            span,
            path: Vec::new(),
        };
        reading.value(json)
    }

    /// A value with its marks.
    pub(crate) fn encode(self, value: &Value) -> Value {
        if self == Self::Tagless {
            return value.clone();
        }
        self.encode_at(value, &mut Vec::new())
    }

    fn encode_at(self, value: &Value, path: &mut Vec<String>) -> Value {
        let one = |mark: &str, text: &Arc<str>| {
            let mut map = Map::new();
            map.insert(mark, Arc::clone(text));
            Value::from(map)
        };
        match value {
            Value::Vault(sealed) => one(VAULT, &sealed.text),
            Value::Str(text) => {
                let place: Vec<&str> = path.iter().map(String::as_str).collect();
                if self.covers(&place) {
                    one(UNSAFE, text)
                } else {
                    value.clone()
                }
            }
            Value::List(items) => items
                .iter()
                .map(|item| {
                    path.push(String::new());
                    let item = self.encode_at(item, path);
                    path.pop();
                    item
                })
                .collect(),
            Value::Map(map) => Value::from(
                map.iter()
                    .map(|(key, item)| {
                        path.push(key.text().to_string());
                        let item = self.encode_at(item, path);
                        path.pop();
                        (key.clone(), item)
                    })
                    .collect::<Map>(),
            ),
            other => other.clone(),
        }
    }
}

/// Reading JSON, and where in it.
struct Reading<'a> {
    profile: Profile,
    trusted: bool,
    span: &'a Span,
    path: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    fn value(&mut self, json: &'a serde_json::Value) -> Result<Value, String> {
        use serde_json::Value as Json;
        match json {
            Json::String(text) if self.trusted && self.profile.covers(&self.path) => {
                Ok(Value::trusted(text, self.span, None))
            }
            Json::Array(items) => items.iter().map(|item| self.below("", item)).collect(),
            Json::Object(map) => match marked(map)? {
                Some((UNSAFE, text)) => Ok(Value::from(text)),
                Some((_, text)) => Ok(Value::Vault(Arc::new(Encrypted {
                    text: text.into(),
                    span: self.span.clone(),
                }))),
                None => map
                    .iter()
                    .map(|(key, item)| Ok((Key::from(key.as_str()), self.below(key, item)?)))
                    .collect::<Result<Map, String>>()
                    .map(Value::from),
            },
            other => Ok(Value::from_json(other)),
        }
    }

    fn below(&mut self, key: &'a str, item: &'a serde_json::Value) -> Result<Value, String> {
        self.path.push(key);
        let value = self.value(item);
        self.path.pop();
        value
    }
}

/// The mark and the text of a mapping that is one.
fn marked(
    map: &serde_json::Map<String, serde_json::Value>,
) -> Result<Option<(&'static str, &str)>, String> {
    for mark in [UNSAFE, VAULT] {
        if let Some(value) = map.get(mark) {
            return match value.as_str() {
                Some(text) => Ok(Some((mark, text))),
                None => Err(format!("'{mark}' must hold text")),
            };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value, path: &[&str]) -> String {
        let found = path
            .iter()
            .try_fold(value.clone(), |value, key| value.get(key).cloned());
        match found {
            Some(Value::Trusted(text)) => format!("trusted {text}"),
            Some(Value::Str(text)) => format!("plain {text}"),
            Some(Value::Template(template)) => format!("template {}", template.text),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_inventorys_variables_are_trusted_and_nothing_else() {
        let json = json!({
            "_meta": {"hostvars": {"h": {"a": "x", "b": "{{ a }}", "c": {"__ansible_unsafe": "{{ a }}"}}}},
            "g": {"hosts": ["h"], "vars": {"v": "y"}},
            "odd": {"v": "z"},
        });
        let value = Profile::Inventory
            .decode(&json, true, &Span::nowhere())
            .unwrap();
        let host = |name| text(&value, &["_meta", "hostvars", "h", name]);
        assert_eq!(host("a"), "trusted x");
        assert_eq!(host("b"), "template {{ a }}");
        assert_eq!(host("c"), "plain {{ a }}");
        assert_eq!(text(&value, &["g", "vars", "v"]), "trusted y");
        assert_eq!(text(&value, &["odd", "v"]), "plain z");
        assert_eq!(Profile::Inventory.encode(&value).to_json(), json);
        let value = Profile::Inventory
            .decode(&json, false, &Span::nowhere())
            .unwrap();
        assert_eq!(text(&value, &["g", "vars", "v"]), "plain y");
    }

    #[test]
    fn marks_hold_text() {
        let wrong = json!({"__ansible_vault": 1});
        let read = |profile: Profile| profile.decode(&wrong, true, &Span::nowhere());
        assert!(read(Profile::Legacy).is_err());
        assert!(read(Profile::Tagless).is_ok());
        assert!(Profile::named("other").is_err());
    }
}
