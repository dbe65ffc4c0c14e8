//! Comparison of versions: loose, strict, semantic and Python's own.

use std::cmp::Ordering;

use minijinja::Error;

use super::python;

/// Compares two versions in one of the kinds `loose`, `strict`, `semver`,
/// `semantic` and `pep440`.
pub(super) fn compare(a: &str, b: &str, operator: &str, kind: &str) -> Result<bool, Error> {
    let order = match kind {
        "loose" => loose(a, b)?,
        "strict" => strict(a)?.cmp(&strict(b)?),
        "semver" | "semantic" => semantic(a, b)?,
        "pep440" => pep440(a)?.cmp(&pep440(b)?),
        other => {
            return Err(python::fail(format!(
                "Invalid version type ({other}). Must be one of loose, strict, semver, semantic, pep440"
            )));
        }
    };
    Ok(match operator {
        "==" | "=" | "eq" => order.is_eq(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        "!=" | "<>" | "ne" => order.is_ne(),
        other => {
            return Err(python::fail(format!(
                "Invalid operator type ({other}). Must be one of ==, <, <=, >, >= or !="
            )));
        }
    })
}

fn bad(text: &str, kind: &str) -> Error {
    python::fail(format!(
        "Version comparison failed: '{text}' is no {kind} version"
    ))
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

/// Splits into runs of digits, runs of letters and other marks.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '.' {
            rest = &rest[1..];
            continue;
        }
        let same: fn(char) -> bool = if first.is_ascii_digit() {
            |c| c.is_ascii_digit()
        } else if first.is_ascii_lowercase() {
            |c| c.is_ascii_lowercase()
        } else {
            |c| !c.is_ascii_digit() && !c.is_ascii_lowercase() && c != '.'
        };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        parts.push(
            run.parse()
                .map_or_else(|_| Part::Word(run.to_owned()), Part::Number),
        );
        rest = after;
    }
    parts
}

pub(super) fn loose(a: &str, b: &str) -> Result<Ordering, Error> {
    let (left, right) = (parts(a), parts(b));
    for (a_part, b_part) in left.iter().zip(&right) {
        let order = match (a_part, b_part) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            // Python has no order between text and number.
            _ => {
                return Err(python::fail(format!(
                    "version: '{a}' and '{b}' cannot be compared"
                )));
            }
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// `1.2[.3][a|b N]`.
fn strict(text: &str) -> Result<([u64; 3], (char, u64)), Error> {
    let error = || bad(text, "strict");
    let at = text.find(['a', 'b']).unwrap_or(text.len());
    let (numbers, pre) = text.split_at(at);
    let mut release = [0; 3];
    let pieces: Vec<&str> = numbers.split('.').collect();
    if !(2..=3).contains(&pieces.len()) {
        return Err(error());
    }
    for (slot, piece) in release.iter_mut().zip(pieces) {
        *slot = piece.parse().map_err(|_| error())?;
    }
    let mark = match pre.chars().next() {
        Some(letter) => (letter, pre[1..].parse().map_err(|_| error())?),
        // A version without a mark comes after those with one.
        None => ('z', 0),
    };
    Ok((release, mark))
}

fn semantic(a: &str, b: &str) -> Result<Ordering, Error> {
    type Parsed<'t> = ([u64; 3], Option<Vec<&'t str>>);
    fn parse(text: &str) -> Result<Parsed<'_>, Error> {
        let error = || bad(text, "semantic");
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre.split('.').collect())),
            None => (text, None),
        };
        let pieces: Vec<&str> = numbers.split('.').collect();
        let mut release = [0; 3];
        if pieces.len() != 3 {
            return Err(error());
        }
        for (slot, piece) in release.iter_mut().zip(pieces) {
            *slot = piece.parse().map_err(|_| error())?;
        }
        Ok((release, pre))
    }
    let ((a, a_pre), (b, b_pre)) = (parse(a)?, parse(b)?);
    Ok(a.cmp(&b).then_with(|| match (a_pre, b_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            for (a, b) in a.iter().zip(&b) {
                let order = match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
            a.len().cmp(&b.len())
        }
    }))
}

/// What orders two versions of Python packages.
type Pep440 = (u64, Vec<u64>, (i8, u64), i128, i128);

fn pep440(text: &str) -> Result<Pep440, Error> {
    let error = || bad(text, "PEP 440");
    let lower = text.trim().trim_start_matches('v').to_lowercase();
    let public = lower
        .split_once('+')
        .map_or(lower.as_str(), |(text, _)| text);
    let (epoch, rest) = match public.split_once('!') {
        Some((epoch, rest)) => (epoch.parse().map_err(|_| error())?, rest),
        None => (0, public),
    };
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(rest.len());
    let (release, mut rest) = rest.split_at(end);
    let mut release = release
        .trim_end_matches('.')
        .split('.')
        .map(|number| number.parse().map_err(|_| error()))
        .collect::<Result<Vec<u64>, _>>()?;
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    // Final releases sort after every pre-release, before post-releases.
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !rest.is_empty() {
        rest = rest.trim_start_matches(['.', '-', '_']);
        let letters = rest
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(letters);
        let after = after.trim_start_matches(['.', '-', '_']);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let number = after[..digits].parse().unwrap_or(0u64);
        match word {
            "a" | "alpha" => pre = Some((0, number)),
            "b" | "beta" => pre = Some((1, number)),
            "rc" | "c" | "pre" | "preview" => pre = Some((2, number)),
            "post" | "rev" | "r" | "" => post = Some(number),
            "dev" => dev = Some(number),
            _ => return Err(error()),
        }
        if word.is_empty() && digits == 0 {
            return Err(error());
        }
        rest = &after[digits..];
    }
    let pre_key = match (pre, post, dev) {
        (Some(pre), ..) => pre,
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    Ok((
        epoch,
        release,
        pre_key,
        post.map_or(-1, i128::from),
        dev.map_or(i128::MAX, i128::from),
    ))
}
