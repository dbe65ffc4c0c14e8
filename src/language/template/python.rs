//! How Python spells values: `str()`, `repr()`, names of types, truth.

use std::fmt::{self, Write};

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind};

use super::Jinja;
use super::functions::Range;
use super::marker::{Marker, Missing};
use super::objects::{Dict, List, Omitted, entries_of};
use super::run::Callable;

/// Containers nested deeper than this are cut short or refused.
pub(super) const MAX_DEPTH: usize = 120;

/// `str(value)`.
pub(super) fn text(value: &Jinja) -> Result<String, Error> {
    let mut out = String::new();
    write_text(&mut out, value)?;
    Ok(out)
}

/// Writes `str(value)`.
pub(super) fn write_text(out: &mut dyn Write, value: &Jinja) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String => out.write_str(value.as_str().unwrap_or_default())?,
        ValueKind::Bytes => {
            out.write_str(&String::from_utf8_lossy(
                value.as_bytes().unwrap_or_default(),
            ))?;
        }
        _ => write_repr(out, value, 0)?,
    }
    Ok(())
}

/// Writes what a template prints: `str(value)` with tuples as lists.
pub(super) fn write_printed(out: &mut dyn Write, value: &Jinja) -> Result<(), Error> {
    if is_list(value) || is_map(value) {
        write_value(out, value, 0, true)
    } else {
        write_text(out, value)
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Jinja) -> Result<String, Error> {
    let mut out = String::new();
    write_repr(&mut out, value, 0)?;
    Ok(out)
}

/// Writes `repr(value)`; fails where a lazy part fails.
pub(super) fn write_repr(out: &mut dyn Write, value: &Jinja, depth: usize) -> Result<(), Error> {
    write_value(out, value, depth, false)
}

fn write_value(
    out: &mut dyn Write,
    value: &Jinja,
    depth: usize,
    tuples_as_lists: bool,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        out.write_str("...")?;
        return Ok(());
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::Invalid => return Err(undefined(value)),
        ValueKind::None => out.write_str("None")?,
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" })?,
        ValueKind::Number => {
            if value.is_integer() {
                write!(out, "{value}")?;
            } else {
                let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
                out.write_str(&float(number))?;
            }
        }
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default())?,
        ValueKind::Bytes => {
            out.write_str("b")?;
            write_quoted(
                out,
                &String::from_utf8_lossy(value.as_bytes().unwrap_or_default()),
            )?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let tuple = is_tuple(value) && !tuples_as_lists;
            out.write_str(if tuple { "(" } else { "[" })?;
            let mut count = 0;
            for item in raw_items(value)? {
                if tuples_as_lists && item.downcast_object_ref::<Omitted>().is_some() {
                    continue;
                }
                if count > 0 {
                    out.write_str(", ")?;
                }
                write_value(out, &item, depth + 1, tuples_as_lists)?;
                count += 1;
            }
            if tuple && count == 1 {
                out.write_str(",")?;
            }
            out.write_str(if tuple { ")" } else { "]" })?;
        }
        ValueKind::Map => {
            out.write_str("{")?;
            let mut count = 0;
            for (key, item) in entries_of(value)? {
                if tuples_as_lists && item.downcast_object_ref::<Omitted>().is_some() {
                    continue;
                }
                if count > 0 {
                    out.write_str(", ")?;
                }
                count += 1;
                write_value(out, &key, depth + 1, tuples_as_lists)?;
                out.write_str(": ")?;
                write_value(out, &item, depth + 1, tuples_as_lists)?;
            }
            out.write_str("}")?;
        }
        _ if value.is_missing() => return Err(undefined(value)),
        _ => write!(out, "{value}")?,
    }
    Ok(())
}

/// Keys and values of a mapping, values looked up one by one.
pub(super) fn pairs(map: &Jinja) -> impl Iterator<Item = (Jinja, Jinja)> + use<> {
    map.as_object()
        .and_then(|object| object.try_iter_pairs())
        .into_iter()
        .flatten()
}

/// `repr()` inside a formatter, where nothing can fail.
pub(super) fn render(value: &Jinja, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match repr(value) {
        Ok(text) => f.write_str(&text),
        Err(error) => write!(f, "<{error}>"),
    }
}

/// Python's shortest spelling of a float.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{number}");
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

fn write_quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c == quote => {
                out.write_char('\\')?;
                out.write_char(c)?;
            }
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) => {
                write!(out, "\\x{:02x}", c as u32)?;
            }
            c => out.write_char(c)?,
        }
    }
    out.write_char(quote)
}

/// Python's name of a value's type.
pub(super) fn type_name(value: &Jinja) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ if value.downcast_object_ref::<Omitted>().is_some() => "Omit",
        _ if value.is_missing() => "UndefinedMarker",
        _ if value.downcast_object_ref::<Callable>().is_some() => "method",
        _ => super::filters::time::type_name(value).unwrap_or("object"),
    }
}

/// Any sequence that is not text.
pub(super) fn is_list(value: &Jinja) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// A tuple, or a pair that is one.
pub(super) fn is_tuple(value: &Jinja) -> bool {
    value.is_tuple()
        || value
            .downcast_object_ref::<super::filters::Pair>()
            .is_some()
}

pub(super) fn is_map(value: &Jinja) -> bool {
    value.kind() == ValueKind::Map
}

/// A whole number, counting booleans.
pub(super) fn whole(value: &Jinja) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// Any number, counting booleans.
pub(super) fn number(value: &Jinja) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::Number => f64::try_from(value.clone())
            .ok()
            .or_else(|| i128::try_from(value.clone()).ok().map(|whole| whole as f64)),
        _ => None,
    }
}

/// The items of anything that can be looped over; keys of a mapping. Some
/// may be no value.
pub(super) fn raw_items(value: &Jinja) -> Result<Vec<Jinja>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::Invalid => return Err(undefined(value)),
        ValueKind::Seq => {
            if let Some(list) = value.downcast_object_ref::<List>() {
                return Ok(list.items());
            }
            if let Some(range) = value.downcast_object_ref::<Range>() {
                return range.items();
            }
        }
        ValueKind::Map => {
            if let Some(dict) = value.downcast_object_ref::<Dict>() {
                return Ok(dict.keys());
            }
        }
        ValueKind::String | ValueKind::Iterable => {}
        _ => {
            if value.is_missing() {
                return Err(undefined(value));
            }
            return Err(fail(format!(
                "'{}' object is not iterable",
                type_name(value)
            )));
        }
    }
    value.try_iter()?.map(valid).collect()
}

/// The items of anything that can be looped over, each a value.
pub(super) fn items(value: &Jinja) -> Result<Vec<Jinja>, Error> {
    let items = raw_items(value)?;
    match items.iter().find(|item| item.is_missing()) {
        Some(missing) => Err(undefined(missing)),
        None => Ok(items),
    }
}

/// A value, or the error it carries.
pub(super) fn valid(value: Jinja) -> Result<Jinja, Error> {
    if value.kind() == ValueKind::Invalid {
        Err(undefined(&value))
    } else {
        Ok(value)
    }
}

/// The error of using what is no value.
pub(super) fn undefined(value: &Jinja) -> Error {
    match Marker::of(value) {
        Some(error) => error.clone().into_engine(),
        None => Error::new(ErrorKind::UndefinedError, "a value is undefined"),
    }
}

/// Python's truth of a value.
pub(super) fn truth(value: &Jinja) -> Result<bool, Error> {
    if value.is_missing() {
        return Err(undefined(value));
    }
    Ok(value.is_true())
}

/// Refuses what cannot be the key of a mapping.
pub(super) fn hashable(value: &Jinja) -> Result<(), Error> {
    let wrong = is_map(value) || (is_list(value) && !value.is_tuple());
    if wrong {
        return Err(fail(format!("unhashable type: '{}'", type_name(value))));
    }
    Ok(())
}

/// The longest text that one operation may make.
const MAX_TEXT: usize = 256 << 20;

/// Refuses text that is too long to be meant.
pub(super) fn fits(length: usize) -> Result<(), Error> {
    if length > MAX_TEXT {
        return Err(fail("the text is longer than 256 MiB"));
    }
    Ok(())
}

/// The longest list that one operation may make.
const MAX_ITEMS: usize = 10_000_000;

/// Refuses lists that are too long to be meant.
pub(super) fn few(length: usize) -> Result<(), Error> {
    if length > MAX_ITEMS {
        return Err(fail(format!("the list has more than {MAX_ITEMS} items")));
    }
    Ok(())
}

pub(super) fn fail(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

pub(super) fn list(items: Vec<Jinja>) -> Jinja {
    Jinja::from_object(List::own(items))
}

pub(super) fn tuple(items: Vec<Jinja>) -> Jinja {
    Jinja::from(minijinja::value::Tuple::new(items))
}

pub(super) fn dict(entries: impl IntoIterator<Item = (Jinja, Jinja)>) -> Jinja {
    Jinja::from_object(Dict::own(entries.into_iter().collect()))
}

/// A string of a sequence of text-keyed entries.
pub(super) fn record<const N: usize>(entries: [(&str, Jinja); N]) -> Jinja {
    dict(
        entries
            .into_iter()
            .map(|(key, value)| (Jinja::from(key), value)),
    )
}

pub(super) fn int(number: i128) -> Jinja {
    i64::try_from(number).map_or_else(|_| Jinja::from(number), Jinja::from)
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn floats_as_python_writes_them() {
        for (number, text) in [
            (1.0, "1.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0.0"),
            (1.5e300, "1.5e+300"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float(number), text);
        }
    }
}
