//! What `set_stats` collects, shown after the recap.

use serde_json::{Map, Value};

/// Where values that are no host's are kept.
const WHOLE_RUN: &str = "_run";

/// Values by host and name.
#[derive(Debug, Default)]
pub(crate) struct CustomStats(Map<String, Value>);

impl CustomStats {
    /// Sets values, or adds them to those that are there: numbers up, lists
    /// and texts one behind the other, mappings into each other.
    pub(crate) fn add(&mut self, host: Option<&str>, data: Map<String, Value>, aggregate: bool) {
        let place = self
            .0
            .entry(host.unwrap_or(WHOLE_RUN))
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(place) = place else { return };
        for (name, value) in data {
            match place.get_mut(&name) {
                Some(old) if aggregate => merge(old, value),
                _ => {
                    place.insert(name, value);
                }
            }
        }
    }

    pub(crate) fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                match old.get_mut(&name) {
                    Some(Value::Object(_)) if value.is_object() => {
                        if let Some(inner) = old.get_mut(&name) {
                            merge(inner, value);
                        }
                    }
                    _ => {
                        old.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => old.extend(new),
        (Value::String(old), Value::String(new)) => old.push_str(&new),
        (old @ Value::Number(_), Value::Number(new)) => {
            let sum = match (old.as_i64(), new.as_i64()) {
                (Some(a), Some(b)) => a.checked_add(b).map(Value::from),
                _ => None,
            };
            *old = sum.unwrap_or_else(|| {
                Value::from(old.as_f64().unwrap_or(0.0) + new.as_f64().unwrap_or(0.0))
            });
        }
        // Values of different types are not added; the first one stays.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_added_up() {
        let mut stats = CustomStats::default();
        let mut add = |value: Value, aggregate| {
            let Value::Object(map) = value else { return };
            stats.add(None, map, aggregate);
        };
        add(
            json!({"n": 10, "s": "a", "l": [1], "m": {"x": {"a": 1}}}),
            true,
        );
        add(
            json!({"n": 15, "s": "b", "l": [2], "m": {"x": {"b": 2}}}),
            true,
        );
        add(json!({"n": "text"}), true);
        add(json!({"s": "c"}), false);
        assert_eq!(
            stats.value(),
            json!({"_run": {"n": 25, "s": "c", "l": [1, 2], "m": {"x": {"a": 1, "b": 2}}}})
        );
    }
}
