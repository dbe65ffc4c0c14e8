//! `ocplay inventory`.

use std::process::ExitCode;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{Inventory, VarsFolders};
use ocplay_language::loader::Machine;
use ocplay_language::value::{Map, Value};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::{Outcome, sources, vars};
use crate::args::InventoryArgs;
use crate::render::print;

pub(crate) fn run(args: &InventoryArgs) -> Outcome {
    let sources = sources::inventories(&args.inventory);
    let inventory = sources::load(&sources)?;
    let extra = vars::extra_vars(&args.extra_vars)?;
    let view = View {
        inventory: &inventory,
        folders: VarsFolders::new(Arc::new(Machine)),
        extra,
    };
    if let Some(name) = &args.host {
        if inventory.host(name).is_none() {
            let known: Vec<String> = inventory
                .hosts()
                .map(|(name, _)| name.to_string())
                .collect();
            return Err(vec![
                Diagnostic::error(
                    "unknown-host",
                    format!("there is no host '{name}' in the inventory"),
                )
                .suggest(name, known.iter().map(String::as_str)),
            ]);
        }
        print(&pretty(&view.host_vars(name)?));
    } else if let Some(group) = &args.graph {
        if inventory.group(group).is_none() {
            let known: Vec<String> = inventory
                .groups()
                .map(|(name, _)| name.to_string())
                .collect();
            return Err(vec![
                Diagnostic::error(
                    "unknown-group",
                    format!("there is no group '{group}' in the inventory"),
                )
                .suggest(group, known.iter().map(String::as_str)),
            ]);
        }
        let mut out = String::new();
        view.graph(group, 0, args.vars, &mut out)?;
        print(&out);
    } else {
        print(&pretty(&view.list()?));
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON as ansible-inventory prints it: four blanks, keys sorted.
fn pretty(value: &Json) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Serialising a value into memory cannot fail.
    drop(serde::Serialize::serialize(&sorted(value), &mut serializer));
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Json::Object(
                keys.into_iter()
                    .map(|key| (key.clone(), sorted(&map[key])))
                    .collect(),
            )
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

struct View<'a> {
    inventory: &'a Inventory,
    folders: VarsFolders,
    extra: Arc<Map>,
}

type Found<T> = Result<T, Vec<Diagnostic>>;

impl View<'_> {
    fn host_vars(&self, name: &str) -> Found<Json> {
        let mut all = Map::new();
        let host = self.inventory.host(name);
        let groups = host.map(|host| &host.groups[..]).unwrap_or_default();
        for group in groups {
            if let Some(group) = self.inventory.group(group) {
                all.extend(&group.vars);
            }
        }
        for folder in self.inventory.folders() {
            for group in groups {
                all.extend(
                    &*self
                        .folders
                        .group(folder, group)
                        .map_err(|problem| vec![*problem])?,
                );
            }
        }
        if let Some(host) = host {
            all.extend(&host.vars);
        }
        for folder in self.inventory.folders() {
            all.extend(
                &*self
                    .folders
                    .host(folder, name)
                    .map_err(|problem| vec![*problem])?,
            );
        }
        all.extend(&self.extra);
        Ok(Value::from(all).to_json())
    }

    fn list(&self) -> Found<Json> {
        let mut hostvars = JsonMap::new();
        for (name, _) in self.inventory.hosts() {
            let vars = self.host_vars(name)?;
            if vars.as_object().is_some_and(|vars| !vars.is_empty()) {
                hostvars.insert(name.to_string(), vars);
            }
        }
        let mut out = JsonMap::new();
        out.insert(
            "_meta".to_owned(),
            json!({ "hostvars": hostvars, "profile": "inventory_legacy" }),
        );
        for (name, group) in self.inventory.groups() {
            let mut shown = JsonMap::new();
            let hosts: Vec<&str> = group.hosts.iter().map(|host| &**host).collect();
            let children: Vec<&str> = group.children.iter().map(|child| &**child).collect();
            if !hosts.is_empty() && &**name != "all" {
                shown.insert("hosts".to_owned(), json!(hosts));
            }
            if !children.is_empty() {
                shown.insert("children".to_owned(), json!(children));
            }
            if !shown.is_empty() {
                out.insert(name.to_string(), Json::Object(shown));
            }
        }
        Ok(Json::Object(out))
    }

    fn graph(&self, name: &str, depth: usize, vars: bool, out: &mut String) -> Found<()> {
        let Some(group) = self.inventory.group(name) else {
            return Ok(());
        };
        let line = |depth: usize, text: &str| match depth {
            0 => format!("{text}\n"),
            _ => format!("{}  |--{text}\n", "  |".repeat(depth - 1)),
        };
        out.push_str(&line(depth, &format!("@{name}:")));
        for child in &group.children {
            self.graph(child, depth + 1, vars, out)?;
        }
        if name != "all" || group.children.is_empty() {
            for host in &group.hosts {
                out.push_str(&line(depth + 1, host));
                if vars && let Json::Object(vars) = self.host_vars(host)? {
                    for (key, value) in vars {
                        let value = ocplay_language::python::text(&Value::from_json(&value));
                        out.push_str(&line(depth + 2, &format!("{{{key} = {value}}}")));
                    }
                }
            }
        }
        if vars {
            for (key, value) in group.vars.entries() {
                out.push_str(&line(
                    depth + 1,
                    &format!("{{{key} = {}}}", ocplay_language::python::text(value)),
                ));
            }
        }
        Ok(())
    }
}
