//! Lookups that only rearrange their terms: the base of most `with_*` loops.

use minijinja::Error;

use super::{Call, Row};
use crate::template::filters::{flat, pairs_below};
use crate::template::objects::entries_of;
use crate::template::{Jinja, percent, python};

pub(super) const ROWS: &[Row] = &[
    ("items", "", items),
    ("list", "", |call| Ok(call.terms.clone())),
    ("dict", "", dict),
    ("nested", "", nested),
    ("cartesian", "", nested),
    ("together", "", together),
    ("subelements", "skip_missing", subelements),
    ("sequence", "start end stride count format", sequence),
    ("indexed_items", "", indexed_items),
    ("flattened", "", flattened),
    ("random_choice", "", random_choice),
    ("inventory_hostnames", "", inventory_hostnames),
];

const MAX_ITEMS: i128 = 1_000_000;

/// Flattens one level.
fn one_level(terms: &[Jinja]) -> Result<Vec<Jinja>, Error> {
    let mut all = Vec::new();
    for term in terms {
        if python::is_list(term) {
            all.extend(python::items(term)?);
        } else {
            all.push(term.clone());
        }
    }
    Ok(all)
}

fn items(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    one_level(&call.terms)
}

fn dict(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut all = Vec::new();
    for term in one_level(&call.terms)? {
        if !python::is_map(&term) {
            return Err(call.fail(format!(
                "with_dict: this lookup plugin expects a dictionary, not {}",
                python::type_name(&term)
            )));
        }
        for (key, value) in entries_of(&term)? {
            all.push(python::record([("key", key), ("value", value)]));
        }
    }
    Ok(all)
}

fn nested(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut rows: Vec<Vec<Jinja>> = vec![Vec::new()];
    if call.terms.is_empty() {
        return Err(call.fail("at least one list is needed"));
    }
    for term in &call.terms {
        let column = if python::is_list(term) {
            python::items(term)?
        } else {
            vec![term.clone()]
        };
        if rows.len() as i128 * column.len() as i128 > MAX_ITEMS {
            return Err(call.fail(format!("more than {MAX_ITEMS} items")));
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
    Ok(rows.into_iter().map(python::list).collect())
}

fn together(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let columns = call
        .terms
        .iter()
        .map(|term| {
            if python::is_list(term) {
                python::items(term)
            } else {
                Ok(vec![term.clone()])
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let length = columns.iter().map(Vec::len).max().unwrap_or(0);
    if columns.is_empty() {
        return Err(call.fail("with_together requires at least one element in each list"));
    }
    Ok((0..length)
        .map(|row| {
            python::list(
                columns
                    .iter()
                    .map(|column| column.get(row).cloned().unwrap_or_else(|| Jinja::from(())))
                    .collect(),
            )
        })
        .collect())
}

fn subelements(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    const WHAT: &str = "subelements lookup expects a list of two or three items,";
    let (source, path, flags) = match &call.terms[..] {
        [source, path] => (source, path, None),
        [source, path, flags] => (source, path, Some(flags)),
        _ => return Err(call.fail(WHAT)),
    };
    if !(python::is_list(source) || python::is_map(source)) || path.as_str().is_none() {
        return Err(call.fail(format!(
            "{WHAT} first a dict or a list, second a string pointing to the subkey"
        )));
    }
    let mut skip = call.flag("skip_missing", false);
    if let Some(flags) = flags {
        if !python::is_map(flags) {
            return Err(call.fail(format!(
                "{WHAT} the optional third item must be a dict with flags ('skip_missing',)"
            )));
        }
        if let Some(value) = entries_of(flags)?
            .into_iter()
            .find(|(name, _)| name.as_str() == Some("skip_missing"))
        {
            skip = crate::template::filters::truth(&value.1).unwrap_or(false);
        }
    }
    let skipped = |element: &Jinja| {
        element
            .get_item(&Jinja::from("skipped"))
            .is_ok_and(|skipped| skipped.is_true())
    };
    let elements = if python::is_map(source) {
        if skipped(source) {
            return Ok(Vec::new());
        }
        entries_of(source)?
            .into_iter()
            .map(|(_, element)| element)
            .collect()
    } else {
        python::items(source)?
    };
    let mut kept = Vec::new();
    for element in elements {
        if !python::is_map(&element) {
            return Err(call.fail(format!(
                "subelements lookup expects a dictionary, got '{}'",
                python::text(&element)?
            )));
        }
        if !skipped(&element) {
            kept.push(element);
        }
    }
    let path: Vec<String> = python::text(path)?.split('.').map(str::to_owned).collect();
    pairs_below(&kept, &path, skip)?
        .into_iter()
        .map(|mut pair| {
            // The element comes without the list that is looped over.
            if let Some(element) = pair.first_mut() {
                *element = without(element, &path)?;
            }
            Ok(python::tuple(pair))
        })
        .collect()
}

/// A mapping without a member somewhere inside.
fn without(map: &Jinja, path: &[String]) -> Result<Jinja, Error> {
    let Some((first, deeper)) = path.split_first() else {
        return Ok(map.clone());
    };
    let mut kept = Vec::new();
    for (key, value) in entries_of(map)? {
        if key.as_str() != Some(first) {
            kept.push((key, value));
        } else if !deeper.is_empty() {
            kept.push((key, without(&value, deeper)?));
        }
    }
    Ok(python::dict(kept))
}

/// `start=1 end=4 stride=2 format=x%02d`, `5`, `2-8`, `2-8/3:host%d`.
fn sequence(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut all = Vec::new();
    if call.terms.is_empty() && call.all_options().is_empty() {
        return Ok(all);
    }
    let terms = if call.terms.is_empty() {
        vec![String::new()]
    } else {
        call.texts()?
    };
    for term in terms {
        let mut numbers = Numbers::default();
        for (name, value) in call.all_options() {
            numbers.set(call, name, &python::text(value)?)?;
        }
        if term.contains('=') {
            for pair in term.split_whitespace() {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = value.trim_matches(['\'', '"']);
                numbers.set(call, name, value)?;
            }
        } else if !term.is_empty() {
            numbers.short(call, &term)?;
        }
        numbers.write(call, &mut all)?;
    }
    Ok(all)
}

struct Numbers {
    start: i128,
    end: Option<i128>,
    count: Option<i128>,
    stride: i128,
    format: String,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            start: 1,
            end: None,
            count: None,
            stride: 1,
            format: "%d".into(),
        }
    }
}

impl Numbers {
    fn number(call: &Call<'_>, text: &str) -> Result<i128, Error> {
        let (digits, base) = match text.get(..2) {
            Some("0x") => (&text[2..], 16),
            _ if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
            _ => (text, 10),
        };
        i128::from_str_radix(digits.trim_start_matches('o'), base).map_err(|_| {
            call.fail(format!(
                "The option has an invalid value: '{text}' is no whole number"
            ))
        })
    }

    fn set(&mut self, call: &Call<'_>, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "start" => self.start = Self::number(call, value)?,
            "end" => self.end = Some(Self::number(call, value)?),
            "count" => self.count = Some(Self::number(call, value)?),
            "stride" => self.stride = Self::number(call, value)?,
            "format" => self.format = value.to_owned(),
            other => {
                return Err(call.fail(format!(
                    "unrecognized arguments to with_sequence: ['{other}']"
                )));
            }
        }
        Ok(())
    }

    fn short(&mut self, call: &Call<'_>, term: &str) -> Result<(), Error> {
        let (range, format) = term.split_once(':').unwrap_or((term, "%d"));
        self.format = format.to_owned();
        let (range, stride) = match range.split_once('/') {
            Some((range, stride)) => (range, Some(stride)),
            None => (range, None),
        };
        if let Some(stride) = stride {
            self.stride = Self::number(call, stride)?;
        }
        match range.split_once('-') {
            Some((start, end)) if !start.is_empty() => {
                self.start = Self::number(call, start)?;
                self.end = Some(Self::number(call, end)?);
            }
            _ => self.end = Some(Self::number(call, range)?),
        }
        Ok(())
    }

    fn write(&self, call: &Call<'_>, all: &mut Vec<Jinja>) -> Result<(), Error> {
        let end = match (self.end, self.count) {
            (Some(_), Some(_)) => {
                return Err(call.fail("can't specify both count and end in with_sequence"));
            }
            (Some(end), None) => end,
            (None, Some(0)) => return Ok(()),
            (None, Some(count)) => self.start + self.stride * count - 1,
            (None, None) => return Err(call.fail("must specify count or end in with_sequence")),
        };
        if self.stride == 0 {
            return Ok(());
        }
        if self.stride > 0 && end < self.start {
            return Err(call.fail("to count backwards make stride negative"));
        }
        if self.stride < 0 && end > self.start {
            return Err(call.fail("to count forward don't make stride negative"));
        }
        if self.format.matches('%').count() != 1 {
            return Err(call.fail(format!("bad formatting string: {}", self.format)));
        }
        let count = (end - self.start) / self.stride + 1;
        if count > MAX_ITEMS {
            return Err(call.fail(format!("more than {MAX_ITEMS} items")));
        }
        for index in 0..count {
            let number = python::int(self.start + index * self.stride);
            let shown = percent::format(&self.format, &number).map_err(|_| {
                call.fail(format!(
                    "problem formatting {} with '{}'",
                    self.start + index * self.stride,
                    self.format
                ))
            })?;
            all.push(Jinja::from(shown));
        }
        Ok(())
    }
}

fn indexed_items(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    Ok(one_level(&call.terms)?
        .into_iter()
        .enumerate()
        .map(|(index, item)| python::tuple(vec![Jinja::from(index), item]))
        .collect())
}

fn flattened(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut out = Vec::new();
    flat(call.terms.clone(), None, true, &mut out, 0)?;
    Ok(out)
}

fn random_choice(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let terms = match &call.terms[..] {
        [single] if python::is_list(single) => python::items(single)?,
        terms => terms.to_vec(),
    };
    if terms.is_empty() {
        return Ok(terms);
    }
    let at = crate::template::filters::Dice::new(None).below(terms.len() as u64) as usize;
    Ok(terms.get(at).cloned().into_iter().collect())
}

/// Hosts of groups, by the variable `groups`.
fn inventory_hostnames(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let groups = call
        .context
        .variable("groups")
        .unwrap_or_else(|| python::dict([]));
    let members = |name: &str| -> Result<Vec<String>, Error> {
        let mut hosts = Vec::new();
        for (group, list) in entries_of(&groups)? {
            let group = python::text(&group)?;
            for host in python::items(&list)? {
                let host = python::text(&host)?;
                if super::fits(name, &group) || super::fits(name, &host) {
                    hosts.push(host);
                }
            }
        }
        hosts.dedup();
        Ok(hosts)
    };
    let mut chosen: Vec<String> = Vec::new();
    for term in call.texts()? {
        for part in term
            .split([',', ':'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if let Some(part) = part.strip_prefix('!') {
                let out = members(part)?;
                chosen.retain(|host| !out.contains(host));
            } else if let Some(part) = part.strip_prefix('&') {
                let both = members(part)?;
                chosen.retain(|host| both.contains(host));
            } else {
                for host in members(part)? {
                    if !chosen.contains(&host) {
                        chosen.push(host);
                    }
                }
            }
        }
    }
    Ok(chosen.into_iter().map(Jinja::from).collect())
}
