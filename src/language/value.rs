//! Values of the language.
//!
//! A string from a trusted source (playbook, vars file, command line) that
//! holds `{{`, `{%` or `{#` is a [`Value::Template`]: lazy text, evaluated at
//! each use; without them it is [`Value::Trusted`], which may still serve as a
//! condition. Everything a host answers and a template makes is plain
//! [`Value::Str`]: by its type it can never be evaluated.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};

use crate::source::Span;

/// Any value of a variable, an argument or a result.
#[derive(Debug, Clone, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// Whole numbers that do not fit 64 bits.
    BigInt(i128),
    Float(f64),
    /// Plain text, never evaluated.
    Str(Arc<str>),
    /// Plain text that content wrote: as a condition it is evaluated. Equal
    /// to [`Self::Str`] of the same text.
    Trusted(Arc<str>),
    /// A YAML date or timestamp, in Python's spelling.
    Date(Arc<str>),
    /// Lazy text.
    Template(Arc<Template>),
    /// An encrypted text, opened at each use. What it holds is never a
    /// template.
    Vault(Arc<Encrypted>),
    List(Arc<Vec<Self>>),
    Map(Arc<Map>),
    /// The `omit` placeholder: the argument or key that holds it is left out.
    Omit,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Omit, Self::Omit) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Int(one), Self::Int(two)) => one == two,
            (Self::BigInt(one), Self::BigInt(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one == two,
            (Self::Str(one) | Self::Trusted(one), Self::Str(two) | Self::Trusted(two))
            | (Self::Date(one), Self::Date(two)) => one == two,
            (Self::Template(one), Self::Template(two)) => one == two,
            (Self::Vault(one), Self::Vault(two)) => one == two,
            (Self::List(one), Self::List(two)) => one == two,
            (Self::Map(one), Self::Map(two)) => one == two,
            _ => false,
        }
    }
}

/// Text that is evaluated at each use, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub text: Arc<str>,
    pub span: Span,
    /// Byte 0 of `text` is byte 0 of `span` plus this, or `None` where the
    /// scalar was folded or escaped and offsets do not map.
    pub offset: Option<u32>,
}

/// An encrypted value as it was written, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Encrypted {
    pub text: Arc<str>,
    pub span: Span,
}

/// A mapping that keeps its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(pub IndexMap<Key, Value>);

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Str(Arc<str>),
    Int(i64),
    Bool(bool),
    Null,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            // The same hash as the bare text, so that `str` can look up.
            Self::Str(text) => (**text).hash(state),
            Self::Int(number) => number.hash(state),
            Self::Bool(truth) => truth.hash(state),
            Self::Null => 0u8.hash(state),
        }
    }
}

impl Equivalent<Key> for str {
    fn equivalent(&self, key: &Key) -> bool {
        matches!(key, Key::Str(text) if **text == *self)
    }
}

impl Key {
    /// The key as text, in Python's spelling.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        match self {
            Self::Str(text) => Arc::clone(text),
            Self::Int(number) => number.to_string().into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Null => "None".into(),
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl Map {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }

    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// Entries whose key is text.
    pub fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.0.iter().filter_map(|(key, value)| match key {
            Key::Str(text) => Some((text, value)),
            _ => None,
        })
    }

    /// Takes over every entry of another mapping, replacing equal keys.
    pub fn extend(&mut self, other: &Self) {
        for (key, value) in &other.0 {
            self.0.insert(key.clone(), value.clone());
        }
    }
}

impl FromIterator<(Key, Value)> for Map {
    fn from_iter<T: IntoIterator<Item = (Key, Value)>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// Whether text holds template syntax.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Value {
    /// Text from a trusted source: a template if it looks like one.
    #[must_use]
    pub fn trusted(text: &str, span: &Span, offset: Option<u32>) -> Self {
        if is_template(text) {
            Self::Template(Arc::new(Template {
                text: text.into(),
                span: span.clone(),
                offset,
            }))
        } else {
            Self::Trusted(text.into())
        }
    }

    /// Plain or lazy text, as written.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Trusted(text) | Self::Date(text) => Some(text),
            Self::Template(template) => Some(&template.text),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Member of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether any part is still a template, or encrypted.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        match self {
            Self::Template(_) | Self::Vault(_) => true,
            Self::List(list) => list.iter().any(Self::is_lazy),
            Self::Map(map) => map.0.values().any(Self::is_lazy),
            _ => false,
        }
    }

    /// Python's truth: empty text, list and mapping, zero and null are false.
    #[must_use]
    pub fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::BigInt(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) | Self::Trusted(text) | Self::Date(text) => !text.is_empty(),
            Self::Template(template) => !template.text.is_empty(),
            Self::Vault(_) => true,
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Omit => true,
        }
    }

    /// Python's name of the type, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) | Self::Trusted(_) | Self::Template(_) | Self::Vault(_) => "str",
            Self::Date(_) => "date",
            Self::List(_) => "list",
            Self::Map(_) => "dict",
            Self::Omit => "omit",
        }
    }

    /// As JSON; templates and encrypted values keep their text, keys become text, omitted entries
    /// are dropped.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null | Self::Omit => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) => Json::from(*number),
            Self::BigInt(number) => {
                u64::try_from(*number).map_or_else(|_| Json::from(*number as f64), Json::from)
            }
            Self::Float(number) => Json::from(*number),
            Self::Str(text) | Self::Trusted(text) | Self::Date(text) => {
                Json::String(text.to_string())
            }
            Self::Template(template) => Json::String(template.text.to_string()),
            Self::Vault(sealed) => Json::String(sealed.text.to_string()),
            Self::List(list) => list
                .iter()
                .filter(|item| !matches!(item, Self::Omit))
                .map(Self::to_json)
                .collect(),
            Self::Map(map) => Json::Object(
                map.iter()
                    .filter(|(_, value)| !matches!(value, Self::Omit))
                    .map(|(key, value)| (key.text().to_string(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// From JSON; text stays plain (never a template).
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => number
                .as_i64()
                .map(Self::Int)
                .or_else(|| number.as_u64().map(|big| Self::BigInt(big.into())))
                .unwrap_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => Self::Str(text.as_str().into()),
            Json::Array(items) => items.iter().map(Self::from_json).collect(),
            Json::Object(map) => Self::Map(Arc::new(
                map.iter()
                    .map(|(key, value)| (Key::from(key.as_str()), Self::from_json(value)))
                    .collect(),
            )),
        }
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<T: IntoIterator<Item = Self>>(iter: T) -> Self {
        Self::List(Arc::new(iter.into_iter().collect()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}
impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Str(text)
    }
}
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}
impl From<Vec<Self>> for Value {
    fn from(list: Vec<Self>) -> Self {
        Self::List(Arc::new(list))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_looks_up_text_keys_only() {
        let mut map = Map::new();
        map.insert("a", 1);
        map.0.insert(Key::Int(1), Value::from("one"));
        assert_eq!(map.get("a"), Some(&Value::Int(1)));
        assert_eq!(map.get("1"), None);
    }

    #[test]
    fn results_of_hosts_are_never_templates() {
        let json = serde_json::json!({"stdout": "{{ lookup('pipe', 'id') }}"});
        assert!(!Value::from_json(&json).is_lazy());
    }
}
