//! YAML inventories: groups with `hosts`, `children` and `vars`.

use super::Inventory;
use super::address;
use super::host_list::set_port;
use super::sources::Attempt;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::value::{Map, Value};
use crate::yaml::{Entry, Node};

const KEYS: [&str; 3] = ["hosts", "children", "vars"];

fn wrong(message: impl Into<String>, span: &Span, help: &str) -> Vec<Diagnostic> {
    vec![Diagnostic::error("inventory", message).at(span).help(help)]
}

pub(super) fn read(
    root: &Node,
    inventory: &mut Inventory,
    warnings: &mut Vec<Diagnostic>,
) -> Attempt {
    let help = "start with 'all:' and put 'hosts:' below it";
    if root.is_null() {
        return Err(wrong("Parsed empty YAML file", &root.span, help));
    }
    let Some(groups) = root.as_map() else {
        return Err(wrong(
            format!(
                "YAML inventory has invalid structure, it should be a dictionary, got: {}",
                root.kind_name()
            ),
            &root.span,
            help,
        ));
    };
    let mut reading = Reading {
        inventory,
        warnings,
    };
    groups
        .iter()
        .try_for_each(|entry| reading.group(entry).map(|_| ()))
}

struct Reading<'a> {
    inventory: &'a mut Inventory,
    warnings: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    /// A group and everything below it; says whether it is one.
    fn group(&mut self, entry: &Entry) -> Result<bool, Vec<Diagnostic>> {
        let name = entry.key.text();
        let node = &entry.value;
        if node.as_map().is_none() && !node.is_null() {
            self.warnings.push(
                Diagnostic::warning(
                    "inventory",
                    format!("Skipping '{name}' as this is not a valid group definition"),
                )
                .at(&entry.key_span)
                .help("its keys are hosts, children and vars"),
            );
            return Ok(false);
        }
        self.inventory.add_group(&name);
        for part in node.as_map().unwrap_or_default() {
            self.part(&name, part)?;
        }
        Ok(true)
    }

    fn part(&mut self, group: &str, part: &Entry) -> Attempt {
        let key = part.key.text();
        if part.value.is_null() {
            return Ok(());
        }
        if !KEYS.contains(&&*key) {
            self.warnings.push(
                Diagnostic::warning(
                    "inventory",
                    format!("Skipping unexpected key ({key}) in group ({group}), only \"vars\", \"children\" and \"hosts\" are valid"),
                )
                .at(&part.key_span)
                .suggest(&key, KEYS)
                .help(format!("put a group of that name under 'children:' of '{group}', or its hosts under 'hosts:'")),
            );
            return Ok(());
        }
        // One name as text is accepted, as Ansible does.
        if let Some(name) = part.value.as_str() {
            match &*key {
                "hosts" => self.host(group, name, &Map::new(), &part.value.span)?,
                "children" => self.child(group, name, &part.value.span)?,
                _ => {}
            }
            return Ok(());
        }
        let Some(entries) = part.value.as_map() else {
            return Err(wrong(
                format!(
                    "Invalid \"{key}\" entry for \"{group}\" group, requires a dictionary, found \"{}\" instead.",
                    part.value.kind_name()
                ),
                &part.value.span,
                "end each name with ':'",
            ));
        };
        match &*key {
            "vars" => {
                if let Value::Map(vars) = part.value.value() {
                    self.inventory.set_group_vars(group, &vars);
                }
            }
            "children" => {
                for entry in entries {
                    if self.group(entry)? {
                        self.child(group, &entry.key.text(), &entry.key_span)?;
                    }
                }
            }
            _ => {
                for entry in entries {
                    let vars = match entry.value.value() {
                        Value::Map(vars) => vars,
                        Value::Null => std::sync::Arc::default(),
                        _ => {
                            return Err(wrong(
                                "the variables of a host must be a mapping",
                                &entry.value.span,
                                "write 'name: value' lines below the host",
                            ));
                        }
                    };
                    let crate::value::Key::Str(name) = &entry.key else {
                        return Err(wrong(
                            format!(
                                "Host pattern {} must be a string. Enclose integers/floats in quotation marks.",
                                entry.key.text()
                            ),
                            &entry.key_span,
                            "put quotes around it",
                        ));
                    };
                    self.host(group, name, &vars, &entry.key_span)?;
                }
            }
        }
        Ok(())
    }

    fn child(&mut self, parent: &str, child: &str, span: &Span) -> Attempt {
        self.inventory
            .add_child(parent, child)
            .map_err(|reason| vec![Diagnostic::error("inventory", reason).at(span)])
    }

    fn host(&mut self, group: &str, pattern: &str, vars: &Map, span: &Span) -> Attempt {
        let (names, port) = address::expand(pattern)
            .map_err(|reason| vec![Diagnostic::error("inventory", reason).at(span)])?;
        for name in names {
            self.inventory.add_host(&name, group);
            set_port(self.inventory, &name, port);
            self.inventory.set_host_vars(&name, vars);
        }
        Ok(())
    }
}
