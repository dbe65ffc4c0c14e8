//! Values as Python writes them: that is how Ansible shows items.

use crate::value::{Key, Value};

/// Python's `str` of a value.
#[must_use]
pub fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => repr(value),
    }
}

/// Python's `repr` of a value.
#[must_use]
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(number) => number.to_string(),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e16 => {
            format!("{number:.1}")
        }
        Value::Float(number) => number.to_string(),
        Value::Omit => "omit".to_owned(),
        Value::Str(_) | Value::Trusted(_) | Value::Date(_) | Value::Template(_) => {
            quote(value.as_str().unwrap_or_default())
        }
        Value::Vault(sealed) => quote(&sealed.text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    let key = match key {
                        Key::Str(text) => quote(text),
                        other => other.text().to_string(),
                    };
                    format!("{key}: {}", repr(value))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn quote(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python() {
        let value = Value::from_json(&serde_json::json!({"a": [1, true, null, "it's"], "b": 1.0}));
        assert_eq!(text(&value), r#"{'a': [1, True, None, "it's"], 'b': 1.0}"#);
        assert_eq!(text(&"x".into()), "x");
    }
}
