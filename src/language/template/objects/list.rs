use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::Error;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja};

use super::dict::{contains_object, release};
use crate::template::args::Given;
use crate::template::context::{Context, lock};
use crate::template::marker::Missing;
use crate::template::{methods, operators, python};
use crate::value::Value;

/// A Python list: a lazy view of a variable until it is changed.
pub(crate) struct List(Mutex<Items>);

enum Items {
    View(Arc<Vec<Value>>, Arc<Context>),
    Own(Vec<Jinja>),
}

impl List {
    pub(crate) fn view(items: Arc<Vec<Value>>, context: Arc<Context>) -> Self {
        Self(Mutex::new(Items::View(items, context)))
    }

    pub(crate) fn own(items: Vec<Jinja>) -> Self {
        Self(Mutex::new(Items::Own(items)))
    }

    /// The variable's own value, if nobody changed it.
    pub(crate) fn untouched(&self) -> Option<Arc<Vec<Value>>> {
        match &*lock(&self.0) {
            Items::View(items, _) => Some(Arc::clone(items)),
            Items::Own(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &*lock(&self.0) {
            Items::View(items, _) => items.len(),
            Items::Own(items) => items.len(),
        }
    }

    pub(crate) fn at(&self, index: usize) -> Option<Jinja> {
        let (item, context) = match &*lock(&self.0) {
            Items::View(items, context) => (items.get(index)?.clone(), Arc::clone(context)),
            Items::Own(items) => return items.get(index).cloned(),
        };
        Some(context.live(&item, || index.to_string()))
    }

    /// Every item, evaluated. Some may be no value.
    pub(crate) fn items(&self) -> Vec<Jinja> {
        let (items, context) = match &*lock(&self.0) {
            Items::View(items, context) => (Arc::clone(items), Arc::clone(context)),
            Items::Own(items) => return items.clone(),
        };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| context.live(item, || index.to_string()))
            .collect()
    }

    /// Changes the list in place.
    fn change<T>(&self, act: impl FnOnce(&mut Vec<Jinja>) -> Result<T, Error>) -> Result<T, Error> {
        let view = matches!(&*lock(&self.0), Items::View(..));
        if view {
            let items = self.items();
            *lock(&self.0) = Items::Own(items);
        }
        match &mut *lock(&self.0) {
            Items::Own(items) => act(items),
            Items::View(..) => Err(python::fail("list changed while it was read")),
        }
    }

    pub(super) fn take(&mut self) -> Vec<Jinja> {
        match self.0.get_mut() {
            Ok(Items::Own(items)) => std::mem::take(items),
            _ => Vec::new(),
        }
    }

    pub(super) fn own_items(&self) -> Vec<Jinja> {
        match &*lock(&self.0) {
            Items::Own(items) => items.clone(),
            Items::View(..) => Vec::new(),
        }
    }

    /// Methods that change the list.
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
                Err(python::fail("a list cannot be put into itself"))
            } else {
                Ok(())
            }
        };
        match method {
            "append" => {
                let args = bind("object")?;
                let item = args.need(0)?.clone();
                refuse_cycle(&item)?;
                self.change(|items| {
                    items.push(item);
                    Ok(())
                })?;
            }
            "extend" => {
                let args = bind("iterable")?;
                let more = python::raw_items(args.need(0)?)?;
                more.iter().try_for_each(refuse_cycle)?;
                self.change(|items| {
                    python::few(items.len() + more.len())?;
                    items.extend(more);
                    Ok(())
                })?;
            }
            "insert" => {
                let args = bind("index object")?;
                let item = args.need(1)?.clone();
                refuse_cycle(&item)?;
                let index = args.int(0, 0)?;
                self.change(|items| {
                    let at = position(index, items.len()).min(items.len());
                    items.insert(at, item);
                    Ok(())
                })?;
            }
            "pop" => {
                let index = bind("index")?.int(0, -1)?;
                return self
                    .change(|items| {
                        if items.is_empty() {
                            return Err(python::fail("pop from empty list"));
                        }
                        let at = exact(index, items.len())
                            .ok_or_else(|| python::fail("pop index out of range"))?;
                        Ok(items.remove(at))
                    })
                    .map(Some);
            }
            "remove" => {
                let args = bind("value")?;
                let wanted = args.need(0)?.clone();
                self.change(|items| {
                    let at = items
                        .iter()
                        .position(|item| *item == wanted)
                        .ok_or_else(|| python::fail("list.remove(x): x not in list"))?;
                    items.remove(at);
                    Ok(())
                })?;
            }
            "clear" => self.change(|items| {
                items.clear();
                Ok(())
            })?,
            "reverse" => self.change(|items| {
                items.reverse();
                Ok(())
            })?,
            "sort" => {
                let args = bind("* key reverse")?;
                let mut sorted = self.items();
                if let Some(missing) = sorted.iter().find(|item| item.is_missing()) {
                    return Err(python::undefined(missing));
                }
                let reverse = args.flag(1, false)?;
                if args.some(0).is_some() {
                    return Err(python::fail("sort takes no key here; use the sort filter"));
                }
                if reverse {
                    sorted.reverse();
                }
                operators::sort(&mut sorted)?;
                if reverse {
                    sorted.reverse();
                }
                self.change(|items| {
                    *items = sorted;
                    Ok(())
                })?;
            }
            _ => return Ok(None),
        }
        Ok(Some(Jinja::from(())))
    }
}

impl Drop for List {
    fn drop(&mut self) {
        release(self.take());
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list of {}", self.len())
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        key.as_usize().and_then(|index| self.at(index))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.len())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        python::render(&Jinja::from_dyn_object(Arc::clone(self)), f)
    }
}

/// A Python index, clamped.
fn position(index: i64, len: usize) -> usize {
    let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 {
        len.saturating_sub(distance)
    } else {
        distance
    }
}

/// A Python index that must exist.
fn exact(index: i64, len: usize) -> Option<usize> {
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    let at = if index < 0 {
        len.checked_sub(distance)?
    } else {
        distance
    };
    (at < len).then_some(at)
}
