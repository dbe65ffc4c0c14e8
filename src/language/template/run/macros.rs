use std::fmt;
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::{Object, ObjectRepr};

use super::locals::Locals;
use super::{MAX_CALLS, Output, Unit, Vm};
use crate::template::args::Given;
use crate::template::functions::Builtin;
use crate::template::syntax::ast::{Macro, Name};
use crate::template::{Jinja, python};

/// Something that can be called.
pub(in crate::template) enum Callable {
    Builtin(&'static Builtin),
    /// A method that was looked up without being called yet.
    Method(Jinja, Name),
    Macro(Bound),
}

/// A macro and the names around it.
pub(in crate::template) struct Bound {
    def: Arc<Macro>,
    unit: Arc<Unit>,
    locals: Arc<Locals>,
    top: Arc<Locals>,
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(builtin) => write!(f, "<function {}>", builtin.name),
            Self::Method(_, name) => write!(f, "<method {name}>"),
            Self::Macro(bound) => write!(f, "<Macro '{}'>", bound.def.name),
        }
    }
}

impl Object for Callable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let Self::Macro(bound) = &**self else {
            return None;
        };
        match key.as_str()? {
            "name" => Some(Jinja::from(Arc::clone(&bound.def.name))),
            "arguments" => Some(python::tuple(
                bound.def.params.iter().cloned().map(Jinja::from).collect(),
            )),
            "catch_varargs" => Some(Jinja::from(bound.def.varargs)),
            "catch_kwargs" => Some(Jinja::from(bound.def.kwargs)),
            "caller" => Some(Jinja::from(bound.def.caller)),
            _ => None,
        }
    }
}

impl Vm<'_> {
    pub(super) fn bound(&mut self, def: &Arc<Macro>) -> Jinja {
        self.held.push(Arc::clone(&self.locals));
        Jinja::from_object(Callable::Macro(Bound {
            def: Arc::clone(def),
            unit: Arc::clone(&self.unit),
            locals: Arc::clone(&self.locals),
            top: Arc::clone(&self.top),
        }))
    }

    pub(super) fn call_macro(
        &mut self,
        bound: &Bound,
        given: &Given,
        caller: Option<Jinja>,
    ) -> Result<Jinja, Error> {
        self.burn()?;
        if self.calls >= MAX_CALLS {
            return Err(python::fail("maximum recursion depth exceeded"));
        }
        let locals = Locals::inside(&bound.locals);
        let before = (
            std::mem::replace(&mut self.unit, Arc::clone(&bound.unit)),
            std::mem::replace(&mut self.locals, locals),
            std::mem::replace(&mut self.top, Arc::clone(&bound.top)),
            std::mem::replace(&mut self.mute, false),
        );
        self.calls += 1;
        let mut out = Output::default();
        let result = self
            .parameters(&bound.def, given, caller)
            .and_then(|()| self.exec(&bound.def.body, &mut out));
        self.calls -= 1;
        (self.unit, self.locals, self.top, self.mute) = before;
        result.map(|_| out.finish())
    }

    fn parameters(
        &mut self,
        def: &Macro,
        given: &Given,
        caller: Option<Jinja>,
    ) -> Result<(), Error> {
        let name = &def.name;
        let mut named: Vec<(Name, Jinja)> = given.named.clone();
        let take = |named: &mut Vec<(Name, Jinja)>, wanted: &str| {
            let at = named.iter().position(|(name, _)| **name == *wanted)?;
            Some(named.remove(at).1)
        };
        let first_default = def.params.len() - def.defaults.len();
        for (index, param) in def.params.iter().enumerate() {
            let value = match given.positional.get(index) {
                Some(value) => {
                    if named.iter().any(|(other, _)| other == param) {
                        return Err(python::fail(format!(
                            "macro '{name}' got multiple values for argument '{param}'"
                        )));
                    }
                    value.clone()
                }
                None => match take(&mut named, param) {
                    Some(value) => value,
                    None if &**param == "caller" && caller.is_some() => {
                        caller.clone().unwrap_or_default()
                    }
                    None => match index.checked_sub(first_default) {
                        Some(default) => self.eval(&def.defaults[default])?,
                        None => self.absent(
                            format!("parameter '{param}' was not provided"),
                            super::At::default(),
                        ),
                    },
                },
            };
            self.locals.set(param, value);
        }
        if def.caller && !def.params.iter().any(|param| &**param == "caller") {
            let value = caller.or_else(|| take(&mut named, "caller"));
            let value = value.unwrap_or_else(|| {
                self.absent("No caller defined".to_owned(), super::At::default())
            });
            self.locals.set(&"caller".into(), value);
        }
        if def.kwargs {
            let entries = named
                .into_iter()
                .map(|(key, value)| (Jinja::from(key), value));
            self.locals.set(&"kwargs".into(), python::dict(entries));
        } else if let Some((unknown, _)) = named.first() {
            return Err(python::fail(if &**unknown == "caller" {
                format!(
                    "macro '{name}' was invoked with two values for the special caller argument"
                )
            } else {
                format!("macro '{name}' takes no keyword argument '{unknown}'")
            }));
        }
        let rest = given.positional.get(def.params.len()..).unwrap_or_default();
        if def.varargs {
            self.locals
                .set(&"varargs".into(), python::tuple(rest.to_vec()));
        } else if !rest.is_empty() {
            return Err(python::fail(format!(
                "macro '{name}' takes not more than {} argument(s)",
                def.params.len()
            )));
        }
        Ok(())
    }
}
