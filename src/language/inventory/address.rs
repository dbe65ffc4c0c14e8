//! Names of hosts: ports behind them, ranges in them.

use std::sync::LazyLock;

use regex::Regex;

/// What is said about ends that are neither numbers nor letters.
pub(super) const NO_NUMBER: &str = "its ends are no numbers";
/// Largest number of names that one range may stand for.
const RANGE_LIMIT: usize = 1_000_000;

#[expect(clippy::expect_used, reason = "constant patterns, covered by tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid constant pattern")
}

/// `name:22`, where brackets in the name hold anything.
static WITH_PORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^((?:[^:\[\]]|\[[^\]]*\])+):([0-9]+)$"));
static BRACKETED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\[(.+)\]:([0-9]+)$"));
/// Labels with dots between them; a range counts as a letter.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    let part = r"(?:[\w]|\[(?:[0-9]*:[0-9]+|[a-zA-Z]:[a-zA-Z])(?::[0-9]+)?\])";
    let label = format!(r"{part}(?:(?:{part}|[-_])*{part})?");
    pattern(&format!(r"^{label}(?:\.{label})*\.?$"))
});

/// Splits a port off; `None` where the text is no name of a host.
pub(super) fn parse(text: &str, ranges: bool) -> Option<(&str, Option<u16>)> {
    let split = BRACKETED
        .captures(text)
        .or_else(|| WITH_PORT.captures(text))
        .and_then(|parts| Some((parts.get(1)?.as_str(), parts.get(2)?.as_str())));
    let (name, port) = match split {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(inside) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        && inside.parse::<std::net::Ipv6Addr>().is_ok()
    {
        return Some((inside, port));
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some((name, port));
    }
    let fits = NAME.is_match(name) && (ranges || !is_range(name));
    fits.then_some((name, port))
}

/// Whether there is something like `[1:3]` in the text.
fn is_range(text: &str) -> bool {
    match (text.find('['), text.find(':'), text.find(']')) {
        (Some(open), Some(colon), Some(close)) => open < colon && colon < close,
        _ => false,
    }
}

/// Splits a port off and expands ranges: `web[01:03]:2222`.
pub(super) fn expand(text: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = parse(text, true).unwrap_or((text, None));
    let mut names = Vec::new();
    ranges(name, String::new(), &mut names)?;
    Ok((names, port))
}

fn ranges(rest: &str, head: String, out: &mut Vec<String>) -> Result<(), String> {
    if !is_range(rest) {
        if out.len() >= RANGE_LIMIT {
            return Err(format!("a range stands for more than {RANGE_LIMIT} hosts"));
        }
        out.push(head + rest);
        return Ok(());
    }
    let open = rest.find('[').unwrap_or(0);
    let close = rest.find(']').unwrap_or(rest.len());
    let inside = &rest[open + 1..close];
    for choice in choices(inside)? {
        ranges(
            &rest[close + 1..],
            format!("{head}{}{choice}", &rest[..open]),
            out,
        )?;
    }
    Ok(())
}

fn choices(inside: &str) -> Result<Vec<String>, String> {
    let hint = format!("'[{inside}]' is not a range: write [01:10], [1:9:2] or [a:f]");
    let parts: Vec<&str> = inside.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, "1"),
        [first, last, step] => (first, last, step),
        _ => {
            return Err(format!(
                "{hint}; host range must be begin:end or begin:end:step"
            ));
        }
    };
    let step: usize = step
        .parse()
        .ok()
        .filter(|step| *step > 0)
        .ok_or_else(|| hint.clone())?;
    let first = if first.is_empty() { "0" } else { first };
    if last.is_empty() {
        return Err(format!("{hint}; host range must specify end value"));
    }
    let padded = first.len() > 1 && first.starts_with('0');
    if padded && first.len() != last.len() {
        return Err(format!(
            "{hint}; host range must specify equal-length begin and end formats"
        ));
    }
    if let (Some(from), Some(to)) = (letter(first), letter(last)) {
        if from > to {
            return Err(format!("{hint}; host range must have begin <= end"));
        }
        return Ok(LETTERS[from..=to]
            .iter()
            .step_by(step)
            .map(|letter| char::from(*letter).to_string())
            .collect());
    }
    let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) else {
        return Err(format!("{hint}; {NO_NUMBER}"));
    };
    if to.saturating_sub(from) / step as u64 > RANGE_LIMIT as u64 {
        return Err(format!("a range stands for more than {RANGE_LIMIT} hosts"));
    }
    let width = if padded { first.len() } else { 0 };
    Ok((from..=to)
        .step_by(step)
        .map(|number| format!("{number:0width$}"))
        .collect())
}

const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter(text: &str) -> Option<usize> {
    let [byte] = text.as_bytes() else {
        return None;
    };
    LETTERS.iter().position(|letter| letter == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_expand() {
        let names = |text: &str| expand(text).map(|(names, _)| names.join(" "));
        assert_eq!(names("w[01:03].x").unwrap(), "w01.x w02.x w03.x");
        assert_eq!(names("w[1:5:2]").unwrap(), "w1 w3 w5");
        assert_eq!(names("[y:B]").unwrap(), "y z A B");
        assert_eq!(names("r[1:2]n[a:b]").unwrap(), "r1na r1nb r2na r2nb");
        assert_eq!(names("w[:2]").unwrap(), "w0 w1 w2");
        assert_eq!(names("w[3:1]").unwrap(), "");
        assert_eq!(names("odd[name]").unwrap(), "odd[name]");
        assert!(names("w[01:3]").is_err());
        assert!(names("w[1:]").is_err());
        assert!(names("w[1:9999999999]").is_err());
    }

    #[test]
    fn ports() {
        assert_eq!(parse("h:22", false), Some(("h", Some(22))));
        assert_eq!(parse("[::1]:22", false), Some(("::1", Some(22))));
        assert_eq!(parse("fe80::1", false), Some(("fe80::1", None)));
        assert_eq!(parse("w[1:3]:22", true), Some(("w[1:3]", Some(22))));
        assert_eq!(parse("w[1:3]", false), None);
        assert_eq!(parse("a b", true), None);
        assert_eq!(parse("h:99999", true), None);
    }
}
