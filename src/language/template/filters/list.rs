//! Lists.

use std::collections::HashMap;

use minijinja::Error;

use super::Row;
use super::dice::Dice;
use crate::template::args::Args;
use crate::template::functions::Range;
use crate::template::marker::Missing;
use crate::template::run::Vm;
use crate::template::{Jinja, operators, python};

pub(super) const ROWS: &[Row] = &[
    ("list", "value", |_, args| {
        args.raw_items(0).map(python::list)
    }),
    ("length", "value", length),
    ("count", "value", length),
    ("first", "value", |_, args| {
        take(
            args.raw_items(0)?.into_iter().next(),
            "No first item, sequence was empty.",
        )
    }),
    ("last", "value", |_, args| {
        take(
            args.raw_items(0)?.pop(),
            "No last item, sequence was empty.",
        )
    }),
    ("join", "value d attribute", join),
    ("reverse", "value", reverse),
    ("unique", "value case_sensitive attribute", unique),
    ("union", "value other", union),
    ("intersect", "value other", intersect),
    ("difference", "value other", difference),
    ("symmetric_difference", "value other", symmetric_difference),
    ("flatten", "value levels skip_nulls", flatten),
    ("zip", "value * strict", zip),
    ("zip_longest", "value * fillvalue", zip_longest),
    ("product", "value * repeat", product),
    ("permutations", "value r", permutations),
    ("combinations", "value r", combinations),
    ("batch", "value linecount fill_with", batch),
    ("slice", "value slices fill_with", slice),
    ("subelements", "value subelements skip_missing", subelements),
    ("random", "value start step seed", random),
    ("shuffle", "value seed", shuffle),
];

/// More results than this are refused.
const MAX_RESULTS: usize = 1_000_000;

/// An item, or what says that there is none.
fn take(item: Option<Jinja>, otherwise: &str) -> Result<Jinja, Error> {
    Ok(item.unwrap_or_else(|| super::select::absent(otherwise.to_owned())))
}

fn length(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    if let Some(range) = value.downcast_object_ref::<Range>() {
        return Ok(python::int(range.count));
    }
    value.len().map(Jinja::from).ok_or_else(|| {
        python::fail(format!(
            "object of type '{}' has no len()",
            python::type_name(value)
        ))
    })
}

fn join(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let separator = args.text_or(1, "")?;
    let attribute = args.some(2);
    let mut result = String::new();
    for (index, item) in args.items(0)?.iter().enumerate() {
        if index > 0 {
            result.push_str(&separator);
        }
        match attribute {
            Some(path) => python::write_text(&mut result, &super::select::member(item, path)?)?,
            None => python::write_text(&mut result, item)?,
        }
    }
    Ok(Jinja::from(result))
}

fn reverse(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    if let Some(text) = args.need(0)?.as_str() {
        return Ok(Jinja::from(text.chars().rev().collect::<String>()));
    }
    let mut items = args.items(0)?;
    items.reverse();
    Ok(python::list(items))
}

/// A set of values that keeps their order.
#[derive(Default)]
pub(super) struct Seen(HashMap<Jinja, ()>);

impl Seen {
    pub(super) fn of(items: &[Jinja]) -> Self {
        let mut seen = Self::default();
        for item in items {
            seen.add(item);
        }
        seen
    }

    /// Whether the value is new.
    pub(super) fn add(&mut self, item: &Jinja) -> bool {
        self.0.insert(item.clone(), ()).is_none()
    }

    pub(super) fn has(&self, item: &Jinja) -> bool {
        self.0.contains_key(item)
    }
}

fn unique(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let sensitive = args.flag(1, false)?;
    let strict = args.some(2).is_some() || (args.some(1).is_some() && !sensitive);
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    for item in args.items(0)? {
        let key = match args.some(2) {
            Some(path) => super::select::member(&item, path)?,
            None => item.clone(),
        };
        let key = match key.as_str() {
            Some(text) if !sensitive => Jinja::from(text.to_lowercase()),
            _ => key,
        };
        if strict && let Err(error) = python::hashable(&key) {
            return Err(args.fail(format!(
                "unique cannot fall back to comparing items that are no keys, it does not support case_sensitive or attribute then: {}",
                error.detail().unwrap_or_default()
            )));
        }
        if seen.add(&key) {
            kept.push(item);
        }
    }
    Ok(python::list(kept))
}

fn kept(items: Vec<Jinja>, mut keep: impl FnMut(&Jinja) -> bool) -> Jinja {
    let mut once = Seen::default();
    python::list(
        items
            .into_iter()
            .filter(|item| keep(item) && once.add(item))
            .collect(),
    )
}

fn union(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut items = args.items(0)?;
    items.extend(args.items(1)?);
    Ok(kept(items, |_| true))
}

fn intersect(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let other = Seen::of(&args.items(1)?);
    Ok(kept(args.items(0)?, |item| other.has(item)))
}

fn difference(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let other = Seen::of(&args.items(1)?);
    Ok(kept(args.items(0)?, |item| !other.has(item)))
}

fn symmetric_difference(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (left, right) = (args.items(0)?, args.items(1)?);
    let (in_left, in_right) = (Seen::of(&left), Seen::of(&right));
    let mut items = left;
    items.extend(right);
    Ok(kept(items, |item| in_left.has(item) != in_right.has(item)))
}

/// Flattens lists, not text or mappings.
pub(in crate::template) fn flat(
    items: Vec<Jinja>,
    levels: Option<usize>,
    skip_nulls: bool,
    out: &mut Vec<Jinja>,
    depth: usize,
) -> Result<(), Error> {
    if depth > python::MAX_DEPTH {
        return Err(python::fail("flatten: nested too deeply"));
    }
    for item in items {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if null && skip_nulls {
            continue;
        }
        if python::is_list(&item) && levels != Some(0) {
            let levels = levels.map(|levels| levels - 1);
            flat(python::items(&item)?, levels, skip_nulls, out, depth + 1)?;
        } else {
            out.push(item);
        }
    }
    Ok(())
}

fn flatten(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let levels = match args.some(1) {
        Some(_) => usize::try_from(args.int(1, 0)?).ok(),
        None => None,
    };
    let mut out = Vec::new();
    flat(args.items(0)?, levels, args.flag(2, true)?, &mut out, 0)?;
    Ok(python::list(out))
}

fn columns(args: &Args<'_>) -> Result<Vec<Vec<Jinja>>, Error> {
    std::iter::once(args.items(0))
        .chain(args.rest().iter().map(python::items))
        .collect()
}

fn zip(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let columns = columns(args)?;
    let length = columns.iter().map(Vec::len).min().unwrap_or(0);
    if args.flag(1, false)? && columns.iter().any(|column| column.len() != length) {
        return Err(args.fail("the lists have different lengths"));
    }
    Ok(python::list(
        (0..length)
            .map(|row| python::tuple(columns.iter().map(|column| column[row].clone()).collect()))
            .collect(),
    ))
}

fn zip_longest(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let columns = columns(args)?;
    let fill = args.get(1).cloned().unwrap_or_else(|| Jinja::from(()));
    let length = columns.iter().map(Vec::len).max().unwrap_or(0);
    Ok(python::list(
        (0..length)
            .map(|row| {
                python::tuple(
                    columns
                        .iter()
                        .map(|column| column.get(row).unwrap_or(&fill).clone())
                        .collect(),
                )
            })
            .collect(),
    ))
}

fn too_many(args: &Args<'_>) -> Error {
    args.fail(format!("more than {MAX_RESULTS} results"))
}

fn product(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let once = columns(args)?;
    let repeat = usize::try_from(args.int(1, 1)?.max(0)).unwrap_or(1);
    let mut rows: Vec<Vec<Jinja>> = vec![Vec::new()];
    for column in (0..repeat).flat_map(|_| &once) {
        if rows.len().saturating_mul(column.len()) > MAX_RESULTS {
            return Err(too_many(args));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                column.iter().map(|item| {
                    let mut row = row.clone();
                    row.push(item.clone());
                    row
                })
            })
            .collect();
    }
    Ok(python::list(rows.into_iter().map(python::tuple).collect()))
}

/// Chooses items in order, by position.
fn choose(args: &Args<'_>, ordered: bool) -> Result<Jinja, Error> {
    let items = args.items(0)?;
    let size = match args.some(1) {
        Some(_) => usize::try_from(args.int(1, 0)?).unwrap_or(0),
        None if ordered => items.len(),
        None => return args.need(1).cloned(),
    };
    let mut results = Vec::new();
    let mut pending: Vec<Vec<usize>> = vec![Vec::new()];
    while let Some(chosen) = pending.pop() {
        if chosen.len() == size {
            if results.len() >= MAX_RESULTS {
                return Err(too_many(args));
            }
            results.push(python::tuple(
                chosen.iter().map(|index| items[*index].clone()).collect(),
            ));
            continue;
        }
        let first = match (ordered, chosen.last()) {
            (false, Some(last)) => last + 1,
            _ => 0,
        };
        for index in (first..items.len()).rev() {
            if !chosen.contains(&index) {
                let mut next = chosen.clone();
                next.push(index);
                pending.push(next);
            }
        }
    }
    Ok(python::list(results))
}

fn permutations(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    choose(args, true)
}

fn combinations(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    choose(args, false)
}

fn batch(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let size = usize::try_from(args.int(1, 1)?)
        .unwrap_or(0)
        .clamp(1, MAX_RESULTS);
    let items = args.items(0)?;
    let rows = items.chunks(size).map(|row| {
        let mut row = row.to_vec();
        if let Some(fill) = args.some(2) {
            row.resize(size, fill.clone());
        }
        python::list(row)
    });
    Ok(python::list(rows.collect()))
}

fn slice(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let items = args.items(0)?;
    let count = usize::try_from(args.int(1, 1)?)
        .unwrap_or(0)
        .clamp(1, MAX_RESULTS);
    let (each, extra) = (items.len() / count, items.len() % count);
    let mut rows = Vec::with_capacity(count);
    let mut from = 0;
    for index in 0..count {
        let size = each + usize::from(index < extra);
        let mut row = items[from..from + size].to_vec();
        from += size;
        if let Some(fill) = args.some(2)
            && index >= extra
            && extra > 0
        {
            row.push(fill.clone());
        }
        rows.push(python::list(row));
    }
    Ok(python::list(rows))
}

fn subelements(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let elements = if python::is_map(value) {
        python::pairs(value).map(|(_, item)| item).collect()
    } else {
        python::items(value)?
    };
    let path = match args.need(1)? {
        path if path.as_str().is_some() => args.text(1)?.split('.').map(str::to_owned).collect(),
        path => python::items(path)?
            .iter()
            .map(python::text)
            .collect::<Result<Vec<_>, _>>()?,
    };
    let skip = args.flag(2, false)?;
    pairs_below(&elements, &path, skip)
        .map(|pairs| python::list(pairs.into_iter().map(python::tuple).collect()))
}

/// Pairs of every element and each item of a list inside it.
pub(in crate::template) fn pairs_below(
    elements: &[Jinja],
    path: &[String],
    skip_missing: bool,
) -> Result<Vec<Vec<Jinja>>, Error> {
    let mut pairs = Vec::new();
    'elements: for element in elements {
        let mut inner = element.clone();
        for key in path {
            if !python::is_map(&inner) {
                if skip_missing {
                    continue 'elements;
                }
                return Err(python::fail(format!(
                    "the key '{key}' should point to a dictionary, got '{}'",
                    python::repr(&inner)?
                )));
            }
            let found = inner.get_item(&Jinja::from(key.as_str()))?;
            if found.is_missing() {
                if skip_missing {
                    continue 'elements;
                }
                return Err(python::fail(format!(
                    "could not find '{key}' key in iterated item {}",
                    crate::template::error::shown(&inner)
                )));
            }
            inner = python::valid(found)?;
        }
        if !python::is_list(&inner) {
            return Err(python::fail(format!(
                "the key '{}' should point to a list, got {}",
                path.last().map_or("", String::as_str),
                crate::template::error::shown(&inner)
            )));
        }
        for item in python::items(&inner)? {
            pairs.push(vec![element.clone(), item]);
        }
    }
    Ok(pairs)
}

fn random(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut dice = Dice::new(args.some(3));
    let value = args.need(0)?;
    if python::whole(value).is_some() {
        let (start, step) = (args.int(1, 0)?, args.int(2, 1)?);
        let stop = args.int(0, 0)?;
        if step == 0 {
            return Err(args.fail("zero step for randrange()"));
        }
        let (distance, step) = (i128::from(stop) - i128::from(start), i128::from(step));
        let count = if step > 0 {
            (distance + step - 1) / step
        } else {
            (distance + step + 1) / step
        };
        let Some(count) = u64::try_from(count).ok().filter(|count| *count > 0) else {
            return Err(args.fail("empty range for randrange()"));
        };
        let chosen = i128::from(dice.below(count)) * step + i128::from(start);
        return Ok(python::int(chosen));
    }
    if args.some(1).is_some() || args.some(2).is_some() {
        return Err(args.fail("start and step can only be used with whole numbers"));
    }
    if let Some(range) = value.downcast_object_ref::<Range>() {
        let count = u64::try_from(range.count).unwrap_or(u64::MAX);
        let at = i128::from(dice.below(count));
        return range
            .at(at)
            .map(python::int)
            .ok_or_else(|| args.fail("Cannot choose from an empty sequence"));
    }
    let items = match value.as_str() {
        Some(_) => args.items(0)?,
        None if python::is_list(value) => args.items(0)?,
        None => return Err(args.fail("random can only be used on sequences and whole numbers")),
    };
    let at = dice.below(items.len().max(1) as u64) as usize;
    items
        .get(at)
        .cloned()
        .ok_or_else(|| args.fail("Cannot choose from an empty sequence"))
}

fn shuffle(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut dice = Dice::new(args.some(1));
    let mut items = args.items(0)?;
    for last in (1..items.len()).rev() {
        let at = dice.below(last as u64 + 1) as usize;
        items.swap(last, at);
    }
    Ok(python::list(items))
}

/// Bytes in hexadecimal, chosen at random.
pub(super) fn random_hex(seed: Option<&Jinja>, count: usize) -> Vec<String> {
    let mut dice = Dice::new(seed);
    (0..count)
        .map(|_| format!("{:02x}", dice.below(256)))
        .collect()
}

/// Largest or smallest item.
pub(super) fn extreme(
    args: &Args<'_>,
    items: Vec<(Jinja, Jinja)>,
    largest: bool,
) -> Result<Jinja, Error> {
    let mut items = items.into_iter();
    let Some(mut best) = items.next() else {
        let _ = args;
        return take(None, "No aggregated item, sequence was empty.");
    };
    for item in items {
        let better = if largest {
            operators::compare(">", &item.0, &best.0, std::cmp::Ordering::is_gt)?
        } else {
            operators::compare("<", &item.0, &best.0, std::cmp::Ordering::is_lt)?
        };
        if better {
            best = item;
        }
    }
    Ok(best.1)
}
