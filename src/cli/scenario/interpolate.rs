//! `${NAME}`, `${NAME:-word}` and `$NAME` in `molecule.yml`, before it is read as YAML.

/// What stands for a name.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts values in place of names; `$$` is a dollar sign, an unknown name is nothing.
///
/// # Errors
/// The byte where a `${` is not closed or names nothing.
pub(super) fn interpolate(text: &str, lookup: Lookup<'_>) -> Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let start = text.len() - rest.len() + at;
        let behind = &rest[at + 1..];
        if let Some(after) = behind.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = behind.strip_prefix('{') {
            let end = inner.find('}').ok_or(start)?;
            out.push_str(&braced(&inner[..end], lookup).ok_or(start)?);
            rest = &inner[end + 1..];
        } else {
            let length = name_length(behind);
            if length == 0 {
                out.push('$');
            } else {
                out.push_str(&lookup(&behind[..length]).unwrap_or_default());
            }
            rest = &behind[length..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn braced(inner: &str, lookup: Lookup<'_>) -> Option<String> {
    let length = name_length(inner);
    if length == 0 {
        return None;
    }
    let value = lookup(&inner[..length]);
    let rest = &inner[length..];
    if rest.is_empty() {
        Some(value.unwrap_or_default())
    } else if let Some(word) = rest.strip_prefix(":-") {
        let value = value.filter(|value| !value.is_empty());
        Some(value.unwrap_or_else(|| word.to_owned()))
    } else {
        let word = rest.strip_prefix('-')?;
        Some(value.unwrap_or_else(|| word.to_owned()))
    }
}

fn name_length(text: &str) -> usize {
    let first = text.bytes().next();
    if !first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
        return 0;
    }
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_values() {
        let lookup = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, wanted) in [
            ("x: ${A}/$A!", "x: one/one!"),
            (
                "${B:-two} ${EMPTY:-two} ${EMPTY-two} ${B-two}",
                "two two  two",
            ),
            ("$$A costs $5", "$A costs $5"),
            ("${B}|$B|", "||"),
        ] {
            assert_eq!(interpolate(text, &lookup).as_deref(), Ok(wanted), "{text}");
        }
        for (text, place) in [("a ${A", 2), ("${}", 0), ("x ${A?no}", 2)] {
            assert_eq!(interpolate(text, &lookup), Err(place), "{text}");
        }
    }
}
