//! Changes as unified diffs.

use ocplay_protocol::Diff;

use super::paint::{Paint, paint, visible};
use super::style::{Style, mask};

/// A change as a unified diff, without any value that came out of a vault.
pub(super) fn diff(diff: &Diff, style: &Style) -> String {
    mask(&unified(diff, style.diff_context), &style.keyring)
}

/// A change with so many lines around it.
pub(super) fn unified(diff: &Diff, context: usize) -> String {
    let mut out = String::new();
    if !diff.prepared.is_empty() {
        out.push_str(&visible(&diff.prepared));
        if !diff.prepared.ends_with('\n') {
            out.push('\n');
        }
        return out;
    }
    if diff.before == diff.after {
        return out;
    }
    let text = similar::TextDiff::from_lines(&diff.before, &diff.after);
    let header = |prefix: &str, text: &str| {
        if text.is_empty() {
            prefix.to_owned()
        } else {
            format!("{prefix}: {text}")
        }
    };
    let unified = text
        .unified_diff()
        .context_radius(context)
        .header(
            &header("before", &diff.before_header),
            &header("after", &diff.after_header),
        )
        .to_string();
    for line in unified.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => Paint::Added,
            Some(b'-') => Paint::Removed,
            Some(b'@') => Paint::Place,
            _ => Paint::Plain,
        };
        out.push_str(&paint(&visible(line), colour));
        out.push('\n');
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diffs_are_unified() {
        let text = unified(&Diff::text("/etc/x", "a\nb\n", "a\nc\n"), 3);
        assert!(
            text.contains("--- before: /etc/x\n+++ after: /etc/x\n"),
            "{text}"
        );
        assert!(text.contains("-b\n+c\n"), "{text}");
    }
}
