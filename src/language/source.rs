//! Source files and places in them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::loader::Loader;
use crate::vault::is_vault;

/// A text with its name; kept as long as anything points into it.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// The file is encrypted: its lines are not shown.
    secret: bool,
}

impl Source {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            secret: false,
        })
    }

    /// The text of a file, which may be an encrypted one.
    #[must_use]
    pub fn of_file(path: &Path, text: String, loader: &dyn Loader) -> Arc<Self> {
        let secret = loader.has_secrets()
            && loader
                .read_raw(path)
                .is_ok_and(|content| is_vault(&content));
        Arc::new(Self {
            path: path.to_owned(),
            text,
            secret,
        })
    }

    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both counted from 1, the column in
    /// characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// A range of bytes in a source. Cheap to clone.
#[derive(Clone)]
pub struct Span {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Span {
    #[must_use]
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        let clamp = |at: usize| u32::try_from(at.min(source.text.len())).unwrap_or(u32::MAX);
        Self {
            source: Arc::clone(source),
            start: clamp(range.start),
            end: clamp(range.end.max(range.start)),
        }
    }

    /// For values that come from no file (command line, results).
    #[must_use]
    pub fn nowhere() -> Self {
        thread_local! {
            static NOWHERE: Arc<Source> = Source::new("", "");
        }
        NOWHERE.with(|source| Self::new(source, 0..0))
    }

    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.source.path.as_os_str().is_empty()
    }

    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// A part of this span, in bytes from its start, kept inside the source.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let start = self.start as usize;
        Self::new(&self.source, start + range.start..start + range.end)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Line and column of the start, counted from 1.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        self.source.position(self.start as usize)
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text.get(self.range()).unwrap_or("")
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
            && (self.start, self.end) == (other.start, other.end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let source = Source::new("a.yml", "eins\nzwölf: x\n");
        let span = Span::new(&source, 13..14);
        assert_eq!(span.text(), "x");
        assert_eq!(span.to_string(), "a.yml:2:8");
    }

    #[test]
    fn out_of_range_is_clamped() {
        let source = Source::new("a", "ab");
        assert_eq!(Span::new(&source, 5..9).text(), "");
        assert_eq!(source.position(99), (1, 3));
    }
}
