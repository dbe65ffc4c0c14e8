//! The host's own facts: files and programs in /etc/ansible/facts.d.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Gather, names};
use crate::host::Command;

pub(super) fn gather(gather: &mut Gather<'_>) {
    let mut found = Map::new();
    for name in names(gather.local_directory) {
        let Some(stem) = name.strip_suffix(".fact") else {
            continue;
        };
        let path = gather.local_directory.join(&name);
        let value = match content(gather, &path) {
            Ok(text) => parse(&text, &path),
            Err(problem) => Value::String(problem),
        };
        found.insert(stem.to_owned(), value);
    }
    gather.put("local", found);
}

/// Output of an executable fact, else the file itself.
fn content(gather: &Gather<'_>, path: &Path) -> Result<String, String> {
    let mode = std::fs::metadata(path)
        .map(|metadata| metadata.permissions().mode())
        .map_err(|error| {
            format!(
                "Could not stat fact ({}): {}",
                path.display(),
                crate::host::failure::reason(&error)
            )
        })?;
    let executable = mode & 0o100 != 0;
    if !executable {
        return std::fs::read(path)
            .map(|data| String::from_utf8_lossy(&data).into_owned())
            .or_else(|_| Ok(String::new()));
    }
    let command = Command::new([path.as_os_str()]).timeout(gather.limit);
    match gather.look.ask(&command) {
        Ok(output) if output.ok() => Ok(output.out()),
        Ok(output) => Err(format!(
            "Failure executing fact script ({}), rc: {}, err: {}",
            path.display(),
            output.code,
            output.err()
        )),
        Err(failure) => Err(format!(
            "Could not execute fact script ({}): {}",
            path.display(),
            failure.message
        )),
    }
}

/// JSON, or sections of `name = value`.
fn parse(text: &str, path: &Path) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let mut sections = Map::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            sections
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
            current = Some(name.to_owned());
            continue;
        }
        let Some((name, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        match current.as_ref().and_then(|name| sections.get_mut(name)) {
            Some(Value::Object(section)) => {
                let Some(value) = interpolated(value.trim(), section) else {
                    return Value::String(format!(
                        "error loading facts as ini - please check content: {} ('%' must be \
                         written '%%')",
                        path.display()
                    ));
                };
                section.insert(name.trim().to_lowercase(), Value::from(value));
            }
            _ => {
                return Value::String(format!(
                    "error loading facts as JSON or ini - please check content: {}",
                    path.display()
                ));
            }
        }
    }
    Value::Object(sections)
}

/// `%%` stands for a percent sign, `%(name)s` for a value of the section.
fn interpolated(value: &str, section: &Map<String, Value>) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('%') {
            out.push('%');
            rest = tail;
        } else {
            let (name, tail) = rest.strip_prefix('(')?.split_once(")s")?;
            out.push_str(section.get(&name.to_lowercase())?.as_str()?);
            rest = tail;
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_and_sections() {
        let path = Path::new("x.fact");
        assert_eq!(parse("{\"a\": [1]}", path), json!({"a": [1]}));
        assert_eq!(
            parse("[one]\nKey = v\n; c\n[two]\nb: 2\n", path),
            json!({"one": {"key": "v"}, "two": {"b": "2"}})
        );
        assert!(parse("key=value", path).is_string());
        assert!(parse("[a]\nk = 5 % of", path).is_string());
        assert_eq!(
            parse("[a]\nx = 1%%\ny = %(x)s!", path),
            json!({"a": {"x": "1%", "y": "1%!"}})
        );
    }
}
