//! The plug-in `generator`: a host for every combination of layers.

use std::sync::Arc;

use super::sources::{Attempt, Reader};
use crate::diagnostic::Diagnostic;
use crate::python;
use crate::source::Span;
use crate::template::Templar;
use crate::value::{Key, Map};
use crate::vars::{Level, Scope};
use crate::yaml::Node;

/// Parents inside parents deeper than this are taken for a mistake.
const MAX_DEPTH: usize = 100;
/// Largest number of hosts.
const LIMIT: usize = 1_000_000;

fn wrong(message: impl Into<String>, span: &Span) -> Vec<Diagnostic> {
    vec![
        Diagnostic::error("inventory", message)
            .at(span)
            .help("generator needs 'layers' (lists by name) and 'hosts' with a 'name'"),
    ]
}

pub(super) fn read(root: &Node, reader: &mut Reader<'_>) -> Attempt {
    let missing = |name: &str| wrong(format!("'{name}' is missing"), &root.span);
    let layers = root.get("layers").ok_or_else(|| missing("layers"))?;
    let layers = layers
        .value
        .as_map()
        .ok_or_else(|| wrong("layers must be a mapping of lists", &layers.value.span))?;
    let hosts = root.get("hosts").ok_or_else(|| missing("hosts"))?;
    let name = hosts
        .value
        .get("name")
        .ok_or_else(|| wrong("the hosts have no 'name'", &hosts.value.span))?;
    let templar = Templar::new(Arc::clone(reader.loader));
    // Every combination, the last layer changing fastest.
    let mut combinations = vec![Map::new()];
    for layer in layers {
        let Some(values) = layer.value.as_list() else {
            return Err(wrong("a layer must be a list", &layer.value.span));
        };
        if combinations.len().saturating_mul(values.len()) > LIMIT {
            return Err(wrong(
                format!("the layers make more than {LIMIT} hosts"),
                &layer.key_span,
            ));
        }
        combinations = combinations
            .iter()
            .flat_map(|map| {
                values.iter().map(|value| {
                    let mut map = map.clone();
                    map.insert(layer.key.clone(), value.value());
                    map
                })
            })
            .collect();
    }
    for vars in combinations {
        let scope = Scope::new().with(Level::PlayVars, Arc::new(vars));
        let host = filled(&templar, &name.value, &scope)?;
        reader.inventory.add_host(&host, "all");
        parents(&templar, &hosts.value, &host, true, &scope, reader, 0)?;
    }
    Ok(())
}

fn filled(templar: &Templar, node: &Node, scope: &Scope) -> Result<String, Vec<Diagnostic>> {
    let value = templar
        .resolve(&node.value(), scope)
        .map_err(|error| vec![error.diagnostic()])?;
    Ok(python::text(&value))
}

fn parents(
    templar: &Templar,
    element: &Node,
    child: &str,
    is_host: bool,
    scope: &Scope,
    reader: &mut Reader<'_>,
    depth: usize,
) -> Attempt {
    let Some(list) = element
        .get("parents")
        .and_then(|entry| entry.value.as_list())
    else {
        return Ok(());
    };
    for parent in list {
        if depth > MAX_DEPTH {
            return Err(wrong("parents are nested too deeply", &parent.span));
        }
        let name = match parent.get("name") {
            Some(entry) => filled(templar, &entry.value, scope)?,
            None => String::new(),
        };
        if name.is_empty() {
            return Err(wrong(
                format!("Element {child} has a parent with no name."),
                &parent.span,
            ));
        }
        reader.inventory.add_group(&name);
        if let Some(vars) = parent.get("vars").and_then(|entry| entry.value.as_map()) {
            let mut set = Map::new();
            for entry in vars {
                let mut value = entry.value.value();
                // What holds more than text is evaluated later, at each use.
                if value.as_str().is_some() {
                    value = templar
                        .resolve(&value, scope)
                        .map_err(|error| vec![error.diagnostic()])?;
                }
                set.0.insert(Key::clone(&entry.key), value);
            }
            reader.inventory.set_group_vars(&name, &set);
        }
        if is_host {
            reader.inventory.add_host(child, &name);
        } else {
            reader
                .inventory
                .add_child(&name, child)
                .map_err(|reason| wrong(reason, &parent.span))?;
        }
        parents(templar, parent, &name, false, scope, reader, depth + 1)?;
    }
    Ok(())
}
