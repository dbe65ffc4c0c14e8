//! Other files that a template names: `include`, `import`, `extends`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::Object;

use super::locals::Locals;
use super::{MAX_CALLS, Output, Unit, Vm};
use crate::template::error::TemplateError;
use crate::template::marker::Missing;
use crate::template::syntax::At;
use crate::template::syntax::ast::{Expr, Name};
use crate::template::{Jinja, python};

/// An imported template: what it set at its top.
pub(in crate::template) struct Module {
    exports: HashMap<Name, Jinja>,
    printed: Jinja,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("module")
    }
}

impl Object for Module {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.exports.get(key.as_str()?).cloned()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&python::text(&self.printed).unwrap_or_default())
    }
}

/// What was running before another file was entered.
struct Before {
    locals: Arc<Locals>,
    top: Arc<Locals>,
    blocks: super::Blocks,
    block: Option<(Name, usize)>,
    parent: Option<Arc<Unit>>,
    mute: bool,
}

impl Vm<'_> {
    /// The first file of those named that exists.
    fn load(&mut self, name: &Expr, several: bool) -> Result<Option<Arc<Unit>>, Error> {
        let value = self
            .eval(name)?
            .present()
            .map_err(|error| self.placed(error, name.at))?;
        let names = if several && python::is_list(&value) {
            python::items(&value)
                .and_then(|items| items.iter().map(python::text).collect())
                .map_err(|error| self.placed(error, name.at))?
        } else {
            vec![python::text(&value).map_err(|error| self.placed(error, name.at))?]
        };
        let templar = Arc::clone(&self.context.templar);
        for file in &names {
            let found = templar.beside(file, &self.unit.place, &self.context.scope);
            if let Some(path) = found {
                return templar
                    .unit(&path, &self.unit.code.options)
                    .map(Some)
                    .map_err(|error| error.into_engine());
            }
        }
        Ok(None)
    }

    fn missing(&self, name: &Expr) -> Error {
        let shown = self.span(name.at).text().to_owned();
        TemplateError::new(
            "template-not-found",
            format!("no file was found for the template {shown}"),
            &self.span(name.at),
        )
        .into_engine()
    }

    pub(super) fn extend(&mut self, name: &Expr) -> Result<(), Error> {
        if self.parent.is_some() {
            return Err(self.placed(python::fail("extended multiple times"), name.at));
        }
        let Some(unit) = self.load(name, false)? else {
            return Err(self.missing(name));
        };
        self.parent = Some(unit);
        self.mute = true;
        Ok(())
    }

    fn enter(&mut self, locals: Arc<Locals>, at: At) -> Result<Before, Error> {
        self.burn()?;
        if self.calls >= MAX_CALLS / 4 {
            return Err(self.placed(python::fail("templates include each other without end"), at));
        }
        self.calls += 1;
        Ok(Before {
            top: std::mem::replace(&mut self.top, Arc::clone(&locals)),
            locals: std::mem::replace(&mut self.locals, locals),
            blocks: std::mem::take(&mut self.blocks),
            block: self.block.take(),
            parent: self.parent.take(),
            mute: std::mem::replace(&mut self.mute, false),
        })
    }

    fn leave(&mut self, before: Before) {
        self.calls -= 1;
        self.locals = before.locals;
        self.top = before.top;
        self.blocks = before.blocks;
        self.block = before.block;
        self.parent = before.parent;
        self.mute = before.mute;
    }

    pub(super) fn include(
        &mut self,
        name: &Expr,
        ignore_missing: bool,
        with_context: bool,
        out: &mut Output,
    ) -> Result<(), Error> {
        let Some(unit) = self.load(name, true)? else {
            return if ignore_missing {
                Ok(())
            } else {
                Err(self.missing(name))
            };
        };
        let locals = if with_context {
            Locals::inside(&self.locals)
        } else {
            Locals::root(true)
        };
        let before = self.enter(locals, name.at)?;
        let result = self.root(&unit, out);
        self.leave(before);
        result
    }

    fn module(&mut self, name: &Expr, with_context: bool) -> Result<Module, Error> {
        let Some(unit) = self.load(name, false)? else {
            return Err(self.missing(name));
        };
        let locals = if with_context {
            Locals::inside(&self.locals)
        } else {
            Locals::root(true)
        };
        let before = self.enter(Arc::clone(&locals), name.at)?;
        let mut out = Output::default();
        let result = self.root(&unit, &mut out);
        self.leave(before);
        result?;
        Ok(Module {
            exports: locals
                .all()
                .into_iter()
                .filter(|(name, _)| !name.starts_with('_'))
                .collect(),
            printed: out.finish(),
        })
    }

    pub(super) fn import(&mut self, name: &Expr, with_context: bool) -> Result<Jinja, Error> {
        self.module(name, with_context).map(Jinja::from_object)
    }

    pub(super) fn import_names(
        &mut self,
        name: &Expr,
        names: &[(Name, Name)],
        with_context: bool,
    ) -> Result<(), Error> {
        let module = self.module(name, with_context)?;
        for (there, here) in names {
            let value = match module.exports.get(there) {
                Some(value) => value.clone(),
                None => self.absent(
                    format!(
                        "the template {} does not export the requested name '{there}'",
                        self.span(name.at).text()
                    ),
                    name.at,
                ),
            };
            self.locals.set(here, value);
        }
        Ok(())
    }
}
