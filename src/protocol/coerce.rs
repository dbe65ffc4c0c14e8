//! Ansible's argument conversions: what counts as a boolean, a number, a list.
//!
//! The rules are those of ansible-core's argument validation: a string may
//! stand for a boolean or a number, a comma list for a list, `k=v` pairs for a
//! mapping. Each function gives the converted value or the reason why not.

use serde_json::{Map, Value};

/// `yes`, `on`, `1`, `true`, `t`, `y` and their opposites, in any case.
///
/// # Errors
/// The reason, for people.
pub fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::Number(n) if n.as_f64() == Some(1.0) => Ok(true),
        Value::Number(n) if n.as_f64() == Some(0.0) => Ok(false),
        Value::String(s) => match s.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Ok(true),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Ok(false),
            _ => Err(format!("{} is not a boolean (yes or no)", describe(value))),
        },
        _ => Err(format!("{} is not a boolean (yes or no)", describe(value))),
    }
}

/// A whole number, also as text.
///
/// # Errors
/// The reason, for people.
pub fn integer(value: &Value) -> Result<i64, String> {
    let wrong = || format!("{} is not a whole number", describe(value));
    match value {
        Value::Number(n) => n
            .as_i64()
            .or_else(|| {
                n.as_f64()
                    .filter(|f| f.fract() == 0.0 && f.abs() < 9.0e15)
                    .map(|f| f as i64)
            })
            .ok_or_else(wrong),
        Value::String(s) => s.trim().parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A number, also as text.
///
/// # Errors
/// The reason, for people.
pub fn float(value: &Value) -> Result<f64, String> {
    let wrong = || format!("{} is not a number", describe(value));
    match value {
        Value::Number(n) => n.as_f64().ok_or_else(wrong),
        Value::String(s) => s.trim().parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Text; scalars are written the way Python writes them.
///
/// # Errors
/// The reason, for people.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Number(n) => Ok(n.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Ok(value.to_string()),
    }
}

/// A list; a comma list as text or a single scalar become one.
///
/// # Errors
/// The reason, for people.
pub fn list(value: &Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items.clone()),
        Value::String(s) => Ok(s
            .split(',')
            .map(|part| Value::String(part.trim().to_owned()))
            .collect()),
        Value::Number(_) | Value::Bool(_) => Ok(vec![Value::String(text(value)?)]),
        _ => Err(format!("{} is not a list", describe(value))),
    }
}

/// A mapping; JSON text or `key=value` pairs become one.
///
/// # Errors
/// The reason, for people.
pub fn mapping(value: &Value) -> Result<Map<String, Value>, String> {
    let wrong = || format!("{} is not a mapping", describe(value));
    match value {
        Value::Object(map) => Ok(map.clone()),
        Value::String(s) if s.trim_start().starts_with('{') => match serde_json::from_str(s) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(wrong()),
        },
        Value::String(s) if s.contains('=') => s
            .split([',', ' '])
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let (key, value) = part.split_once('=').ok_or_else(wrong)?;
                Ok((
                    key.trim().to_owned(),
                    Value::String(value.trim().to_owned()),
                ))
            })
            .collect(),
        _ => Err(wrong()),
    }
}

/// A value as it is named in messages: kind and short text.
#[must_use]
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => format!("the boolean {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) if s.chars().count() > 60 => {
            format!("'{}…'", s.chars().take(60).collect::<String>())
        }
        Value::String(s) => format!("'{s}'"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// Python's word for the type of a value.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn booleans_as_ansible_reads_them() {
        for yes in [
            json!(true),
            json!("Yes"),
            json!("on"),
            json!(1),
            json!("1"),
            json!(1.0),
        ] {
            assert_eq!(boolean(&yes), Ok(true), "{yes}");
        }
        for no in [
            json!(false),
            json!("no"),
            json!("OFF"),
            json!(0),
            json!("f"),
        ] {
            assert_eq!(boolean(&no), Ok(false), "{no}");
        }
        for bad in [json!("maybe"), json!(2), json!([]), json!(null)] {
            assert!(boolean(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_from_text() {
        assert_eq!(integer(&json!(" 42 ")), Ok(42));
        assert_eq!(integer(&json!(3.0)), Ok(3));
        assert!(integer(&json!("4.5")).is_err());
        assert_eq!(float(&json!("4.5")), Ok(4.5));
    }

    #[test]
    fn lists_and_mappings_from_text() {
        assert_eq!(list(&json!("a, b")).unwrap(), vec![json!("a"), json!("b")]);
        assert_eq!(list(&json!(5)).unwrap(), vec![json!("5")]);
        assert_eq!(
            Value::Object(mapping(&json!("a=1,b=2")).unwrap()),
            json!({"a": "1", "b": "2"})
        );
        assert!(mapping(&json!("nothing")).is_err());
    }
}
