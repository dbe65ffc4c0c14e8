//! What goes wrong while a template is evaluated, with every place involved.

use std::fmt;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::Jinja;
use super::context::Context;
use super::{notes, python};
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

/// The engine's own innermost error: includes and blocks wrap theirs.
pub(super) fn innermost(error: &Error) -> &Error {
    let mut found = error;
    while let Some(inner) =
        std::error::Error::source(found).and_then(|cause| cause.downcast_ref::<Error>())
    {
        found = inner;
    }
    found
}

/// Turns an engine error into ours. `span` is its place.
pub(super) fn explain(error: &Error, span: Span, context: &Arc<Context>) -> TemplateError {
    if let Some(inner) = TemplateError::inside(error) {
        return used(inner.clone(), span, None);
    }
    let error = innermost(error);
    let detail = error.detail().unwrap_or_default();
    let plain = |code, message: String| TemplateError::new(code, message, &span);
    match error.kind() {
        ErrorKind::UndefinedError => undefined(error, detail, span, context),
        ErrorKind::UnknownFunction => {
            let name = detail.strip_suffix(" is unknown").unwrap_or(detail);
            missing_variable(name, span, context)
        }
        ErrorKind::UnknownFilter => unknown("filter", detail, span, context),
        ErrorKind::UnknownTest => unknown("test", detail, span, context),
        ErrorKind::UnknownMethod => TemplateError {
            undefined: true,
            ..plain("undefined-variable", method_message(detail))
        },
        ErrorKind::SyntaxError => plain("template-syntax", format!("template syntax: {detail}")),
        ErrorKind::TemplateNotFound => plain("template-not-found", detail.to_owned()),
        kind if detail.is_empty() => plain("template", kind.to_string()),
        _ => plain("template", detail.to_owned()),
    }
}

/// Adds the place that used a variable whose own template failed.
fn used(mut inner: TemplateError, span: Span, name: Option<&str>) -> TemplateError {
    let inside = inner.inside.take();
    if let Some(name) = inside.as_deref().or(name) {
        inner.chain.push(Link {
            name: name.to_owned(),
            span,
        });
    }
    inner
}

fn undefined(error: &Error, detail: &str, span: Span, context: &Arc<Context>) -> TemplateError {
    let named = detail.split('`').nth(1).filter(|text| !text.is_empty());
    let span = named.map_or_else(|| span.clone(), |name| narrow(&span, name));
    let mut result = match named {
        // Raised by our own code with a finished sentence.
        None if !detail.is_empty() => TemplateError::new("undefined-variable", detail, &span),
        None => {
            let text = error
                .range()
                .and_then(|range| error.template_source()?.get(range).map(str::to_owned));
            TemplateError::new(
                "undefined-variable",
                text.map_or_else(
                    || "a value is undefined".to_owned(),
                    |text| format!("`{text}` is undefined"),
                ),
                &span,
            )
        }
        Some(expression) => match split(expression) {
            (None, name) => {
                if let Some(inner) = notes::failure(name) {
                    return used(inner, span, Some(name));
                }
                return missing_variable(name, span, context);
            }
            (Some(owner), name) => {
                let key = name.trim_matches(['\'', '"']);
                if let Some(inner) = notes::failure(key) {
                    return used(inner, span, Some(expression));
                }
                let kind = context
                    .peek(owner)
                    .map(|value| python::type_name(&value))
                    .or_else(|| notes::owner(key))
                    .unwrap_or("object");
                let shown = if name.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
                    name.to_owned()
                } else {
                    format!("'{key}'")
                };
                TemplateError::new(
                    "undefined-variable",
                    format!("object of type '{kind}' has no attribute {shown}"),
                    &span,
                )
            }
        },
    };
    result.undefined = true;
    result
}

/// The part of a span that holds a word, where it is the only one.
fn narrow(span: &Span, word: &str) -> Span {
    let text = span.text();
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let mut hits = text.match_indices(word).filter(|(at, _)| {
        edge(text[..*at].chars().next_back()) && edge(text[at + word.len()..].chars().next())
    });
    match (hits.next(), hits.next()) {
        (Some((at, _)), None) => span.part(at..at + word.len()),
        _ => span.clone(),
    }
}

/// Splits `a.b["c"]` into what is asked and for which member.
fn split(expression: &str) -> (Option<&str>, &str) {
    if let Some(open) = expression
        .strip_suffix(']')
        .and_then(|text| text.rfind('['))
    {
        return (
            Some(&expression[..open]),
            &expression[open + 1..expression.len() - 1],
        );
    }
    match expression.rsplit_once('.') {
        Some((owner, name)) => (Some(owner), name),
        None => (None, expression),
    }
}

fn missing_variable(name: &str, span: Span, context: &Arc<Context>) -> TemplateError {
    let mut error = TemplateError::new(
        "undefined-variable",
        format!("'{name}' is undefined"),
        &span,
    );
    error.undefined = true;
    let names = context.scope.names();
    if let Some(near) = crate::suggest::nearest(name, names.iter().map(|name| &**name)) {
        error.help = Some(format!("did you mean '{near}'?").into());
    }
    error
}

fn unknown(what: &str, detail: &str, span: Span, context: &Arc<Context>) -> TemplateError {
    let name = detail.split_whitespace().nth(1).unwrap_or(detail);
    let mut error = TemplateError::new(
        if what == "filter" {
            "unknown-filter"
        } else {
            "unknown-test"
        },
        format!("no {what} named '{name}'"),
        &span,
    );
    let known = if what == "filter" {
        &context.templar.filters
    } else {
        &context.templar.tests
    };
    if let Some(near) = crate::suggest::nearest(name, known.iter().copied()) {
        error.help = Some(format!("did you mean '{near}'?").into());
    }
    error
}

/// The engine says: `object has no method named x`.
fn method_message(detail: &str) -> String {
    let name = detail.rsplit(' ').next().unwrap_or(detail);
    let kind = detail.split_whitespace().next().unwrap_or("object");
    let kind = match kind {
        "string" => "str",
        "number" => "int",
        "sequence" => "list",
        "map" => "dict",
        "none" => "NoneType",
        other => other,
    };
    format!("object of type '{kind}' has no attribute '{name}'")
}

/// For filters that want one line about a value.
pub(super) fn shown(value: &Jinja) -> String {
    let mut text = python::repr(value).unwrap_or_default();
    if text.chars().count() > 80 {
        text = text.chars().take(77).collect::<String>() + "...";
    }
    text
}
