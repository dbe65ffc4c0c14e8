//! The dialect of `ansible.cfg`: sections, `key = value` or `key: value`,
//! continuation lines, `;` comments also behind a value.

use std::collections::HashMap;
use std::path::Path;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::{Source, Span};

type Entries = HashMap<(String, String), String>;

pub(super) fn parse(path: &Path, text: &str) -> Result<Entries, Box<Diagnostic>> {
    let source = Source::new(path, text);
    let mut entries: Entries = HashMap::new();
    let mut section: Option<String> = None;
    let mut last: Option<(String, String)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let span = Span::new(&source, start..start + line.trim_end().len());
        let shown = line.trim();
        if shown.is_empty() || shown.starts_with(['#', ';']) {
            continue;
        }
        let content = without_comment(shown);
        if line.starts_with([' ', '\t'])
            && let Some(entry) = last.as_ref().and_then(|key| entries.get_mut(key))
        {
            if !entry.is_empty() {
                entry.push('\n');
            }
            entry.push_str(content);
            continue;
        }
        if let Some(name) = content
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            section = Some(name.trim().to_owned());
            last = None;
            continue;
        }
        let Some(section) = &section else {
            return Err(Box::new(
                Diagnostic::error("config", "a setting stands before the first section")
                    .at(&span)
                    .help("put '[defaults]' above it"),
            ));
        };
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return Err(Box::new(
                Diagnostic::error("config", "this is neither a section nor 'key = value'")
                    .at(&span),
            ));
        };
        let key = (section.clone(), key.trim().to_lowercase());
        entries.insert(key.clone(), value.trim().to_owned());
        last = Some(key);
    }
    Ok(entries)
}

/// A `;` with a blank before it starts a comment.
fn without_comment(line: &str) -> &str {
    let end = line
        .char_indices()
        .find(|(at, c)| *c == ';' && line[..*at].ends_with(char::is_whitespace))
        .map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect() {
        let text =
            "# c\n[defaults]\nA = 1 ; why\nb: x;y\nlist =\n  one\n  two\n[ssh_connection] \nc==\n";
        let entries = parse(Path::new("x"), text).unwrap();
        let get = |section: &str, key: &str| &*entries[&(section.to_owned(), key.to_owned())];
        assert_eq!(get("defaults", "a"), "1");
        assert_eq!(get("defaults", "b"), "x;y");
        assert_eq!(get("defaults", "list"), "one\ntwo");
        assert_eq!(get("ssh_connection", "c"), "=");
        assert!(parse(Path::new("x"), "a = 1\n").is_err());
        assert!(parse(Path::new("x"), "[a]\nnonsense\n").is_err());
    }
}
