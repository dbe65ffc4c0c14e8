//! Values as the server writes them, with their types.

use serde_json::{Value, json};

/// A value of a type, as playbooks get it.
pub(crate) fn typed(kind: u32, text: &str) -> Value {
    let whole = || {
        text.parse::<i64>()
            .map_or_else(|_| json!(text), Value::from)
    };
    match kind {
        // bool
        16 => json!(text == "t"),
        // int8, int2, int4, oid
        20 | 21 | 23 | 26 => whole(),
        // float4, float8, numeric
        700 | 701 | 1700 => text.parse::<f64>().ok().map_or_else(
            || json!(text),
            |number| {
                // What is not finite has no number in JSON.
                serde_json::Number::from_f64(number).map_or_else(|| json!(text), Value::Number)
            },
        ),
        // json, jsonb
        114 | 3802 => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        // timestamp, timestamptz
        1114 | 1184 => json!(stamp(text)),
        other => match element(other) {
            Some(inner) => array(inner, text).unwrap_or_else(|| json!(text)),
            None => json!(text),
        },
    }
}

/// `2026-01-01 00:00:00+00` as `2026-01-01T00:00:00+00:00`.
fn stamp(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    match text.rfind(['+', '-']) {
        Some(at) if at > 10 && text.len() - at == 3 => format!("{text}:00"),
        _ => text,
    }
}

/// The type of an array's elements.
fn element(kind: u32) -> Option<u32> {
    match kind {
        1000 => Some(16),
        1005 => Some(21),
        1007 => Some(23),
        1016 => Some(20),
        1021 => Some(700),
        1022 => Some(701),
        1028 => Some(26),
        1231 => Some(1700),
        1115 => Some(1114),
        1185 => Some(1184),
        199 => Some(114),
        3807 => Some(3802),
        // char, name, text, bpchar, varchar, inet, date, uuid
        1002 | 1003 | 1009 | 1014 | 1015 | 1041 | 1182 | 2951 => Some(25),
        _ => None,
    }
}

/// `{1,NULL,{"a b"}}`.
fn array(inner: u32, text: &str) -> Option<Value> {
    // Bounds that are not from 1 stand before it.
    let text = match text.find('{') {
        Some(0) => text,
        Some(at) if text.starts_with('[') => &text[at..],
        _ => return None,
    };
    let mut letters = text.chars().peekable();
    let found = list(inner, &mut letters, 0)?;
    letters.next().is_none().then_some(found)
}

fn list(
    inner: u32,
    letters: &mut std::iter::Peekable<std::str::Chars>,
    depth: u32,
) -> Option<Value> {
    if depth > 6 || letters.next()? != '{' {
        return None;
    }
    let mut all = Vec::new();
    if letters.next_if_eq(&'}').is_some() {
        return Some(Value::Array(all));
    }
    loop {
        if letters.peek() == Some(&'{') {
            all.push(list(inner, letters, depth + 1)?);
        } else if letters.next_if_eq(&'"').is_some() {
            let mut text = String::new();
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => text.push(letters.next()?),
                    letter => text.push(letter),
                }
            }
            all.push(typed(inner, &text));
        } else {
            let mut text = String::new();
            while let Some(letter) = letters.next_if(|letter| !matches!(letter, ',' | '}')) {
                text.push(letter);
            }
            all.push(if text == "NULL" {
                Value::Null
            } else {
                typed(inner, &text)
            });
        }
        match letters.next()? {
            ',' => {}
            '}' => return Some(Value::Array(all)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_their_types() {
        assert_eq!(typed(16, "t"), json!(true));
        assert_eq!(typed(23, "-5"), json!(-5));
        assert_eq!(typed(1700, "1.5"), json!(1.5));
        assert_eq!(typed(1700, "NaN"), json!("NaN"));
        assert_eq!(typed(3802, "{\"a\": 1}"), json!({"a": 1}));
        assert_eq!(
            typed(1184, "2026-01-01 00:00:00+00"),
            json!("2026-01-01T00:00:00+00:00")
        );
        assert_eq!(
            typed(1114, "2026-01-01 00:00:00.5"),
            json!("2026-01-01T00:00:00.5")
        );
        assert_eq!(typed(1184, "infinity"), json!("infinity"));
        assert_eq!(typed(25, "x"), json!("x"));
    }

    #[test]
    fn arrays() {
        assert_eq!(typed(1007, "{1,2,NULL}"), json!([1, 2, null]));
        assert_eq!(
            typed(1009, r#"{"a b","c\"d",e,"NULL"}"#),
            json!(["a b", "c\"d", "e", "NULL"])
        );
        assert_eq!(typed(1007, "{{1},{2}}"), json!([[1], [2]]));
        assert_eq!(typed(1007, "[0:1]={1,2}"), json!([1, 2]));
        assert_eq!(typed(1007, "{}"), json!([]));
        assert_eq!(typed(1007, "{1"), json!("{1"));
    }
}
