//! JSON as Python's json module writes it.

use minijinja::Error;

use super::python;
use crate::value::{Key, Value};

/// How JSON is laid out.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) indent: Option<usize>,
    pub(super) sort_keys: bool,
    pub(super) ascii: bool,
    /// Between items and between a key and its value.
    pub(super) separators: (String, String),
}

impl Layout {
    pub(super) fn plain() -> Self {
        Self {
            indent: None,
            sort_keys: false,
            ascii: true,
            separators: (", ".to_owned(), ": ".to_owned()),
        }
    }
}

pub(super) fn write(value: &Value, layout: &Layout) -> Result<String, Error> {
    let mut out = String::new();
    put(&mut out, value, layout, 0)?;
    Ok(out)
}

fn put(out: &mut String, value: &Value, layout: &Layout, depth: usize) -> Result<(), Error> {
    if depth > python::MAX_DEPTH {
        return Err(python::fail("value is nested too deeply for JSON"));
    }
    match value {
        Value::Null | Value::Omit => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::BigInt(number) => out.push_str(&number.to_string()),
        Value::Float(number) if number.is_nan() => out.push_str("NaN"),
        Value::Float(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        Value::Float(number) => out.push_str(&python::float(*number)),
        Value::Str(text) | Value::Trusted(text) | Value::Date(text) => {
            quote(out, text, layout.ascii);
        }
        Value::Template(template) => quote(out, &template.text, layout.ascii),
        Value::Vault(sealed) => quote(out, &sealed.text, layout.ascii),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                next(out, layout, depth + 1, index);
                put(out, item, layout, depth + 1)?;
            }
            end(out, layout, depth);
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<(&Key, &Value)> = map.iter().collect();
            if layout.sort_keys {
                entries.sort_by_key(|(key, _)| key_text(key));
            }
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                next(out, layout, depth + 1, index);
                quote(out, &key_text(key), layout.ascii);
                out.push_str(&layout.separators.1);
                put(out, item, layout, depth + 1)?;
            }
            end(out, layout, depth);
            out.push('}');
        }
    }
    Ok(())
}

/// JSON's spelling of a key that is no text.
fn key_text(key: &Key) -> String {
    match key {
        Key::Str(text) => text.to_string(),
        Key::Int(number) => number.to_string(),
        Key::Bool(truth) => truth.to_string(),
        Key::Null => "null".into(),
    }
}

fn next(out: &mut String, layout: &Layout, depth: usize, index: usize) {
    if index > 0 {
        out.push_str(&layout.separators.0);
    }
    end(out, layout, depth);
}

fn end(out: &mut String, layout: &Layout, depth: usize) {
    if let Some(indent) = layout.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn quote(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) || c == '\u{7f}' && ascii => {
                if c == '\u{7f}' {
                    out.push(c);
                    continue;
                }
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
