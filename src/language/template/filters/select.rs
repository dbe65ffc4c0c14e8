//! Filters that look at each item: `map`, `select`, `sort` and their like.

use minijinja::{Error, ErrorKind};

use super::Row;
use super::list::extreme;
use crate::source::Span;
use crate::template::TemplateError;
use crate::template::args::{Args, Given};
use crate::template::marker::Marker;
use crate::template::marker::Missing;
use crate::template::run::Vm;
use crate::template::run::{Absent, item};
use crate::template::syntax::At;
use crate::template::{Jinja, operators, python};

pub(super) const ROWS: &[Row] = &[
    ("map", "value * **", map),
    ("select", "value * **", |vm, args| {
        select(vm, args, true, false)
    }),
    ("reject", "value * **", |vm, args| {
        select(vm, args, false, false)
    }),
    ("selectattr", "value * **", |vm, args| {
        select(vm, args, true, true)
    }),
    ("rejectattr", "value * **", |vm, args| {
        select(vm, args, false, true)
    }),
    ("sort", "value reverse case_sensitive attribute", sort),
    ("groupby", "value attribute default case_sensitive", groupby),
    ("min", "value case_sensitive attribute", |_, args| {
        best(args, false)
    }),
    ("max", "value case_sensitive attribute", |_, args| {
        best(args, true)
    }),
    ("sum", "value attribute start", sum),
    ("attr", "value name", |_, args| {
        member(args.need(0)?, args.need(1)?)
    }),
    ("extract", "value container morekeys", extract),
    ("dictsort", "value case_sensitive by reverse", dictsort),
    ("items", "value", items),
];

/// A member by a path such as `a.b.0`, or by a whole number. Missing members
/// are undefined.
pub(super) fn member(item: &Jinja, path: &Jinja) -> Result<Jinja, Error> {
    let Some(text) = path.as_str() else {
        return one(item, path);
    };
    let mut found = item.clone();
    for part in text.split('.') {
        if found.is_missing() {
            return Ok(found);
        }
        let key = match part.parse::<i64>() {
            Ok(index) => Jinja::from(index),
            Err(_) => Jinja::from(part),
        };
        let next = one(&found, &key)?;
        found = match key.as_str() {
            None if next.is_missing() => one(&found, &Jinja::from(part))?,
            _ => next,
        };
    }
    Ok(found)
}

/// An item or member; a marker where there is none.
fn one(owner: &Jinja, key: &Jinja) -> Result<Jinja, Error> {
    match item(owner, key) {
        Ok(found) => Ok(found),
        Err(Absent::Message(message)) => Ok(absent(message)),
        Err(Absent::Failed(error)) => Err(error),
    }
}

/// A marker for something that is not there.
pub(super) fn absent(message: String) -> Jinja {
    let mut error = TemplateError::new("undefined-variable", message, &Span::nowhere());
    error.undefined = true;
    Marker::value(error)
}

/// Applies a test by name; a marker is no answer.
fn perform(vm: &mut Vm<'_>, name: &str, given: &Given) -> Result<bool, Error> {
    python::truth(&vm.judge(name, given, At::default())?)
}

/// A call with a place for its first argument.
fn prepared(values: &[Jinja], args: &Args<'_>) -> Given {
    let mut given = Given::default();
    given.positional.push(Jinja::from(()));
    given.positional.extend_from_slice(values);
    given.named.extend(
        args.extra()
            .map(|(name, value)| (name.into(), value.clone())),
    );
    given
}

fn map(vm: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let attribute = args.extra().find(|(name, _)| *name == "attribute");
    let default = args.extra().find(|(name, _)| *name == "default");
    let mut results = Vec::new();
    if let (Some((_, path)), true) = (attribute, args.rest().is_empty()) {
        if let Some((unknown, _)) = args
            .extra()
            .find(|(name, _)| !matches!(*name, "attribute" | "default"))
        {
            return Err(args.fail(format!("Unexpected keyword argument '{unknown}'")));
        }
        for item in args.raw_items(0)? {
            let found = member(&item, path)?;
            results.push(match default {
                Some((_, default)) if found.is_absent() => default.clone(),
                _ => found,
            });
        }
        return Ok(python::list(results));
    }
    let Some((name, values)) = args.rest().split_first() else {
        return Err(args.fail("map requires a filter argument"));
    };
    let name = python::text(name)?;
    let mut given = prepared(values, args);
    for item in args.raw_items(0)? {
        given.positional[0] = item;
        results.push(vm.apply(&name, &given, At::default())?);
    }
    Ok(python::list(results))
}

/// The error of a member that is not there.
pub(super) fn missing(item: &Jinja, path: &Jinja) -> Error {
    Error::new(
        ErrorKind::UndefinedError,
        format!(
            "object of type '{}' has no attribute {}",
            python::type_name(item),
            python::repr(path).unwrap_or_default()
        ),
    )
}

fn select(vm: &mut Vm<'_>, args: &Args<'_>, wanted: bool, by_member: bool) -> Result<Jinja, Error> {
    let mut rest = args.rest();
    let mut path = None;
    if by_member {
        let Some((first, others)) = rest.split_first() else {
            return Err(args.fail("the name of an attribute is needed"));
        };
        path = Some(first);
        rest = others;
    }
    let test = rest
        .split_first()
        .map(|(name, values)| Ok::<_, Error>((python::text(name)?, values)))
        .transpose()?;
    let mut given = prepared(test.as_ref().map_or(&[], |(_, values)| values), args);
    let mut kept = Vec::new();
    for item in args.raw_items(0)? {
        let subject = match path {
            Some(path) => member(&item, path)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some((name, _)) => {
                given.positional[0] = subject;
                perform(vm, name, &given)?
            }
            None => python::truth(&subject)?,
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(python::list(kept))
}

/// Text compares without case unless asked.
fn folded(value: Jinja, sensitive: bool) -> Jinja {
    match value.as_str() {
        Some(text) if !sensitive => Jinja::from(text.to_lowercase()),
        _ => value,
    }
}

/// The key of an item by one or several paths, separated by commas.
fn key(item: &Jinja, path: Option<&Jinja>, sensitive: bool) -> Result<Jinja, Error> {
    let Some(path) = path else {
        return Ok(folded(item.clone(), sensitive));
    };
    let one = |path: &Jinja| -> Result<Jinja, Error> {
        let found = member(item, path)?;
        if found.is_missing() {
            Err(missing(item, path))
        } else {
            Ok(folded(found, sensitive))
        }
    };
    match path.as_str() {
        Some(text) if text.contains(',') => text
            .split(',')
            .map(|part| one(&Jinja::from(part.trim())))
            .collect::<Result<Vec<_>, _>>()
            .map(python::tuple),
        _ => one(path),
    }
}

fn sort(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let sensitive = args.flag(2, false)?;
    let mut pairs = args
        .items(0)?
        .into_iter()
        .map(|item| Ok((key(&item, args.some(3), sensitive)?, item)))
        .collect::<Result<Vec<_>, Error>>()?;
    if args.flag(1, false)? {
        // A reversed stable sort keeps equal items in their order.
        pairs.reverse();
        operators::sort_pairs(&mut pairs)?;
        pairs.reverse();
    } else {
        operators::sort_pairs(&mut pairs)?;
    }
    Ok(python::list(
        pairs.into_iter().map(|(_, item)| item).collect(),
    ))
}

fn groupby(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let path = args.need(1)?;
    let sensitive = args.flag(3, false)?;
    let mut pairs = Vec::new();
    for item in args.items(0)? {
        let mut found = member(&item, path)?;
        if found.is_missing() {
            found = args.get(2).cloned().ok_or_else(|| missing(&item, path))?;
        }
        pairs.push((folded(found.clone(), sensitive), (found, item)));
    }
    operators::sort_pairs(&mut pairs)?;
    let mut groups: Vec<(Jinja, Jinja, Vec<Jinja>)> = Vec::new();
    for (key, (shown, item)) in pairs {
        match groups.last_mut() {
            Some((last, _, members)) if *last == key => members.push(item),
            _ => groups.push((key, shown, vec![item])),
        }
    }
    Ok(python::list(
        groups
            .into_iter()
            .map(|(_, shown, members)| Group::value(shown, members))
            .collect(),
    ))
}

/// A pair that also has the names `grouper` and `list`.
struct Group;

impl Group {
    fn value(grouper: Jinja, members: Vec<Jinja>) -> Jinja {
        Jinja::from_object(Pair {
            grouper,
            list: python::list(members),
        })
    }
}

#[derive(Debug)]
pub(in crate::template) struct Pair {
    grouper: Jinja,
    list: Jinja,
}

impl minijinja::value::Object for Pair {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (_, Some(0)) => Some(self.grouper.clone()),
            (Some("list"), _) | (_, Some(1)) => Some(self.list.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(2)
    }
}

fn best(args: &Args<'_>, largest: bool) -> Result<Jinja, Error> {
    let sensitive = args.flag(1, true)?;
    let items = args
        .items(0)?
        .into_iter()
        .map(|item| Ok((key(&item, args.some(2), sensitive)?, item)))
        .collect::<Result<Vec<_>, Error>>()?;
    extreme(args, items, largest)
}

fn sum(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut total = args.get(2).cloned().unwrap_or_else(|| Jinja::from(0));
    for item in args.items(0)? {
        let value = match args.some(1) {
            Some(path) => member(&item, path)?,
            None => item,
        };
        total = operators::add(&total, &value)?;
    }
    Ok(total)
}

fn extract(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut path = vec![args.need(0)?.clone()];
    if let Some(more) = args.some(2) {
        if python::is_list(more) {
            path.extend(python::items(more)?);
        } else {
            path.push(more.clone());
        }
    }
    let mut found = args.need(1)?.clone();
    for key in &path {
        found = one(&found, key)?;
        if found.is_missing() {
            return Ok(found);
        }
    }
    Ok(found)
}

fn dictsort(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let sensitive = args.flag(1, false)?;
    let by_value = args.text_or(2, "key")? == "value";
    let mut pairs = crate::template::objects::entries_of(args.need(0)?)?
        .into_iter()
        .map(|(name, value)| {
            let key = if by_value {
                value.clone()
            } else {
                name.clone()
            };
            (folded(key, sensitive), python::tuple(vec![name, value]))
        })
        .collect::<Vec<_>>();
    operators::sort_pairs(&mut pairs)?;
    if args.flag(3, false)? {
        pairs.reverse();
    }
    Ok(python::list(
        pairs.into_iter().map(|(_, pair)| pair).collect(),
    ))
}

fn items(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let entries = crate::template::objects::entries_of(args.need(0)?)?;
    Ok(python::list(
        entries
            .into_iter()
            .map(|(key, item)| python::tuple(vec![key, item]))
            .collect(),
    ))
}
