//! Host patterns: `web:&staging:!web[0]`, `~regex`, `*.example`, `@file`.
//!
//! Unions first, then `&`, then `!`, whatever the order they are written in.

use std::path::Path;
use std::sync::Arc;

use fancy_regex::Regex;
use indexmap::IndexSet;

use super::{Inventory, address};
use crate::loader::Loader;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// A part names neither a host nor a group.
    NoMatch {
        part: String,
        near: Option<String>,
    },
    Invalid {
        part: String,
        reason: String,
    },
    /// A file of names.
    File {
        reason: String,
    },
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMatch { part, .. } => {
                write!(f, "Could not match supplied host pattern, ignoring: {part}")
            }
            Self::File { reason } => f.write_str(reason),
            Self::Invalid { part, reason } => {
                write!(f, "the pattern '{part}' is not valid: {reason}")
            }
        }
    }
}

/// The hosts that a pattern selects, and the parts of it that match nothing.
///
/// # Errors
/// A regular expression or range that cannot be read.
pub fn select(
    pattern: &str,
    inventory: &Inventory,
    loader: &dyn Loader,
) -> Result<(Vec<Arc<str>>, Vec<PatternError>), PatternError> {
    let mut misses = Vec::new();
    let mut parts = Vec::new();
    for part in split(pattern) {
        match part.strip_prefix('@') {
            Some(file) => parts.extend(lines(file, loader)?),
            None => parts.push(part),
        }
    }
    let (exclude, rest): (Vec<String>, Vec<String>) =
        parts.into_iter().partition(|part| part.starts_with('!'));
    let (narrow, union): (Vec<String>, Vec<String>) =
        rest.into_iter().partition(|part| part.starts_with('&'));
    let mut chosen: IndexSet<Arc<str>> = IndexSet::new();
    if union.is_empty() {
        chosen.extend(inventory.hosts_of("all"));
    }
    for part in union {
        chosen.extend(matching(&part, inventory, &mut misses)?);
    }
    for part in narrow {
        let keep: IndexSet<Arc<str>> = matching(&part[1..], inventory, &mut misses)?
            .into_iter()
            .collect();
        chosen.retain(|host| keep.contains(host));
    }
    for part in exclude {
        let drop: IndexSet<Arc<str>> = matching(&part[1..], inventory, &mut misses)?
            .into_iter()
            .collect();
        chosen.retain(|host| !drop.contains(host));
    }
    Ok((chosen.into_iter().collect(), misses))
}

fn lines(file: &str, loader: &dyn Loader) -> Result<Vec<String>, PatternError> {
    let wrong = |reason: String| PatternError::File { reason };
    let path = Path::new(file);
    if loader.is_dir(path) {
        return Err(wrong(format!(
            "Limit starting with \"@\" must be a file, not a directory: {file}"
        )));
    }
    let bytes = loader
        .read(path)
        .map_err(|_| wrong(format!("Unable to find limit file {file}")))?;
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// Splits at commas, or at colons outside brackets where there is no comma
/// and the whole is no name of a host.
fn split(pattern: &str) -> Vec<String> {
    let parts: Vec<String> = if pattern.contains(',') {
        pattern.split(',').map(str::to_owned).collect()
    } else if address::parse(pattern, true).is_some() {
        vec![pattern.to_owned()]
    } else {
        let mut depth = 0usize;
        let mut out = vec![String::new()];
        for c in pattern.chars() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            match out.last_mut() {
                Some(last) if depth > 0 || (c != ':' && !c.is_whitespace()) => last.push(c),
                _ => out.push(String::new()),
            }
        }
        out
    };
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

fn matching(
    part: &str,
    inventory: &Inventory,
    misses: &mut Vec<PatternError>,
) -> Result<Vec<Arc<str>>, PatternError> {
    if inventory.host(part).is_some() {
        return Ok(vec![part.into()]);
    }
    let (name, slice) = subscript(part)?;
    let mut hosts: IndexSet<Arc<str>> = IndexSet::new();
    let mut found = false;
    let test = matcher(name)?;
    if inventory.group(name).is_some() {
        found = true;
        hosts.extend(inventory.hosts_of(name));
    } else {
        for (group, _) in inventory.groups() {
            if test(group) {
                found = true;
                hosts.extend(inventory.hosts_of(group));
            }
        }
    }
    // A name that is a group is not looked for among hosts, except wildcards.
    if !found || name.starts_with('~') || name.contains(['.', '*', '?', '[']) {
        for (host, _) in inventory.hosts() {
            if test(host) {
                found = true;
                hosts.insert(Arc::clone(host));
            }
        }
    }
    if !found && matches!(name, "localhost" | "127.0.0.1" | "::1") {
        return Ok(vec![name.into()]);
    }
    if !found && name != "all" && name != "*" {
        let known: Vec<&str> = inventory
            .groups()
            .map(|(name, _)| &**name)
            .chain(inventory.hosts().map(|(name, _)| &**name))
            .collect();
        misses.push(PatternError::NoMatch {
            part: name.to_owned(),
            near: crate::suggest::nearest(name, known).map(str::to_owned),
        });
    }
    let hosts: Vec<Arc<str>> = hosts.into_iter().collect();
    Ok(match slice {
        None => hosts,
        Some(slice) => slice.of(&hosts),
    })
}

type Test = Box<dyn Fn(&str) -> bool>;

fn matcher(name: &str) -> Result<Test, PatternError> {
    let regex = if let Some(expression) = name.strip_prefix('~') {
        expression.to_owned()
    } else if name.contains(['*', '?', '[']) {
        glob_to_regex(name)
    } else {
        let name = name.to_owned();
        return Ok(Box::new(move |candidate| candidate == name));
    };
    let anchored = format!("^(?:{regex})");
    let regex = Regex::new(&anchored).map_err(|error| PatternError::Invalid {
        part: name.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Box::new(move |candidate| {
        regex.is_match(candidate).unwrap_or(false)
    }))
}

fn glob_to_regex(glob: &str) -> String {
    let mut out = String::new();
    for c in glob.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' | ']' => out.push(c),
            '!' if out.ends_with('[') => out.push('^'),
            c => out.push_str(&fancy_regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    out
}

/// `[3]`, `[-1]`, `[0:2]` (both ends included) at the end of a name.
enum Slice {
    One(i64),
    Range(i64, Option<i64>),
}

impl Slice {
    fn of(&self, hosts: &[Arc<str>]) -> Vec<Arc<str>> {
        let length = i64::try_from(hosts.len()).unwrap_or(i64::MAX);
        let place = |at: i64| if at < 0 { at + length } else { at };
        let (from, to) = match self {
            Self::One(at) => (place(*at), place(*at)),
            Self::Range(from, to) => (place(*from), to.map_or(length - 1, place)),
        };
        hosts
            .iter()
            .enumerate()
            .filter(|(at, _)| i64::try_from(*at).is_ok_and(|at| at >= from && at <= to))
            .map(|(_, host)| Arc::clone(host))
            .collect()
    }
}

fn subscript(part: &str) -> Result<(&str, Option<Slice>), PatternError> {
    let whole = || Ok((part, None));
    if part.starts_with('~') || !part.ends_with(']') {
        return whole();
    }
    let Some(open) = part.rfind('[').filter(|open| *open > 0) else {
        return whole();
    };
    let inside = &part[open + 1..part.len() - 1];
    if inside.is_empty()
        || !inside
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '-' | ':'))
    {
        return whole();
    }
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| PatternError::Invalid {
            part: part.to_owned(),
            reason: format!("'{text}' is not a number"),
        })
    };
    let slice = match inside.split_once(':') {
        None => match number(inside) {
            Ok(at) => Slice::One(at),
            Err(_) => return whole(),
        },
        Some((from, to)) => Slice::Range(
            if from.is_empty() { 0 } else { number(from)? },
            if to.is_empty() {
                None
            } else {
                Some(number(to)?)
            },
        ),
    };
    Ok((&part[..open], Some(slice)))
}
