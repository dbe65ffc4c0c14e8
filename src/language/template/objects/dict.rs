use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, Value as Jinja};
use minijinja::{Error, ErrorKind, State};

use super::list::List;
use crate::template::context::{Context, lock};
use crate::template::{convert, methods, notes, python};
use crate::value::Map;

/// A Python dict: a lazy view of a variable until it is changed.
pub(crate) struct Dict(Mutex<Entries>);

enum Entries {
    View(Arc<Map>, Arc<Context>),
    Own(IndexMap<Jinja, Jinja>),
}

impl Dict {
    pub(crate) fn view(map: Arc<Map>, context: Arc<Context>) -> Self {
        Self(Mutex::new(Entries::View(map, context)))
    }

    pub(crate) fn own(entries: IndexMap<Jinja, Jinja>) -> Self {
        Self(Mutex::new(Entries::Own(entries)))
    }

    /// The variable's own value, if nobody changed it.
    pub(crate) fn untouched(&self) -> Option<Arc<Map>> {
        match &*lock(&self.0) {
            Entries::View(map, _) => Some(Arc::clone(map)),
            Entries::Own(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &*lock(&self.0) {
            Entries::View(map, _) => map.len(),
            Entries::Own(entries) => entries.len(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<Jinja> {
        match &*lock(&self.0) {
            Entries::View(map, _) => map.iter().map(|(key, _)| convert::live_key(key)).collect(),
            Entries::Own(entries) => entries.keys().cloned().collect(),
        }
    }

    pub(crate) fn find(&self, key: &Jinja) -> Option<Result<Jinja, Error>> {
        let (value, context) = match &*lock(&self.0) {
            Entries::View(map, context) => {
                let value = match key.as_str() {
                    Some(text) => map.get(text),
                    None => map.0.get(&convert::key(key)?),
                };
                (value?.clone(), Arc::clone(context))
            }
            Entries::Own(entries) => return entries.get(key).cloned().map(Ok),
        };
        Some(context.live(&value, || python::text(key).unwrap_or_default()))
    }

    /// Every entry, evaluated.
    pub(crate) fn entries(&self) -> Result<IndexMap<Jinja, Jinja>, Error> {
        let (map, context) = match &*lock(&self.0) {
            Entries::View(map, context) => (Arc::clone(map), Arc::clone(context)),
            Entries::Own(entries) => return Ok(entries.clone()),
        };
        map.iter()
            .map(|(key, value)| {
                let value = context.live(value, || key.text().to_string())?;
                Ok((convert::live_key(key), value))
            })
            .collect()
    }

    /// Changes the mapping in place.
    pub(crate) fn change<T>(
        &self,
        act: impl FnOnce(&mut IndexMap<Jinja, Jinja>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let view = matches!(&*lock(&self.0), Entries::View(..));
        if view {
            let entries = self.entries()?;
            *lock(&self.0) = Entries::Own(entries);
        }
        match &mut *lock(&self.0) {
            Entries::Own(entries) => act(entries),
            Entries::View(..) => Err(python::fail("mapping changed while it was read")),
        }
    }

    fn take(&mut self) -> Vec<Jinja> {
        match self.0.get_mut() {
            Ok(Entries::Own(entries)) => std::mem::take(entries).into_values().collect(),
            _ => Vec::new(),
        }
    }

    fn own_values(&self) -> Vec<Jinja> {
        match &*lock(&self.0) {
            Entries::Own(entries) => entries.values().cloned().collect(),
            Entries::View(..) => Vec::new(),
        }
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        release(self.take());
    }
}

/// Drops values without one stack frame per level of nesting.
pub(super) fn release(mut values: Vec<Jinja>) {
    while let Some(value) = values.pop() {
        if let Some(list) = value.downcast_object::<List>() {
            drop(value);
            if let Some(mut list) = Arc::into_inner(list) {
                values.append(&mut list.take());
            }
        } else if let Some(dict) = value.downcast_object::<Dict>() {
            drop(value);
            if let Some(mut dict) = Arc::into_inner(dict) {
                values.append(&mut dict.take());
            }
        }
    }
}

/// Whether an object is, or lies somewhere inside, a value.
pub(super) fn contains_object(value: &Jinja, wanted: *const ()) -> bool {
    let mut pending = vec![value.clone()];
    while let Some(value) = pending.pop() {
        if let Some(list) = value.downcast_object::<List>() {
            if Arc::as_ptr(&list).cast::<()>() == wanted {
                return true;
            }
            pending.append(&mut list.own_items());
        } else if let Some(dict) = value.downcast_object::<Dict>() {
            if Arc::as_ptr(&dict).cast::<()>() == wanted {
                return true;
            }
            pending.append(&mut dict.own_values());
        }
    }
    false
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dict of {}", self.len())
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match self.find(key) {
            Some(found) => notes::served(found, key),
            None => {
                notes::missed(key, "dict");
                None
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.len())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Jinja],
    ) -> Result<Jinja, Error> {
        let this = Jinja::from_dyn_object(Arc::clone(self));
        let bind = |names: &'static str| methods::bind(method, names, args);
        let refuse_cycle = |item: &Jinja| {
            if contains_object(item, Arc::as_ptr(self).cast()) {
                Err(python::fail("a mapping cannot be put into itself"))
            } else {
                Ok(())
            }
        };
        match method {
            "update" => {
                let args = bind("other **")?;
                let mut more = Vec::new();
                if let Some(other) = args.get(0) {
                    more = entries_of(other)?;
                }
                more.extend(
                    args.extra()
                        .map(|(name, value)| (Jinja::from(name), value.clone())),
                );
                more.iter().try_for_each(|(_, item)| refuse_cycle(item))?;
                self.change(|entries| {
                    entries.extend(more);
                    Ok(Jinja::from(()))
                })
            }
            "pop" => {
                let args = bind("key default")?;
                let key = args.need(0)?.clone();
                match self.change(|entries| Ok(entries.shift_remove(&key)))? {
                    Some(value) => Ok(value),
                    None => args
                        .get(1)
                        .cloned()
                        .ok_or_else(|| python::fail(format!("no key {}", key_text(&key)))),
                }
            }
            "popitem" => self.change(|entries| {
                let (key, value) = entries
                    .pop()
                    .ok_or_else(|| python::fail("popitem(): dictionary is empty"))?;
                Ok(python::tuple(vec![key, value]))
            }),
            "setdefault" => {
                let args = bind("key default")?;
                let key = args.need(0)?.clone();
                if let Some(found) = self.find(&key) {
                    return found;
                }
                let value = args.get(1).cloned().unwrap_or_else(|| Jinja::from(()));
                refuse_cycle(&value)?;
                self.change(|entries| {
                    entries.insert(key, value.clone());
                    Ok(value)
                })
            }
            "clear" => self.change(|entries| {
                entries.clear();
                Ok(Jinja::from(()))
            }),
            _ => methods::mapping(state, &this, method, args)
                .unwrap_or_else(|| Err(Error::from(ErrorKind::UnknownMethod))),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        python::render(&Jinja::from_dyn_object(Arc::clone(self)), f)
    }
}

fn key_text(key: &Jinja) -> String {
    python::repr(key).unwrap_or_default()
}

/// Entries of a mapping, or of a list of pairs.
pub(crate) fn entries_of(value: &Jinja) -> Result<Vec<(Jinja, Jinja)>, Error> {
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        return Ok(dict.entries()?.into_iter().collect());
    }
    if python::is_map(value) {
        return python::pairs(value)
            .map(|(key, item)| Ok((key, python::valid(item)?)))
            .collect();
    }
    python::items(value)?
        .iter()
        .map(|pair| match &python::items(pair)?[..] {
            [key, item] => Ok((key.clone(), item.clone())),
            other => Err(python::fail(format!(
                "dictionary update sequence element has length {}; 2 is required",
                other.len()
            ))),
        })
        .collect()
}
