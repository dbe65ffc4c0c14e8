//! Values out of templates: every lazy part evaluated.

use std::sync::Arc;

use minijinja::Error;
use minijinja::value::ValueKind;

use super::functions::Range;
use super::marker::{Marker, Missing};
use super::objects::{Dict, List, Omitted, entries_of};
use super::run::Callable;
use super::{Jinja, TemplateError, python, trust};
use crate::source::Span;
use crate::value::{Key, Map, Value};

/// A key as the engine sees it.
pub(super) fn live_key(key: &Key) -> Jinja {
    match key {
        Key::Str(text) => Jinja::from(Arc::clone(text)),
        Key::Int(number) => Jinja::from(*number),
        Key::Bool(truth) => Jinja::from(*truth),
        Key::Null => Jinja::from(()),
    }
}

/// A key as the language keeps it.
pub(super) fn key(value: &Jinja) -> Option<Key> {
    match value.kind() {
        ValueKind::String => value.to_str().map(Key::Str),
        ValueKind::None => Some(Key::Null),
        ValueKind::Bool => Some(Key::Bool(value.is_true())),
        ValueKind::Number => Some(
            value
                .is_integer()
                .then(|| value.as_i64())
                .flatten()
                .map_or_else(
                    || Key::from(python::text(value).unwrap_or_default()),
                    Key::Int,
                ),
        ),
        _ => None,
    }
}

/// The value of the language, deeply evaluated; omitted parts are dropped.
pub(super) fn settle(value: &Jinja) -> Result<Value, Error> {
    settle_at(value, 0)
}

/// Like [`settle`], but what is no value becomes text that says why.
pub(super) fn settle_marked(value: &Jinja, found: &mut Vec<TemplateError>) -> Result<Value, Error> {
    if let Some(error) = Marker::of(value) {
        if !error.undefined {
            return Err(error.clone().into_engine());
        }
        found.push(error.clone());
        return Ok(Value::from(format!(
            "<< error {} - {} >>",
            found.len(),
            error.message
        )));
    }
    if python::is_list(value) && value.downcast_object_ref::<Range>().is_none() {
        let mut items = Vec::new();
        for item in python::raw_items(value)? {
            let item = settle_marked(&item, found)?;
            if item != Value::Omit {
                items.push(item);
            }
        }
        return Ok(Value::from(items));
    }
    if value.downcast_object_ref::<Dict>().is_some() {
        let mut map = Map::new();
        for (name, item) in entries_of(value)? {
            let item = settle_marked(&item, found)?;
            if let Some(name) = key(&name)
                && item != Value::Omit
            {
                map.0.insert(name, item);
            }
        }
        return Ok(Value::from(map));
    }
    settle(value)
}

fn settle_at(value: &Jinja, depth: usize) -> Result<Value, Error> {
    if depth > python::MAX_DEPTH {
        return Err(python::fail("value is nested too deeply"));
    }
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(python::undefined(value)),
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match python::whole(value) {
            Some(number) => i64::try_from(number).map_or(Value::BigInt(number), Value::Int),
            None => Value::Float(python::number(value).unwrap_or(f64::NAN)),
        },
        ValueKind::String if trust::is_trusted(value) => {
            Value::trusted(value.as_str().unwrap_or_default(), &Span::nowhere(), None)
        }
        ValueKind::String => Value::Str(value.to_str().unwrap_or_default()),
        ValueKind::Bytes => {
            Value::from(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if value.downcast_object_ref::<Range>().is_some() {
                return Err(python::fail(
                    "Type 'range' is unsupported for variable storage.",
                ));
            }
            if let Some(list) = value.downcast_object_ref::<List>()
                && let Some(list) = list.untouched()
                && !list
                    .iter()
                    .any(|item| item.is_lazy() || *item == Value::Omit)
            {
                return Ok(Value::List(list));
            }
            let mut items = Vec::with_capacity(value.len().unwrap_or(0).min(1024));
            for item in python::raw_items(value)? {
                let item = settle_at(&item, depth + 1)?;
                if item != Value::Omit {
                    items.push(item);
                }
            }
            Value::from(items)
        }
        ValueKind::Map => {
            if let Some(dict) = value.downcast_object_ref::<Dict>()
                && let Some(map) = dict.untouched()
                && !map
                    .iter()
                    .any(|(_, item)| item.is_lazy() || *item == Value::Omit)
            {
                return Ok(Value::Map(map));
            }
            let mut map = Map::new();
            for (name, item) in entries_of(value)? {
                let name = key(&name).ok_or_else(|| {
                    python::fail(format!("unhashable type: '{}'", python::type_name(&name)))
                })?;
                let item = settle_at(&item, depth + 1)?;
                if item != Value::Omit {
                    map.0.insert(name, item);
                }
            }
            Value::from(map)
        }
        _ if value.is_missing() => return Err(python::undefined(value)),
        _ if value.downcast_object_ref::<Omitted>().is_some() => Value::Omit,
        _ if value.downcast_object_ref::<Callable>().is_some() => {
            return Err(python::fail(format!(
                "Type '{}' is unsupported for variable storage.",
                python::type_name(value)
            )));
        }
        _ => Value::from(value.to_string()),
    })
}
