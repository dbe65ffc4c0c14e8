//! Python's `%` formatting of text.

use minijinja::Error;

use super::{Jinja, python};
use crate::template::marker::Missing;

/// Longest width and precision accepted.
const MAX_WIDTH: usize = 10_000;

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

struct Values<'a> {
    given: &'a Jinja,
    items: Vec<Jinja>,
    next: usize,
    mapped: bool,
}

impl Values<'_> {
    fn next(&mut self) -> Result<Jinja, Error> {
        let value = self.items.get(self.next).cloned();
        self.next += 1;
        value.ok_or_else(|| python::fail("not enough arguments for format string"))
    }
}

/// `format % values`.
pub(super) fn format(format: &str, given: &Jinja) -> Result<String, Error> {
    let items = if given.is_tuple() {
        python::items(given)?
    } else {
        vec![given.clone()]
    };
    let mut values = Values {
        given,
        items,
        next: 0,
        mapped: false,
    };
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut named = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let name: String = chars.by_ref().take_while(|c| *c != ')').collect();
            if !python::is_map(values.given) {
                return Err(python::fail("format requires a mapping"));
            }
            values.mapped = true;
            let value = values.given.get_item(&Jinja::from(name.as_str()))?;
            if value.is_missing() {
                return Err(python::fail(format!("no key '{name}' in the mapping")));
            }
            named = Some(python::valid(value)?);
        }
        let mut spec = Spec::default();
        while let Some(&flag) = chars.peek() {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                '#' => spec.alternate = true,
                _ => break,
            }
            chars.next();
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                      values: &mut Values<'_>|
         -> Result<i64, Error> {
            if chars.peek() == Some(&'*') {
                chars.next();
                let value = values.next()?;
                return python::whole(&value)
                    .and_then(|width| i64::try_from(width).ok())
                    .ok_or_else(|| python::fail("* wants int"));
            }
            let mut number = 0i64;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                number = number.saturating_mul(10).saturating_add(digit.into());
                chars.next();
            }
            Ok(number)
        };
        let width = number(&mut chars, &mut values)?;
        spec.left |= width < 0;
        spec.width = bounded(width.unsigned_abs())?;
        if chars.peek() == Some(&'.') {
            chars.next();
            let precision = number(&mut chars, &mut values)?.max(0);
            spec.precision = Some(bounded(precision.unsigned_abs())?);
        }
        while chars.next_if(|c| matches!(c, 'l' | 'h' | 'L')).is_some() {}
        let kind = chars
            .next()
            .ok_or_else(|| python::fail("incomplete format"))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => values.next()?,
        };
        out.push_str(&one(kind, &spec, &value)?);
    }
    let left_over = values.next < values.items.len() && !values.mapped;
    if left_over && (given.is_tuple() || !python::is_map(given) && !python::is_list(given)) {
        return Err(python::fail(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out)
}

fn bounded(width: u64) -> Result<usize, Error> {
    usize::try_from(width)
        .ok()
        .filter(|width| *width <= MAX_WIDTH)
        .ok_or_else(|| python::fail("width or precision is too large"))
}

fn one(kind: char, spec: &Spec, value: &Jinja) -> Result<String, Error> {
    let wanted = |what: &str| {
        python::fail(format!(
            "%{kind} format: {what} is required, not {}",
            python::type_name(value)
        ))
    };
    let (sign, body) = match kind {
        's' | 'r' | 'a' => {
            let mut text = if kind == 's' {
                python::text(value)?
            } else {
                python::repr(value)?
            };
            if let Some(precision) = spec.precision {
                text = text.chars().take(precision).collect();
            }
            return Ok(pad("", &text, spec, false));
        }
        'c' => {
            let text = match python::whole(value) {
                Some(code) => u32::try_from(code)
                    .ok()
                    .and_then(char::from_u32)
                    .ok_or_else(|| python::fail("%c arg not in range"))?
                    .to_string(),
                None => python::text(value)?,
            };
            return Ok(pad("", &text, spec, false));
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number = python::whole(value)
                .or_else(|| {
                    (matches!(kind, 'd' | 'i' | 'u'))
                        .then(|| python::number(value))
                        .flatten()
                        .map(|number| number as i128)
                })
                .ok_or_else(|| wanted("a real number"))?;
            let digits = match kind {
                'x' => format!("{:x}", number.unsigned_abs()),
                'X' => format!("{:X}", number.unsigned_abs()),
                'o' => format!("{:o}", number.unsigned_abs()),
                _ => number.unsigned_abs().to_string(),
            };
            let digits = format!("{digits:0>width$}", width = spec.precision.unwrap_or(0));
            let prefix = match kind {
                'x' if spec.alternate => "0x",
                'X' if spec.alternate => "0X",
                'o' if spec.alternate => "0o",
                _ => "",
            };
            (sign(number < 0, spec).to_owned() + prefix, digits)
        }
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
            let number = python::number(value).ok_or_else(|| wanted("a real number"))?;
            let body = real(kind, number.abs(), spec.precision.unwrap_or(6));
            (
                sign(number.is_sign_negative() && !number.is_nan(), spec).to_owned(),
                body,
            )
        }
        other => {
            return Err(python::fail(format!(
                "unsupported format character '{other}'"
            )));
        }
    };
    Ok(pad(&sign, &body, spec, spec.zero && !spec.left))
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// A non-negative number in one of C's notations.
pub(super) fn real(kind: char, number: f64, precision: usize) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    let text = match kind {
        'f' | 'F' => format!("{number:.precision$}"),
        'e' | 'E' => exponent(&format!("{number:.precision$e}")),
        _ => {
            let precision = precision.max(1);
            let rounded = format!("{number:.0$e}", precision - 1);
            let power: i32 = rounded
                .split_once('e')
                .and_then(|(_, power)| power.parse().ok())
                .unwrap_or(0);
            let text = if power < -4 || power >= i32::try_from(precision).unwrap_or(i32::MAX) {
                let (digits, power) = rounded.split_once('e').unwrap_or((&rounded, "0"));
                return exponent(&format!("{}e{power}", trim_zeros(digits)));
            } else {
                let places = (precision as i32 - 1 - power).max(0) as usize;
                format!("{number:.places$}")
            };
            trim_zeros(&text).to_owned()
        }
    };
    if kind.is_ascii_uppercase() {
        text.to_uppercase()
    } else {
        text
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// `1.5e3` as C writes it: `1.5e+03`.
fn exponent(text: &str) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

fn pad(sign: &str, body: &str, spec: &Spec, zeros: bool) -> String {
    let length = sign.chars().count() + body.chars().count();
    let missing = spec.width.saturating_sub(length);
    if zeros {
        format!("{sign}{}{body}", "0".repeat(missing))
    } else if spec.left {
        format!("{sign}{body}{}", " ".repeat(missing))
    } else {
        format!("{}{sign}{body}", " ".repeat(missing))
    }
}
