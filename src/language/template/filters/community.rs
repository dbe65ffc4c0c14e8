//! Filters of community.general that playbooks use.

use indexmap::IndexMap;
use minijinja::Error;

use super::Row;
use super::list::{Seen, random_hex};
use crate::template::args::{Args, Given};
use crate::template::objects::entries_of;
use crate::template::run::Vm;
use crate::template::{Jinja, operators, python, version};

pub(super) const ROWS: &[Row] = &[
    ("random_mac", "value seed", random_mac),
    ("version_sort", "value reverse", version_sort),
    (
        "lists_mergeby",
        "value * index recursive list_merge",
        lists_mergeby,
    ),
    ("groupby_as_dict", "value attribute", groupby_as_dict),
    ("counter", "value", counter),
    (
        "from_csv",
        "value dialect fieldnames delimiter skipinitialspace strict",
        from_csv,
    ),
    ("lists_union", "value * flatten", |_, args| {
        joined(args, |all, _| all)
    }),
    ("lists_intersect", "value * flatten", |_, args| {
        joined(args, |all, lists| {
            all.into_iter()
                .filter(|item| lists.iter().all(|list| list.contains(item)))
                .collect()
        })
    }),
    ("lists_difference", "value * flatten", |_, args| {
        joined(args, |all, lists| {
            let rest = lists.get(1..).unwrap_or_default();
            let first = lists.first().cloned().unwrap_or_default();
            all.into_iter()
                .filter(|item| first.contains(item) && !rest.iter().any(|list| list.contains(item)))
                .collect()
        })
    }),
    ("keep_keys", "value target matching_parameter", |_, args| {
        keys(args, true)
    }),
    (
        "remove_keys",
        "value target matching_parameter",
        |_, args| keys(args, false),
    ),
    ("crc32", "value", |_, args| {
        let mut sum = !0u32;
        for byte in args.text(0)?.bytes() {
            sum ^= u32::from(byte);
            for _ in 0..8 {
                sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
            }
        }
        Ok(Jinja::from(format!("{:x}", !sum)))
    }),
    ("to_milliseconds", UNITS, |_, args| span(args, 0.001)),
    ("to_seconds", UNITS, |_, args| span(args, 1.0)),
    ("to_minutes", UNITS, |_, args| span(args, 60.0)),
    ("to_hours", UNITS, |_, args| span(args, 3600.0)),
    ("to_days", UNITS, |_, args| span(args, 86_400.0)),
    ("to_weeks", UNITS, |_, args| span(args, 604_800.0)),
    ("to_months", UNITS, |_, args| span(args, 30.0 * 86_400.0)),
    ("to_years", UNITS, |_, args| span(args, 365.0 * 86_400.0)),
];

const UNITS: &str = "value";

/// A prefix filled up to six bytes.
fn random_mac(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.text(0)?.to_lowercase();
    let parts: Vec<&str> = value.split(':').filter(|part| !part.is_empty()).collect();
    if parts.len() > 5 {
        return Err(args.fail(format!(
            "Invalid value ({value}) for random_mac: 5 colon(:) separated items max"
        )));
    }
    for part in &parts {
        if part.len() != 2 || u8::from_str_radix(part, 16).is_err() {
            return Err(args.fail(format!(
                "Invalid value ({value}) for random_mac: {part} not hexa byte"
            )));
        }
    }
    let mut text = parts.join(":");
    for octet in random_hex(args.some(1), 6 - parts.len()) {
        if !text.is_empty() {
            text.push(':');
        }
        text.push_str(&octet);
    }
    Ok(Jinja::from(text))
}

fn version_sort(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut items = args
        .items(0)?
        .iter()
        .map(python::text)
        .collect::<Result<Vec<_>, _>>()?;
    items.sort_by(|a, b| version::loose(a, b).unwrap_or(std::cmp::Ordering::Equal));
    if args.flag(1, false)? {
        items.reverse();
    }
    Ok(python::list(items.into_iter().map(Jinja::from).collect()))
}

fn lists_mergeby(vm: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut lists = vec![args.need(0)?.clone()];
    let mut rest = args.rest().to_vec();
    let index = match args.some(1) {
        Some(index) => index.clone(),
        None => rest
            .pop()
            .ok_or_else(|| args.fail("the name of the key to merge by is needed"))?,
    };
    lists.extend(rest);
    let mut merged: IndexMap<Jinja, Jinja> = IndexMap::new();
    for list in &lists {
        for item in python::items(list)? {
            let key = item.get_item(&index)?;
            if key.is_undefined() {
                continue;
            }
            let value = match merged.get(&key) {
                Some(old) => {
                    let mut given = Given {
                        positional: vec![old.clone(), item],
                        ..Given::default()
                    };
                    for (name, at) in [("recursive", 2), ("list_merge", 3)] {
                        if let Some(option) = args.some(at) {
                            given.named.push((name.into(), option.clone()));
                        }
                    }
                    vm.apply("combine", &given, crate::template::syntax::At::default())?
                }
                None => item,
            };
            merged.insert(key, value);
        }
    }
    let mut pairs: Vec<(Jinja, Jinja)> = merged.into_iter().collect();
    operators::sort_pairs(&mut pairs)?;
    Ok(python::list(
        pairs.into_iter().map(|(_, item)| item).collect(),
    ))
}

fn groupby_as_dict(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let name = args.need(1)?;
    let mut result: IndexMap<Jinja, Jinja> = IndexMap::new();
    for item in args.items(0)? {
        let key = item.get_item(name)?;
        if key.is_undefined() {
            return Err(args.fail(format!(
                "Attribute not contained in element: {}",
                python::repr(name)?
            )));
        }
        if result.contains_key(&key) {
            return Err(args.fail(format!(
                "Multiple sequence entries have attribute value {}",
                python::repr(&key)?
            )));
        }
        result.insert(key, item);
    }
    Ok(python::dict(result))
}

fn counter(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut counts: IndexMap<Jinja, i64> = IndexMap::new();
    for item in args.items(0)? {
        python::hashable(&item)?;
        *counts.entry(item).or_insert(0) += 1;
    }
    Ok(python::dict(
        counts
            .into_iter()
            .map(|(item, count)| (item, Jinja::from(count))),
    ))
}

fn from_csv(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let tab = args.text_or(1, "excel")? == "excel-tab";
    let delimiter = args
        .text_or(3, if tab { "\t" } else { "," })?
        .chars()
        .next()
        .unwrap_or(',');
    let trim = args.flag(4, false)?;
    let mut rows = crate::template::csv::rows(&text, delimiter).into_iter();
    let names: Vec<String> = match args.some(2) {
        Some(names) => python::items(names)?
            .iter()
            .map(python::text)
            .collect::<Result<_, _>>()?,
        None => rows.next().unwrap_or_default(),
    };
    let tidy = |text: &String| {
        Jinja::from(if trim {
            text.trim_start()
        } else {
            text.as_str()
        })
    };
    Ok(python::list(
        rows.map(|row| {
            python::dict(names.iter().enumerate().map(|(index, name)| {
                (
                    tidy(name),
                    row.get(index).map_or_else(|| Jinja::from(()), tidy),
                )
            }))
        })
        .collect(),
    ))
}

fn joined(
    args: &Args<'_>,
    choose: impl Fn(Vec<Jinja>, &[Vec<Jinja>]) -> Vec<Jinja>,
) -> Result<Jinja, Error> {
    let mut lists = vec![args.items(0)?];
    for list in args.rest() {
        lists.push(python::items(list)?);
    }
    if args.flag(1, false)? {
        lists = lists
            .into_iter()
            .flatten()
            .map(|list| python::items(&list))
            .collect::<Result<_, _>>()?;
    }
    let mut seen = Seen::default();
    let all: Vec<Jinja> = lists
        .iter()
        .flatten()
        .filter(|item| seen.add(item))
        .cloned()
        .collect();
    Ok(python::list(choose(all, &lists)))
}

fn keys(args: &Args<'_>, keep: bool) -> Result<Jinja, Error> {
    let how = args.text_or(2, "equal")?;
    let targets: Vec<String> = match args.need(1)? {
        target if python::is_list(target) => python::items(target)?
            .iter()
            .map(python::text)
            .collect::<Result<_, _>>()?,
        target => vec![python::text(target)?],
    };
    let patterns = if how == "regex" {
        targets
            .iter()
            .map(|target| super::compile(target, super::Flags::default()))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    let hit = |key: &str| match how.as_str() {
        "starts_with" => targets.iter().any(|target| key.starts_with(target)),
        "ends_with" => targets.iter().any(|target| key.ends_with(target)),
        "regex" => patterns
            .iter()
            .any(|pattern| pattern.is_match(key).unwrap_or(false)),
        _ => targets.iter().any(|target| key == target),
    };
    let rows = args
        .items(0)?
        .iter()
        .map(|item| {
            let mut entries = Vec::new();
            for (key, value) in entries_of(item)? {
                if hit(&python::text(&key)?) == keep {
                    entries.push((key, value));
                }
            }
            Ok(python::dict(entries))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(python::list(rows))
}

/// A span such as `1h 30m` in a unit.
fn span(args: &Args<'_>, unit: f64) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let mut total = 0.0;
    for word in text.split_whitespace() {
        let end = word
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
            .unwrap_or(word.len());
        let (number, name) = word.split_at(end);
        let number: f64 = number
            .parse()
            .map_err(|_| args.fail(format!("Unable to interpret '{word}'")))?;
        let seconds = match name {
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 0.001,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            "mo" | "month" | "months" => 30.0 * 86_400.0,
            "y" | "year" | "years" => 365.0 * 86_400.0,
            other => return Err(args.fail(format!("Unknown unit '{other}'"))),
        };
        total += number * seconds;
    }
    Ok(Jinja::from(total / unit))
}
