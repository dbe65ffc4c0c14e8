//! What a change replaces, as text.

use serde::{Deserialize, Serialize};

/// One thing before and after. Empty text stands for "not there".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    pub before_header: String,
    pub before: String,
    pub after_header: String,
    pub after: String,
    /// Text to be shown as it is, for changes that are no text files.
    pub prepared: String,
}

impl Diff {
    /// A change of a text, both sides under the same heading.
    #[must_use]
    pub fn text(header: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            before_header: header.to_owned(),
            before: before.into(),
            after_header: header.to_owned(),
            after: after.into(),
            prepared: String::new(),
        }
    }

    /// Ready-made text.
    #[must_use]
    pub fn prepared(text: impl Into<String>) -> Self {
        Self {
            prepared: text.into(),
            ..Self::default()
        }
    }
}
