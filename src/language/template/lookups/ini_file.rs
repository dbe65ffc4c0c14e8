//! Files of sections and `key = value`, as Python's configparser reads them.

use indexmap::IndexMap;
use minijinja::Error;

use crate::template::python;

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) case_sensitive: bool,
    /// A key may stand alone.
    pub(super) no_value: bool,
    pub(super) interpolation: bool,
}

type Section = IndexMap<String, Option<String>>;

/// The sections of a file, with those values filled in that `[DEFAULT]` has.
#[derive(Debug, Default)]
pub(super) struct IniFile {
    sections: IndexMap<String, Section>,
    interpolation: bool,
}

const DEFAULT: &str = "DEFAULT";

impl IniFile {
    pub(super) fn read(text: &str, file: &str, reading: Reading) -> Result<Self, Error> {
        let mut ini = Self {
            interpolation: reading.interpolation,
            ..Self::default()
        };
        let mut current: Option<String> = None;
        let mut key: Option<String> = None;
        let mut indent = 0;
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.starts_with(['#', ';']) {
                continue;
            }
            let own = line.len() - line.trim_start().len();
            if trimmed.is_empty() {
                // An empty line may belong to a value of several lines.
                if let Some(Some(value)) = ini.value(&current, &key) {
                    value.push('\n');
                }
                continue;
            }
            if own > indent
                && key.is_some()
                && let Some(Some(value)) = ini.value(&current, &key)
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            indent = own;
            if let Some(name) = trimmed
                .strip_prefix('[')
                .and_then(|rest| rest.rfind(']').map(|end| &rest[..end]))
            {
                if ini.sections.contains_key(name) && name != DEFAULT {
                    return Err(python::fail(format!(
                        "Duplicate section '{name}' in '{file}'."
                    )));
                }
                ini.sections.entry(name.to_owned()).or_default();
                current = Some(name.to_owned());
                key = None;
                continue;
            }
            let Some(section) = &current else {
                return Err(python::fail(format!(
                    "'{file}' has no section headers: line {}",
                    number + 1
                )));
            };
            let (name, value) = match trimmed.find(['=', ':']) {
                Some(at) => (
                    trimmed[..at].trim_end(),
                    Some(trimmed[at + 1..].trim().to_owned()),
                ),
                None if reading.no_value => (trimmed, None),
                None => {
                    return Err(python::fail(format!(
                        "'{file}' has parsing errors: line {}: {trimmed}",
                        number + 1
                    )));
                }
            };
            let name = if reading.case_sensitive {
                name.to_owned()
            } else {
                name.to_lowercase()
            };
            let entries = ini.sections.entry(section.clone()).or_default();
            if entries.contains_key(&name) {
                return Err(python::fail(format!("Duplicate option in '{file}'.")));
            }
            entries.insert(name.clone(), value);
            key = Some(name);
        }
        for section in ini.sections.values_mut() {
            for value in section.values_mut().flatten() {
                value.truncate(value.trim_end_matches('\n').len());
            }
        }
        Ok(ini)
    }

    fn value(
        &mut self,
        section: &Option<String>,
        key: &Option<String>,
    ) -> Option<&mut Option<String>> {
        self.sections
            .get_mut(section.as_ref()?)?
            .get_mut(key.as_ref()?)
    }

    /// The entries of a section, with the defaults.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        let own = self.sections.get(name);
        if own.is_none() && name != DEFAULT {
            return None;
        }
        let mut all = self.sections.get(DEFAULT).cloned().unwrap_or_default();
        for (key, value) in own.into_iter().flatten() {
            all.insert(key.clone(), value.clone());
        }
        Some(all)
    }

    /// A value with `%(name)s` filled in.
    pub(super) fn shown(&self, section: &Section, value: &str) -> Result<String, Error> {
        if !self.interpolation {
            return Ok(value.to_owned());
        }
        filled(section, value, 10)
    }
}

fn filled(section: &Section, value: &str, depth: usize) -> Result<String, Error> {
    if depth == 0 {
        return Err(python::fail(
            "recursion limit exceeded in value substitution",
        ));
    }
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let end = rest
            .strip_prefix('(')
            .and_then(|rest| rest.find(")s").map(|end| end + 1));
        let Some(end) = end else {
            return Err(python::fail(format!(
                "'%' must be followed by '%' or '(', found: '%{rest}'"
            )));
        };
        let name = rest[1..end].to_lowercase();
        let found = section
            .get(&name)
            .and_then(Option::as_deref)
            .ok_or_else(|| {
                python::fail(format!(
                    "Bad value substitution: '{name}' is not in the section"
                ))
            })?;
        out.push_str(&filled(section, found, depth - 1)?);
        rest = &rest[end + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_configparser() {
        let reading = Reading {
            case_sensitive: false,
            no_value: true,
            interpolation: true,
        };
        let text = "[DEFAULT]\nbase = /x\n[a]\n; note\nKey: one\n two\n\n three\nalone\npath=%(base)s/y\nempty=\n[b]\nkey = 5%%\n";
        let ini = IniFile::read(text, "f", reading).unwrap();
        let a = ini.section("a").unwrap();
        assert_eq!(a["key"].as_deref(), Some("one\ntwo\n\nthree"));
        assert_eq!(a["alone"], None);
        assert_eq!(a["empty"].as_deref(), Some(""));
        assert_eq!(ini.shown(&a, "%(base)s/y").unwrap(), "/x/y");
        assert_eq!(a["base"].as_deref(), Some("/x"));
        assert!(ini.section("zz").is_none());
        assert!(IniFile::read("[a]\nx=1\nx=2\n", "f", reading).is_err());
        assert!(IniFile::read("x=1\n", "f", reading).is_err());
    }
}
