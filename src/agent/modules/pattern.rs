//! Regular expressions as Python has them, over files that may be no UTF-8.

use fancy_regex::{Captures, Regex};

use crate::host::Failure;

/// A compiled expression.
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn new(python: &str) -> Result<Self, Failure> {
        Self::with_flags("", python)
    }

    /// `flags` as in `(?flags)`.
    pub(super) fn with_flags(flags: &str, python: &str) -> Result<Self, Failure> {
        let mut text = translate(python);
        if !flags.is_empty() {
            text = format!("(?{flags}){text}");
        }
        Regex::new(&text).map(Self).map_err(|error| {
            Failure::new(format!(
                "the regular expression {python} cannot be used: {error}"
            ))
        })
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, Failure> {
        self.0.is_match(text).map_err(too_hard)
    }

    pub(super) fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, Failure> {
        self.0.captures(text).map_err(too_hard)
    }

    /// Names of the groups that have one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.capture_names().flatten()
    }

    /// Replaces all matches; gives the new text and how many there were.
    pub(super) fn replace_all(
        &self,
        text: &str,
        template: &str,
    ) -> Result<(String, usize), Failure> {
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        let mut count = 0;
        for captures in self.0.captures_iter(text) {
            let captures = captures.map_err(too_hard)?;
            let Some(whole) = captures.get(0) else {
                continue;
            };
            out.push_str(&text[end..whole.start()]);
            out.push_str(&expand(&captures, template));
            end = whole.end();
            count += 1;
        }
        out.push_str(&text[end..]);
        Ok((out, count))
    }
}

fn too_hard(error: fancy_regex::Error) -> Failure {
    Failure::new(format!(
        "the regular expression takes too long on this text: {error}"
    ))
}

/// Python's spelling where it differs.
fn translate(python: &str) -> String {
    let mut out = String::with_capacity(python.len());
    let mut chars = python.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Z') => out.push_str("\\z"),
            // Escapes that mean only themselves in Python.
            Some(
                c @ ('/' | '"' | '\'' | '<' | '>' | '@' | '%' | ',' | ';' | ':' | '=' | '!' | '_'
                | '`'),
            ) => {
                out.push(c);
            }
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Fills `\1`, `\g<1>`, `\g<name>` and the escapes of Python into a template.
pub(super) fn expand(captures: &Captures<'_, str>, template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let group = |number: usize| captures.get(number).map_or("", |found| found.as_str());
        if let Some(inner) = rest.strip_prefix("g<")
            && let Some((name, after)) = inner.split_once('>')
        {
            match name.parse() {
                Ok(number) => out.push_str(group(number)),
                Err(_) => out.push_str(captures.name(name).map_or("", |found| found.as_str())),
            }
            rest = after;
            continue;
        }
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            out.push_str(group(rest[..digits].parse().unwrap_or(0)));
            rest = &rest[digits..];
            continue;
        }
        let mut chars = rest.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => out.push('\\'),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// A file's bytes as text that can be edited and turned back without loss.
pub(super) struct Text {
    pub(super) text: String,
    utf8: bool,
}

impl Text {
    pub(super) fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                text: text.to_owned(),
                utf8: true,
            },
            // One character per byte.
            Err(_) => Self {
                text: bytes.iter().map(|byte| char::from(*byte)).collect(),
                utf8: false,
            },
        }
    }

    /// Text from elsewhere as it must look in this file's text.
    pub(super) fn adopt(&self, text: &str) -> String {
        if self.utf8 {
            return text.to_owned();
        }
        text.bytes().map(char::from).collect()
    }

    /// Back to bytes.
    pub(super) fn bytes(&self, text: &str) -> Vec<u8> {
        if self.utf8 {
            return text.as_bytes().to_vec();
        }
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect()
    }
}

/// Lines with their ends.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// A line without its end.
pub(super) fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, text: &str, template: &str) -> String {
        Pattern::new(pattern)
            .unwrap()
            .replace_all(text, template)
            .unwrap()
            .0
    }

    #[test]
    fn python_spelling() {
        assert_eq!(
            replaced("(a)(?P<n>b)", "xabx", r"\2\g<1>\g<n>\\"),
            r"xbab\x"
        );
        assert_eq!(replaced(r"a\Z", "aa", "b"), "ab");
        assert_eq!(replaced(r"^(?!#)a", "a", "b"), "b");
        assert_eq!(replaced(r"\/x\=", "/x=", "y"), "y");
        assert_eq!(replaced(r"(a)\1", "aa", "b"), "b");
        assert!(Pattern::new("(").is_err());
    }

    #[test]
    fn bytes_survive() {
        let text = Text::new(&[b'a', 0xe4, b'\n']);
        let edited = format!("{}{}", text.text, text.adopt("ü"));
        assert_eq!(text.bytes(&edited), [b'a', 0xe4, b'\n', 0xc3, 0xbc]);
    }
}
