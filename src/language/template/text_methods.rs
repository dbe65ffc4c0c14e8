//! Methods that Python's text has.

use std::sync::LazyLock;

use minijinja::Error;

use super::args::{Args, Given};
use super::methods::{bind, bounds};
use super::objects::entries_of;
use super::{Jinja, python};

pub(super) fn call(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    let text = value.as_str()?;
    let call = |names: &'static str, act: &dyn Fn(&Args<'_>) -> Result<Jinja, Error>| {
        bind(method, names, args).and_then(|args| act(&args))
    };
    let plain = |result: String| bind(method, "", args).map(|_| Jinja::from(result));
    let all = |test: fn(char) -> bool| {
        bind(method, "", args).map(|_| Jinja::from(!text.is_empty() && text.chars().all(test)))
    };
    let cased = |lower: bool| {
        bind(method, "", args).map(|_| {
            let letters = || text.chars().filter(|c| c.is_alphabetic());
            let wanted = |c: char| {
                if lower {
                    !c.is_uppercase()
                } else {
                    !c.is_lowercase()
                }
            };
            Jinja::from(letters().next().is_some() && letters().all(wanted))
        })
    };
    Some(match method {
        "upper" => plain(text.to_uppercase()),
        "lower" => plain(text.to_lowercase()),
        "casefold" => plain(text.to_lowercase().replace('ß', "ss")),
        "capitalize" => plain(capitalize(text)),
        "title" => plain(title(text)),
        "swapcase" => plain(
            text.chars()
                .map(|c| {
                    if c.is_uppercase() {
                        c.to_lowercase().collect::<String>()
                    } else {
                        c.to_uppercase().collect()
                    }
                })
                .collect(),
        ),
        "strip" | "lstrip" | "rstrip" => call("chars", &|args| {
            let set = args.some(0).map(python::text).transpose()?;
            let cut = |c: char| match &set {
                Some(set) => set.contains(c),
                None => c.is_whitespace(),
            };
            Ok(Jinja::from(match method {
                "strip" => text.trim_matches(cut),
                "lstrip" => text.trim_start_matches(cut),
                _ => text.trim_end_matches(cut),
            }))
        }),
        "split" | "rsplit" => call("sep maxsplit", &|args| {
            let separator = args.some(0).map(python::text).transpose()?;
            let limit = usize::try_from(args.int(1, -1)?).ok();
            if separator.as_deref() == Some("") {
                return Err(python::fail("empty separator"));
            }
            Ok(strings(split(
                text,
                separator.as_deref(),
                limit,
                method == "rsplit",
            )))
        }),
        "splitlines" => call("keepends", &|args| {
            Ok(strings(lines(text, args.flag(0, false)?)))
        }),
        "join" => call("iterable", &|args| {
            let mut joined = String::new();
            for (index, item) in args.items(0)?.iter().enumerate() {
                if index > 0 {
                    joined.push_str(text);
                }
                joined.push_str(item.as_str().ok_or_else(|| {
                    python::fail(format!(
                        "sequence item {index}: expected str instance, {} found",
                        python::type_name(item)
                    ))
                })?);
            }
            Ok(Jinja::from(joined))
        }),
        "replace" => call("old new count", &|args| {
            let (old, new) = (args.text(0)?, args.text(1)?);
            Ok(Jinja::from(match usize::try_from(args.int(2, -1)?) {
                Ok(count) => text.replacen(&old, &new, count),
                Err(_) => text.replace(&old, &new),
            }))
        }),
        "startswith" | "endswith" => call("prefix start end", &|args| {
            let wanted = args.need(0)?;
            let wanted = match wanted.as_str() {
                Some(_) => vec![wanted.clone()],
                None => python::items(wanted)?,
            };
            let part = part(text, args, 1)?;
            Ok(Jinja::from(wanted.iter().filter_map(Jinja::as_str).any(
                |wanted| {
                    if method == "startswith" {
                        part.starts_with(wanted)
                    } else {
                        part.ends_with(wanted)
                    }
                },
            )))
        }),
        "find" | "index" | "rfind" | "rindex" => call("sub start end", &|args| {
            let wanted = args.text(0)?;
            let part = part(text, args, 1)?;
            let found = if method.starts_with('r') {
                part.rfind(&wanted)
            } else {
                part.find(&wanted)
            };
            let start = bounds(args, 1, text.chars().count())?.0;
            match found {
                Some(at) => Ok(Jinja::from(start + part[..at].chars().count())),
                None if method.ends_with("find") => Ok(Jinja::from(-1)),
                None => Err(python::fail("substring not found")),
            }
        }),
        "count" => call("sub start end", &|args| {
            let wanted = args.text(0)?;
            let part = part(text, args, 1)?;
            Ok(Jinja::from(if wanted.is_empty() {
                part.chars().count() + 1
            } else {
                part.matches(&wanted).count()
            }))
        }),
        "partition" | "rpartition" => call("sep", &|args| {
            let separator = args.text(0)?;
            if separator.is_empty() {
                return Err(python::fail("empty separator"));
            }
            let parts = if method == "partition" {
                text.split_once(&separator)
                    .map_or([text, "", ""], |(a, b)| [a, &separator, b])
            } else {
                text.rsplit_once(&separator)
                    .map_or(["", "", text], |(a, b)| [a, &separator, b])
            };
            Ok(python::tuple(parts.map(Jinja::from).to_vec()))
        }),
        "removeprefix" => call("prefix", &|args| {
            let prefix = args.text(0)?;
            Ok(Jinja::from(text.strip_prefix(&prefix).unwrap_or(text)))
        }),
        "removesuffix" => call("suffix", &|args| {
            let suffix = args.text(0)?;
            Ok(Jinja::from(text.strip_suffix(&suffix).unwrap_or(text)))
        }),
        "zfill" => call("width", &|args| {
            let width = width(args)?;
            let missing = width.saturating_sub(text.chars().count());
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => (&text[..1], digits),
                None => ("", text),
            };
            Ok(Jinja::from(format!(
                "{sign}{}{digits}",
                "0".repeat(missing)
            )))
        }),
        "ljust" | "rjust" | "center" => call("width fillchar", &|args| {
            let missing = width(args)?.saturating_sub(text.chars().count());
            let fill = args.text_or(1, " ")?;
            let left = match method {
                "ljust" => 0,
                "rjust" => missing,
                // Python puts the odd one left when the width is odd.
                _ => missing / 2 + (missing & (missing + text.chars().count()) & 1),
            };
            Ok(Jinja::from(format!(
                "{}{text}{}",
                fill.repeat(left),
                fill.repeat(missing - left)
            )))
        }),
        "expandtabs" => call("tabsize", &|args| {
            let size = usize::try_from(args.int(0, 8)?).unwrap_or(0).min(1000);
            Ok(Jinja::from(expand_tabs(text, size)))
        }),
        "encode" => Ok(value.clone()),
        "decode" => Ok(value.clone()),
        "isnumeric" => all(char::is_numeric),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(|c| is_decimal(c) || "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉".contains(c)),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(char::is_whitespace),
        "isascii" => plain(String::new()).map(|_| Jinja::from(text.is_ascii())),
        "isupper" => cased(false),
        "islower" => cased(true),
        "isidentifier" => plain(String::new()).map(|_| {
            let mut chars = text.chars();
            Jinja::from(
                chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                    && chars.all(|c| c.is_alphanumeric() || c == '_'),
            )
        }),
        "format" => super::braces::format(text, args).map(Jinja::from),
        "format_map" => call("mapping", &|bound| {
            let mut given = Given::default();
            for (key, value) in entries_of(bound.need(0)?)? {
                given.named.push((python::text(&key)?.into(), value));
            }
            super::braces::format(text, &given).map(Jinja::from)
        }),
        "istitle" => plain(String::new()).map(|_| {
            Jinja::from(
                !text.is_empty() && title(text) == text && text.chars().any(char::is_alphabetic),
            )
        }),
        "isprintable" => {
            plain(String::new()).map(|_| Jinja::from(!text.chars().any(char::is_control)))
        }
        "translate" => call("table", &|args| {
            let table = args.need(0)?;
            let mut out = String::new();
            for c in text.chars() {
                let found = table.get_item(&Jinja::from(u32::from(c)))?;
                if found.is_undefined() {
                    out.push(c);
                } else if !found.is_none() {
                    out.push_str(&python::text(&found)?);
                }
            }
            Ok(Jinja::from(out))
        }),
        _ => return None,
    })
}

fn width(args: &Args<'_>) -> Result<usize, Error> {
    args.need(0)?;
    let width = args.int(0, 0)?;
    usize::try_from(width.max(0))
        .ok()
        .filter(|width| *width <= 1_000_000)
        .ok_or_else(|| args.fail("the width is too large"))
}

/// The part of a text between two positions given as arguments.
fn part<'t>(text: &'t str, args: &Args<'_>, first: usize) -> Result<&'t str, Error> {
    let (start, stop) = bounds(args, first, text.chars().count())?;
    let at = |position: usize| {
        text.char_indices()
            .nth(position)
            .map_or(text.len(), |(offset, _)| offset)
    };
    Ok(text.get(at(start)..at(stop)).unwrap_or_default())
}

fn strings(parts: Vec<&str>) -> Jinja {
    python::list(parts.into_iter().map(Jinja::from).collect())
}

/// `str.split` and `str.rsplit`.
pub(super) fn split<'t>(
    text: &'t str,
    separator: Option<&str>,
    limit: Option<usize>,
    from_right: bool,
) -> Vec<&'t str> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    match (separator, from_right) {
        (Some(separator), false) => {
            parts.extend(text.splitn(limit.saturating_add(1), separator));
        }
        (Some(separator), true) => {
            parts.extend(text.rsplitn(limit.saturating_add(1), separator));
            parts.reverse();
        }
        (None, false) => {
            let mut rest = text.trim_start();
            while !rest.is_empty() {
                match rest.find(char::is_whitespace) {
                    Some(end) if parts.len() < limit => {
                        parts.push(&rest[..end]);
                        rest = rest[end..].trim_start();
                    }
                    Some(_) => {
                        parts.push(rest);
                        rest = "";
                    }
                    None => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
        }
        (None, true) => {
            let mut rest = text.trim_end();
            while !rest.is_empty() {
                match rest.rfind(char::is_whitespace) {
                    Some(at) if parts.len() < limit => {
                        let word = rest[at..].trim_start();
                        parts.push(word);
                        rest = rest[..at].trim_end();
                    }
                    _ => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
            parts.reverse();
        }
    }
    parts
}

/// `str.splitlines`.
pub(super) fn lines(text: &str, keep: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find([
            '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
        ]);
        let Some(end) = end else {
            parts.push(rest);
            break;
        };
        let width = if rest[end..].starts_with("\r\n") {
            2
        } else {
            rest[end..].chars().next().map_or(1, char::len_utf8)
        };
        parts.push(&rest[..if keep { end + width } else { end }]);
        rest = &rest[end + width..];
    }
    parts
}

pub(super) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase()
    })
}

/// A digit of any script.
fn is_decimal(c: char) -> bool {
    static DIGIT: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"^\p{Nd}$").ok());
    c.is_ascii_digit()
        || (c.is_numeric()
            && DIGIT
                .as_ref()
                .is_some_and(|digit| digit.is_match(c.encode_utf8(&mut [0; 4]))))
}

fn expand_tabs(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let width = size - column % size;
                out.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// `str.title`: a capital after anything that is no letter.
fn title(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            result.extend(c.to_lowercase());
        } else {
            result.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    result
}
