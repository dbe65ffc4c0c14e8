//! What is shown of an inventory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{Group, Inventory, VarsFolders};
use ocplay_language::python;
use ocplay_language::value::{Key, Map, Value};

use super::json::Out;

type Found<T> = Result<T, Vec<Diagnostic>>;
/// Hosts that may be shown; nothing for all.
pub(super) type Limit = BTreeSet<Arc<str>>;

pub(super) struct View<'a> {
    pub(super) inventory: &'a Inventory,
    folders: VarsFolders,
    /// Folders with `group_vars` of inventories.
    roots: Vec<PathBuf>,
    /// The playbook's.
    playbook: PathBuf,
    extra: Arc<Map>,
    /// Variables stand where they were written.
    export: bool,
    /// What hosts of the same groups have in common, by the address of the
    /// list of groups.
    common: RefCell<HashMap<usize, Arc<Map>>>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        inventory: &'a Inventory,
        folders: VarsFolders,
        playbook: PathBuf,
        extra: Arc<Map>,
        export: bool,
    ) -> Self {
        Self {
            inventory,
            folders,
            roots: inventory.folders().map(PathBuf::from).collect(),
            playbook,
            extra,
            export,
            common: RefCell::default(),
        }
    }

    /// Inventories' folders, then the playbook's.
    fn places(&self) -> impl Iterator<Item = &PathBuf> {
        self.roots.iter().chain(std::iter::once(&self.playbook))
    }

    /// What a host has from its groups.
    fn group_part(&self, groups: &Arc<[Arc<str>]>) -> Found<Arc<Map>> {
        let address = Arc::as_ptr(groups).cast::<()>() as usize;
        if let Some(known) = self.common.borrow().get(&address) {
            return Ok(Arc::clone(known));
        }
        let mut all = Map::new();
        for name in groups.iter() {
            if let Some(group) = self.inventory.group(name) {
                all.extend(&group.vars);
            }
        }
        // The files of 'all', then those of the other groups.
        for wanted in [true, false] {
            for place in self.places() {
                for name in groups.iter().filter(|name| (&***name == "all") == wanted) {
                    all.extend(
                        &*self
                            .folders
                            .group(place, name)
                            .map_err(|problem| vec![*problem])?,
                    );
                }
            }
        }
        let all = Arc::new(all);
        self.common.borrow_mut().insert(address, Arc::clone(&all));
        Ok(all)
    }

    /// A host's variables: all of them, or with `--export` its own.
    pub(super) fn host_vars(&self, name: &str) -> Found<Map> {
        let mut all = Map::new();
        let host = self.inventory.host(name);
        if let Some(host) = host {
            if !self.export {
                all = Map::clone(&*self.group_part(&host.groups)?);
            }
            all.extend(&host.vars);
        }
        for place in self.places() {
            all.extend(
                &*self
                    .folders
                    .host(place, name)
                    .map_err(|problem| vec![*problem])?,
            );
        }
        if !self.export {
            all.extend(&self.extra);
        }
        Ok(all)
    }

    fn group_vars(&self, name: &str, group: &Group) -> Found<Map> {
        let mut all = Map::clone(&group.vars);
        for place in self.places() {
            all.extend(
                &*self
                    .folders
                    .group(place, name)
                    .map_err(|problem| vec![*problem])?,
            );
        }
        if group.priority != 1 {
            all.insert("ansible_group_priority", group.priority);
        }
        Ok(all)
    }

    pub(super) fn list(&self, limit: Option<&Limit>, out: &mut Out) -> Found<()> {
        let shown = |host: &Arc<str>| limit.is_none_or(|limit| limit.contains(host));
        out.text("{")?;
        let mut first = true;
        let mut groups: Vec<(&Arc<str>, &Group)> = self.reachable();
        groups.sort_by_key(|(name, _)| *name);
        // '_meta' sorts among the groups.
        let before = groups.partition_point(|(name, _)| &***name < "_meta");
        for (name, group) in &groups[..before] {
            self.json_group(name, group, &shown, &mut first, out)?;
        }
        out.key(1, &mut first, "_meta")?;
        out.text("{")?;
        let mut meta_first = true;
        out.key(2, &mut meta_first, "hostvars")?;
        let mut hosts: Vec<Arc<str>> = self
            .inventory
            .hosts_of("all")
            .into_iter()
            .filter(shown)
            .collect();
        hosts.sort();
        out.text("{")?;
        let mut none = true;
        for host in &hosts {
            let vars = self.host_vars(host)?;
            if !vars.is_empty() {
                out.key(3, &mut none, host)?;
                out.value(&Value::from(vars), 3, true)?;
            }
        }
        if !none {
            out.line(2, "")?;
        }
        out.text("}")?;
        out.key(2, &mut meta_first, "profile")?;
        out.text("\"inventory_legacy\"")?;
        out.line(1, "}")?;
        for (name, group) in &groups[before..] {
            self.json_group(name, group, &shown, &mut first, out)?;
        }
        out.text("\n}\n")
    }

    fn json_group(
        &self,
        name: &Arc<str>,
        group: &Group,
        shown: &dyn Fn(&Arc<str>) -> bool,
        first: &mut bool,
        out: &mut Out,
    ) -> Found<()> {
        let hosts: Vec<&Arc<str>> = group.hosts.iter().filter(|host| shown(host)).collect();
        let vars = if self.export {
            self.group_vars(name, group)?
        } else {
            Map::new()
        };
        if hosts.is_empty() && group.children.is_empty() && vars.is_empty() {
            return Ok(());
        }
        out.key(1, first, name)?;
        out.text("{")?;
        let mut inner = true;
        if !group.children.is_empty() {
            out.key(2, &mut inner, "children")?;
            out.names(2, group.children.iter())?;
        }
        if !hosts.is_empty() {
            out.key(2, &mut inner, "hosts")?;
            out.names(2, hosts.into_iter())?;
        }
        if !vars.is_empty() {
            out.key(2, &mut inner, "vars")?;
            out.value(&Value::from(vars), 2, true)?;
        }
        out.line(1, "}")
    }

    /// Every group below `all`.
    fn reachable(&self) -> Vec<(&Arc<str>, &Group)> {
        self.inventory.groups().collect()
    }

    pub(super) fn yaml(&self, limit: Option<&Limit>) -> Found<Value> {
        let mut seen = (HashSet::new(), HashSet::new());
        let mut root = Map::new();
        self.yaml_group("all", limit, &mut seen, &mut root)?;
        Ok(root.into())
    }

    fn yaml_group(
        &self,
        name: &str,
        limit: Option<&Limit>,
        seen: &mut (HashSet<Arc<str>>, HashSet<Arc<str>>),
        into: &mut Map,
    ) -> Found<()> {
        let Some(group) = self.inventory.group(name) else {
            return Ok(());
        };
        let mut out = Map::new();
        let mut children = Map::new();
        for child in &group.children {
            if seen.0.contains(child) {
                children.insert(&**child, Map::new());
            } else {
                self.yaml_group(child, limit, seen, &mut children)?;
                seen.0.insert(Arc::clone(child));
            }
        }
        if !children.is_empty() {
            out.insert("children", children);
        }
        let mut hosts = Map::new();
        for host in &group.hosts {
            if limit.is_some_and(|limit| !limit.contains(host)) {
                continue;
            }
            let vars = if seen.1.insert(Arc::clone(host)) {
                self.host_vars(host)?
            } else {
                Map::new()
            };
            hosts.0.insert(Key::Str(Arc::clone(host)), vars.into());
        }
        if !hosts.is_empty() {
            out.insert("hosts", hosts);
        }
        if self.export {
            let vars = self.group_vars(name, group)?;
            if !vars.is_empty() {
                out.insert("vars", vars);
            }
        }
        if !out.is_empty() {
            into.insert(name, out);
        }
        Ok(())
    }

    pub(super) fn toml(&self, limit: Option<&Limit>) -> Found<String> {
        let mut seen = HashSet::new();
        let mut root = Map::new();
        for (name, group) in self.inventory.groups() {
            let mut out = Map::new();
            let children: Vec<Value> = group
                .children
                .iter()
                .filter(|_| &**name != "all")
                .map(|child| Value::Str(Arc::clone(child)))
                .collect();
            if !children.is_empty() {
                out.insert("children", children);
            }
            let mut hosts = Map::new();
            for host in &group.hosts {
                if limit.is_some_and(|limit| !limit.contains(host)) {
                    continue;
                }
                let vars = if seen.insert(Arc::clone(host)) {
                    self.host_vars(host)?
                } else {
                    Map::new()
                };
                hosts.0.insert(Key::Str(Arc::clone(host)), vars.into());
            }
            if !hosts.is_empty() {
                out.insert("hosts", hosts);
            }
            if self.export {
                let vars = self.group_vars(name, group)?;
                if !vars.is_empty() {
                    out.insert("vars", vars);
                }
            }
            if !out.is_empty() {
                root.0.insert(Key::Str(Arc::clone(name)), out.into());
            }
        }
        toml_text(&root.into())
    }

    pub(super) fn graph(&self, top: &str, vars: bool) -> Found<String> {
        let mut out = String::new();
        self.graph_group(top, 0, vars, &mut out)?;
        Ok(out)
    }

    fn graph_group(&self, name: &str, depth: usize, vars: bool, out: &mut String) -> Found<()> {
        let Some(group) = self.inventory.group(name) else {
            return Ok(());
        };
        line(depth, &format!("@{name}:"), out);
        for child in &group.children {
            self.graph_group(child, depth + 1, vars, out)?;
        }
        if name != "all" {
            for host in &group.hosts {
                line(depth + 1, host, out);
                if vars {
                    show(&self.host_vars(host)?, depth + 2, out);
                }
            }
        }
        if vars {
            show(&self.group_vars(name, group)?, depth + 1, out);
        }
        Ok(())
    }
}

fn line(depth: usize, text: &str, out: &mut String) {
    if depth > 0 {
        out.push_str(&"  |".repeat(depth));
        out.push_str("--");
    }
    out.push_str(text);
    out.push('\n');
}

fn show(vars: &Map, depth: usize, out: &mut String) {
    let sorted: BTreeMap<Arc<str>, &Value> = vars
        .iter()
        .map(|(key, value)| (key.text(), value))
        .collect();
    for (key, value) in sorted {
        line(depth, &format!("{{{key} = {}}}", python::text(value)), out);
    }
}

/// A mapping as TOML.
pub(super) fn toml_text(value: &Value) -> Found<String> {
    let json = without_nulls(&value.to_json());
    toml::to_string(&json).map_err(|error| {
        vec![
            Diagnostic::error(
                "toml",
                format!("this inventory cannot be written as TOML: {error}"),
            )
            .help("--yaml and --list can show all values"),
        ]
    })
}

/// TOML knows no null.
fn without_nulls(json: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Object(map) => Json::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        Json::Array(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .map(without_nulls)
            .collect(),
        other => other.clone(),
    }
}
