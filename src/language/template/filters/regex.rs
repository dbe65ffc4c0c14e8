//! Regular expressions in Python's dialect.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::context::lock;
use crate::template::run::Vm;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    (
        "regex_replace",
        "value pattern replacement ignorecase multiline count mandatory_count",
        replace,
    ),
    (
        "regex_search",
        "value pattern * ignorecase multiline",
        search,
    ),
    ("regex_findall", "value regex multiline ignorecase", findall),
    ("regex_escape", "value re_type", escape),
];

/// Switches of a pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::template) struct Flags {
    pub(in crate::template) ignore_case: bool,
    pub(in crate::template) multi_line: bool,
}

/// Patterns that were compiled, for the next use.
static KNOWN: LazyLock<Mutex<Patterns>> = LazyLock::new(Mutex::default);

type Patterns = HashMap<(String, Flags), Arc<Regex>>;

/// More patterns than a run should need.
const KEPT: usize = 1000;

/// Compiles a pattern written for Python.
pub(in crate::template) fn compile(pattern: &str, flags: Flags) -> Result<Arc<Regex>, Error> {
    let key = (pattern.to_owned(), flags);
    if let Some(known) = lock(&KNOWN).get(&key) {
        return Ok(Arc::clone(known));
    }
    let regex = RegexBuilder::new(&translate(pattern))
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .backtrack_limit(5_000_000)
        .build()
        .map(Arc::new)
        .map_err(|error| python::fail(format!("'{pattern}' is no regular expression: {error}")))?;
    let mut known = lock(&KNOWN);
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(key, Arc::clone(&regex));
    Ok(regex)
}

/// Writes Python's spellings in the engine's.
fn translate(pattern: &str) -> String {
    let mut result = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut class = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                // End of the text only, as in Python.
                Some('Z') => result.push_str("\\z"),
                // Escapes of characters that need none.
                Some(escaped) if !escaped.is_ascii_alphanumeric() => {
                    if "\\.+*?()|[]{}^$#&-~".contains(escaped) {
                        result.push('\\');
                    }
                    result.push(escaped);
                }
                Some(escaped) => {
                    result.push('\\');
                    result.push(escaped);
                }
                None => result.push('\\'),
            },
            // Inside a class these mean sets to the engine, but not to Python.
            '[' if class > 0 => result.push_str("\\["),
            '[' => {
                class = 1;
                result.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    result.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    result.push_str("\\]");
                }
            }
            ']' if class > 0 => {
                class = 0;
                result.push(']');
            }
            '&' | '~' if class > 0 => {
                result.push('\\');
                result.push(c);
            }
            '$' if class == 0 => {
                // Before a final line end too, as in Python.
                result.push_str("(?:$|(?=\\n\\z))");
            }
            c => result.push(c),
        }
    }
    result
}

fn failed(error: &fancy_regex::Error) -> Error {
    python::fail(format!("regular expression: {error}"))
}

fn flags(args: &Args<'_>, ignore_case: usize, multi_line: usize) -> Result<Flags, Error> {
    Ok(Flags {
        ignore_case: args.flag(ignore_case, false)?,
        multi_line: args.flag(multi_line, false)?,
    })
}

/// Expands `\1`, `\g<name>` and escapes of a replacement.
fn expand(template: &str, found: &Captures<'_, str>, out: &mut String) -> Result<(), Error> {
    let mut chars = template.chars().peekable();
    let group = |name: &str| -> Result<String, Error> {
        let text = match name.parse::<usize>() {
            Ok(number) if number < found.len() => found.get(number),
            Ok(number) => return Err(python::fail(format!("invalid group reference {number}"))),
            Err(_) => found.name(name),
        };
        Ok(text.map_or_else(String::new, |text| text.as_str().to_owned()))
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('g') if chars.peek() == Some(&'<') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                out.push_str(&group(&name)?);
            }
            Some(digit) if digit.is_ascii_digit() => {
                let mut number = digit.to_string();
                if let Some(more) = chars.next_if(char::is_ascii_digit) {
                    number.push(more);
                }
                out.push_str(&group(&number)?);
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Ok(())
}

fn replace(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (text, pattern) = (args.text(0)?, args.text_or(1, "")?);
    let replacement = args.text_or(2, "")?;
    let regex = compile(&pattern, flags(args, 3, 4)?)?;
    let limit = usize::try_from(args.int(5, 0)?).unwrap_or(0);
    let wanted = usize::try_from(args.int(6, 0)?).unwrap_or(0);
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    let mut count = 0;
    for found in regex.captures_iter(text.as_str()) {
        let found = found.map_err(|error| failed(&error))?;
        let Some(whole) = found.get(0) else { continue };
        if limit > 0 && count >= limit {
            break;
        }
        count += 1;
        result.push_str(&text[from..whole.start()]);
        expand(&replacement, &found, &mut result)?;
        from = whole.end();
    }
    if wanted > 0 && count != wanted {
        return Err(args.fail(format!(
            "'{pattern}' should match {wanted} times, but matches {count} times in '{text}'"
        )));
    }
    result.push_str(&text[from..]);
    Ok(Jinja::from(result))
}

fn search(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (text, pattern) = (args.text(0)?, args.text(1)?);
    let regex = compile(&pattern, flags(args, 2, 3)?)?;
    let Some(found) = regex
        .captures(text.as_str())
        .map_err(|error| failed(&error))?
    else {
        return Ok(Jinja::from(()));
    };
    let value = |group: Option<fancy_regex::Match<'_>>| {
        group.map_or_else(|| Jinja::from(()), |group| Jinja::from(group.as_str()))
    };
    if args.rest().is_empty() {
        return Ok(value(found.get(0)));
    }
    let mut groups = Vec::new();
    for wanted in args.rest() {
        let name = python::text(wanted)?;
        let group = match (name.strip_prefix("\\g<"), name.strip_prefix('\\')) {
            (Some(name), _) => {
                let name = name.trim_end_matches('>');
                match name.parse() {
                    Ok(number) => found.get(number),
                    Err(_) => found.name(name),
                }
            }
            (_, Some(number)) => {
                let number = number
                    .parse()
                    .map_err(|_| args.fail(format!("Unknown argument '{name}'")))?;
                if number >= found.len() {
                    return Err(args.fail(format!("the pattern has no group {number}")));
                }
                found.get(number)
            }
            _ => return Err(args.fail(format!("Unknown argument '{name}'"))),
        };
        groups.push(value(group));
    }
    Ok(python::list(groups))
}

fn findall(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (text, pattern) = (args.text(0)?, args.text(1)?);
    let regex = compile(&pattern, flags(args, 3, 2)?)?;
    let mut all = Vec::new();
    for found in regex.captures_iter(text.as_str()) {
        let found = found.map_err(|error| failed(&error))?;
        let group =
            |number: usize| Jinja::from(found.get(number).map_or("", |group| group.as_str()));
        all.push(match found.len() {
            1 => group(0),
            2 => group(1),
            count => python::tuple((1..count).map(group).collect()),
        });
    }
    Ok(python::list(all))
}

fn escape(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let special = match args.text_or(1, "python")?.as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        "posix_basic" => "[].^$*\\",
        other @ "posix_extended" => {
            return Err(args.fail(format!("Regex type ({other}) not yet implemented")));
        }
        other => return Err(args.fail(format!("Invalid regex type ({other})"))),
    };
    let mut result = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if special.contains(c) {
            result.push('\\');
        }
        result.push(c);
    }
    Ok(Jinja::from(result))
}
