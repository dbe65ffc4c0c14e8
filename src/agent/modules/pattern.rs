//! Regular expressions as Python has them, over files that may be no UTF-8.

use fancy_regex::{Captures, Regex};

use crate::host::Failure;

/// A compiled expression.
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn new(python: &str) -> Result<Self, Failure> {
        Self::with_flags("", python)
    }

    /// For text of several lines: `$` matches before its last newline too.
    pub(super) fn across(flags: &str, python: &str) -> Result<Self, Failure> {
        Self::compile(flags, python, true)
    }

    /// `flags` as in `(?flags)`.
    pub(super) fn with_flags(flags: &str, python: &str) -> Result<Self, Failure> {
        Self::compile(flags, python, false)
    }

    fn compile(flags: &str, python: &str, dollar: bool) -> Result<Self, Failure> {
        let mut text = translate(python, dollar);
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

    /// Whether a template can be filled in, with Python's reason if not.
    pub(super) fn check_template(&self, template: &str) -> Result<(), String> {
        let chars: Vec<char> = template.chars().collect();
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            let start = at;
            at += 1;
            if c != '\\' {
                continue;
            }
            let next = chars.get(at).copied();
            at += 1;
            let digits: String = chars[start + 1..]
                .iter()
                .take(2)
                .take_while(|c| c.is_ascii_digit())
                .collect();
            match next {
                None => return Err(format!("bad escape (end of pattern) at position {start}")),
                Some('0') => {}
                Some(c) if c.is_ascii_digit() => {
                    if digits
                        .parse()
                        .is_ok_and(|group: usize| group >= self.0.captures_len())
                    {
                        return Err(format!(
                            "invalid group reference {digits} at position {}",
                            start + 1
                        ));
                    }
                }
                Some('a' | 'b' | 'f' | 'g' | 'n' | 'r' | 't' | 'v') => {}
                Some(c) if c.is_ascii_alphabetic() => {
                    return Err(format!("bad escape \\{c} at position {start}"));
                }
                Some(_) => {}
            }
        }
        Ok(())
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
fn translate(python: &str, dollar: bool) -> String {
    let mut out = String::with_capacity(python.len());
    let chars: Vec<char> = python.chars().collect();
    let mut at = 0;
    // Where the open character class begins, behind its `[` or `[^`.
    let mut class: Option<usize> = None;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match (c, class) {
            ('\\', _) => {
                escape(chars.get(at).copied(), &mut out);
                at += 1;
            }
            ('[', None) => {
                out.push('[');
                if chars.get(at) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                class = Some(at);
            }
            // A bracket that comes first stands for itself.
            (']', Some(start)) if at > start + 1 => {
                out.push(']');
                class = None;
            }
            // These have a meaning only to this engine.
            ('[' | ']' | '&' | '~', Some(_)) => out.extend(['\\', c]),
            ('{', None) => match counted(&chars[at..]) {
                Some(Counted::FromZero) => out.push_str("{0"),
                Some(Counted::Plain) => out.push('{'),
                None => out.push_str("\\{"),
            },
            ('}', None) if !out.contains('{') => out.push_str("\\}"),
            ('$', None) if dollar => out.push_str("(?=\\n?\\z)"),
            _ => out.push(c),
        }
    }
    out
}

fn escape(c: Option<char>, out: &mut String) {
    match c {
        Some('Z') => out.push_str("\\z"),
        // Escapes that mean only themselves in Python.
        Some(
            c
            @ ('/' | '"' | '\'' | '<' | '>' | '@' | '%' | ',' | ';' | ':' | '=' | '!' | '_' | '`'),
        ) => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
}

enum Counted {
    Plain,
    /// `{,3}`.
    FromZero,
}

/// Whether what follows a `{` makes a repetition of it.
fn counted(rest: &[char]) -> Option<Counted> {
    let end = rest.iter().position(|c| *c == '}')?;
    let body: String = rest[..end].iter().collect();
    let (low, high) = body.split_once(',').unwrap_or((&body, "0"));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !digits(low) || !digits(high) || body.is_empty() || body == "," {
        return None;
    }
    Some(if low.is_empty() {
        Counted::FromZero
    } else {
        Counted::Plain
    })
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
        assert_eq!(replaced("[[]x[]&]", "[x]", "b"), "b");
        assert_eq!(replaced("[^]]{2}", "]ab", "c"), "]c");
        assert_eq!(replaced("{{ a{,2} }}", "{{ aa }}", "b"), "b");
        let end = Pattern::across("", "b$").unwrap();
        assert!(end.is_match("a\nb\n").unwrap() && !end.is_match("b\na").unwrap());
    }

    #[test]
    fn templates_are_checked() {
        let pattern = Pattern::new("(a)").unwrap();
        assert!(pattern.check_template(r"\1 \g<0> \& \n \\").is_ok());
        let wrong = |text: &str| pattern.check_template(text).unwrap_err();
        assert_eq!(wrong(r"\2"), "invalid group reference 2 at position 1");
        assert_eq!(wrong(r"x\D"), r"bad escape \D at position 1");
    }

    #[test]
    fn bytes_survive() {
        let text = Text::new(&[b'a', 0xe4, b'\n']);
        let edited = format!("{}{}", text.text, text.adopt("ü"));
        assert_eq!(text.bytes(&edited), [b'a', 0xe4, b'\n', 0xc3, 0xbc]);
    }
}
