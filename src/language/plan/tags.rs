//! Which tasks a selection of tags leaves.

use std::collections::BTreeSet;

use crate::playbook::ast::Word;
use crate::template::Templar;
use crate::value::Value;
use crate::vars::scope::Scope;

/// `--tags` and `--skip-tags`.
#[derive(Debug, Clone, Default)]
pub struct TagSelection {
    pub only: BTreeSet<String>,
    pub skip: BTreeSet<String>,
}

impl TagSelection {
    /// Whether something with these tags runs.
    ///
    /// `always` runs unless skipped by name; `never` runs only when one of the
    /// other tags is asked for; `tagged`, `untagged` and `all` are selections.
    #[must_use]
    pub fn selects<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> bool {
        let tags: BTreeSet<&str> = tags.into_iter().filter(|tag| !tag.is_empty()).collect();
        let asked = |tag: &str| self.only.contains(tag);
        let skipped = |tag: &str| self.skip.contains(tag);
        let all = self.only.is_empty() || asked("all");
        let never = tags.contains("never");
        let tagged = !tags.is_empty();
        let run = if tags.contains("always") || tags.iter().any(|tag| asked(tag)) {
            true
        } else if never {
            false
        } else {
            all || (tagged && asked("tagged")) || (!tagged && asked("untagged"))
        };
        if !run {
            return false;
        }
        if tags.iter().any(|tag| skipped(tag)) {
            return false;
        }
        if skipped("all") {
            return tags.contains("always") && !skipped("always");
        }
        if tagged && skipped("tagged") || !tagged && skipped("untagged") {
            return false;
        }
        true
    }
}

/// The names that words under `tags:` stand for: lists, names with commas, and
/// templates, as far as the scope can resolve them.
#[must_use]
pub fn names(words: &[&Word], templar: &Templar, scope: &Scope) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let value = if word.value.is_lazy() {
            templar.resolve(&word.value, scope)
        } else {
            Ok(word.value.clone())
        };
        let value = value.unwrap_or_else(|_| word.value.clone());
        let texts: Vec<String> = match &value {
            Value::List(items) => items.iter().map(crate::python::text).collect(),
            Value::Null | Value::Omit => Vec::new(),
            other => vec![crate::python::text(other)],
        };
        for text in texts {
            for name in text.split(',').map(str::trim) {
                if !name.is_empty() && !out.iter().any(|known| known == name) {
                    out.push(name.to_owned());
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(only: &str, skip: &str, tags: &[&str]) -> bool {
        let set = |text: &str| {
            text.split(',')
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect()
        };
        TagSelection {
            only: set(only),
            skip: set(skip),
        }
        .selects(tags.iter().copied())
    }

    #[test]
    fn selections() {
        assert!(runs("", "", &[]));
        assert!(runs("", "", &["a"]));
        assert!(!runs("", "", &["never", "a"]));
        assert!(runs("a", "", &["never", "a"]));
        assert!(!runs("b", "", &["a"]));
        assert!(runs("b", "", &["always"]));
        assert!(!runs("b", "always", &["always"]));
        assert!(!runs("", "a", &["a", "b"]));
        assert!(runs("tagged", "", &["x"]));
        assert!(!runs("tagged", "", &[]));
        assert!(runs("untagged", "", &[]));
        assert!(runs("untagged", "", &["always"]));
        assert!(!runs("untagged", "", &["x"]));
        assert!(runs("all", "", &["x"]));
        assert!(!runs("all", "", &["never"]));
        assert!(!runs("", "tagged", &["x"]));
        assert!(runs("", "all", &["always"]));
    }
}
