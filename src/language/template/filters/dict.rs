//! Mappings.

use indexmap::IndexMap;
use minijinja::Error;

use super::Row;
use super::list::Seen;
use crate::template::args::Args;
use crate::template::marker::Missing;
use crate::template::objects::entries_of;
use crate::template::run::Vm;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    ("dict2items", "value key_name value_name", dict2items),
    ("items2dict", "value key_name value_name", items2dict),
    ("combine", "value * recursive list_merge **", combine),
    ("rekey_on_member", "value key duplicates", rekey_on_member),
    ("dict_kv", "value key", |_, args| {
        Ok(python::dict([(
            args.need(1)?.clone(),
            args.need(0)?.clone(),
        )]))
    }),
    ("dict", "value", |_, args| {
        Ok(python::dict(entries_of(args.need(0)?)?))
    }),
];

fn dict2items(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    if !python::is_map(value) {
        return Err(args.fail(format!(
            "dict2items requires a dictionary, got {}",
            python::type_name(value)
        )));
    }
    let (key_name, value_name) = (args.text_or(1, "key")?, args.text_or(2, "value")?);
    Ok(python::list(
        entries_of(value)?
            .into_iter()
            .map(|(key, item)| {
                python::record([(key_name.as_str(), key), (value_name.as_str(), item)])
            })
            .collect(),
    ))
}

fn items2dict(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let key_name = Jinja::from(args.text_or(1, "key")?);
    let value_name = Jinja::from(args.text_or(2, "value")?);
    let part = |item: &Jinja, name: &Jinja| -> Result<Jinja, Error> {
        let found = python::valid(item.get_item(name)?)?;
        if found.is_missing() {
            Err(args.fail(format!(
                "items2dict requires a list of dictionaries with the keys {} and {}",
                python::repr(&key_name)?,
                python::repr(&value_name)?
            )))
        } else {
            Ok(found)
        }
    };
    let value = args.need(0)?;
    if !python::is_list(value) {
        return Err(args.fail(format!(
            "items2dict requires a list, got {}",
            python::type_name(value)
        )));
    }
    python::items(value)?
        .iter()
        .map(|item| Ok((part(item, &key_name)?, part(item, &value_name)?)))
        .collect::<Result<Vec<_>, Error>>()
        .map(python::dict)
}

/// What happens to lists under one key.
#[derive(Clone, Copy)]
enum Lists {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

fn merge(
    base: &Jinja,
    over: &Jinja,
    recursive: bool,
    lists: Lists,
    depth: usize,
) -> Result<Jinja, Error> {
    if depth > python::MAX_DEPTH {
        return Err(python::fail("combine: nested too deeply"));
    }
    let mut result: IndexMap<Jinja, Jinja> = entries_of(base)?.into_iter().collect();
    for (key, value) in entries_of(over)? {
        let merged = match result.get(&key) {
            Some(old) if python::is_map(old) && python::is_map(&value) && recursive => {
                merge(old, &value, recursive, lists, depth + 1)?
            }
            Some(old) if python::is_list(old) && python::is_list(&value) => {
                merge_lists(old, &value, lists)?
            }
            _ => value,
        };
        result.insert(key, merged);
    }
    Ok(python::dict(result))
}

fn merge_lists(old: &Jinja, new: &Jinja, lists: Lists) -> Result<Jinja, Error> {
    let (old, new) = (python::items(old)?, python::items(new)?);
    let without = |items: &[Jinja], known: &[Jinja]| -> Vec<Jinja> {
        let known = Seen::of(known);
        items
            .iter()
            .filter(|item| !known.has(item))
            .cloned()
            .collect()
    };
    Ok(python::list(match lists {
        Lists::Replace => new,
        Lists::Keep => old,
        Lists::Append => [old, new].concat(),
        Lists::Prepend => [new, old].concat(),
        Lists::AppendNew => {
            let old = without(&old, &new);
            [old, new].concat()
        }
        Lists::PrependNew => {
            let old = without(&old, &new);
            [new, old].concat()
        }
    }))
}

fn combine(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    if args.extra().next().is_some() {
        return Err(args.fail("'recursive' and 'list_merge' are the only valid keyword arguments"));
    }
    let recursive = args.flag(1, false)?;
    let lists = match args.text_or(2, "replace")?.as_str() {
        "replace" => Lists::Replace,
        "keep" => Lists::Keep,
        "append" => Lists::Append,
        "prepend" => Lists::Prepend,
        "append_rp" => Lists::AppendNew,
        "prepend_rp" => Lists::PrependNew,
        other => {
            return Err(args.fail(format!(
                "'list_merge' must be one of replace, keep, append, prepend, append_rp, prepend_rp, not '{other}'"
            )));
        }
    };
    let mut maps = Vec::new();
    let all = std::iter::once(args.need(0)?).chain(args.rest());
    for value in all {
        if value.is_missing() {
            return Err(python::undefined(value));
        }
        if python::is_list(value) {
            let mut out = Vec::new();
            super::list::flat(python::items(value)?, Some(0), false, &mut out, 0)?;
            maps.extend(out);
        } else {
            maps.push(value.clone());
        }
    }
    // What is None counts for nothing.
    maps.retain(|map| !map.is_none());
    let mut result = python::dict([]);
    for map in &maps {
        if !python::is_map(map) {
            return Err(args.fail(format!(
                "failed to combine variables, expected dicts but got {}, a '{}'",
                crate::template::error::shown(map),
                python::type_name(map)
            )));
        }
        result = merge(&result, map, recursive, lists, 0)?;
    }
    Ok(result)
}

fn rekey_on_member(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let members: Vec<Jinja> = if python::is_map(value) {
        entries_of(value)?
            .into_iter()
            .map(|(_, item)| item)
            .collect()
    } else {
        if !python::is_list(value) {
            return Err(args.fail("Type is not a valid list, set, or dict"));
        }
        python::items(value)?
    };
    let name = args.need(1)?;
    let overwrite = match args.text_or(2, "error")?.as_str() {
        "error" => false,
        "overwrite" => true,
        other => {
            return Err(args.fail(format!(
                "duplicates parameter to rekey_on_member has unknown value '{other}', use error or overwrite"
            )));
        }
    };
    let mut result: IndexMap<Jinja, Jinja> = IndexMap::new();
    for item in members {
        if !python::is_map(&item) {
            return Err(args.fail("List item is not a valid dict"));
        }
        let key = python::valid(item.get_item(name)?)?;
        if key.is_missing() {
            return Err(args.fail(format!("Key {} was not found.", python::repr(name)?)));
        }
        if !overwrite && result.contains_key(&key) {
            return Err(args.fail(format!(
                "Key {} is not unique, cannot convert to dict.",
                python::repr(&key)?
            )));
        }
        result.insert(key, item);
    }
    Ok(python::dict(result))
}
