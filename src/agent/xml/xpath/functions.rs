//! The functions of XPath.

use super::{At, Expr, Found, Search, Value};

/// Names, with the fewest and the most arguments.
const KNOWN: [(&str, usize, usize); 25] = [
    ("last", 0, 0),
    ("position", 0, 0),
    ("count", 1, 1),
    ("local-name", 0, 1),
    ("namespace-uri", 0, 1),
    ("name", 0, 1),
    ("string", 0, 1),
    ("concat", 2, 1000),
    ("starts-with", 2, 2),
    ("contains", 2, 2),
    ("substring-before", 2, 2),
    ("substring-after", 2, 2),
    ("substring", 2, 3),
    ("string-length", 0, 1),
    ("normalize-space", 0, 1),
    ("translate", 3, 3),
    ("boolean", 1, 1),
    ("not", 1, 1),
    ("true", 0, 0),
    ("false", 0, 0),
    ("number", 0, 1),
    ("sum", 1, 1),
    ("floor", 1, 1),
    ("ceiling", 1, 1),
    ("round", 1, 1),
];

/// Whether there is such a function, with so many arguments.
pub(super) fn known(name: &str, count: usize) -> Result<(), String> {
    match KNOWN.iter().find(|(known, ..)| *known == name) {
        Some((_, fewest, most)) if (*fewest..=*most).contains(&count) => Ok(()),
        Some(_) => Err(format!("{name}() takes another number of arguments")),
        None => Err(format!("the function {name}() is not there")),
    }
}

/// A number as text: without a fraction where there is none.
pub(super) fn show(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    number.to_string()
}

pub(super) fn number(text: &str) -> f64 {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    // No exponents, no names of numbers.
    if digits.is_empty()
        || !digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return f64::NAN;
    }
    text.parse().unwrap_or(f64::NAN)
}

fn size(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn is_position(number: f64, position: usize) -> bool {
    (number - size(position)).abs() < f64::EPSILON
}

/// Halves go up, as XPath has it.
fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}

impl Search<'_> {
    pub(super) fn call(&self, name: &str, args: &[Expr], at: At) -> Result<Value, String> {
        let values = args
            .iter()
            .map(|arg| self.eval(arg, at))
            .collect::<Result<Vec<_>, _>>()?;
        let here = || Value::Found(vec![at.here]);
        let first = || values.first().cloned().unwrap_or_else(here);
        let text = |place: usize| match values.get(place) {
            Some(value) => self.text(value),
            None => self.text(&here()),
        };
        let found = || match first() {
            Value::Found(all) => Ok(all),
            _ => Err(format!("Invalid type: {name}() takes a path")),
        };
        let named = || -> Result<_, String> {
            let all: Vec<Found> = found()?;
            Ok(all
                .first()
                .and_then(|found| self.name(*found))
                .unwrap_or_default())
        };
        let part = |text: Option<&str>| Value::Text(text.unwrap_or_default().to_owned());
        Ok(match name {
            "last" => Value::Number(size(at.size)),
            "position" => Value::Number(size(at.position)),
            "count" => Value::Number(size(found()?.len())),
            "local-name" => Value::Text(named()?.local),
            "namespace-uri" => Value::Text(named()?.space),
            "name" => Value::Text(named()?.written()),
            "string" => Value::Text(text(0)),
            "concat" => Value::Text(values.iter().map(|value| self.text(value)).collect()),
            "starts-with" => Value::Bool(text(0).starts_with(&text(1))),
            "contains" => Value::Bool(text(0).contains(&text(1))),
            "substring-before" => part(text(0).split_once(&text(1)).map(|(before, _)| before)),
            "substring-after" => part(text(0).split_once(&text(1)).map(|(_, after)| after)),
            "substring" => {
                let start = round(self.number(&values[1]));
                let end = match values.get(2) {
                    Some(length) => start + round(self.number(length)),
                    None => f64::INFINITY,
                };
                let all = text(0);
                let kept = all.chars().enumerate().filter(|(place, _)| {
                    let place = size(place + 1);
                    place >= start && place < end
                });
                Value::Text(kept.map(|(_, letter)| letter).collect())
            }
            "string-length" => Value::Number(size(text(0).chars().count())),
            "normalize-space" => {
                Value::Text(text(0).split_whitespace().collect::<Vec<_>>().join(" "))
            }
            "translate" => {
                let (from, to) = (text(1), text(2));
                let to: Vec<char> = to.chars().collect();
                let all = text(0);
                let kept = all.chars().filter_map(|letter| {
                    match from.chars().position(|known| known == letter) {
                        Some(place) => to.get(place).copied(),
                        None => Some(letter),
                    }
                });
                Value::Text(kept.collect())
            }
            "boolean" => Value::Bool(Self::truth(&first())),
            "not" => Value::Bool(!Self::truth(&first())),
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "number" => Value::Number(self.number(&first())),
            "sum" => Value::Number(
                found()?
                    .iter()
                    .map(|found| number(&self.string(*found)))
                    .sum(),
            ),
            "floor" => Value::Number(self.number(&first()).floor()),
            "ceiling" => Value::Number(self.number(&first()).ceil()),
            "round" => Value::Number(round(self.number(&first()))),
            other => return Err(format!("the function {other}() is not there")),
        })
    }
}
