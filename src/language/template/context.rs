//! One evaluation: a scope, the values computed so far, and the stack of
//! templates being evaluated on this thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::Error;
use minijinja::value::{Enumerator, Object};

use super::engine::{Inner, Job, Mode, Place};
use super::error::TemplateError;
use super::objects::{AllHosts, Dict, List, Omitted};
use super::{Jinja, notes};
use crate::source::Span;
use crate::value::{Template, Value};
use crate::vars::Scope;

/// Templates that refer to each other deeper than this are taken for a loop.
const MAX_NESTING: usize = 80;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Evaluated = Result<Jinja, TemplateError>;

/// A scope with its evaluated values. Values are computed once per evaluation.
pub(crate) struct Context {
    pub(super) templar: Arc<Inner>,
    pub(super) scope: Scope,
    /// By the address of the template, which is kept alive here.
    done: Mutex<HashMap<usize, (Arc<Template>, Evaluated)>>,
    /// Lists and mappings by address, so that a change in place is seen by
    /// the next use of the same variable.
    /// The value is kept too, or its address could be used again.
    views: Mutex<HashMap<usize, (Value, Jinja)>>,
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
            drop(lock(&context.hosts).take());
            pending.append(&mut lock(&context.others));
        }
    }
}

struct Frame {
    context: Arc<Context>,
    template: usize,
    label: String,
    mode: Mode,
    emitted: usize,
    none: bool,
    last: Option<Jinja>,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// What the outermost template of a frame printed.
pub(super) struct Printed {
    /// How often, leaving out None, which prints nothing.
    pub(super) count: usize,
    pub(super) none: bool,
    pub(super) last: Option<Jinja>,
}

impl Context {
    fn new(templar: Arc<Inner>, scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            templar,
            scope,
            done: Mutex::default(),
            views: Mutex::default(),
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

    /// A value of the language as the engine sees it; templates are evaluated.
    pub(crate) fn live(
        self: &Arc<Self>,
        value: &Value,
        label: impl FnOnce() -> String,
    ) -> Result<Jinja, Error> {
        Ok(match value {
            Value::Null => Jinja::from(()),
            Value::Bool(truth) => Jinja::from(*truth),
            Value::Int(number) => Jinja::from(*number),
            Value::BigInt(number) => Jinja::from(*number),
            Value::Float(number) => Jinja::from(*number),
            Value::Str(text) | Value::Date(text) => Jinja::from(Arc::clone(text)),
            Value::Template(template) => return self.evaluate(template, label),
            Value::List(items) => self.view(Arc::as_ptr(items).cast(), value),
            Value::Map(map) => self.view(Arc::as_ptr(map).cast(), value),
            Value::Omit => Jinja::from_object(Omitted),
        })
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
            other => self.live(other, String::new).unwrap_or_default(),
        }
    }

    fn evaluate(
        self: &Arc<Self>,
        template: &Arc<Template>,
        label: impl FnOnce() -> String,
    ) -> Result<Jinja, Error> {
        let address = Arc::as_ptr(template) as usize;
        if let Some((_, known)) = lock(&self.done).get(&address) {
            return known.clone().map_err(TemplateError::into_engine);
        }
        let label = label();
        let result = match self.refuse(address, &label, &template.span) {
            Some(error) => Err(error),
            None => self
                .templar
                .run(
                    self,
                    &Job {
                        mode: Mode::Template,
                        text: &template.text,
                        place: Place::Scalar(template.span.clone(), template.offset),
                        address,
                        label: &label,
                    },
                )
                .map(|outcome| outcome.value),
        };
        let result = result.map_err(|mut error| {
            error.inside.get_or_insert_with(|| label.into());
            error
        });
        lock(&self.done).insert(address, (Arc::clone(template), result.clone()));
        result.map_err(TemplateError::into_engine)
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
                format!("recursive loop in template: {}", names.join(" -> ")),
                span,
            ))
        })
    }

    /// Evaluates a small expression for an error message, ignoring failure.
    pub(super) fn peek(self: &Arc<Self>, expression: &str) -> Option<Jinja> {
        let name = expression.split(['.', '[']).next()?;
        self.scope.get(name)?;
        let job = Job {
            mode: Mode::Expression,
            text: expression,
            place: Place::Scalar(Span::nowhere(), None),
            address: 0,
            label: "",
        };
        let outcome = self.templar.run(self, &job).ok()?;
        Some(outcome.value)
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
pub(super) fn framed<T>(
    context: &Arc<Context>,
    job: &Job<'_>,
    act: impl FnOnce() -> T,
) -> (T, Printed) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            FRAMES.with_borrow_mut(|frames| frames.pop());
        }
    }
    FRAMES.with_borrow_mut(|frames| {
        if frames.is_empty() {
            notes::clear();
        }
        frames.push(Frame {
            context: Arc::clone(context),
            template: job.address,
            label: job.label.to_owned(),
            mode: job.mode,
            emitted: 0,
            none: false,
            last: None,
        });
    });
    let leave = Leave;
    let result = act();
    let printed = FRAMES.with_borrow_mut(|frames| {
        frames.last_mut().map_or(
            Printed {
                count: 0,
                none: false,
                last: None,
            },
            |frame| Printed {
                count: frame.emitted,
                none: frame.none,
                last: frame.last.take(),
            },
        )
    });
    drop(leave);
    (result, printed)
}

/// Notes what the running template prints; says whether text is wanted.
pub(super) fn printing(value: &Jinja) -> bool {
    FRAMES.with_borrow_mut(|frames| match frames.last_mut() {
        Some(frame) => {
            frame.none |= value.is_none();
            if !value.is_none() || frame.mode == Mode::Expression {
                frame.emitted += 1;
                frame.last = Some(value.clone());
            }
            frame.mode != Mode::Expression
        }
        None => true,
    })
}

/// A whole scope as a mapping: the root of every template, `vars`, and the
/// entries of `hostvars`.
pub(super) struct Root(pub(super) Arc<Context>);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        let context = &self.0;
        if let Some(value) = context.scope.get(name) {
            let found = context.live(value, || name.to_owned());
            return notes::served(found, &Jinja::from(name));
        }
        match name {
            "vars" => Some(Jinja::from_dyn_object(Arc::clone(self))),
            "hostvars" => {
                let hosts = context.scope.hosts()?;
                Some(
                    lock(&context.hosts)
                        .get_or_insert_with(|| {
                            Jinja::from_object(AllHosts::new(
                                Arc::clone(hosts),
                                Arc::clone(context),
                            ))
                        })
                        .clone(),
                )
            }
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.scope.names().into_iter().map(Jinja::from).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut minijinja::State<'_, '_>,
        method: &str,
        args: &[Jinja],
    ) -> Result<Jinja, Error> {
        let this = Jinja::from_dyn_object(Arc::clone(self));
        super::methods::mapping(state, &this, method, args)
            .unwrap_or_else(|| Err(Error::from(minijinja::ErrorKind::UnknownMethod)))
    }
}
