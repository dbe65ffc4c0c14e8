//! The door of this room.

use std::sync::Arc;

use super::context::{Context, Session};
use super::engine::{Inner, Job, Mode, Place};
use super::error::{self, TemplateError};
use super::marker::{Marker, Missing};
use super::options::FileOptions;
use super::plugins::Plugins;
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

/// Said of a condition that is a template.
pub const DELIMITED: &str =
    "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}.";

/// Whether a condition stands in a template's delimiters.
#[must_use]
pub fn is_delimited(condition: &str) -> bool {
    let text = condition.trim();
    ["{{", "{%", "{#"].iter().any(|mark| text.starts_with(mark))
        && ["}}", "%}", "#}"].iter().any(|mark| text.ends_with(mark))
}

impl Templar {
    #[must_use]
    pub fn new(loader: Arc<dyn Loader>) -> Self {
        Self {
            inner: Arc::new(Inner::new(loader, None)),
            truthy: false,
        }
    }

    /// With filters, tests and lookups that content brings itself.
    #[must_use]
    pub fn with_plugins(loader: Arc<dyn Loader>, plugins: Arc<dyn Plugins>) -> Self {
        Self {
            inner: Arc::new(Inner::new(loader, Some(plugins))),
            truthy: false,
        }
    }

    /// Warnings since the last time, each text once in a run.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        self.inner.take_warnings()
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
            Value::Template(_) | Value::Vault(_) => {}
            _ => return Ok(value.clone()),
        }
        self.resolve_in(value, &self.context(scope))
    }

    fn resolve_in(&self, value: &Value, context: &Arc<Context>) -> Result<Value, TemplateError> {
        match value {
            Value::Template(template) => self.text(template, context),
            Value::Vault(sealed) => self.inner.unlock(sealed).map(Value::Str),
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
        let value = self.inner.run(
            context,
            &Job {
                mode: Mode::Template,
                text: &template.text,
                place: place.clone(),
                address: Arc::as_ptr(template) as usize,
                label: "",
                condition: false,
            },
        )?;
        settle(&value, &place, context)
    }

    /// Evaluates a bare expression for showing it: what is undefined, and what
    /// fails inside, becomes text that says why; those reasons are given too.
    ///
    /// # Errors
    /// The expression as a whole fails.
    pub fn shown(
        &self,
        text: &str,
        span: &Span,
        scope: &Scope,
    ) -> Result<(Value, Vec<TemplateError>), TemplateError> {
        let context = self.context(scope);
        let job = Job {
            mode: Mode::Expression,
            text,
            place: Place::Scalar(span.clone(), (span.text() == text).then_some(0)),
            address: 0,
            label: "",
            condition: false,
        };
        let value = match self.inner.run_marked(&context, &job) {
            Err(error) if error.undefined => Marker::value(error),
            result => result?,
        };
        if let Some(error) = Marker::of(&value)
            && !error.undefined
        {
            return Err(error::finished(error.clone(), &context));
        }
        let mut found = Vec::new();
        convert::settle_marked(&value, &mut found)
            .map(|value| (value, found))
            .map_err(|error| error::finish(error, span.clone(), &context))
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
        match value {
            Value::List(items) => {
                for item in items.iter() {
                    if !self.judge(item, context)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Value::Trusted(text) => self.holds(text, &Span::nowhere(), None, context),
            Value::Str(_) => Err(untrusted(&Span::nowhere())),
            Value::Template(template) => {
                self.holds(&template.text, &template.span, template.offset, context)
            }
            other => self.boolean(other, &Span::nowhere()),
        }
    }

    /// Judges the text of one condition.
    fn holds(
        &self,
        text: &str,
        span: &Span,
        offset: Option<u32>,
        context: &Arc<Context>,
    ) -> Result<bool, TemplateError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return self.boolean(&Value::Null, span);
        }
        let result = if is_delimited(trimmed) {
            let template = Arc::new(Template {
                text: trimmed.into(),
                span: span.clone(),
                offset: offset.map(|offset| {
                    offset + u32::try_from(text.len() - text.trim_start().len()).unwrap_or(0)
                }),
            });
            match self.text(&template, context)? {
                Value::Str(inner) if !inner.trim().is_empty() => Err(untrusted(span)),
                Value::Trusted(inner) if !inner.trim().is_empty() => {
                    self.evaluate_as(&inner, span, None, context, true)
                }
                Value::Str(_) | Value::Trusted(_) => Ok(Value::Null),
                other => {
                    self.inner.warn(DELIMITED);
                    Ok(other)
                }
            }
        } else {
            self.evaluate_as(trimmed, span, offset, context, true)
        };
        let result = result.map_err(|mut error| {
            if error.undefined {
                error.message = format!("Error while evaluating conditional: {}", error.message);
            }
            error
        })?;
        self.boolean(&result, span)
    }

    fn boolean(&self, value: &Value, span: &Span) -> Result<bool, TemplateError> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            Value::Null if self.truthy => Ok(true),
            other if self.truthy => {
                self.inner.warn(
                    "conditions must be true or false; a value of another type is judged by its truth as long as broken conditionals are allowed",
                );
                Ok(other.truthy())
            }
            other => Err(not_boolean(other, span)),
        }
    }

    /// The conditions behind a template that gives a list of them.
    #[must_use]
    pub fn condition_list(&self, value: &Value, scope: &Scope) -> Option<Vec<Value>> {
        let Value::Template(template) = value else {
            return None;
        };
        match self.text(template, &self.context(scope)) {
            Ok(Value::List(list)) => Some(list.to_vec()),
            _ => None,
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
        self.holds(text, span, offset, &self.context(scope))
    }

    /// Takes plug-ins in Python from a folder of a playbook or a role.
    pub fn look_in(&self, folder: &std::path::Path) {
        if let Some(plugins) = self.inner.plugins() {
            plugins.look_in(folder);
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
        self.evaluate_as(text, span, offset, context, false)
    }

    fn evaluate_as(
        &self,
        text: &str,
        span: &Span,
        offset: Option<u32>,
        context: &Arc<Context>,
        condition: bool,
    ) -> Result<Value, TemplateError> {
        let place = Place::Scalar(span.clone(), offset);
        let value = self.inner.run(
            context,
            &Job {
                mode: Mode::Expression,
                text,
                place: place.clone(),
                address: 0,
                label: "",
                condition,
            },
        )?;
        settle(&value, &place, context)
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

    /// Runs a lookup by name, as `with_*` loops of a module do. The terms are
    /// evaluated here: a list, nothing, or one term.
    ///
    /// # Errors
    /// An unknown lookup, or its failure.
    pub fn lookup(
        &self,
        name: &str,
        terms: &Value,
        module: &str,
        scope: &Scope,
    ) -> Result<Vec<Value>, TemplateError> {
        let context = self.context(scope);
        let explain = |error| error::finish(error, Span::nowhere(), &context);
        let result = self.inner.call(&context, |vm| {
            // What is undefined inside is for the lookup to judge.
            let terms = context.live(terms, || name.to_owned()).present()?;
            let terms = if python::is_list(&terms) {
                python::raw_items(&terms)?
            } else if terms.is_none() {
                Vec::new()
            } else {
                vec![terms]
            };
            let module = (lookups::ACTION.to_owned(), Jinja::from(module));
            lookups::run(vm, name, terms, vec![module])?
                .iter()
                .map(convert::settle)
                .collect::<Result<Vec<_>, minijinja::Error>>()
        });
        result.map_err(explain)
    }

    #[must_use]
    pub fn has_lookup(&self, name: &str) -> bool {
        lookups::known(name)
            || self
                .inner
                .plugins()
                .is_some_and(|plugins| plugins.has("lookup", name))
    }
}

/// Renders a whole file in a context that may already be in use.
fn render(
    inner: &Inner,
    source: &Arc<Source>,
    options: &FileOptions,
    context: &Arc<Context>,
) -> Result<String, TemplateError> {
    let value = render_as(inner, source, options, context, Mode::File)?;
    python::text(&value).map_err(|error| error::finish(error, Span::new(source, 0..0), context))
}

/// Like [`render`]; a file that is nothing but one expression keeps its type.
pub(super) fn render_value(
    inner: &Inner,
    source: &Arc<Source>,
    options: &FileOptions,
    context: &Arc<Context>,
) -> Result<Jinja, TemplateError> {
    render_as(inner, source, options, context, Mode::Whole)
}

fn render_as(
    inner: &Inner,
    source: &Arc<Source>,
    options: &FileOptions,
    context: &Arc<Context>,
    mode: Mode,
) -> Result<Jinja, TemplateError> {
    let mut options = options.clone();
    let skip = options.header(source.text()).map_err(|message| {
        let line = source.text().find('\n').unwrap_or(source.text().len());
        TemplateError::new("template-header", message, &Span::new(source, 0..line))
    })?;
    let text = source.text().get(skip..).unwrap_or_default();
    let place = if skip == 0 {
        Place::File(Arc::clone(source))
    } else {
        Place::Scalar(
            Span::new(source, 0..source.text().len()),
            u32::try_from(skip).ok(),
        )
    };
    inner.run_with(
        &Arc::new(options),
        context,
        &Job {
            mode,
            text,
            place,
            address: 0,
            label: "",
            condition: false,
        },
    )
}

fn settle(value: &Jinja, place: &Place, context: &Arc<Context>) -> Result<Value, TemplateError> {
    convert::settle(value).map_err(|error| error::finish(error, place.part(None), context))
}

fn untrusted(span: &Span) -> TemplateError {
    let mut error = TemplateError::new(
        "untrusted",
        "Encountered untrusted template or expression.",
        span,
    );
    error.help = Some(
        "only what playbooks, roles, inventories and the command line say may be evaluated, not what hosts answer, templates make or '!unsafe' marks"
            .into(),
    );
    error
}

fn not_boolean(value: &Value, span: &Span) -> TemplateError {
    let truth = if value.truthy() { "True" } else { "False" };
    let place = if span.is_nowhere() {
        "<unknown>".to_owned()
    } else {
        span.to_string()
    };
    let mut error = TemplateError::new(
        "condition-not-boolean",
        format!(
            "Conditional result ({truth}) was derived from value of type '{}' at '{place}'. Conditionals must have a boolean result.",
            match value {
                Value::Null => "NoneType",
                other => other.type_name(),
            }
        ),
        span,
    );
    error.help = Some(match value {
        Value::Str(_) | Value::Trusted(_) => {
            "compare it, as in `x == 'text'`, or convert it with `x | bool`".into()
        }
        Value::List(_) | Value::Map(_) => "ask for its length, as in `x | length > 0`".into(),
        _ => "compare it, as in `x > 0` or `x is not none`".into(),
    });
    error
}
