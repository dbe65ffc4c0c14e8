//! Running a syntax tree.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::context::Context;
use super::engine::Place;
use super::error::{Link, TemplateError};
use super::marker::Marker;
use super::options::FileOptions;
use super::syntax::At;
use super::syntax::ast::{Block, Name, Tree};
use super::{Jinja, python};
use locals::Locals;

mod call;
mod expr;
mod files;
mod locals;
mod looping;
mod macros;
mod members;
mod output;
mod stmt;

pub(super) use files::Module;
pub(super) use looping::Loop;
pub(super) use macros::Callable;
pub(super) use members::{Absent, item, member};
pub(super) use output::Output;

/// A parsed template.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) tree: Tree,
    pub(super) options: Arc<FileOptions>,
}

/// A parsed template and where it was written.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) code: Arc<Code>,
    pub(super) place: Place,
}

/// Statements that one evaluation may run, so that it always ends.
const FUEL: u64 = if cfg!(test) { 2_000_000 } else { 50_000_000 };

/// Macros that call themselves deeper than this have no end.
const MAX_CALLS: usize = 400;

/// What comes after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The blocks of a template and those it inherits from, nearest first.
type Blocks = HashMap<Name, Vec<(Arc<Unit>, Arc<Block>)>>;

/// One running template.
pub(super) struct Vm<'a> {
    pub(super) context: &'a Arc<Context>,
    unit: Arc<Unit>,
    locals: Arc<Locals>,
    /// The names of the whole template.
    top: Arc<Locals>,
    blocks: Blocks,
    /// The block that runs, for `super()`.
    block: Option<(Name, usize)>,
    /// The template this one extends, once known.
    parent: Option<Arc<Unit>>,
    /// What the innermost `filter` or `set` block printed.
    printed: Option<Jinja>,
    /// Nothing is printed: the rest of a template that extends another.
    mute: bool,
    /// The body of a `call` block, for the call that comes next.
    caller: Option<Jinja>,
    /// Text literals that hold templates are evaluated.
    embedded: bool,
    calls: usize,
    fuel: u64,
    /// Names that macros hold on to, let go at the end.
    held: Vec<Arc<Locals>>,
}

impl Drop for Vm<'_> {
    fn drop(&mut self) {
        for locals in self.held.drain(..) {
            locals.clear();
        }
    }
}

impl<'a> Vm<'a> {
    pub(super) fn new(context: &'a Arc<Context>, unit: Arc<Unit>, embedded: bool) -> Self {
        let top = Locals::root(false);
        Self {
            context,
            unit,
            locals: Arc::clone(&top),
            top,
            blocks: HashMap::new(),
            block: None,
            parent: None,
            printed: None,
            mute: false,
            caller: None,
            embedded,
            calls: 0,
            fuel: FUEL,
            held: Vec::new(),
        }
    }

    /// A machine that only serves filters and lookups called from outside.
    pub(super) fn idle(context: &'a Arc<Context>) -> Self {
        let unit = Arc::new(Unit {
            code: Arc::new(Code {
                tree: Tree::default(),
                options: Arc::new(FileOptions::scalar()),
            }),
            place: Place::Scalar(crate::source::Span::nowhere(), None),
        });
        Self::new(context, unit, false)
    }

    fn burn(&mut self) -> Result<(), Error> {
        match self.fuel.checked_sub(1) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(python::fail(
                "the template ran too many statements and was stopped",
            )),
        }
    }

    fn span(&self, at: At) -> crate::source::Span {
        self.unit.place.part(Some(at.range()))
    }

    /// Something undefined, found at a place.
    fn absent(&self, message: String, at: At) -> Jinja {
        let mut error = TemplateError::new("undefined-variable", message, &self.span(at));
        error.undefined = true;
        Marker::value(error)
    }

    /// Gives an error its place, if it has none yet, and notes the variable
    /// whose own template failed.
    fn placed(&self, error: Error, at: At) -> Error {
        match TemplateError::inside(&error) {
            Some(inner) if inner.inside.is_none() => error,
            Some(inner) => self.linked(inner.clone(), None, at).into_engine(),
            None => self.explained(&error, at, None).into_engine(),
        }
    }

    fn linked(&self, mut inner: TemplateError, name: Option<&str>, at: At) -> TemplateError {
        let inside = inner.inside.take();
        if let Some(name) = inside.as_deref().or(name) {
            inner.chain.push(Link {
                name: name.to_owned(),
                span: self.span(at),
            });
        }
        inner
    }

    /// An error of our own code as one with a place. `plugin` says which
    /// filter, test or lookup it was.
    fn explained(&self, error: &Error, at: At, plugin: Option<(&str, &str)>) -> TemplateError {
        if let Some(inner) = TemplateError::inside(error) {
            return self.linked(inner.clone(), None, at);
        }
        let detail = error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned);
        let undefined = matches!(
            error.kind(),
            ErrorKind::UndefinedError | ErrorKind::UnknownMethod
        );
        let (code, message) = match (plugin, undefined) {
            (_, true) => ("undefined-variable", detail),
            (Some((kind, name)), false) => (
                "template",
                format!("The {kind} plugin '{name}' failed: {detail}"),
            ),
            (None, false) => ("template", format!("Error rendering template: {detail}")),
        };
        let mut result = TemplateError::new(code, message, &self.span(at));
        result.undefined = undefined;
        result
    }

    /// A failed call as a value that carries its error.
    fn captured(&self, error: &Error, at: At, plugin: Option<(&str, &str)>) -> Jinja {
        Marker::value(self.explained(error, at, plugin))
    }

    pub(super) fn truth(&self, value: &Jinja) -> Result<bool, Error> {
        python::truth(value)
    }
}
