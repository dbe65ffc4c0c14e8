//! `key=value` arguments in one line of text.
//!
//! The rules are Ansible's: words are split at blanks outside quotes and
//! outside `{{ }}`; a word with `=` is an argument; what is left is free text.

/// A line split into `key=value` pairs and the free text around them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    pub pairs: Vec<(String, String)>,
    pub rest: String,
    /// The same as a shell gets it: lines joined where one ends in a
    /// backslash, and a last line that ends.
    pub script: String,
}

/// Splits a line. With `only` given, other keys stay in the free text (that
/// is how `command: env A=1 prog` keeps its words).
#[must_use]
pub fn split_pairs(line: &str, only: Option<&[&str]>) -> Pairs {
    let mut out = Pairs::default();
    let mut rest_from = 0;
    for (start, end) in words(line) {
        let word = &line[start..end];
        let pair = split_at_equals(word)
            .filter(|(key, _)| is_key(key) && only.is_none_or(|only| only.contains(key)));
        if let Some((key, value)) = pair {
            let value = unescape(value);
            out.pairs.push((key.to_owned(), unquote(&value).to_owned()));
            out.rest.push_str(&line[rest_from..start]);
            rest_from = end;
        }
    }
    out.rest.push_str(&line[rest_from..]);
    let end = if out.rest.ends_with('\n') { "\n" } else { "" };
    out.rest = out.rest.trim().to_owned();
    out.script = format!("{}{end}", joined(&out.rest));
    out
}

/// Lines that end in a backslash of its own are joined with the next, outside
/// of quotes.
fn joined(text: &str) -> String {
    if !text.contains("\\\n") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\\') if chars.peek() == Some(&'\n') && out.ends_with([' ', '\n', '\t']) => {
                chars.next();
                continue;
            }
            (None | Some('"'), '\\') => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// The escapes that Python knows, as they count in `name=value`.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let plain = match tail.chars().next() {
            Some(c @ ('\\' | '\'' | '"')) => Some(c),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            _ => None,
        };
        let digits = match tail.chars().next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let code = tail
            .get(1..1 + digits)
            .filter(|_| digits > 0)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match (plain, code) {
            (Some(c), _) => {
                out.push(c);
                rest = &tail[1..];
            }
            (None, Some(c)) => {
                out.push(c);
                rest = &tail[1 + digits..];
            }
            (None, None) => {
                out.push('\\');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The first word of a line as a shell reads it: quotes and backslashes taken
/// off.
#[must_use]
pub fn first_word(line: &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = line.trim_start().chars();
    let mut any = false;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => word.extend(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => break,
            (_, c) => word.push(c),
        }
        any = true;
    }
    any.then_some(word)
}

/// Splits at the first `=` that is not inside a template.
fn split_at_equals(word: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while word[from..].starts_with("{{") {
        from += word[from..].find("}}")? + 2;
    }
    let at = from + word[from..].find('=')?;
    Some((&word[..at], &word[at + 1..]))
}

fn is_key(key: &str) -> bool {
    if key.starts_with("{{") && key.ends_with("}}") {
        return true;
    }
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Byte ranges of the words of a line.
fn words(line: &str) -> Vec<(usize, usize)> {
    let bytes = line.as_bytes();
    let mut out = Vec::new();
    let mut start = None;
    let mut quote: Option<u8> = None;
    let mut depth = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let pair = bytes.get(at..at + 2).unwrap_or(&[]);
        if depth == 0 && quote.is_none() && byte.is_ascii_whitespace() {
            if let Some(start) = start.take() {
                out.push((start, at));
            }
            at += 1;
            continue;
        }
        start.get_or_insert(at);
        match pair {
            b"{{" | b"{%" | b"{#" => {
                depth += 1;
                at += 2;
                continue;
            }
            b"}}" | b"%}" | b"#}" if depth > 0 => {
                depth -= 1;
                at += 2;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            match quote {
                Some(open) if byte == open => quote = None,
                Some(_) if byte == b'\\' => at += 1,
                Some(_) => {}
                None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
                None if byte == b'\\' => at += 1,
                None => {}
            }
        }
        at += 1;
    }
    if let Some(start) = start {
        out.push((start, line.len()));
    }
    out
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote) {
            return &text[1..text.len() - 1];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        split_pairs(line, None).pairs
    }

    #[test]
    fn plain_and_quoted() {
        let wanted = [
            ("src", "a b"),
            ("dest", "/x"),
            ("mode", "{{ m | d('0 1') }}"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(pairs("src='a b' dest=/x mode={{ m | d('0 1') }}"), wanted);
    }

    #[test]
    fn free_text_keeps_its_words() {
        let out = split_pairs("env A=1 prog 'b  c' chdir=/tmp", Some(&["chdir"]));
        assert_eq!(out.rest, "env A=1 prog 'b  c'");
        assert_eq!(out.pairs, [("chdir".to_owned(), "/tmp".to_owned())]);
    }

    #[test]
    fn escapes_count_in_pairs_only() {
        assert_eq!(
            pairs(r"a='\b\\b\x41' b=\d"),
            [
                ("a".to_owned(), "\u{8}\\bA".to_owned()),
                ("b".to_owned(), "\\d".to_owned()),
            ]
        );
        let out = split_pairs("echo a \\\n\"b\nc\" \\\n| cat\n", Some(&[]));
        assert_eq!(out.script, "echo a \"b\nc\" | cat\n");
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(first_word(" 'a b/c.sh' --x").as_deref(), Some("a b/c.sh"));
        assert_eq!(first_word("a\\ b.sh 1").as_deref(), Some("a b.sh"));
        assert_eq!(first_word("  "), None);
    }

    #[test]
    fn unbalanced_input_does_not_panic() {
        for line in ["a='", "{{", "a={{ b", "\\", "'", "=", "ä='ö"] {
            assert!(split_pairs(line, None).pairs.len() < 2);
        }
    }
}
