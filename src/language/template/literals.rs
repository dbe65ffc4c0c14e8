//! Backslashes in the text literals of templates.
//!
//! In the `{{ }}` of a playbook a backslash stands for itself, so that
//! patterns need no doubling. In blocks, files and conditions it escapes as in
//! Python, where an unknown escape also stands for itself; the engine would
//! refuse that.

use super::engine::Mode;
use super::options::FileOptions;
use super::rewrite::Edits;

/// Escapes that the engine reads as Python does.
const KNOWN: &str = "\\'\"bfnrtux01234567";

/// The changes that make the engine read literals as Ansible does.
pub(super) fn edits(source: &str, options: &FileOptions, mode: Mode) -> Edits {
    let mut edits = Edits::default();
    if !source.contains('\\') {
        return edits;
    }
    if mode == Mode::Expression {
        literals(source, 0, "", false, &mut edits);
        return edits;
    }
    let marks = [
        (options.variable_start_string.as_str(), 'v'),
        (options.block_start_string.as_str(), 'b'),
        (options.comment_start_string.as_str(), 'c'),
    ];
    let mut at = 0;
    while let Some(rest) = source.get(at..) {
        let next = marks
            .iter()
            .filter_map(|(mark, kind)| rest.find(mark).map(|found| (found, *mark, *kind)))
            .min_by_key(|(found, mark, _)| (*found, std::cmp::Reverse(mark.len())));
        let Some((found, mark, kind)) = next else {
            break;
        };
        at += found + mark.len();
        at = match kind {
            'c' => source[at..]
                .find(options.comment_end_string.as_str())
                .map_or(source.len(), |end| {
                    at + end + options.comment_end_string.len()
                }),
            'v' => {
                let raw = mode == Mode::Template;
                literals(source, at, &options.variable_end_string, raw, &mut edits)
            }
            _ => {
                let word = source[at..].trim_start_matches(['-', '+']).trim_start();
                let end = literals(source, at, &options.block_end_string, false, &mut edits);
                if word.starts_with("raw") {
                    source[end..]
                        .find("endraw")
                        .map_or(source.len(), |found| end + found)
                } else {
                    end
                }
            }
        };
    }
    edits
}

/// Looks at literals up to an end mark and returns the place after it.
fn literals(source: &str, from: usize, end: &str, raw: bool, edits: &mut Edits) -> usize {
    let mut at = from;
    while let Some(c) = source[at..].chars().next() {
        if !end.is_empty() && source[at..].starts_with(end) {
            return at + end.len();
        }
        at += c.len_utf8();
        if c != '\'' && c != '"' {
            continue;
        }
        while let Some(inner) = source[at..].chars().next() {
            at += inner.len_utf8();
            if inner == c {
                break;
            }
            if inner != '\\' {
                continue;
            }
            let next = source[at..].chars().next().unwrap_or('\\');
            let quote = next == '\'' || next == '"';
            if raw && quote {
                edits.insert(at, "\\\\");
            } else if raw {
                edits.insert(at, "\\");
                if next == '\\' {
                    edits.insert(at + 1, "\\");
                }
            } else if !KNOWN.contains(next) {
                edits.insert(at, "\\");
            }
            at += next.len_utf8();
        }
    }
    source.len()
}
