//! YAML with a place for every node, by the rules of Ansible's parser.
//!
//! The events come from `granit-parser`; the tree, the YAML 1.1 scalars, tags,
//! merge keys and the warnings about doubled keys are ours.

mod compose;
pub(crate) mod scalar;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::{Key, Map, Value};

pub use scalar::resolve as resolve_plain;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Scalar(Value),
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Key,
    pub key_span: Span,
    pub value: Arc<Node>,
}

/// A parsed text: its documents and what is odd about them.
#[derive(Debug, Default)]
pub struct Parsed {
    pub documents: Vec<Arc<Node>>,
    pub warnings: Vec<Diagnostic>,
}

/// Parses every document of a text.
///
/// # Errors
/// The first mistake, with its place and a hint.
pub fn parse(source: &Arc<Source>) -> Result<Parsed, Box<Diagnostic>> {
    if source.text().starts_with("$ANSIBLE_VAULT;") {
        return Err(Box::new(
            Diagnostic::error("vault", "Attempting to decrypt but no vault secrets found.")
                .at(&Span::new(source, 0..14))
                .help("give the secret with --vault-password-file, --vault-id or --ask-vault-pass"),
        ));
    }
    compose::compose(source)
}

/// Parses a text that holds one document; an empty text is null.
///
/// # Errors
/// As [`parse`], and for a second document.
pub fn parse_one(source: &Arc<Source>) -> Result<(Arc<Node>, Vec<Diagnostic>), Box<Diagnostic>> {
    let mut parsed = parse(source)?;
    if let Some(second) = parsed.documents.get(1) {
        return Err(Box::new(
            Diagnostic::error(
                "yaml",
                "a second YAML document starts here, only one is allowed",
            )
            .at(&second.span)
            .help("remove the extra '---' line"),
        ));
    }
    let node = parsed.documents.pop().unwrap_or_else(|| {
        Arc::new(Node {
            span: Span::new(source, 0..0),
            kind: Kind::Scalar(Value::Null),
        })
    });
    Ok((node, parsed.warnings))
}

impl Node {
    /// The whole node as a value of the language.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(|item| item.value()).collect(),
            Kind::Map(entries) => Value::from(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.value()))
                    .collect::<Map>(),
            ),
        }
    }

    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_list(&self) -> Option<&[Arc<Self>]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Plain or lazy text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    /// Member of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.is(key))
    }

    /// What the node is, for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(Value::Null) => "nothing",
            Kind::Scalar(Value::Bool(_)) => "a boolean",
            Kind::Scalar(Value::Int(_) | Value::BigInt(_) | Value::Float(_)) => "a number",
            Kind::Scalar(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

impl Entry {
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(&self.key, Key::Str(text) if **text == *name)
    }
}

#[cfg(test)]
mod tests;
