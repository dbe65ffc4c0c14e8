//! Reads mappings of `molecule.yml`: every key is known or named.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::value::Value;
use ocplay_language::yaml::{Entry, Node};
use serde_json::{Map, Value as Json};

/// Collects what is wrong with a file; reading goes on behind each mistake.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Reader {
    /// The entries of a mapping; keys that are not among the known ones are mistakes.
    pub(super) fn keys<'n>(&mut self, node: &'n Node, of: &str, known: &[&str]) -> &'n [Entry] {
        let entries = self.map(node, of);
        for entry in entries {
            let name = entry.key.text();
            if !known.contains(&&*name) {
                self.problems.push(
                    Diagnostic::error("unknown-key", format!("{of} knows no key '{name}'"))
                        .at(&entry.key_span)
                        .suggest(&name, known.iter().copied())
                        .help(format!("keys of {of}: {}", known.join(", "))),
                );
            }
        }
        entries
    }

    /// The entries of a mapping, whatever their keys.
    pub(super) fn map<'n>(&mut self, node: &'n Node, of: &str) -> &'n [Entry] {
        if node.is_null() {
            return &[];
        }
        node.as_map().unwrap_or_else(|| {
            self.expected(node, of, "a mapping");
            &[]
        })
    }

    pub(super) fn text(&mut self, node: &Node, of: &str) -> String {
        match node.value() {
            Value::List(_) | Value::Map(_) | Value::Null => {
                self.expected(node, of, "text");
                String::new()
            }
            other => plain(&other.to_json()),
        }
    }

    pub(super) fn flag(&mut self, node: &Node, of: &str) -> bool {
        match node.value() {
            Value::Bool(truth) => truth,
            _ => {
                self.expected(node, of, "true or false");
                false
            }
        }
    }

    /// A list of words; one word stands for a list of it.
    pub(super) fn words(&mut self, node: &Node, of: &str) -> Vec<String> {
        if node.is_null() {
            return Vec::new();
        }
        match node.as_list() {
            Some(items) => items.iter().map(|item| self.text(item, of)).collect(),
            None => vec![self.text(node, of)],
        }
    }

    /// A mapping as it stands, templates included.
    pub(super) fn json(&mut self, node: &Node, of: &str) -> Map<String, Json> {
        if node.is_null() {
            return Map::new();
        }
        match node.value().to_json() {
            Json::Object(map) => map,
            _ => {
                self.expected(node, of, "a mapping");
                Map::new()
            }
        }
    }

    /// A mapping of words to words, such as an environment.
    pub(super) fn environment(&mut self, node: &Node, of: &str) -> Vec<(String, String)> {
        let map = self.json(node, of);
        map.iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect()
    }

    /// A key that is understood but does nothing here.
    pub(super) fn without_effect(&mut self, entry: &Entry, why: &str) {
        self.warnings.push(
            Diagnostic::warning(
                "no-effect",
                format!("'{}' has no effect here: {why}", entry.key.text()),
            )
            .at(&entry.key_span),
        );
    }

    fn expected(&mut self, node: &Node, of: &str, what: &str) {
        self.problems.push(
            Diagnostic::error(
                "molecule",
                format!("{of} must be {what}, not {}", node.kind_name()),
            )
            .at(&node.span),
        );
    }
}

/// A value as a word of a command line or an environment.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
