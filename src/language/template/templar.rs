//! The door of this room.

use std::sync::Arc;

use minijinja::value::ValueKind;

use super::context::{Context, Session};
use super::engine::{Inner, Job, Mode, Place};
use super::error::{self, TemplateError};
use super::options::FileOptions;
use super::{Jinja, convert, lookups, python};
use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::source::{Source, Span};
use crate::value::{Map, Template, Value};
use crate::vars::Scope;

/// Evaluates templates. One per run; cheap to clone.
#[derive(Clone)]
pub struct Templar {
    inner: Arc<Inner>,
    /// Lets conditions give any value, judged by Python's truth, instead of
    /// booleans only.
    pub truthy: bool,
}

impl Templar {
    #[must_use]
    pub fn new(loader: Arc<dyn Loader>) -> Self {
        Self {
            inner: Arc::new(Inner::new(loader)),
            truthy: false,
        }
    }

    fn context(&self, scope: &Scope) -> Session {
        Session::new(Arc::clone(&self.inner), scope.clone())
    }

    /// Evaluates every template inside a value. A template that is nothing
    /// but one expression keeps its type; omitted parts are dropped, a value
    /// that is itself omitted stays [`Value::Omit`].
    ///
    /// # Errors
    /// The first evaluation that fails.
    pub fn resolve(&self, value: &Value, scope: &Scope) -> Result<Value, TemplateError> {
        match value {
            Value::List(_) | Value::Map(_) if value.is_lazy() => {}
            Value::List(items) if items.contains(&Value::Omit) => {}
            Value::Map(map) if map.iter().any(|(_, item)| *item == Value::Omit) => {}
            Value::Template(_) => {}
            _ => return Ok(value.clone()),
        }
        self.resolve_in(value, &self.context(scope))
    }

    fn resolve_in(&self, value: &Value, context: &Arc<Context>) -> Result<Value, TemplateError> {
        match value {
            Value::Template(template) => self.text(template, context),
            Value::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items.iter() {
                    let item = self.resolve_in(item, context)?;
                    if item != Value::Omit {
                        list.push(item);
                    }
                }
                Ok(Value::from(list))
            }
            Value::Map(map) => {
                let mut result = Map::new();
                for (key, item) in map.iter() {
                    let item = self.resolve_in(item, context)?;
                    if item != Value::Omit {
                        result.0.insert(key.clone(), item);
                    }
                }
                Ok(Value::from(result))
            }
            other => Ok(other.clone()),
        }
    }

    fn text(
        &self,
        template: &Arc<Template>,
        context: &Arc<Context>,
    ) -> Result<Value, TemplateError> {
        let place = Place::Scalar(template.span.clone(), template.offset);
        let outcome = self.inner.run(
            context,
            &Job {
                mode: Mode::Template,
                text: &template.text,
                place: place.clone(),
                address: Arc::as_ptr(template) as usize,
                label: "",
            },
        )?;
        settle(&outcome.value, &place, context)
    }

    /// Judges `when`, `until`, `changed_when` and their like: a raw
    /// expression, a boolean, or a list of them that must all hold.
    ///
    /// # Errors
    /// A failed evaluation, or a result that is no boolean unless
    /// [`Self::truthy`] is set.
    pub fn condition(&self, value: &Value, scope: &Scope) -> Result<bool, TemplateError> {
        self.judge(value, &self.context(scope))
    }

    fn judge(&self, value: &Value, context: &Arc<Context>) -> Result<bool, TemplateError> {
        let (result, span) = match value {
            Value::Bool(truth) => return Ok(*truth),
            Value::List(items) => {
                for item in items.iter() {
                    if !self.judge(item, context)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            Value::Null => return Ok(true),
            Value::Str(text) if text.trim().is_empty() => return Ok(true),
            Value::Str(text) => {
                let span = Span::nowhere();
                (self.evaluate(text, &span, None, context)?, span)
            }
            Value::Template(template) => (self.text(template, context)?, template.span.clone()),
            other => (other.clone(), Span::nowhere()),
        };
        match result {
            Value::Bool(truth) => Ok(truth),
            other if self.truthy => Ok(other.truthy()),
            other => Err(not_boolean(&other, &span)),
        }
    }

    /// Like [`Self::condition`], for an expression whose place is known.
    ///
    /// # Errors
    /// As [`Self::condition`].
    pub fn condition_at(
        &self,
        text: &str,
        span: &Span,
        offset: Option<u32>,
        scope: &Scope,
    ) -> Result<bool, TemplateError> {
        match self.evaluate(text, span, offset, &self.context(scope))? {
            Value::Bool(truth) => Ok(truth),
            other if self.truthy => Ok(other.truthy()),
            other => Err(not_boolean(&other, span)),
        }
    }

    /// Evaluates a bare expression.
    ///
    /// # Errors
    /// A failed evaluation.
    pub fn expression(
        &self,
        text: &str,
        span: &Span,
        scope: &Scope,
    ) -> Result<Value, TemplateError> {
        let offset = (span.text() == text).then_some(0);
        self.evaluate(text, span, offset, &self.context(scope))
    }

    fn evaluate(
        &self,
        text: &str,
        span: &Span,
        offset: Option<u32>,
        context: &Arc<Context>,
    ) -> Result<Value, TemplateError> {
        let place = Place::Scalar(span.clone(), offset);
        let outcome = self.inner.run(
            context,
            &Job {
                mode: Mode::Expression,
                text,
                place: place.clone(),
                address: 0,
                label: "",
            },
        )?;
        settle(&outcome.value, &place, context)
    }

    /// Renders a whole file, as the template module does.
    ///
    /// # Errors
    /// A failed evaluation.
    pub fn render_file(
        &self,
        source: &Arc<Source>,
        options: &FileOptions,
        scope: &Scope,
    ) -> Result<String, TemplateError> {
        self.file(source, options, &self.context(scope))
    }

    fn file(
        &self,
        source: &Arc<Source>,
        options: &FileOptions,
        context: &Arc<Context>,
    ) -> Result<String, TemplateError> {
        render(&self.inner, source, options, context)
    }

    /// Finds mistakes that need no variables: syntax, unknown filters and
    /// tests.
    ///
    /// # Errors
    /// The mistake.
    pub fn check(&self, template: &Template) -> Result<(), Diagnostic> {
        super::check::template(&self.inner, template)
    }

    /// Like [`Self::check`], for a bare expression.
    ///
    /// # Errors
    /// The mistake.
    pub fn check_expression(
        &self,
        text: &str,
        span: &Span,
        offset: Option<u32>,
    ) -> Result<(), Diagnostic> {
        super::check::expression(&self.inner, text, span, offset)
    }

    /// Like [`Self::check`], for a whole file with default options.
    ///
    /// # Errors
    /// The mistake.
    pub fn check_file(&self, source: &Arc<Source>) -> Result<(), Diagnostic> {
        super::check::file(&self.inner, source)
    }

    /// Runs a lookup by name, as `with_*` loops do.
    ///
    /// # Errors
    /// An unknown lookup, or its failure.
    pub fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        options: &Map,
        scope: &Scope,
    ) -> Result<Vec<Value>, TemplateError> {
        let context = self.context(scope);
        let place = Place::Scalar(Span::nowhere(), None);
        let explain = |error| error::explain(&error, Span::nowhere(), &context);
        let job = Job {
            mode: Mode::Expression,
            text: "",
            place: place.clone(),
            address: 0,
            label: "",
        };
        let (result, _) = super::context::framed(&context, &job, || {
            let terms = terms
                .iter()
                .map(|term| context.live(term, || name.to_owned()))
                .collect::<Result<Vec<_>, _>>()?;
            let options = options
                .entries()
                .map(|(key, value)| Ok((key.to_string(), context.live(value, || key.to_string())?)))
                .collect::<Result<Vec<_>, minijinja::Error>>()?;
            lookups::run(&context, name, terms, options)?
                .iter()
                .map(convert::settle)
                .collect::<Result<Vec<_>, minijinja::Error>>()
        });
        result.map_err(explain)
    }

    #[must_use]
    pub fn has_lookup(&self, name: &str) -> bool {
        lookups::known(name)
    }
}

/// Renders a whole file in a context that may already be in use.
pub(super) fn render(
    inner: &Inner,
    source: &Arc<Source>,
    options: &FileOptions,
    context: &Arc<Context>,
) -> Result<String, TemplateError> {
    let mut options = options.clone();
    let skip = options.header(source.text()).map_err(|message| {
        let line = source.text().find('\n').unwrap_or(source.text().len());
        TemplateError::new("template-header", message, &Span::new(source, 0..line))
    })?;
    // The header becomes a comment of the same length, so that places stay.
    let text = source.text().get(skip..).unwrap_or_default();
    let place = if skip == 0 {
        Place::File(Arc::clone(source))
    } else {
        Place::Scalar(
            Span::new(source, 0..source.text().len()),
            u32::try_from(skip).ok(),
        )
    };
    let outcome = inner.run_file(
        &options,
        context,
        &Job {
            mode: Mode::File,
            text,
            place,
            address: 0,
            label: "",
        },
    )?;
    let text = python::text(&outcome.value)
        .map_err(|error| error::explain(&error, Span::new(source, 0..0), context))?;
    Ok(if options.newline_sequence == "\n" {
        text
    } else {
        text.replace('\n', &options.newline_sequence)
    })
}

fn settle(value: &Jinja, place: &Place, context: &Arc<Context>) -> Result<Value, TemplateError> {
    if value.kind() == ValueKind::Undefined {
        return Err(error::explain(
            &python::undefined(value),
            place.part(None),
            context,
        ));
    }
    convert::settle(value).map_err(|error| error::explain(&error, place.part(None), context))
}

fn not_boolean(value: &Value, span: &Span) -> TemplateError {
    let shown = match value {
        Value::Str(text) => format!("'{text}'"),
        other => python_text(other),
    };
    let mut error = TemplateError::new(
        "condition-not-boolean",
        format!(
            "a condition must be true or false, but this one is {shown} of type '{}'",
            value.type_name()
        ),
        span,
    );
    error.help = Some(match value {
        Value::Str(_) => "compare it, as in `x == 'text'`, or convert it with `x | bool`".into(),
        Value::List(_) | Value::Map(_) => "ask for its length, as in `x | length > 0`".into(),
        _ => "compare it, as in `x > 0` or `x is not none`".into(),
    });
    error
}

fn python_text(value: &Value) -> String {
    value.to_json().to_string()
}
