//! The words of the language as data, for pages that list them.

use crate::playbook::keywords;
use crate::template;

/// Every word that a part of the language knows, sorted.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// Keywords of a play.
    pub play: Vec<&'static str>,
    /// Keywords of a task.
    pub task: Vec<&'static str>,
    /// Keywords of a block.
    pub block: Vec<&'static str>,
    /// Keywords of an entry of `roles:`.
    pub role: Vec<&'static str>,
    /// Names of filters with their collection.
    pub filters: Vec<String>,
    /// Names of tests.
    pub tests: Vec<&'static str>,
    /// Names of lookups.
    pub lookups: Vec<&'static str>,
}

impl Vocabulary {
    /// What this build knows.
    #[must_use]
    pub fn here() -> Self {
        Self {
            play: sorted(keywords::play_words()),
            task: sorted(keywords::words_of_tasks()),
            block: sorted(keywords::words_of_blocks()),
            role: sorted(keywords::words_of_roles()),
            filters: sorted(template::filter_names()),
            tests: sorted(template::test_names()),
            lookups: sorted(template::lookup_names()),
        }
    }
}

fn sorted<T: Ord>(words: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut words: Vec<T> = words.into_iter().collect();
    words.sort();
    words.dedup();
    words
}
