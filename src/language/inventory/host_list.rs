//! Hosts given on the command line, and ranges in host names.

use super::{Inventory, given};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::value::{Map, Value};

/// Largest number of names that one range may stand for.
const RANGE_LIMIT: usize = 100_000;

/// `h1,h2:2222,web[01:10]`
pub(super) fn read(list: &str, inventory: &mut Inventory, problems: &mut Vec<Diagnostic>) {
    let source = given(list);
    let span = Span::new(&source, 0..list.len());
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match expand(part) {
            Ok((names, port)) => {
                for name in names {
                    inventory.add_host(&name, "ungrouped");
                    set_port(inventory, &name, port);
                }
            }
            Err(reason) => problems.push(Diagnostic::error("inventory", reason).at(&span)),
        }
    }
}

pub(super) fn set_port(inventory: &mut Inventory, host: &str, port: Option<u16>) {
    if let Some(port) = port {
        let mut vars = Map::new();
        vars.insert("ansible_port", Value::Int(port.into()));
        inventory.set_host_vars(host, &vars);
    }
}

/// Splits a port off and expands ranges: `web[01:03]:2222`.
pub(super) fn expand(pattern: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (pattern, port) = split_port(pattern);
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some(open) = rest.find('[') {
        let close = rest[open..]
            .find(']')
            .map(|at| at + open)
            .ok_or_else(|| format!("'{pattern}' has a '[' without its ']'"))?;
        let inside = &rest[open + 1..close];
        let choices = range(inside).ok_or_else(|| {
            format!("'[{inside}]' is not a range: write [01:10], [1:9:2] or [a:f]")
        })?;
        let head = &rest[..open];
        if names.len().saturating_mul(choices.len()) > RANGE_LIMIT {
            return Err(format!(
                "'{pattern}' stands for more than {RANGE_LIMIT} hosts"
            ));
        }
        names = names
            .iter()
            .flat_map(|name| {
                choices
                    .iter()
                    .map(move |choice| format!("{name}{head}{choice}"))
            })
            .collect();
        rest = &rest[close + 1..];
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok((names, port))
}

/// A port after the last colon, unless the text is an IPv6 address.
fn split_port(pattern: &str) -> (&str, Option<u16>) {
    if let Some(inside) = pattern.strip_prefix('[')
        && let Some((address, rest)) = inside.split_once(']')
        && address.parse::<std::net::Ipv6Addr>().is_ok()
    {
        return (
            address,
            rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    if pattern.parse::<std::net::Ipv6Addr>().is_ok() {
        return (pattern, None);
    }
    match pattern.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (pattern, None),
        },
        _ => (pattern, None),
    }
}

fn range(text: &str) -> Option<Vec<String>> {
    let mut parts = text.split(':');
    let (first, last, step) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let step: usize = step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
    let first = if first.is_empty() { "0" } else { first };
    if let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) {
        if first.len() > 1 && first.starts_with('0') && first.len() != last.len() {
            return None;
        }
        let width = if first.starts_with('0') {
            first.len()
        } else {
            0
        };
        if from > to || (to - from) / step as u64 > RANGE_LIMIT as u64 {
            return None;
        }
        return Some(
            (from..=to)
                .step_by(step)
                .map(|n| format!("{n:0width$}"))
                .collect(),
        );
    }
    let letter = |text: &str| {
        let mut chars = text.chars();
        chars
            .next()
            .filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
    };
    let (from, to) = (letter(first)?, letter(last)?);
    (from <= to).then(|| {
        (from..=to)
            .filter(char::is_ascii_alphabetic)
            .step_by(step)
            .map(String::from)
            .collect()
    })
}
