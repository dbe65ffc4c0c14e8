//! Files of variables that are JSON, as programs write them. They are read
//! without places, which only templates need: many times faster for large
//! files.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::value::{Key, Map, Value};

/// The variables of a text that is one JSON object without templates, else
/// nothing: then it is for the YAML reader, which also says what is wrong.
pub(crate) fn read(text: &str) -> Option<Arc<Map>> {
    if !text.trim_start().starts_with('{') || text.contains("{{") || text.contains("{%") {
        return None;
    }
    // Numbers that JSON readers round are left to YAML.
    let mut digits = 0;
    for byte in text.bytes() {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        if digits > 18 {
            return None;
        }
    }
    let keys = Keys::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Content(&keys).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Map(vars) => Some(vars),
        _ => None,
    }
}

/// Keys that were met: lists of like objects share them.
#[derive(Default)]
struct Keys(RefCell<HashSet<Arc<str>>>);

impl Keys {
    fn get(&self, text: &str) -> Key {
        let mut known = self.0.borrow_mut();
        if let Some(key) = known.get(text) {
            return Key::Str(Arc::clone(key));
        }
        let key: Arc<str> = text.into();
        known.insert(Arc::clone(&key));
        Key::Str(key)
    }
}

/// A value of the file. Its texts are content's own.
#[derive(Clone, Copy)]
struct Content<'a>(&'a Keys);

/// A key of an object.
struct Name<'a>(&'a Keys);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Key, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Key;
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a key")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
        Ok(self.0.get(text))
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = Value;
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::BigInt(number.into()), Value::Int))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Trusted(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::List(Arc::new(list)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Name(self.0))? {
            let value = entries.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Map(Arc::new(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_texts_that_conditions_may_use() {
        let vars = read(r#"{"a": [1, -2.5, true, null, {"b": "x == 1"}], "a2": 9e3}"#).unwrap();
        let Some(Value::List(list)) = vars.get("a") else {
            panic!("no list")
        };
        assert_eq!(list[0], Value::Int(1));
        assert_eq!(list[1], Value::Float(-2.5));
        let text = list[4].as_map().and_then(|map| map.get("b"));
        assert!(matches!(text, Some(Value::Trusted(text)) if &**text == "x == 1"));
    }

    #[test]
    fn anything_else_is_left_to_yaml() {
        for text in [
            "a: 1",
            "{a: 1}",
            r#"{"a": "{{ b }}"}"#,
            r#"{"a": 12345678901234567890}"#,
            r#"{"a": 1} x"#,
            "[1]",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
