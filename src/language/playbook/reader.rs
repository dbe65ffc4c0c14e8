//! Reading mappings key by key and collecting every mistake.

use std::sync::Arc;

use super::ast::{Keywords, Word};
use super::keywords;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::value::{Map, Value};
use crate::yaml::{Entry, Kind, Node};

/// What parsing reports: all mistakes of a file, and its warnings.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) found: Vec<Diagnostic>,
}

impl Problems {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    pub(super) fn error(&mut self, code: &'static str, span: &Span, message: impl Into<String>) {
        self.push(Diagnostic::error(code, message).at(span));
    }
}

pub(super) fn word(entry: &Entry) -> Word {
    node_word(&entry.value)
}

pub(super) fn node_word(node: &Node) -> Word {
    Word {
        value: node.value(),
        span: node.span.clone(),
    }
}

/// A list as written, or a single value as a list of one.
pub(super) fn words(node: &Node) -> Vec<Word> {
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| node_word(item)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => vec![node_word(node)],
    }
}

/// A list, or a comma list as text.
pub(super) fn comma_words(node: &Node) -> Vec<Word> {
    let mut out = Vec::new();
    for word in words(node) {
        match &word.value {
            Value::Str(text) | Value::Trusted(text) if text.contains(',') => out.extend(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| Word {
                        value: Value::Trusted(part.into()),
                        span: word.span.clone(),
                    }),
            ),
            _ => out.push(word),
        }
    }
    out
}

/// A mapping of variables.
pub(super) fn vars(node: &Node, problems: &mut Problems) -> Arc<Map> {
    warn_if_reserved(node, problems);
    match (&node.kind, node.value()) {
        (_, Value::Map(map)) => {
            if let Kind::Map(entries) = &node.kind {
                check_names(entries, problems);
            }
            map
        }
        (_, Value::Null) => Arc::default(),
        // A list of mappings is an old form, still accepted.
        (Kind::List(items), _) => {
            let mut all = Map::new();
            for item in items {
                all.extend(&vars(item, problems));
            }
            Arc::new(all)
        }
        _ => {
            problems.push(
                Diagnostic::error(
                    "vars",
                    format!("vars must be a mapping, not {}", node.kind_name()),
                )
                .at(&node.span),
            );
            Arc::default()
        }
    }
}

fn check_names(entries: &[Entry], problems: &mut Problems) {
    for entry in entries {
        let name = entry.key.text();
        if !is_variable_name(&name) {
            problems.push(
                Diagnostic::error(
                    "variable-name",
                    format!("'{name}' is not a valid variable name"),
                )
                .at(&entry.key_span)
                .help("use letters, digits and underscores, not starting with a digit"),
            );
        }
    }
}

/// Letters, digits and underscores, not starting with a digit.
/// Whether a variable may be called so: letters, digits and underscores, not
/// starting with a digit, and no word of Python's.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    const WORDS: [&str; 38] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
        "continue", "def", "del", "elif", "else", "except", "false", "finally", "for", "from",
        "global", "if", "import", "in", "is", "lambda", "none", "nonlocal", "not", "or", "pass",
        "raise", "return", "true", "try", "while", "with", "yield",
    ];
    if WORDS.contains(&name) {
        return false;
    }
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
}

/// Takes a keyword that every level knows. Gives `false` for other keys.
pub(super) fn common(entry: &Entry, into: &mut Keywords, problems: &mut Problems) -> bool {
    let name = entry.key.text();
    if let Some(keyword) = keywords::inherited(&name) {
        into.words.insert(keyword, word(entry));
        return true;
    }
    match &*name {
        "when" => into.when = words(&entry.value),
        "tags" => into.tags = comma_words(&entry.value),
        "vars" => into.vars = vars(&entry.value, problems),
        "environment" => into.environment = words(&entry.value),
        "module_defaults" => into.module_defaults = words(&entry.value),
        _ => return false,
    }
    true
}

/// Names that the language itself uses stay usable, but mean trouble.
fn warn_if_reserved(node: &Node, problems: &mut Problems) {
    for entry in node.as_map().unwrap_or_default() {
        let name = entry.key.text();
        if keywords::is_reserved_name(&name) {
            problems.push(reserved_name(&name).at(&entry.key_span));
        }
    }
}

/// The warning about a variable that is called like a word of the language.
#[must_use]
pub fn reserved_name(name: &str) -> Diagnostic {
    Diagnostic::warning(
        "reserved-name",
        format!("Found variable using reserved name '{name}'."),
    )
}
