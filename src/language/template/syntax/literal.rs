//! Text literals of the template language.

use std::sync::Arc;

use super::{At, Mistake, Parsed};

/// The value of a literal without its quotes. Raw ones keep every backslash:
/// in the `{{ }}` of a playbook a backslash stands for itself.
pub(super) fn text(inner: &str, raw: bool, newline: &str, at: At) -> Parsed<Arc<str>> {
    if !inner.contains(['\\', '\n', '\r']) {
        return Ok(inner.into());
    }
    let inner = newlines(inner, newline);
    if raw || !inner.contains('\\') {
        return Ok(inner.into());
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.as_str();
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let mut used = c.len_utf8();
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(c),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '0'..='7' => {
                let digits: String = rest.chars().take(3).take_while(|c| c.is_digit(8)).collect();
                used = digits.len();
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            'x' | 'u' | 'U' => {
                let width = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let found = rest
                    .get(1..=width)
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                    .and_then(char::from_u32);
                let Some(found) = found else {
                    return Err(Mistake::new(
                        format!("the escape \\{c} needs {width} digits of a character"),
                        at,
                    ));
                };
                out.push(found);
                used = 1 + width;
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = &rest[used..];
    }
    out.push_str(rest);
    Ok(out.into())
}

/// Every kind of line end as the wanted one.
pub(super) fn newlines(text: &str, newline: &str) -> String {
    if newline == "\n" && !text.contains('\r') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() == Some(&'\n') {
                    chars.next();
                }
                out.push_str(newline);
            }
            '\n' => out.push_str(newline),
            c => out.push(c),
        }
    }
    out
}
