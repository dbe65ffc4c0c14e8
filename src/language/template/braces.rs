//! `str.format`: text with fields in braces.

use minijinja::Error;

use super::args::Given;
use super::marker::Missing;
use super::run::{item, member};
use super::{Jinja, percent, python};

/// Longest width and precision accepted.
const MAX_WIDTH: usize = 10_000;

/// `text.format(...)`.
pub(super) fn format(text: &str, given: &Given) -> Result<String, Error> {
    let mut fields = Fields {
        given,
        next: Some(0),
    };
    fields.expand(text, 2)
}

struct Fields<'a> {
    given: &'a Given,
    /// The next unnumbered field; `None` once numbers were used.
    next: Option<usize>,
}

impl Fields<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String, Error> {
        if depth == 0 {
            return Err(python::fail("Max string recursion exceeded"));
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = rest.as_bytes()[at];
            rest = &rest[at + 1..];
            if rest.as_bytes().first() == Some(&brace) {
                out.push(char::from(brace));
                rest = &rest[1..];
                continue;
            }
            if brace == b'}' {
                return Err(python::fail("Single '}' encountered in format string"));
            }
            let end = closing(rest)?;
            let field = &rest[..end];
            rest = &rest[end + 1..];
            out.push_str(&self.field(field, depth)?);
            python::fits(out.len())?;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String, Error> {
        // A colon or mark inside brackets belongs to the name.
        let mut bracket = false;
        let split = field.find(|c| {
            match c {
                '[' => bracket = true,
                ']' => bracket = false,
                _ => {}
            }
            !bracket && matches!(c, ':' | '!')
        });
        let (name, rest) = split.map_or((field, ""), |at| field.split_at(at));
        let (conversion, spec) = match rest.strip_prefix('!') {
            Some(rest) => {
                let mut chars = rest.chars();
                let conversion = chars.next();
                let rest = chars.as_str();
                match rest.strip_prefix(':') {
                    Some(spec) => (conversion, spec),
                    None if rest.is_empty() => (conversion, ""),
                    None => {
                        return Err(python::fail("expected ':' after conversion specifier"));
                    }
                }
            }
            None => (None, rest.strip_prefix(':').unwrap_or_default()),
        };
        let value = self.value(name)?;
        let spec = self.expand(spec, depth - 1)?;
        let value = match conversion {
            None => value,
            Some('s') => Jinja::from(python::text(&value)?),
            Some('r' | 'a') => Jinja::from(python::repr(&value)?),
            Some(other) => {
                return Err(python::fail(format!(
                    "Unknown conversion specifier '{other}'"
                )));
            }
        };
        laid_out(&value, &spec)
    }

    fn value(&mut self, name: &str) -> Result<Jinja, Error> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut path) = name.split_at(end);
        let index = if first.is_empty() {
            let index = self.next.ok_or_else(|| {
                python::fail(
                    "cannot switch from manual field specification to automatic field numbering",
                )
            })?;
            self.next = Some(index + 1);
            Some(index)
        } else {
            first.parse::<usize>().ok().inspect(|_| {
                if self.next == Some(0) {
                    self.next = None;
                }
            })
        };
        let mut value = match index {
            Some(index) => self.given.positional.get(index).cloned().ok_or_else(|| {
                python::fail(format!(
                    "Replacement index {index} out of range for positional args tuple"
                ))
            })?,
            None => self
                .given
                .named
                .iter()
                .find(|(known, _)| **known == *first)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| python::fail(format!("'{first}'")))?,
        };
        while !path.is_empty() {
            let found = if let Some(rest) = path.strip_prefix('.') {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                path = &rest[end..];
                member(&value, &rest[..end])
            } else {
                let rest = path.strip_prefix('[').unwrap_or(path);
                let end = rest
                    .find(']')
                    .ok_or_else(|| python::fail("expected '}' before end of string"))?;
                let key = &rest[..end];
                path = &rest[end + 1..];
                let key = key
                    .parse::<i64>()
                    .map_or_else(|_| Jinja::from(key), Jinja::from);
                item(&value, &key)
            };
            value = match found {
                Ok(found) => found.present()?,
                Err(absent) => return Err(absent.into()),
            };
        }
        Ok(value)
    }
}

/// The end of a field, past braces nested in it.
fn closing(text: &str) -> Result<usize, Error> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Ok(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err(python::fail("expected '}' before end of string"))
}

/// `format(value, spec)`.
fn laid_out(value: &Jinja, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return python::text(value);
    }
    if let Some(time) = super::filters::time::formatted(value, spec) {
        return time;
    }
    let chars: Vec<char> = spec.chars().collect();
    let mut at = 0;
    let mut fill = ' ';
    let mut align = None;
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^' | '='));
    if is_align(chars.get(1)) {
        fill = chars[0];
        align = Some(chars[1]);
        at = 2;
    } else if is_align(chars.first()) {
        align = Some(chars[0]);
        at = 1;
    }
    let mut sign = '-';
    if let Some(c @ ('+' | '-' | ' ')) = chars.get(at) {
        sign = *c;
        at += 1;
    }
    let alternate = chars.get(at) == Some(&'#');
    at += usize::from(alternate);
    if chars.get(at) == Some(&'0') {
        at += 1;
        if align.is_none() {
            fill = '0';
            align = Some('=');
        }
    }
    let number = |at: &mut usize| -> Result<Option<usize>, Error> {
        let digits: String = chars[*at..]
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .collect();
        *at += digits.len();
        if digits.is_empty() {
            return Ok(None);
        }
        digits
            .parse()
            .ok()
            .filter(|number| *number <= MAX_WIDTH)
            .map(Some)
            .ok_or_else(|| python::fail("Too many decimal digits in format string"))
    };
    let width = number(&mut at)?.unwrap_or(0);
    let mut group = None;
    if let Some(c @ (',' | '_')) = chars.get(at) {
        group = Some(*c);
        at += 1;
    }
    let mut precision = None;
    if chars.get(at) == Some(&'.') {
        at += 1;
        precision = Some(
            number(&mut at)?.ok_or_else(|| python::fail("Format specifier missing precision"))?,
        );
    }
    let kind = chars.get(at).copied();
    if at + 1 < chars.len() {
        return Err(python::fail(format!(
            "Invalid format specifier '{spec}' for object of type '{}'",
            python::type_name(value)
        )));
    }
    let unknown = |kind: char| {
        python::fail(format!(
            "Unknown format code '{kind}' for object of type '{}'",
            python::type_name(value)
        ))
    };
    let numeric = python::number(value).is_some();
    let (minus, prefix, body) = if numeric && !matches!(kind, Some('s')) {
        let whole = python::whole(value);
        match (kind, whole) {
            (None | Some('d' | 'n'), Some(whole)) => (
                whole < 0,
                "",
                digits(&whole.unsigned_abs().to_string(), group),
            ),
            (Some('b'), Some(whole)) => (
                whole < 0,
                if alternate { "0b" } else { "" },
                format!("{:b}", whole.unsigned_abs()),
            ),
            (Some('o'), Some(whole)) => (
                whole < 0,
                if alternate { "0o" } else { "" },
                format!("{:o}", whole.unsigned_abs()),
            ),
            (Some('x'), Some(whole)) => (
                whole < 0,
                if alternate { "0x" } else { "" },
                format!("{:x}", whole.unsigned_abs()),
            ),
            (Some('X'), Some(whole)) => (
                whole < 0,
                if alternate { "0X" } else { "" },
                format!("{:X}", whole.unsigned_abs()),
            ),
            (Some('c'), Some(whole)) => {
                let c = u32::try_from(whole).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| python::fail("%c arg not in range(0x110000)"))?;
                (false, "", c.to_string())
            }
            (Some(kind @ ('d' | 'b' | 'o' | 'x' | 'X' | 'c')), None) => return Err(unknown(kind)),
            (kind, _) => {
                let real = python::number(value).unwrap_or(f64::NAN);
                let magnitude = real.abs();
                let shown = match kind {
                    None => match precision {
                        None => python::float(magnitude),
                        Some(precision) => {
                            let text = percent::real('g', magnitude, precision.max(1));
                            if text.contains(['.', 'e', 'n']) {
                                text
                            } else {
                                text + ".0"
                            }
                        }
                    },
                    Some('%') => {
                        percent::real('f', magnitude * 100.0, precision.unwrap_or(6)) + "%"
                    }
                    Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G')) => {
                        percent::real(kind, magnitude, precision.unwrap_or(6))
                    }
                    Some(kind) => return Err(unknown(kind)),
                };
                let shown = match (group, shown.find(|c: char| !c.is_ascii_digit())) {
                    (None, _) => shown,
                    (group, Some(end)) => digits(&shown[..end], group) + &shown[end..],
                    (group, None) => digits(&shown, group),
                };
                (real.is_sign_negative() && !real.is_nan(), "", shown)
            }
        }
    } else {
        match kind {
            None | Some('s') => {}
            Some(kind) => return Err(unknown(kind)),
        }
        let text = if let Some(text) = value.as_str() {
            text.to_owned()
        } else {
            return Err(python::fail(format!(
                "unsupported format string passed to {}.__format__",
                python::type_name(value)
            )));
        };
        let text = match precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text,
        };
        return Ok(padded("", &text, width, fill, align.unwrap_or('<')));
    };
    let sign = match (minus, sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    Ok(padded(
        &format!("{sign}{prefix}"),
        &body,
        width,
        fill,
        align.unwrap_or('>'),
    ))
}

/// Digits in groups of three.
fn digits(text: &str, group: Option<char>) -> String {
    let Some(group) = group else {
        return text.to_owned();
    };
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            out.push(group);
        }
        out.push(c);
    }
    out
}

fn padded(sign: &str, body: &str, width: usize, fill: char, align: char) -> String {
    let missing = width.saturating_sub(sign.chars().count() + body.chars().count());
    let pad = |count: usize| -> String { std::iter::repeat_n(fill, count).collect() };
    match align {
        '<' => format!("{sign}{body}{}", pad(missing)),
        '^' => format!(
            "{}{sign}{body}{}",
            pad(missing / 2),
            pad(missing - missing / 2)
        ),
        '=' => format!("{sign}{}{body}", pad(missing)),
        _ => format!("{}{sign}{body}", pad(missing)),
    }
}
