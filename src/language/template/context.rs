//! One evaluation: a scope, the values computed so far, and the stack of
//! templates being evaluated on this thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object};

use super::engine::{Inner, Job, Mode, Place};
use super::error::TemplateError;
use super::marker::Marker;
use super::objects::{AllHosts, Dict, List, Omitted};
use super::{Jinja, trust};
use crate::source::Span;
use crate::value::{Template, Value};
use crate::vars::Scope;

/// Templates that refer to each other deeper than this are taken for a loop.
const MAX_NESTING: usize = 120;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A scope with its evaluated values. Values are computed once per evaluation.
pub(crate) struct Context {
    pub(super) templar: Arc<Inner>,
    pub(super) scope: Scope,
    /// By the address of the template, which is kept alive here.
    done: Mutex<HashMap<usize, (Arc<Template>, Jinja)>>,
    /// Lists and mappings by address, so that a change in place is seen by
    /// the next use of the same variable.
    /// The value is kept too, or its address could be used again.
    views: Mutex<HashMap<usize, (Value, Jinja)>>,
    /// Variables that were looked up.
    names: Mutex<HashMap<Box<str>, Jinja>>,
    hosts: Mutex<Option<Jinja>>,
    /// Contexts made for other scopes during the same evaluation.
    others: Mutex<Vec<Arc<Self>>>,
}

/// A context for as long as one call from outside lasts. Values inside point
/// back to their context; letting go of them here ends that circle.
pub(super) struct Session(Arc<Context>);

impl Session {
    pub(super) fn new(templar: Arc<Inner>, scope: Scope) -> Self {
        Self(Context::new(templar, scope))
    }
}

impl std::ops::Deref for Session {
    type Target = Arc<Context>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut pending = vec![Arc::clone(&self.0)];
        while let Some(context) = pending.pop() {
            drop(std::mem::take(&mut *lock(&context.done)));
            drop(std::mem::take(&mut *lock(&context.views)));
            drop(std::mem::take(&mut *lock(&context.names)));
            drop(lock(&context.hosts).take());
            pending.append(&mut lock(&context.others));
        }
    }
}

struct Frame {
    context: Arc<Context>,
    template: usize,
    label: String,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

impl Context {
    fn new(templar: Arc<Inner>, scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            templar,
            scope,
            done: Mutex::default(),
            views: Mutex::default(),
            names: Mutex::default(),
            hosts: Mutex::default(),
            others: Mutex::default(),
        })
    }

    /// The same engine with another scope.
    pub(super) fn beside(&self, scope: Scope) -> Arc<Self> {
        let other = Self::new(Arc::clone(&self.templar), scope);
        lock(&self.others).push(Arc::clone(&other));
        other
    }

    /// A variable of the scope, or one that the engine makes.
    pub(super) fn variable(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        if let Some(known) = lock(&self.names).get(name) {
            return Some(known.clone());
        }
        let found = match self.scope.find(name) {
            Some(value) => self.live(&value, || name.to_owned()),
            None => match name {
                "vars" => Jinja::from_object(Root(Arc::clone(self))),
                "hostvars" => self.all_hosts()?,
                _ => return None,
            },
        };
        lock(&self.names).insert(name.into(), found.clone());
        Some(found)
    }

    fn all_hosts(self: &Arc<Self>) -> Option<Jinja> {
        let hosts = self.scope.hosts()?;
        Some(
            lock(&self.hosts)
                .get_or_insert_with(|| {
                    Jinja::from_object(AllHosts::new(Arc::clone(hosts), Arc::clone(self)))
                })
                .clone(),
        )
    }

    /// A value of the language as templates see it. Templates are evaluated;
    /// what fails becomes a marker.
    pub(crate) fn live(self: &Arc<Self>, value: &Value, label: impl FnOnce() -> String) -> Jinja {
        match value {
            Value::Null => Jinja::from(()),
            Value::Bool(truth) => Jinja::from(*truth),
            Value::Int(number) => Jinja::from(*number),
            Value::BigInt(number) => Jinja::from(*number),
            Value::Float(number) => Jinja::from(*number),
            Value::Str(text) | Value::Date(text) => Jinja::from(Arc::clone(text)),
            Value::Trusted(text) => trust::trusted(text),
            Value::Template(template) => self.evaluate(template, label),
            Value::Vault(sealed) => match self.templar.unlock(sealed) {
                Ok(text) => Jinja::from(text),
                Err(error) => Marker::value(error),
            },
            Value::List(items) => self.view(Arc::as_ptr(items).cast(), value),
            Value::Map(map) => self.view(Arc::as_ptr(map).cast(), value),
            Value::Omit => Jinja::from_object(Omitted),
        }
    }

    fn view(self: &Arc<Self>, address: *const (), value: &Value) -> Jinja {
        lock(&self.views)
            .entry(address as usize)
            .or_insert_with(|| (value.clone(), self.fresh(value)))
            .1
            .clone()
    }

    /// A value that no variable holds, such as what a filter has read.
    pub(super) fn fresh(self: &Arc<Self>, value: &Value) -> Jinja {
        match value {
            Value::List(items) => {
                Jinja::from_object(List::view(Arc::clone(items), Arc::clone(self)))
            }
            Value::Map(map) => Jinja::from_object(Dict::view(Arc::clone(map), Arc::clone(self))),
            other => self.live(other, String::new),
        }
    }

    fn evaluate(
        self: &Arc<Self>,
        template: &Arc<Template>,
        label: impl FnOnce() -> String,
    ) -> Jinja {
        let address = Arc::as_ptr(template) as usize;
        if let Some((_, known)) = lock(&self.done).get(&address) {
            return known.clone();
        }
        let label = label();
        let result = match self.refuse(address, &label, &template.span) {
            Some(error) => Err(error),
            None => self.templar.run(
                self,
                &Job {
                    mode: Mode::Template,
                    text: &template.text,
                    place: Place::Scalar(template.span.clone(), template.offset),
                    address,
                    label: &label,
                    condition: false,
                },
            ),
        };
        let value = result.unwrap_or_else(|mut error| {
            error.inside.get_or_insert_with(|| label.into());
            Marker::value(error)
        });
        lock(&self.done).insert(address, (Arc::clone(template), value.clone()));
        value
    }

    /// A loop of templates, or nesting that can only be one.
    fn refuse(&self, address: usize, label: &str, span: &Span) -> Option<TemplateError> {
        FRAMES.with_borrow(|frames| {
            let again = frames.iter().position(|frame| {
                frame.template == address && frame.context.scope.same(&self.scope)
            });
            let start = match again {
                Some(start) => start,
                None if frames.len() >= MAX_NESTING => frames.len().saturating_sub(8),
                None => return None,
            };
            let mut names: Vec<&str> = frames[start..]
                .iter()
                .map(|frame| frame.label.as_str())
                .filter(|name| !name.is_empty())
                .collect();
            names.push(label);
            Some(TemplateError::new(
                "template-loop",
                format!(
                    "Recursive loop detected in template: {}",
                    names.join(" -> ")
                ),
                span,
            ))
        })
    }
}

/// The context of the template that runs now on this thread.
pub(super) fn current() -> Option<Arc<Context>> {
    FRAMES.with_borrow(|frames| frames.last().map(|frame| Arc::clone(&frame.context)))
}

/// How deep templates are nested now.
pub(super) fn depth() -> usize {
    FRAMES.with_borrow(Vec::len)
}

/// Runs something as the innermost template.
pub(super) fn framed<T>(context: &Arc<Context>, job: &Job<'_>, act: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            FRAMES.with_borrow_mut(|frames| frames.pop());
        }
    }
    FRAMES.with_borrow_mut(|frames| {
        frames.push(Frame {
            context: Arc::clone(context),
            template: job.address,
            label: job.label.to_owned(),
        });
    });
    let leave = Leave;
    let result = act();
    drop(leave);
    result
}

/// A whole scope as a mapping: `vars`, and the entries of `hostvars`.
pub(super) struct Root(pub(super) Arc<Context>);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.variable(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        self.0.variable(name)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.scope.names().into_iter().map(Jinja::from).collect())
    }
}
