//! `owner.name`, `owner[index]` and slices.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind};

use super::macros::Callable;
use crate::template::marker::Missing;
use crate::template::objects::{Dict, List};
use crate::template::{Jinja, methods, python};

/// Why a look-up gave nothing.
pub(in crate::template) enum Absent {
    Message(String),
    Failed(Error),
}

impl From<Absent> for Error {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Message(message) => Self::new(ErrorKind::UndefinedError, message),
            Absent::Failed(error) => error,
        }
    }
}

fn absent(owner: &Jinja, shown: &str) -> Absent {
    Absent::Message(format!(
        "object of type '{}' has no attribute {shown}",
        python::type_name(owner)
    ))
}

/// `owner.name`: a member, else a method.
pub(in crate::template) fn member(owner: &Jinja, name: &str) -> Result<Jinja, Absent> {
    if owner.is_missing() {
        return Ok(owner.clone());
    }
    if let Some(dict) = owner.downcast_object_ref::<Dict>() {
        if let Some(found) = dict.find_text(name) {
            return Ok(found);
        }
    } else if owner.kind() != ValueKind::String
        && let Some(found) = plain(owner, &Jinja::from(name))?
    {
        return Ok(found);
    }
    if methods::known(owner, name) {
        return Ok(Jinja::from_object(Callable::Method(
            owner.clone(),
            name.into(),
        )));
    }
    Err(absent(owner, &format!("'{name}'")))
}

fn plain(owner: &Jinja, key: &Jinja) -> Result<Option<Jinja>, Absent> {
    let Some(object) = owner.as_object() else {
        return Ok(None);
    };
    Ok(object.get_value(key).filter(|found| !found.is_undefined()))
}

/// `owner[index]`: an item, else a member.
pub(in crate::template) fn item(owner: &Jinja, index: &Jinja) -> Result<Jinja, Absent> {
    if owner.is_missing() {
        return Ok(owner.clone());
    }
    let found = match owner.kind() {
        ValueKind::String => python::whole(index).and_then(|at| {
            let text = owner.as_str().unwrap_or_default();
            let length = text.chars().count();
            let at = position(at, length)?;
            text.chars().nth(at).map(|c| Jinja::from(c.to_string()))
        }),
        ValueKind::Seq | ValueKind::Iterable => match python::whole(index) {
            Some(at) => {
                if let Some(list) = owner.downcast_object_ref::<List>() {
                    position(at, list.len()).and_then(|at| list.at(at))
                } else {
                    let items = python::raw_items(owner).map_err(Absent::Failed)?;
                    position(at, items.len()).and_then(|at| items.get(at).cloned())
                }
            }
            None => plain(owner, index)?,
        },
        _ => match owner.downcast_object_ref::<Dict>() {
            Some(dict) => dict.find(index),
            None => plain(owner, index)?,
        },
    };
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(name) = index.as_str()
        && methods::known(owner, name)
    {
        return Ok(Jinja::from_object(Callable::Method(
            owner.clone(),
            name.into(),
        )));
    }
    let shown = python::repr(index).unwrap_or_default();
    Err(absent(owner, &shown))
}

/// A Python index as one from the front.
fn position(at: i128, length: usize) -> Option<usize> {
    let length = i128::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok().filter(|_| at < length)
}

pub(super) fn slice(owner: &Jinja, bounds: &[Option<Jinja>; 3]) -> Result<Jinja, Error> {
    if owner.is_missing() {
        return Ok(owner.clone());
    }
    let mut numbers = [None; 3];
    for (number, bound) in numbers.iter_mut().zip(bounds) {
        if let Some(bound) = bound {
            let bound = bound.clone().present()?;
            let Some(whole) = python::whole(&bound) else {
                return Err(python::fail(
                    "slice indices must be integers or None or have an __index__ method",
                ));
            };
            *number = Some(whole);
        }
    }
    let step = numbers[2].unwrap_or(1);
    if step == 0 {
        return Err(python::fail("slice step cannot be zero"));
    }
    if let Some(text) = owner.as_str() {
        let chars: Vec<char> = text.chars().collect();
        let picked: String = picks(chars.len(), numbers[0], numbers[1], step)
            .filter_map(|at| chars.get(at))
            .collect();
        return Ok(Jinja::from(picked));
    }
    if !python::is_list(owner) {
        return Err(python::fail(format!(
            "'{}' object is not subscriptable",
            python::type_name(owner)
        )));
    }
    let items = python::raw_items(owner)?;
    let picked = picks(items.len(), numbers[0], numbers[1], step)
        .filter_map(|at| items.get(at).cloned())
        .collect();
    Ok(if owner.is_tuple() {
        python::tuple(picked)
    } else {
        python::list(picked)
    })
}

fn picks(
    length: usize,
    start: Option<i128>,
    stop: Option<i128>,
    step: i128,
) -> impl Iterator<Item = usize> {
    let length = length as i128;
    let (low, high) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let clamp = |at: i128| {
        (if at < 0 {
            at.saturating_add(length)
        } else {
            at
        })
        .clamp(low, high)
    };
    let (first, last) = if step > 0 {
        (start.map_or(0, clamp), stop.map_or(length, clamp))
    } else {
        (start.map_or(length - 1, clamp), stop.map_or(-1, clamp))
    };
    let mut at = first;
    std::iter::from_fn(move || {
        let inside = if step > 0 { at < last } else { at > last };
        if !inside {
            return None;
        }
        let here = usize::try_from(at).ok()?;
        at = at.saturating_add(step);
        Some(here)
    })
}
