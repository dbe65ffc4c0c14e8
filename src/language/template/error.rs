//! What goes wrong while a template is evaluated, with every place involved.

use std::fmt;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::Jinja;
use super::context::Context;
use super::engine::{Mode, Place};
use super::python;
use super::syntax::Mistake;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// One step from a template to the variable inside it that failed.
#[derive(Debug, Clone)]
pub struct Link {
    /// The variable or member that was used.
    pub name: String,
    /// Where it was used.
    pub span: Span,
}

/// A failed evaluation.
#[derive(Debug, Clone)]
pub struct TemplateError {
    pub message: String,
    /// Whether the cause is something undefined, which `default` may replace.
    pub undefined: bool,
    pub code: &'static str,
    /// The innermost place.
    pub span: Span,
    /// The way from there to the outermost template.
    pub chain: Vec<Link>,
    pub help: Option<Box<str>>,
    /// The variable whose own template failed, until its user is known.
    pub(super) inside: Option<Box<str>>,
}

impl TemplateError {
    pub(super) fn new(code: &'static str, message: impl Into<String>, span: &Span) -> Self {
        Self {
            message: message.into(),
            undefined: false,
            code,
            span: span.clone(),
            chain: Vec::new(),
            help: None,
            inside: None,
        }
    }

    /// The error of a nested evaluation that an engine error carries.
    pub(super) fn inside(error: &Error) -> Option<&Self> {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// For the engine to carry outwards.
    pub(super) fn into_engine(self) -> Error {
        let kind = if self.undefined {
            ErrorKind::UndefinedError
        } else {
            ErrorKind::InvalidOperation
        };
        Error::new(kind, self.message.clone()).with_source(self)
    }

    /// Says which variable used which, down to the cause.
    fn story(&self) -> Option<String> {
        if self.chain.is_empty() {
            return None;
        }
        let mut story = String::new();
        for (index, link) in self.chain.iter().rev().enumerate() {
            if index > 0 {
                story.push_str(" uses ");
            }
            story.push_str(&format!("`{}`", link.name));
        }
        Some(format!("{story}, and there: {}", self.message))
    }

    /// The mistake with all its places.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.message.clone()).at(&self.span);
        for link in &self.chain {
            diagnostic = diagnostic.label(&link.span, format!("`{}` is used here", link.name));
        }
        if let Some(story) = self.story() {
            diagnostic = diagnostic.help(story);
        }
        if let Some(help) = &self.help {
            diagnostic = diagnostic.help(&**help);
        }
        diagnostic
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A mistake in the text of a template.
pub(super) fn syntax(mistake: &Mistake, place: &Place, mode: Mode, text: &str) -> TemplateError {
    let what = if mode == Mode::Expression {
        "expression"
    } else {
        "template"
    };
    let mut message = format!("Syntax error in {what}: {}", mistake.message);
    if mode == Mode::Expression && crate::value::is_template(text) {
        message = format!(
            "Syntax error in expression. Template delimiters are not supported in expressions: {}",
            mistake.message
        );
    }
    TemplateError::new(
        "template-syntax",
        message,
        &place.part(Some(mistake.at.range())),
    )
}

/// The error that ends an evaluation. `span` is for those without a place.
pub(super) fn finish(error: Error, span: Span, context: &Arc<Context>) -> TemplateError {
    let found = match TemplateError::inside(&error) {
        Some(inner) => {
            let mut inner = inner.clone();
            if let Some(name) = inner.inside.take() {
                inner.chain.push(Link {
                    name: name.into(),
                    span,
                });
            }
            inner
        }
        None => {
            let detail = error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            let mut found = TemplateError::new("template", detail, &span);
            if matches!(
                error.kind(),
                ErrorKind::UndefinedError | ErrorKind::UnknownMethod
            ) {
                found.undefined = true;
                found.code = "undefined-variable";
            }
            found
        }
    };
    finished(found, context)
}

/// Adds what helps to find the mistake.
pub(super) fn finished(mut error: TemplateError, context: &Context) -> TemplateError {
    if error.help.is_none()
        && error.undefined
        && let Some(name) = error
            .message
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix("' is undefined"))
    {
        let names = context.scope.names();
        if let Some(near) = crate::suggest::nearest(name, names.iter().map(|name| &**name)) {
            error.help = Some(format!("did you mean '{near}'?").into());
        }
    }
    error
}

/// For filters that want one line about a value.
pub(super) fn shown(value: &Jinja) -> String {
    let mut text = python::repr(value).unwrap_or_default();
    if text.chars().count() > 80 {
        text = text.chars().take(77).collect::<String>() + "...";
    }
    text
}
