//! `key=value` arguments in one line of text.
//!
//! The rules are Ansible's: words are split at blanks outside quotes and
//! outside `{{ }}`; a word with `=` is an argument; what is left is free text.

/// A line split into `key=value` pairs and the free text around them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    pub pairs: Vec<(String, String)>,
    pub rest: String,
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
            out.pairs.push((key.to_owned(), unquote(value).to_owned()));
            out.rest.push_str(&line[rest_from..start]);
            rest_from = end;
        }
    }
    out.rest.push_str(&line[rest_from..]);
    out.rest = out.rest.trim().to_owned();
    out
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
    fn unbalanced_input_does_not_panic() {
        for line in ["a='", "{{", "a={{ b", "\\", "'", "=", "ä='ö"] {
            assert!(split_pairs(line, None).pairs.len() < 2);
        }
    }
}
