use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::Error;
use minijinja::value::{Enumerator, Object, Value as Jinja};

use super::list::List;
use crate::template::args::Given;
use crate::template::context::{Context, lock};
use crate::template::{convert, methods, python};
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

    pub(crate) fn find(&self, key: &Jinja) -> Option<Jinja> {
        if let Some(text) = key.as_str() {
            return self.find_text(text);
        }
        let (value, context) = match &*lock(&self.0) {
            Entries::View(map, context) => {
                (map.0.get(&convert::key(key)?)?.clone(), Arc::clone(context))
            }
            Entries::Own(entries) => return entries.get(key).cloned(),
        };
        Some(context.live(&value, || python::text(key).unwrap_or_default()))
    }

    pub(crate) fn find_text(&self, key: &str) -> Option<Jinja> {
        let (value, context) = match &*lock(&self.0) {
            Entries::View(map, context) => (map.get(key)?.clone(), Arc::clone(context)),
            Entries::Own(entries) => return entries.get(&Jinja::from(key)).cloned(),
        };
        Some(context.live(&value, || key.to_owned()))
    }

    pub(crate) fn has(&self, key: &Jinja) -> bool {
        match &*lock(&self.0) {
            Entries::View(map, _) => match key.as_str() {
                Some(text) => map.contains_key(text),
                None => convert::key(key).is_some_and(|key| map.0.contains_key(&key)),
            },
            Entries::Own(entries) => entries.contains_key(key),
        }
    }

    /// Every entry, evaluated. Some values may be none.
    pub(crate) fn entries(&self) -> IndexMap<Jinja, Jinja> {
        let (map, context) = match &*lock(&self.0) {
            Entries::View(map, context) => (Arc::clone(map), Arc::clone(context)),
            Entries::Own(entries) => return entries.clone(),
        };
        map.iter()
            .map(|(key, value)| {
                let value = context.live(value, || key.text().to_string());
                (convert::live_key(key), value)
            })
            .collect()
    }

    /// Changes the mapping in place.
    fn change<T>(
        &self,
        act: impl FnOnce(&mut IndexMap<Jinja, Jinja>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let view = matches!(&*lock(&self.0), Entries::View(..));
        if view {
            let entries = self.entries();
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

    /// Methods that change the mapping.
    pub(crate) fn method(
        self: &Arc<Self>,
        method: &str,
        given: &Given,
    ) -> Option<Result<Jinja, Error>> {
        self.change_by(method, given).transpose()
    }

    fn change_by(self: &Arc<Self>, method: &str, given: &Given) -> Result<Option<Jinja>, Error> {
        let bind = |names: &'static str| methods::bind(method, names, given);
        let refuse_cycle = |item: &Jinja| {
            if contains_object(item, Arc::as_ptr(self).cast()) {
                Err(python::fail("a mapping cannot be put into itself"))
            } else {
                Ok(())
            }
        };
        match method {
            "update" => {
                let args = bind("* **")?;
                let mut more = Vec::new();
                if let Some(other) = args.rest().first() {
                    more = entries_of(other)?;
                }
                more.extend(
                    args.extra()
                        .map(|(name, value)| (Jinja::from(name), value.clone())),
                );
                more.iter().try_for_each(|(_, item)| refuse_cycle(item))?;
                self.change(|entries| {
                    entries.extend(more);
                    Ok(())
                })?;
            }
            "pop" => {
                let args = bind("key default")?;
                let key = args.need(0)?.clone();
                return match self.change(|entries| Ok(entries.shift_remove(&key)))? {
                    Some(value) => Ok(Some(value)),
                    None => args
                        .raw(1)
                        .cloned()
                        .map(Some)
                        .ok_or_else(|| python::fail(python::repr(&key).unwrap_or_default())),
                };
            }
            "popitem" => {
                return self
                    .change(|entries| {
                        let (key, value) = entries
                            .pop()
                            .ok_or_else(|| python::fail("popitem(): dictionary is empty"))?;
                        Ok(python::tuple(vec![key, value]))
                    })
                    .map(Some);
            }
            "setdefault" => {
                let args = bind("key default")?;
                let key = args.need(0)?.clone();
                if let Some(found) = self.find(&key) {
                    return Ok(Some(found));
                }
                let value = args.get(1).cloned().unwrap_or_else(|| Jinja::from(()));
                refuse_cycle(&value)?;
                return self
                    .change(|entries| {
                        entries.insert(key, value.clone());
                        Ok(value)
                    })
                    .map(Some);
            }
            "clear" => self.change(|entries| {
                entries.clear();
                Ok(())
            })?,
            _ => return Ok(None),
        }
        Ok(Some(Jinja::from(())))
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
        self.find(key)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.find_text(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        python::render(&Jinja::from_dyn_object(Arc::clone(self)), f)
    }
}

/// Entries of a mapping, or of a list of pairs. Values may be none.
pub(crate) fn entries_of(value: &Jinja) -> Result<Vec<(Jinja, Jinja)>, Error> {
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        return Ok(dict.entries().into_iter().collect());
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
