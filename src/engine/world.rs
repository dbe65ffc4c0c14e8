//! The variables of hosts, put together by precedence.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{Inventory, VarsFolders};
use ocplay_language::plan::{PlannedPlay, PlannedTask, Role};
use ocplay_language::value::{Key, Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::{HostVars, Scope};

use crate::options::RunOptions;

/// Other hosts' variables at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) scopes: HashMap<Arc<str>, Scope>,
    /// In inventory order.
    pub(crate) order: Vec<Arc<str>>,
}

impl HostVars for Snapshot {
    fn hosts(&self) -> Vec<Arc<str>> {
        self.order.clone()
    }

    fn scope(&self, host: &str) -> Option<Scope> {
        self.scopes.get(host).cloned()
    }
}

/// Layers from the inventory, its files and the playbook's folder.
pub(crate) fn inventory_scope(
    name: &Arc<str>,
    inventory: &Inventory,
    folders: &VarsFolders,
    playbook: Option<&Path>,
    lab: Option<&Arc<Map>>,
) -> Result<Scope, Box<Diagnostic>> {
    let mut scope = Scope::new();
    let everything = [Arc::<str>::from("all")];
    let host = inventory.host(name);
    let groups: &[Arc<str>] = host.map_or(&everything, |host| &host.groups);
    for group in groups {
        if let Some(group) = inventory.group(group) {
            scope = scope.with(Level::InventoryGroup, Arc::clone(&group.vars));
        }
    }
    // Folders of inventories first, then the playbook's: it wins at each step.
    let steps = [
        (
            inventory.folders().collect::<Vec<_>>(),
            Level::InventoryGroupVarsAll,
            Level::InventoryGroupVars,
            Level::InventoryHostVars,
        ),
        (
            playbook.into_iter().collect(),
            Level::PlaybookGroupVarsAll,
            Level::PlaybookGroupVars,
            Level::PlaybookHostVars,
        ),
    ];
    for (roots, all_level, group_level, host_level) in steps {
        for root in roots {
            for group in groups {
                let level = if &**group == "all" {
                    all_level
                } else {
                    group_level
                };
                scope = scope.with(level, folders.group(root, group)?);
            }
            scope = scope.with(host_level, folders.host(root, name)?);
        }
    }
    if let Some(host) = host {
        scope = scope.with(Level::InventoryHost, Arc::clone(&host.vars));
    }
    if let Some(vars) = lab {
        scope = scope.with(Level::PlaybookHostVars, Arc::clone(vars));
    }
    Ok(scope)
}

/// Magic variables that stay the same through a play.
pub(crate) fn play_magic(
    name: &Arc<str>,
    inventory: &Inventory,
    options: &RunOptions,
    play: Option<&PlannedPlay>,
) -> Map {
    let mut magic = Map::new();
    magic.insert("inventory_hostname", Value::Str(Arc::clone(name)));
    magic.insert(
        "inventory_hostname_short",
        name.split('.').next().unwrap_or(name),
    );
    let mut groups: Vec<Value> = inventory
        .host(name)
        .map(|host| &host.groups[..])
        .unwrap_or_default()
        .iter()
        .filter(|group| &***group != "all")
        .map(|group| Value::Str(Arc::clone(group)))
        .collect();
    groups.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    magic.insert("group_names", groups);
    let source = inventory.host(name).and_then(|host| host.source.as_ref());
    match source {
        Some(list) if list.contains(',') => {
            magic.insert("inventory_file", &**list);
            magic.insert("inventory_dir", Value::Null);
        }
        Some(file) => {
            let path = absolute(Path::new(&**file));
            let folder = path.parent().unwrap_or(&path);
            magic.insert("inventory_file", &*path.to_string_lossy());
            magic.insert("inventory_dir", &*folder.to_string_lossy());
        }
        None => {
            magic.insert("inventory_file", Value::Null);
            magic.insert("inventory_dir", Value::Null);
        }
    }
    let sources = inventory.sources().iter().map(|source| {
        if source.contains(',') {
            Value::from(source.as_str())
        } else {
            Value::from(&*absolute(Path::new(source)).to_string_lossy())
        }
    });
    magic.insert("ansible_inventory_sources", sources.collect::<Vec<Value>>());
    magic.insert("ansible_check_mode", options.check);
    magic.insert("ansible_diff_mode", options.diff);
    magic.insert(
        "ansible_forks",
        i64::try_from(options.forks).unwrap_or(i64::MAX),
    );
    magic.insert("ansible_verbosity", i64::from(options.verbosity));
    let words = |set: &std::collections::BTreeSet<String>| -> Value {
        set.iter().map(|word| Value::from(word.as_str())).collect()
    };
    magic.insert(
        "ansible_run_tags",
        if options.tags.only.is_empty() {
            vec![Value::from("all")].into()
        } else {
            words(&options.tags.only)
        },
    );
    magic.insert("ansible_skip_tags", words(&options.tags.skip));
    if let Some(limit) = &options.limit_text {
        magic.insert("ansible_limit", limit.as_str());
    }
    magic.insert("ansible_version", version());
    if let Some(python) = &options.python {
        magic.insert("ansible_playbook_python", python.as_str());
    }
    magic.insert("omit", Value::Omit);
    if let Some(play) = play {
        magic.insert("playbook_dir", &*absolute(&play.folder).to_string_lossy());
        if let Some(title) = play.play.name.as_ref().and_then(|name| name.value.as_str()) {
            magic.insert("ansible_play_name", title);
        }
        let names = |wanted: &dyn Fn(&Role) -> bool| -> Value {
            let roles = play.roles.iter().filter(|role| wanted(role));
            let mut seen = std::collections::BTreeSet::new();
            roles
                .filter(|role| seen.insert(role.name.as_str()))
                .map(|role| Value::from(role.name.as_str()))
                .collect()
        };
        let own = names(&|role| role.parent.is_none());
        magic.insert("ansible_play_role_names", own.clone());
        magic.insert("role_names", own);
        magic.insert(
            "ansible_dependent_role_names",
            names(&|role| role.parent.is_some()),
        );
        magic.insert("ansible_role_names", names(&|_| true));
    }
    magic
}

/// `groups`: shared by all hosts.
pub(crate) fn groups(inventory: &Inventory) -> Value {
    let mut groups = Map::new();
    for (name, _) in inventory.groups() {
        let hosts: Vec<Value> = inventory
            .hosts_of(name)
            .into_iter()
            .map(Value::Str)
            .collect();
        groups.0.insert(Key::Str(Arc::clone(name)), hosts.into());
    }
    groups.into()
}

/// The version of the language that is spoken here.
fn version() -> Value {
    let mut version = Map::new();
    version.insert("full", "2.19.14");
    version.insert("major", 2);
    version.insert("minor", 19);
    version.insert("revision", 14);
    version.insert("string", "2.19.14");
    version.into()
}

pub(crate) fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Adds what a task sees beyond its host: play, roles, blocks, its own words.
pub(crate) fn task_scope(
    host: &Scope,
    play: &PlannedPlay,
    play_vars: &[(Level, Arc<Map>)],
    task: &PlannedTask,
    dynamic_roles: &[Arc<Role>],
) -> Scope {
    let mut scope = host.clone();
    for (level, vars) in play_vars {
        scope = scope.with(*level, Arc::clone(vars));
    }
    for role in play.roles.iter().chain(dynamic_roles) {
        scope = scope
            .with(Level::RoleDefaults, Arc::clone(&role.defaults))
            .with(Level::RoleVars, Arc::clone(&role.vars));
    }
    let context = &task.context;
    if let Some(role) = context.role() {
        let mut chain = vec![role];
        while let Some(parent) = chain.last().and_then(|role| role.parent.as_ref()) {
            chain.push(parent);
        }
        for role in chain.into_iter().rev() {
            scope = scope
                .with(Level::RoleDefaults, Arc::clone(&role.defaults))
                .with(Level::RoleVars, Arc::clone(&role.vars))
                .with(Level::RoleParams, Arc::clone(&role.params));
        }
        let path = absolute(&role.path);
        let parents: Vec<Value> = role.parents().into_iter().rev().map(Value::from).collect();
        let mut magic = Map::new();
        magic.insert("role_name", role.name.as_str());
        magic.insert("ansible_role_name", role.name.as_str());
        magic.insert("role_path", &*path.to_string_lossy());
        if !parents.is_empty() {
            let mut paths: Vec<Value> = Vec::new();
            let mut at = role.parent.as_ref();
            while let Some(parent) = at {
                paths.push(Value::from(&*absolute(&parent.path).to_string_lossy()));
                at = parent.parent.as_ref();
            }
            magic.insert("ansible_parent_role_names", parents);
            magic.insert("ansible_parent_role_paths", paths);
        }
        scope = scope.with(Level::Magic, Arc::new(magic));
    }
    for vars in context.vars() {
        scope = scope.with(Level::TaskVars, vars);
    }
    for vars in context.include_vars() {
        scope = scope.with(Level::IncludeParams, vars);
    }
    let folders = context.search("files");
    let path: Value = folders
        .iter()
        .filter(|folder| !folder.ends_with("files"))
        .map(|folder| Value::from(&*absolute(folder).to_string_lossy()))
        .collect();
    scope
        .with_var(Level::Magic, "ansible_search_path", path)
        .with_search(folders.into())
}
