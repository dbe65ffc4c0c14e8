//! What a change replaces, as text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing before and after. Empty text stands for "not there".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    pub before_header: String,
    pub before: String,
    pub after_header: String,
    pub after: String,
    /// Text to be shown as it is, for changes that are no text files.
    pub prepared: String,
}

impl Diff {
    /// A change of a text, both sides under the same heading.
    #[must_use]
    pub fn text(header: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            before_header: header.to_owned(),
            before: before.into(),
            after_header: header.to_owned(),
            after: after.into(),
            prepared: String::new(),
        }
    }

    /// A change of properties: mappings, shown as indented JSON.
    #[must_use]
    pub fn data(before: &Value, after: &Value) -> Self {
        Self::text("", indented(before), indented(after))
    }

    /// Ready-made text.
    #[must_use]
    pub fn prepared(text: impl Into<String>) -> Self {
        Self {
            prepared: text.into(),
            ..Self::default()
        }
    }
}

/// JSON with its keys in order, four blanks deep, as Ansible shows mappings.
fn indented(value: &Value) -> String {
    let mut out = String::new();
    indent(value, 0, &mut out);
    out.push('\n');
    out
}

fn indent(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push_str(": ");
                indent(value, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                indent(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_sorted_and_indented() {
        let diff = Diff::data(&json!({"b": [1], "a": {}}), &json!({}));
        assert_eq!(
            diff.before,
            "{\n    \"a\": {},\n    \"b\": [\n        1\n    ]\n}\n"
        );
        assert_eq!(diff.after, "{}\n");
    }
}
