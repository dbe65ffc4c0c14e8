//! YAML inventories: groups with `hosts`, `children` and `vars`.

use std::sync::Arc;

use super::Inventory;
use super::host_list::{expand, set_port};
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::value::{Map, Value};
use crate::yaml::{Node, parse_one};

const KEYS: [&str; 3] = ["hosts", "children", "vars"];

pub(super) fn read(
    source: &Arc<Source>,
    inventory: &mut Inventory,
    problems: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let root = match parse_one(source) {
        Ok((root, found)) => {
            warnings.extend(found);
            root
        }
        Err(error) => {
            problems.push(*error);
            return;
        }
    };
    let Some(groups) = root.as_map() else {
        if !root.is_null() {
            problems.push(
                Diagnostic::error("inventory", "a YAML inventory is a mapping of groups")
                    .at(&root.span)
                    .help("start with 'all:' and put 'hosts:' below it"),
            );
        }
        return;
    };
    for entry in groups {
        group(&entry.key.text(), &entry.value, inventory, problems);
    }
}

fn group(name: &str, node: &Node, inventory: &mut Inventory, problems: &mut Vec<Diagnostic>) {
    inventory.add_group(name);
    if node.is_null() {
        return;
    }
    let Some(entries) = node.as_map() else {
        problems.push(
            Diagnostic::error(
                "inventory",
                format!(
                    "the group '{name}' must be a mapping, not {}",
                    node.kind_name()
                ),
            )
            .at(&node.span)
            .help("its keys are hosts, children and vars"),
        );
        return;
    };
    for entry in entries {
        match &*entry.key.text() {
            "hosts" => hosts(name, &entry.value, inventory, problems),
            "children" => children(name, &entry.value, inventory, problems),
            "vars" => match entry.value.value() {
                Value::Map(vars) => inventory.set_group_vars(name, &vars),
                Value::Null => {}
                _ => problems.push(
                    Diagnostic::error("inventory", "vars must be a mapping").at(&entry.value.span),
                ),
            },
            other => problems.push(
                Diagnostic::error("inventory", format!("'{other}' is not a key of a group"))
                    .at(&entry.key_span)
                    .suggest(other, KEYS)
                    .help(format!("put a group of that name under 'children:' of '{name}', or its hosts under 'hosts:'")),
            ),
        }
    }
}

fn children(parent: &str, node: &Node, inventory: &mut Inventory, problems: &mut Vec<Diagnostic>) {
    if node.is_null() {
        return;
    }
    let Some(entries) = node.as_map() else {
        problems.push(
            Diagnostic::error("inventory", "children must be a mapping of groups")
                .at(&node.span)
                .help("end each name with ':'"),
        );
        return;
    };
    for entry in entries {
        let child = entry.key.text();
        if let Err(reason) = inventory.add_child(parent, &child) {
            problems.push(Diagnostic::error("inventory", reason).at(&entry.key_span));
            continue;
        }
        group(&child, &entry.value, inventory, problems);
    }
}

fn hosts(group: &str, node: &Node, inventory: &mut Inventory, problems: &mut Vec<Diagnostic>) {
    if node.is_null() {
        return;
    }
    // One host as text is accepted, as Ansible does.
    if let Some(name) = node.as_str() {
        inventory.add_host(name, group);
        return;
    }
    let Some(entries) = node.as_map() else {
        problems.push(
            Diagnostic::error("inventory", "hosts must be a mapping")
                .at(&node.span)
                .help("end each host name with ':' and put its variables below it"),
        );
        return;
    };
    for entry in entries {
        let (names, port) = match expand(&entry.key.text()) {
            Ok(expanded) => expanded,
            Err(reason) => {
                problems.push(Diagnostic::error("inventory", reason).at(&entry.key_span));
                continue;
            }
        };
        let vars = match entry.value.value() {
            Value::Map(vars) => (*vars).clone(),
            Value::Null => Map::new(),
            _ => {
                problems.push(
                    Diagnostic::error("inventory", "the variables of a host must be a mapping")
                        .at(&entry.value.span),
                );
                continue;
            }
        };
        for name in names {
            inventory.add_host(&name, group);
            set_port(inventory, &name, port);
            inventory.set_host_vars(&name, &vars);
        }
    }
}
