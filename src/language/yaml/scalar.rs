//! YAML 1.1 scalars as PyYAML resolves them.
//!
//! Source of the patterns' meaning: the YAML 1.1 type repository (bool, int,
//! float, null, timestamp), with PyYAML's choices (`y` and `n` stay text, a
//! float needs a dot and a signed exponent).

use std::sync::LazyLock;

use regex::Regex;

use crate::value::Value;

#[expect(clippy::expect_used, reason = "constant patterns, covered by tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid constant pattern")
}

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$",
    )
});
static SEXAGESIMAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$"));
static DATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\d{4}-\d\d-\d\d$"));
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|[-+]\d\d?(?::\d\d)?))?$",
    )
});

/// The value of a plain (unquoted, untagged) scalar. Text is given back as
/// `None`: the caller knows whether it is trusted.
#[must_use]
pub fn resolve(text: &str) -> Option<Value> {
    let first = *text.as_bytes().first().unwrap_or(&b'~');
    match first {
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => word(text),
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text).or_else(|| time(text)),
        _ => None,
    }
}

fn word(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => return None,
    })
}

/// Whole numbers in any of YAML 1.1's bases.
pub(super) fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        radix(hex, 16)?
    } else if digits == "0" {
        0
    } else if let Some(octal) = digits.strip_prefix('0') {
        radix(octal, 8)?
    } else if SEXAGESIMAL.is_match(digits) {
        let mut total: i128 = 0;
        for part in digits.split(':') {
            total = total.checked_mul(60)?.checked_add(radix(part, 10)?)?;
        }
        total
    } else if digits.as_bytes().first()?.is_ascii_digit() {
        radix(digits, 10)?
    } else {
        return None;
    };
    let value = if negative { -value } else { value };
    Some(i64::try_from(value).map_or(Value::BigInt(value), Value::Int))
}

fn radix(digits: &str, base: u32) -> Option<i128> {
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    if clean.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(&clean, base).ok()
}

/// Floating point in YAML 1.1's spelling.
pub(super) fn float(text: &str) -> Option<Value> {
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
            return Some(Value::Float(sign * f64::INFINITY));
        }
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    if !FLOAT.is_match(text) {
        return None;
    }
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    if !clean.contains(':') {
        return clean.parse().ok().map(Value::Float);
    }
    let sign = if clean.starts_with('-') { -1.0 } else { 1.0 };
    let mut total = 0.0;
    for part in clean.trim_start_matches(['+', '-']).split(':') {
        total = total * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(Value::Float(sign * total))
}

fn number(text: &str) -> Option<Value> {
    integer(text).or_else(|| float(text))
}

/// Dates and times, in the spelling that Python's `str` gives them.
fn time(text: &str) -> Option<Value> {
    if DATE.is_match(text) {
        return Some(Value::Date(text.into()));
    }
    let parts = TIMESTAMP.captures(text)?;
    let field = |index: usize| parts.get(index).map_or("", |part| part.as_str());
    let mut out = format!(
        "{}-{:0>2}-{:0>2} {:0>2}:{}:{}",
        field(1),
        field(2),
        field(3),
        field(4),
        field(5),
        field(6)
    );
    if field(7).bytes().any(|digit| digit != b'0') {
        out.push_str(&format!(".{:0<6.6}", field(7)));
    }
    match field(8) {
        "" => {}
        "Z" => out.push_str("+00:00"),
        zone => {
            let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "00"));
            out.push_str(&format!("{}{hours:0>2}:{minutes}", &zone[..1]));
        }
    }
    Some(Value::Date(out.into()))
}
