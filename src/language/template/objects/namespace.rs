use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object};

use crate::template::Jinja;
use crate::template::context::lock;

/// `namespace(a=1)`: members that a loop may change for those outside.
pub(crate) struct Namespace(Mutex<IndexMap<Arc<str>, Jinja>>);

impl Namespace {
    pub(crate) fn new(members: impl IntoIterator<Item = (Arc<str>, Jinja)>) -> Self {
        Self(Mutex::new(members.into_iter().collect()))
    }

    pub(crate) fn set(&self, name: &Arc<str>, value: Jinja) {
        let old = lock(&self.0).insert(Arc::clone(name), value);
        drop(old);
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Namespace>")
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        lock(&self.0).get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).keys().cloned().map(Jinja::from).collect())
    }
}
