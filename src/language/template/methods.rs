//! Methods that Python's own types have.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind};

use super::args::{Args, Given, Spec};
use super::functions::{Cycler, Joiner};
use super::objects::{Dict, List, Namespace, entries_of};
use super::run::{Loop, Module};
use super::{Jinja, python};
use crate::template::run::Vm;

pub(super) fn bind<'a>(
    method: &'a str,
    names: &'static str,
    given: &Given,
) -> Result<Args<'a>, Error> {
    Args::bind(method, Spec::of(names), given)
}

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
    "decode",
];
const MAPPING: &[&str] = &[
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];
const LIST: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];
const TUPLE: &[&str] = &["count", "index"];
const INT: &[&str] = &[
    "bit_length",
    "bit_count",
    "is_integer",
    "conjugate",
    "__and__",
    "__or__",
    "__xor__",
    "__lshift__",
    "__rshift__",
];
const FLOAT: &[&str] = &["is_integer", "conjugate", "hex"];

/// Whether a value has a method of a name.
pub(super) fn known(value: &Jinja, name: &str) -> bool {
    match value.kind() {
        ValueKind::String => TEXT.contains(&name),
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() => MAPPING.contains(&name),
        ValueKind::Map if plain_object(value) => object_method(value, name),
        ValueKind::Map => matches!(name, "get" | "items" | "keys" | "values"),
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => TUPLE.contains(&name),
        ValueKind::Seq | ValueKind::Iterable => LIST.contains(&name),
        ValueKind::Number if value.is_integer() => INT.contains(&name),
        ValueKind::Bool => INT.contains(&name),
        ValueKind::Number => FLOAT.contains(&name),
        ValueKind::Bytes => name == "decode",
        _ => object_method(value, name),
    }
}

/// Objects of templates that look like mappings to the engine's values.
fn plain_object(value: &Jinja) -> bool {
    value.downcast_object_ref::<Loop>().is_some()
        || value.downcast_object_ref::<Cycler>().is_some()
        || value.downcast_object_ref::<Joiner>().is_some()
        || value.downcast_object_ref::<Module>().is_some()
        || value.downcast_object_ref::<Namespace>().is_some()
}

fn object_method(value: &Jinja, name: &str) -> bool {
    if value.downcast_object_ref::<Loop>().is_some() {
        return matches!(name, "cycle" | "changed");
    }
    if value.downcast_object_ref::<Cycler>().is_some() {
        return matches!(name, "next" | "reset");
    }
    super::filters::time::methods(value).contains(&name)
}

/// Calls a method that [`known`] knows.
pub(super) fn call(
    vm: &mut Vm<'_>,
    value: &Jinja,
    method: &str,
    given: &Given,
) -> Result<Jinja, Error> {
    let _ = &vm;
    if let Some(dict) = value.downcast_object::<Dict>()
        && let Some(result) = dict.method(method, given)
    {
        return result;
    }
    if let Some(list) = value.downcast_object::<List>()
        && let Some(result) = list.method(method, given)
    {
        return result;
    }
    if let Some(state) = value.downcast_object_ref::<Loop>() {
        return match method {
            "cycle" => state.cycle(&given.positional),
            _ => Ok(Jinja::from(state.changed(&given.positional))),
        };
    }
    if let Some(joiner) = value.downcast_object_ref::<Joiner>() {
        return Ok(joiner.next());
    }
    if let Some(cycler) = value.downcast_object_ref::<Cycler>()
        && let Some(result) = cycler.method(method)
    {
        return result;
    }
    let found = match value.kind() {
        ValueKind::String => text(value, method, given),
        ValueKind::Map => mapping(value, method, given),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, given),
        ValueKind::Number | ValueKind::Bool => number(value, method, given),
        ValueKind::Bytes => bytes(value, method),
        _ => super::filters::time::method(value, method, given),
    };
    found.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::UnknownMethod,
            format!(
                "object of type '{}' has no attribute '{method}'",
                python::type_name(value)
            ),
        ))
    })
}

/// Methods of lists and tuples that change nothing.
pub(super) fn sequence(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "count" => bind(method, "value", args).and_then(|args| {
            let wanted = args.need(0)?;
            let items = python::items(value)?;
            Ok(Jinja::from(
                items.iter().filter(|item| *item == wanted).count(),
            ))
        }),
        "index" => bind(method, "value start stop", args).and_then(|args| {
            let wanted = args.need(0)?;
            let items = python::items(value)?;
            let (start, stop) = bounds(&args, 1, items.len())?;
            items
                .iter()
                .enumerate()
                .take(stop)
                .skip(start)
                .find(|(_, item)| *item == wanted)
                .map(|(index, _)| Jinja::from(index))
                .ok_or_else(|| {
                    python::fail(format!(
                        "{} is not in list",
                        python::repr(wanted).unwrap_or_default()
                    ))
                })
        }),
        "copy" => python::items(value).map(python::list),
        _ => return None,
    })
}

/// Start and stop of a search, as Python clamps them.
fn bounds(args: &Args<'_>, first: usize, length: usize) -> Result<(usize, usize), Error> {
    let clamp = |index: i64| {
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        if index < 0 {
            length.saturating_sub(distance)
        } else {
            distance.min(length)
        }
    };
    Ok((
        clamp(args.int(first, 0)?),
        clamp(args.int(first + 1, i64::MAX)?),
    ))
}

/// Methods of mappings that change nothing.
pub(super) fn mapping(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "items" => entries_of(value).map(|entries| {
            python::list(
                entries
                    .into_iter()
                    .map(|(key, item)| python::tuple(vec![key, item]))
                    .collect(),
            )
        }),
        "keys" => python::items(value).map(python::list),
        "values" => entries_of(value)
            .map(|entries| python::list(entries.into_iter().map(|(_, item)| item).collect())),
        "get" => bind(method, "key default", args).and_then(|args| {
            let key = args.need(0)?;
            python::hashable(key)?;
            let found = match value.downcast_object_ref::<Dict>() {
                Some(dict) => dict.find(key),
                None => Some(value.get_item(key)?).filter(|found| !found.is_undefined()),
            };
            Ok(found
                .or_else(|| args.raw(1).cloned())
                .unwrap_or_else(|| Jinja::from(())))
        }),
        "copy" => entries_of(value).map(python::dict),
        _ => return None,
    })
}

fn number(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
    Some(match method {
        "is_integer" => Ok(Jinja::from(
            python::number(value).is_some_and(|number| number.fract() == 0.0),
        )),
        "bit_length" => {
            Ok(Jinja::from(python::whole(value).map_or(0, |number| {
                128 - number.unsigned_abs().leading_zeros()
            })))
        }
        "bit_count" => Ok(Jinja::from(
            python::whole(value).map_or(0, |number| number.unsigned_abs().count_ones()),
        )),
        "conjugate" => Ok(value.clone()),
        "__and__" | "__or__" | "__xor__" | "__lshift__" | "__rshift__" => {
            bind(method, "other", args).and_then(|args| {
                let (Some(a), Some(b)) = (python::whole(value), python::whole(args.need(0)?))
                else {
                    return Err(python::fail("whole numbers are needed"));
                };
                let result = match method {
                    "__and__" => Some(a & b),
                    "__or__" => Some(a | b),
                    "__xor__" => Some(a ^ b),
                    "__rshift__" => Some(a >> b.clamp(0, 127)),
                    _ => u32::try_from(b)
                        .ok()
                        .filter(|by| *by < 100)
                        .and_then(|by| a.checked_mul(1_i128.checked_shl(by)?)),
                };
                result
                    .map(python::int)
                    .ok_or_else(|| python::fail("the number is too large"))
            })
        }
        _ => return None,
    })
}

fn bytes(value: &Jinja, method: &str) -> Option<Result<Jinja, Error>> {
    (method == "decode").then(|| {
        Ok(Jinja::from(
            String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned(),
        ))
    })
}

fn text(value: &Jinja, method: &str, args: &Given) -> Option<Result<Jinja, Error>> {
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
