//! Which tasks a selection of tags leaves.

use std::collections::BTreeSet;

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
