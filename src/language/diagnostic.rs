//! Mistakes and warnings as plain data; the command line draws them.

use crate::source::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// A place with a remark.
#[derive(Debug, Clone)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One mistake of the user: cause, places, and what to type next.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Short, stable, greppable, such as `unknown-module`.
    pub code: &'static str,
    /// One line, lower case, no full stop.
    pub message: String,
    /// The first is where the mistake is; others explain.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Vec<String>,
}

impl Diagnostic {
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    #[must_use]
    pub fn at(self, span: &Span) -> Self {
        self.label(span, "")
    }

    #[must_use]
    pub fn label(mut self, span: &Span, text: impl Into<String>) -> Self {
        if !span.is_nowhere() {
            self.labels.push(Label {
                span: span.clone(),
                text: text.into(),
            });
        }
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds "did you mean" where a known name is near.
    #[must_use]
    pub fn suggest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::suggest::nearest(word, known) {
            Some(near) => self.help(format!("did you mean '{near}'?")),
            None => self,
        }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(label) = self.labels.first() {
            write!(f, "{}: ", label.span)?;
        }
        f.write_str(&self.message)
    }
}
