//! TOML inventories: tables of groups with `hosts`, `children` and `vars`.

use std::path::Path;
use std::sync::Arc;

use ::toml::{Table, Value as Toml};

use super::sources::{Attempt, Reader, text};
use super::{address, host_list};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::{Key, Map, Value};

pub(super) fn read(path: &Path, reader: &mut Reader<'_>) -> Attempt {
    let text = text(path, &**reader.loader, false).map_err(|problem| vec![*problem])?;
    let source = Source::new(path, text);
    let root: Table = source.text().parse().map_err(|error: ::toml::de::Error| {
        let span = error
            .span()
            .map_or_else(|| Span::new(&source, 0..0), |at| Span::new(&source, at));
        vec![Diagnostic::error("inventory", error.message().to_owned()).at(&span)]
    })?;
    let mut file = File {
        span: Span::new(&source, 0..0),
        reader,
    };
    if root.is_empty() {
        return Err(file.wrong("Parsed empty TOML file"));
    }
    if root.contains_key("plugin") {
        return Err(file.wrong("Plugin configuration TOML file, not TOML inventory"));
    }
    root.iter()
        .try_for_each(|(name, data)| file.group(name, data))
}

struct File<'a, 'b> {
    span: Span,
    reader: &'a mut Reader<'b>,
}

impl File<'_, '_> {
    fn wrong(&self, message: impl Into<String>) -> Vec<Diagnostic> {
        vec![Diagnostic::error("inventory", message).at(&self.span)]
    }

    fn warn(&mut self, message: String) {
        let warning = Diagnostic::warning("inventory", message).at(&self.span);
        self.reader.warnings.push(warning);
    }

    fn group(&mut self, name: &str, data: &Toml) -> Attempt {
        let Some(parts) = data.as_table() else {
            self.warn(format!(
                "Skipping '{name}' as this is not a valid group definition"
            ));
            return Ok(());
        };
        self.reader.inventory.add_group(name);
        for (key, data) in parts {
            let needs = |kind: &str| {
                format!(
                    "Invalid \"{key}\" entry for \"{name}\" group, requires a {kind}, found \"{}\" instead.",
                    data.type_str()
                )
            };
            match (key.as_str(), data) {
                ("vars", Toml::Table(_)) => {
                    if let Value::Map(vars) = self.value(data) {
                        self.reader.inventory.set_group_vars(name, &vars);
                    }
                }
                ("vars", _) => return Err(self.wrong(needs("dict"))),
                ("children", Toml::Array(children)) => {
                    for child in children {
                        let Some(child) = child.as_str() else {
                            return Err(self.wrong(needs("list of names")));
                        };
                        self.reader
                            .inventory
                            .add_child(name, child)
                            .map_err(|reason| self.wrong(reason))?;
                    }
                }
                ("children", _) => return Err(self.wrong(needs("list"))),
                ("hosts", Toml::Table(hosts)) => {
                    for (pattern, vars) in hosts {
                        self.hosts(name, pattern, vars)?;
                    }
                }
                ("hosts", _) => return Err(self.wrong(needs("dict"))),
                _ => self.warn(format!(
                    "Skipping unexpected key \"{key}\" in group \"{name}\", only \"vars\", \"children\" and \"hosts\" are valid"
                )),
            }
        }
        Ok(())
    }

    fn hosts(&mut self, group: &str, pattern: &str, vars: &Toml) -> Attempt {
        let (names, port) = address::expand(pattern).map_err(|reason| self.wrong(reason))?;
        let Value::Map(vars) = self.value(vars) else {
            return Err(self.wrong(format!(
                "the variables of the host '{pattern}' must be a table"
            )));
        };
        for name in names {
            self.reader.inventory.add_host(&name, group);
            host_list::set_port(&mut self.reader.inventory, &name, port);
            self.reader.inventory.set_host_vars(&name, &vars);
        }
        Ok(())
    }

    fn value(&self, toml: &Toml) -> Value {
        match toml {
            Toml::String(text) => Value::trusted(text, &self.span, None),
            Toml::Integer(number) => Value::Int(*number),
            Toml::Float(number) => Value::Float(*number),
            Toml::Boolean(truth) => Value::Bool(*truth),
            Toml::Datetime(time) => Value::Date(Arc::from(time.to_string().replace('T', " "))),
            Toml::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Toml::Table(table) => Value::from(
                table
                    .iter()
                    .map(|(key, value)| (Key::from(key.as_str()), self.value(value)))
                    .collect::<Map>(),
            ),
        }
    }
}
