//! The plug-in `constructed`: variables and groups from expressions over the
//! hosts that earlier sources brought.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::VarsFolders;
use super::sources::{Attempt, Reader};
use crate::diagnostic::Diagnostic;
use crate::python;
use crate::source::Span;
use crate::template::{Templar, TemplateError};
use crate::value::{Map, Value};
use crate::vars::{Level, Scope};
use crate::yaml::{Entry, Node};

/// Keys of the configuration.
const KEYS: [&str; 8] = [
    "plugin",
    "strict",
    "compose",
    "groups",
    "keyed_groups",
    "leading_separator",
    "use_vars_plugins",
    "use_extra_vars",
];

pub(super) fn read(root: &Node, reader: &mut Reader<'_>) -> Attempt {
    let entries = root.as_map().unwrap_or_default();
    for entry in entries {
        let key = entry.key.text();
        if !KEYS.contains(&&*key) {
            reader.warnings.push(
                Diagnostic::warning(
                    "inventory",
                    format!("'{key}' is no option of the plug-in constructed"),
                )
                .at(&entry.key_span)
                .suggest(&key, KEYS),
            );
        }
    }
    let flag = |name: &str, default: bool| -> Result<bool, Vec<Diagnostic>> {
        match root.get(name) {
            None => Ok(default),
            Some(entry) => ocplay_protocol::coerce::boolean(&entry.value.value().to_json())
                .map_err(|reason| {
                    vec![Diagnostic::error("inventory", reason).at(&entry.value.span)]
                }),
        }
    };
    let mut rules = Rules {
        templar: Templar::new(Arc::clone(reader.loader)),
        strict: flag("strict", false)?,
        leading_separator: flag("leading_separator", true)?,
        use_extra_vars: flag("use_extra_vars", false)?,
        folders: flag("use_vars_plugins", false)?
            .then(|| VarsFolders::new(Arc::clone(reader.loader))),
        compose: part(root, "compose"),
        groups: part(root, "groups"),
        keyed: match root.get("keyed_groups") {
            Some(entry) => entry.value.as_list().unwrap_or_default(),
            None => &[],
        },
    };
    reader.inventory.settle_members();
    let names: Vec<Arc<str>> = reader
        .inventory
        .hosts()
        .map(|(name, _)| Arc::clone(name))
        .collect();
    for name in names {
        rules.host(&name, reader)?;
    }
    Ok(())
}

fn part<'a>(root: &'a Node, name: &str) -> &'a [Entry] {
    root.get(name)
        .and_then(|entry| entry.value.as_map())
        .unwrap_or_default()
}

struct Rules<'a> {
    templar: Templar,
    strict: bool,
    leading_separator: bool,
    use_extra_vars: bool,
    /// Where `group_vars` and `host_vars` take part already.
    folders: Option<VarsFolders>,
    compose: &'a [Entry],
    groups: &'a [Entry],
    keyed: &'a [Arc<Node>],
}

impl Rules<'_> {
    fn host(&mut self, name: &Arc<str>, reader: &mut Reader<'_>) -> Attempt {
        let mut scope = self.scope(name, reader)?;
        for entry in self.compose {
            match self.value(&entry.value, &scope) {
                Ok(value) => {
                    let mut vars = Map::new();
                    vars.insert(entry.key.clone(), value);
                    reader.inventory.set_host_vars(name, &vars);
                }
                Err(error) => self.failed(&error, || {
                    format!("Could not set {} for host {name}", entry.key.text())
                })?,
            }
        }
        if !self.compose.is_empty() {
            scope = self.scope(name, reader)?;
        }
        for entry in self.groups {
            let group = entry.key.text();
            match self.condition(&entry.value, &scope) {
                Ok(true) => reader.inventory.add_host(name, &group),
                Ok(false) => {}
                Err(error) => self.failed(&error, || {
                    format!("Could not add host {name} to group {group}")
                })?,
            }
        }
        for rule in self.keyed {
            self.keyed_group(name, rule, &scope, reader)?;
        }
        Ok(())
    }

    fn failed(&self, error: &TemplateError, what: impl FnOnce() -> String) -> Attempt {
        if !self.strict {
            return Ok(());
        }
        let mut problem = error.diagnostic();
        problem.message = format!("{}: {}", what(), problem.message);
        Err(vec![problem])
    }

    /// What an expression sees: the host's groups, the host, extra variables.
    fn scope(&self, name: &Arc<str>, reader: &Reader<'_>) -> Result<Scope, Vec<Diagnostic>> {
        let inventory = &reader.inventory;
        let mut scope = Scope::new();
        let host = inventory.host(name);
        let groups = host.map(|host| &host.groups[..]).unwrap_or_default();
        for group in groups {
            if let Some(group) = inventory.group(group) {
                scope = scope.with(Level::InventoryGroup, Arc::clone(&group.vars));
            }
        }
        if let Some(files) = &self.folders {
            let folders: Vec<PathBuf> = inventory.folders().map(Path::to_owned).collect();
            let wrong = |problem: Box<Diagnostic>| vec![*problem];
            for folder in &folders {
                for group in groups {
                    let vars = files.group(folder, group).map_err(wrong)?;
                    scope = scope.with(Level::InventoryGroupVars, vars);
                }
                let vars = files.host(folder, name).map_err(wrong)?;
                scope = scope.with(Level::InventoryHostVars, vars);
            }
        }
        if let Some(host) = host {
            scope = scope.with(Level::InventoryHost, Arc::clone(&host.vars));
        }
        let mut own = Map::new();
        own.insert("inventory_hostname", Value::Str(Arc::clone(name)));
        own.insert(
            "inventory_hostname_short",
            name.split('.').next().unwrap_or(name),
        );
        let mut names: Vec<Value> = groups
            .iter()
            .filter(|group| &***group != "all")
            .map(|group| Value::Str(Arc::clone(group)))
            .collect();
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        own.insert("group_names", names);
        scope = scope.with(Level::Magic, Arc::new(own));
        if self.use_extra_vars {
            scope = scope.with(Level::ExtraVars, Arc::clone(&reader.options.extra_vars));
        }
        Ok(scope)
    }

    /// An expression's value; what is no text stands for itself.
    fn value(&self, node: &Node, scope: &Scope) -> Result<Value, TemplateError> {
        match node.value() {
            Value::Str(text) | Value::Trusted(text) => {
                self.templar.expression(&text, &node.span, scope)
            }
            Value::Template(template) => self.templar.expression(&template.text, &node.span, scope),
            other => self.templar.resolve(&other, scope),
        }
    }

    fn condition(&self, node: &Node, scope: &Scope) -> Result<bool, TemplateError> {
        self.templar.condition(&node.value(), scope)
    }

    /// Groups named after what an expression gives.
    fn keyed_group(
        &self,
        host: &Arc<str>,
        rule: &Node,
        scope: &Scope,
        reader: &mut Reader<'_>,
    ) -> Attempt {
        let wrong = |message: &str, span: &Span| {
            Err(vec![Diagnostic::error("inventory", message).at(span)])
        };
        if rule.as_map().is_none_or(<[Entry]>::is_empty) {
            return wrong(
                "Invalid keyed group entry, it must be a dictionary",
                &rule.span,
            );
        }
        let Some(key) = rule.get("key") else {
            return wrong("a keyed group needs a 'key'", &rule.span);
        };
        let value = match self.value(&key.value, scope) {
            Ok(value) => value,
            Err(error) => {
                return self.failed(&error, || {
                    format!("Could not generate group for host {host}")
                });
            }
        };
        let text = |name: &str| {
            let entry = rule.get(name)?;
            (!entry.value.is_null()).then(|| python::text(&entry.value.value()))
        };
        let default = text("default_value");
        let trailing = rule
            .get("trailing_separator")
            .map(|entry| entry.value.value().truthy());
        if trailing.is_some() && default.is_some() {
            return wrong(
                "parameters are mutually exclusive for keyed groups: default_value|trailing_separator",
                &rule.span,
            );
        }
        let empty = |value: &Value| value.is_null() || value.as_str() == Some("");
        let prefix = text("prefix").unwrap_or_default();
        let separator = text("separator").unwrap_or_else(|| "_".to_owned());
        let or_default = |value: &Value| match &default {
            Some(default) if empty(value) => default.clone(),
            _ => python::text(value),
        };
        let mut names = Vec::new();
        match &value {
            value if empty(value) => match &default {
                Some(default) => names.push(default.clone()),
                None if self.strict => {
                    return wrong(
                        &format!("No key or key resulted empty in host {host}, invalid entry"),
                        &key.value.span,
                    );
                }
                None => return Ok(()),
            },
            Value::Str(text) | Value::Trusted(text) => names.push(text.to_string()),
            Value::List(items) => names.extend(items.iter().map(or_default)),
            Value::Map(map) => {
                for (name, value) in map.iter() {
                    let name = name.text();
                    names.push(
                        if empty(value) && default.is_none() && trailing == Some(false) {
                            name.to_string()
                        } else {
                            format!("{name}{separator}{}", or_default(value))
                        },
                    );
                }
            }
            other if !other.truthy() => return Ok(()),
            other => {
                return wrong(
                    &format!(
                        "Invalid group name format, expected a string or a list of them or dictionary, got: {}",
                        other.type_name()
                    ),
                    &key.value.span,
                );
            }
        }
        let parent = match rule.get("parent_group") {
            Some(entry) if !entry.value.is_null() => {
                match self.templar.resolve(&entry.value.value(), scope) {
                    Ok(Value::Omit) => None,
                    Ok(value) => Some(python::text(&value)).filter(|name| !name.is_empty()),
                    Err(error) => {
                        return self
                            .failed(&error, || "Could not generate parent group".to_owned());
                    }
                }
            }
            _ => None,
        };
        let between = if prefix.is_empty() && !self.leading_separator {
            ""
        } else {
            &separator
        };
        for name in names {
            let group = format!("{prefix}{between}{name}");
            reader.inventory.add_host(host, &group);
            if let Some(parent) = &parent {
                reader
                    .inventory
                    .add_child(parent, &group)
                    .map_err(|reason| {
                        vec![Diagnostic::error("inventory", reason).at(&rule.span)]
                    })?;
            }
        }
        Ok(())
    }
}
