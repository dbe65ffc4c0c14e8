//! Splitting and quoting as a POSIX shell does, and the expansion of `~` and
//! `$NAME` that Ansible applies to paths and command words.

/// Splits a line into words: quotes and backslashes as in a shell, no
/// expansion.
///
/// # Errors
/// An open quote or a backslash at the end.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut inside = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word));
                    inside = false;
                }
            }
            '\'' => {
                inside = true;
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(open_quote(line, '\'')),
                    }
                }
            }
            '"' => {
                inside = true;
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => {
                                word.push('\\');
                                word.push(c);
                            }
                            None => return Err(open_quote(line, '"')),
                        },
                        Some(c) => word.push(c),
                        None => return Err(open_quote(line, '"')),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => {
                    inside = true;
                    word.push(c);
                }
                None => return Err(format!("nothing follows the last backslash in: {line}")),
            },
            c => {
                inside = true;
                word.push(c);
            }
        }
    }
    if inside {
        words.push(word);
    }
    Ok(words)
}

fn open_quote(line: &str, quote: char) -> String {
    format!("a quotation ({quote}) is opened and never closed in: {line}")
}

/// The word so that a shell reads it back unchanged.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

/// All words as one shell line.
pub(crate) fn join<S: AsRef<str>>(words: &[S]) -> String {
    words
        .iter()
        .map(|word| quote(word.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Replaces `$NAME` and `${NAME}`; unknown names stay as they are.
pub(crate) fn expand_variables(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = match after.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(end) => (&inner[..end], end + 3),
                None => ("", 1),
            },
            None => {
                let end = after
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(after.len());
                (&after[..end], end + 1)
            }
        };
        match lookup(name) {
            Some(value) if !name.is_empty() => out.push_str(&value),
            _ => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// Replaces a leading `~` or `~user`.
pub(crate) fn expand_home(text: &str, home: &dyn Fn(&str) -> Option<String>) -> String {
    let Some(rest) = text.strip_prefix('~') else {
        return text.to_owned();
    };
    let (user, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match home(user) {
        Some(home) => format!("{}{tail}", home.trim_end_matches('/')),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_splits_them() {
        assert_eq!(
            split(r#"a 'b c' "d\"e\n" f\ g '' h"i"j"#).unwrap(),
            ["a", "b c", "d\"e\\n", "f g", "", "hij"]
        );
        assert_eq!(split("  ").unwrap(), [""; 0]);
        assert!(split("a 'b").unwrap_err().contains("never closed"));
        assert!(split("a \\").is_err());
    }

    #[test]
    fn quoting_survives_splitting() {
        for word in ["", "plain", "it's", "a b", "$x", "\\", "\"", "ü"] {
            assert_eq!(split(&quote(word)).unwrap(), [word]);
        }
    }

    #[test]
    fn variables_and_homes() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(
            expand_variables("$A${A}$B ${B} $ ${", &lookup),
            "11$B ${B} $ ${"
        );
        let home = |user: &str| match user {
            "" => Some("/root".to_owned()),
            "u" => Some("/home/u/".to_owned()),
            _ => None,
        };
        assert_eq!(expand_home("~/x", &home), "/root/x");
        assert_eq!(expand_home("~u/x", &home), "/home/u/x");
        assert_eq!(expand_home("~no/x", &home), "~no/x");
        assert_eq!(expand_home("~", &home), "/root");
    }
}
