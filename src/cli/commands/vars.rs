//! `--extra-vars` in its three forms.

use std::path::Path;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::read_vars;
use ocplay_language::loader::Loader;
use ocplay_language::playbook::split_pairs;
use ocplay_language::source::{Source, Span};
use ocplay_language::value::{Map, Value};
use ocplay_language::yaml::parse_one;

/// All `-e` options, later ones winning.
pub(super) fn extra_vars(
    given: &[String],
    loader: &dyn Loader,
) -> Result<Arc<Map>, Vec<Diagnostic>> {
    let mut vars = Map::new();
    for text in given {
        vars.extend(&*one(text, loader)?);
    }
    Ok(Arc::new(vars))
}

fn one(text: &str, loader: &dyn Loader) -> Result<Arc<Map>, Vec<Diagnostic>> {
    if let Some(file) = text.strip_prefix('@') {
        return read_vars(Path::new(file), loader).map_err(|problem| vec![*problem]);
    }
    if text.starts_with(['/', '.']) {
        return Err(vec![Diagnostic::error(
            "options",
            format!("Please prepend extra_vars filename '{text}' with '@'"),
        )]);
    }
    let source = Source::new("--extra-vars", text);
    let span = Span::new(&source, 0..text.len());
    if text.trim_start().starts_with(['{', '[']) || text.contains(": ") && !text.contains('=') {
        let (node, _) = parse_one(&source).map_err(|problem| vec![*problem])?;
        return match node.value() {
            Value::Map(vars) => Ok(vars),
            _ => Err(vec![wrong(&span)]),
        };
    }
    let pairs = split_pairs(text, None);
    if !pairs.rest.is_empty() || pairs.pairs.is_empty() && !text.trim().is_empty() {
        return Err(vec![wrong(&span)]);
    }
    Ok(Arc::new(
        pairs
            .pairs
            .into_iter()
            .map(|(name, value)| (name.into(), Value::trusted(&value, &span, None)))
            .collect(),
    ))
}

fn wrong(span: &Span) -> Diagnostic {
    Diagnostic::error("extra-vars", "these are no variables")
        .at(span)
        .help("write -e 'name=value other=value', -e '{\"name\": \"value\"}' or -e @FILE.yml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_language::loader::Machine;

    fn json(text: &str) -> serde_json::Value {
        Value::Map(one(text, &Machine).unwrap()).to_json()
    }

    #[test]
    fn three_forms() {
        use serde_json::json;
        assert_eq!(json("a=1 b='x y'"), json!({"a": "1", "b": "x y"}));
        assert_eq!(json("{\"a\": [1, true]}"), json!({"a": [1, true]}));
        assert_eq!(json("a: yes"), json!({"a": true}));
        assert!(one("nonsense", &Machine).is_err());
        assert!(one("[1, 2]", &Machine).is_err());
        assert!(one("@/does/not/exist", &Machine).is_err());
    }
}
