use std::fmt;
use std::sync::{Arc, Mutex};

use crate::template::Jinja;
use crate::template::context::lock;
use crate::template::syntax::ast::Name;

/// Names that a template itself has set, in one place of it.
pub(super) struct Locals {
    vars: Mutex<Vec<(Name, Jinja)>>,
    parent: Option<Arc<Self>>,
    /// The variables of the run are not seen from here.
    isolated: bool,
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("locals")
    }
}

impl Locals {
    pub(super) fn root(isolated: bool) -> Arc<Self> {
        Arc::new(Self {
            vars: Mutex::default(),
            parent: None,
            isolated,
        })
    }

    pub(super) fn inside(parent: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            vars: Mutex::default(),
            parent: Some(Arc::clone(parent)),
            isolated: parent.isolated,
        })
    }

    pub(super) fn isolated(&self) -> bool {
        self.isolated
    }

    pub(super) fn get(&self, name: &str) -> Option<Jinja> {
        let mut place = Some(self);
        while let Some(locals) = place {
            if let Some((_, value)) = lock(&locals.vars)
                .iter()
                .rev()
                .find(|(known, _)| **known == *name)
            {
                return Some(value.clone());
            }
            place = locals.parent.as_deref();
        }
        None
    }

    pub(super) fn set(&self, name: &Name, value: Jinja) {
        let mut vars = lock(&self.vars);
        match vars.iter_mut().find(|(known, _)| known == name) {
            Some(slot) => slot.1 = value,
            None => vars.push((Arc::clone(name), value)),
        }
    }

    pub(super) fn all(&self) -> Vec<(Name, Jinja)> {
        lock(&self.vars).clone()
    }

    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut *lock(&self.vars));
        drop(gone);
    }
}
