//! Filters that look at each item: `map`, `select`, `sort` and their like.

use minijinja::{Error, ErrorKind, State};

use super::Row;
use super::list::extreme;
use crate::template::args::Args;
use crate::template::{Jinja, operators, python};

pub(super) const ROWS: &[Row] = &[
    ("map", "value * **", map),
    ("select", "value * **", |state, args| {
        select(state, args, true, false)
    }),
    ("reject", "value * **", |state, args| {
        select(state, args, false, false)
    }),
    ("selectattr", "value * **", |state, args| {
        select(state, args, true, true)
    }),
    ("rejectattr", "value * **", |state, args| {
        select(state, args, false, true)
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
    ("items", "?value", items),
];

/// A member by a path such as `a.b.0`, or by a whole number. Missing members
/// are undefined.
pub(super) fn member(item: &Jinja, path: &Jinja) -> Result<Jinja, Error> {
    let Some(text) = path.as_str() else {
        return python::valid(item.get_item(path)?);
    };
    let mut found = item.clone();
    for part in text.split('.') {
        if found.is_undefined() {
            return Ok(found);
        }
        let next = found.get_item(&Jinja::from(part))?;
        found = match part.parse::<i64>() {
            Ok(index) if next.is_undefined() => found.get_item(&Jinja::from(index))?,
            _ => next,
        };
        found = python::valid(found)?;
    }
    Ok(found)
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Applies a filter by name, saying which one is missing.
pub(super) fn apply(
    state: &mut State<'_, '_>,
    name: &str,
    values: &[Jinja],
) -> Result<Jinja, Error> {
    let name = short(name);
    state.apply_filter(name, values).map_err(|error| {
        if error.kind() == ErrorKind::UnknownFilter && error.detail().is_none() {
            Error::new(
                ErrorKind::UnknownFilter,
                format!("filter {name} is unknown"),
            )
        } else {
            error
        }
    })
}

fn perform(state: &mut State<'_, '_>, name: &str, values: &[Jinja]) -> Result<bool, Error> {
    let name = short(name);
    state.perform_test(name, values).map_err(|error| {
        if error.kind() == ErrorKind::UnknownTest && error.detail().is_none() {
            Error::new(ErrorKind::UnknownTest, format!("test {name} is unknown"))
        } else {
            error
        }
    })
}

/// Named arguments for passing on.
fn pass_on<'a>(named: impl Iterator<Item = (&'a str, &'a Jinja)>) -> Option<Jinja> {
    let named: Vec<(&str, Jinja)> = named.map(|(name, value)| (name, value.clone())).collect();
    (!named.is_empty()).then(|| minijinja::value::Kwargs::from_iter(named).into())
}

fn map(state: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let attribute = args.extra().find(|(name, _)| *name == "attribute");
    let default = args.extra().find(|(name, _)| *name == "default");
    let mut results = Vec::new();
    if let (Some((_, path)), true) = (attribute, args.rest().is_empty()) {
        for item in args.items(0)? {
            let found = member(&item, path)?;
            results.push(match default {
                Some((_, default)) if found.is_undefined() => default.clone(),
                _ if found.is_undefined() => return Err(missing(&item, path)),
                _ => found,
            });
        }
        return Ok(python::list(results));
    }
    let Some((name, values)) = args.rest().split_first() else {
        return Err(args.fail("the name of a filter, or attribute=, is needed"));
    };
    let name = python::text(name)?;
    let mut call = vec![Jinja::from(())];
    call.extend_from_slice(values);
    call.extend(pass_on(args.extra()));
    for item in args.items(0)? {
        call[0] = item;
        results.push(apply(state, &name, &call)?);
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

fn select(
    state: &mut State<'_, '_>,
    args: &Args<'_>,
    wanted: bool,
    by_member: bool,
) -> Result<Jinja, Error> {
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
    let mut call = vec![Jinja::from(())];
    if let Some((_, values)) = &test {
        call.extend_from_slice(values);
        call.extend(pass_on(args.extra()));
    }
    let mut kept = Vec::new();
    for item in args.items(0)? {
        let subject = match path {
            Some(path) => member(&item, path)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some((name, _)) => {
                if subject.is_undefined()
                    && !matches!(short(name), "defined" | "undefined")
                    && let Some(path) = path
                {
                    return Err(missing(&item, path));
                }
                call[0] = subject;
                perform(state, name, &call)?
            }
            None if subject.is_undefined() => match path {
                Some(path) => return Err(missing(&item, path)),
                None => false,
            },
            None => subject.is_true(),
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
        if found.is_undefined() {
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

fn sort(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
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

fn groupby(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let path = args.need(1)?;
    let sensitive = args.flag(3, false)?;
    let mut pairs = Vec::new();
    for item in args.items(0)? {
        let mut found = member(&item, path)?;
        if found.is_undefined() {
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
struct Pair {
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

fn sum(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
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

fn extract(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
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
        let next = python::valid(found.get_item(key)?)?;
        if next.is_undefined() {
            return Ok(next);
        }
        found = next;
    }
    Ok(found)
}

fn dictsort(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
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

fn items(_: &mut State<'_, '_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let Some(value) = args.get(0) else {
        return Ok(python::list(Vec::new()));
    };
    let entries = crate::template::objects::entries_of(value)?;
    Ok(python::list(
        entries
            .into_iter()
            .map(|(key, item)| python::tuple(vec![key, item]))
            .collect(),
    ))
}
