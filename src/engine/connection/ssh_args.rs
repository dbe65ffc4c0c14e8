//! The part of ssh's command line that people put into variables.

use std::path::PathBuf;

use super::ConnectError;
use super::ssh_config::Wish;

/// What a line of arguments asks for.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) wishes: Vec<Wish>,
    /// `-F`: this file instead of the usual ones; `none` for no file.
    pub(super) config: Option<PathBuf>,
}

impl Said {
    /// Adds a line of arguments.
    ///
    /// # Errors
    /// The word that is not understood.
    pub(super) fn add(&mut self, line: &str) -> Result<(), ConnectError> {
        let all = words(line);
        let mut words = all.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, joined) = word.split_at(word.len().min(2));
            let mut value = || {
                if joined.is_empty() {
                    words.next().map(str::to_owned)
                } else {
                    Some(joined.to_owned())
                }
                .ok_or_else(|| ConnectError::Option(word.to_owned()))
            };
            let mut wish = |name: &str, value: String| {
                self.wishes.push((name.to_owned(), value));
            };
            match flag {
                "-o" => {
                    let option = value()?;
                    let (name, value) = option
                        .split_once(['=', ' '])
                        .ok_or_else(|| ConnectError::Option(format!("-o {option}")))?;
                    let name = name.trim().to_ascii_lowercase();
                    if !super::openssh::is_known(&name) {
                        return Err(ConnectError::Option(format!("-o {option}")));
                    }
                    let value = value.trim().trim_start_matches('=').trim();
                    wish(&name, value.trim_matches('"').to_owned());
                }
                "-i" => wish("identityfile", value()?),
                "-p" => wish("port", value()?),
                "-l" => wish("user", value()?),
                "-J" => wish("proxyjump", value()?),
                "-F" => self.config = Some(value()?.into()),
                "-A" => wish("forwardagent", "yes".to_owned()),
                "-a" => wish("forwardagent", "no".to_owned()),
                "-4" => wish("addressfamily", "inet".to_owned()),
                "-6" => wish("addressfamily", "inet6".to_owned()),
                // No effect here: one connection is kept anyway, no terminal
                // is asked for, and compression costs more than it saves.
                "-C" | "-q" | "-T" | "-t" | "-x" => {}
                _ => return Err(ConnectError::Option(word.to_owned())),
            }
        }
        Ok(())
    }
}

/// Splits at blanks outside quotes.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}
