//! Which components run on which host, as a catalogue says.
//!
//! A catalogue is a folder of variable files, a role's defaults: each variable
//! `component_<name>` describes one component and names the `group` whose
//! hosts run it; `components_all` lists those that the site runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{Inventory, read_vars};
use ocplay_language::loader::Loader;
use ocplay_language::python;
use ocplay_language::template::Templar;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::Scope;
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::HostVars;

use super::view::View;

type Found<T> = Result<T, Vec<Diagnostic>>;

/// Names of components by the group that carries them, in the catalogue's order.
pub(super) type Components = Vec<(String, Vec<String>)>;

/// Variables of every host, with the catalogue's defaults below them.
struct Hosts {
    vars: BTreeMap<Arc<str>, Arc<Map>>,
    defaults: Arc<Map>,
    groups: Value,
}

impl Hosts {
    fn scope_of(&self, host: &str) -> Option<Scope> {
        let scope = Scope::new()
            .with(Level::RoleDefaults, Arc::clone(&self.defaults))
            .with(Level::InventoryHost, Arc::clone(self.vars.get(host)?))
            .with_var(Level::Magic, "inventory_hostname", host.into())
            .with_var(Level::Magic, "groups", self.groups.clone());
        Some(scope)
    }
}

/// What other hosts are asked for.
struct Others(Arc<Hosts>);

impl HostVars for Others {
    fn hosts(&self) -> Vec<Arc<str>> {
        self.0.vars.keys().cloned().collect()
    }

    fn scope(&self, host: &str) -> Option<Scope> {
        self.0.scope_of(host)
    }
}

/// Reads the catalogue for the hosts of an inventory.
///
/// # Errors
/// A file that cannot be read, an expression that cannot be evaluated.
pub(super) fn components(
    folder: &Path,
    view: &View<'_>,
    loader: &Arc<dyn Loader>,
) -> Found<BTreeMap<Arc<str>, Components>> {
    let defaults = Arc::new(defaults(folder, loader)?);
    let mut vars = BTreeMap::new();
    for (name, _) in view.inventory.hosts() {
        vars.insert(Arc::clone(name), Arc::new(view.host_vars(name)?));
    }
    let hosts = Arc::new(Hosts {
        vars,
        defaults,
        groups: groups(view.inventory),
    });
    let templar = Templar::new(Arc::clone(loader));
    let mut found = BTreeMap::new();
    for name in hosts.vars.keys() {
        let Some(scope) = hosts.scope_of(name) else {
            continue;
        };
        let scope = scope.with_hosts(Arc::new(Others(Arc::clone(&hosts))));
        let groups = view
            .inventory
            .host(name)
            .map(|host| Arc::clone(&host.groups));
        let groups = groups.unwrap_or_default();
        found.insert(
            Arc::clone(name),
            of_host(&hosts.defaults, &groups, &templar, &scope)?,
        );
    }
    Ok(found)
}

fn of_host(
    defaults: &Map,
    groups: &[Arc<str>],
    templar: &Templar,
    scope: &Scope,
) -> Found<Components> {
    let mut found: Components = Vec::new();
    for name in names(defaults, templar, scope)? {
        let variable = format!("component_{}", name.replace('-', "_"));
        let entry = scope.get(&variable).and_then(Value::as_map);
        let Some(group) = entry.and_then(|entry| entry.get("group")) else {
            return Err(vec![
                Diagnostic::error(
                    "catalogue",
                    format!("the catalogue lists '{name}', but {variable} names no group"),
                )
                .help("--catalogue names a folder with such variables"),
            ]);
        };
        let group = evaluate(group, templar, scope)?;
        let Some(group) = group
            .as_str()
            .filter(|group| groups.iter().any(|own| **own == **group))
        else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| known == group) {
            Some((_, names)) => names.push(name),
            None => found.push((group.to_owned(), vec![name])),
        }
    }
    Ok(found)
}

/// The components of the site; without a list all that are described.
fn names(defaults: &Map, templar: &Templar, scope: &Scope) -> Found<Vec<String>> {
    if let Some(all) = scope.get("components_all") {
        let all = evaluate(all, templar, scope)?;
        let Value::List(items) = &all else {
            return Err(vec![Diagnostic::error(
                "catalogue",
                "components_all is not a list",
            )]);
        };
        return Ok(items.iter().map(python::text).collect());
    }
    let described = defaults.iter().filter_map(|(key, value)| {
        let key = key.text();
        let name = key.strip_prefix("component_")?;
        value.as_map()?.get("group")?;
        Some(name.replace('_', "-"))
    });
    Ok(described.collect())
}

fn evaluate(value: &Value, templar: &Templar, scope: &Scope) -> Found<Value> {
    templar
        .resolve(value, scope)
        .map_err(|error| vec![Diagnostic::error("catalogue", error.to_string())])
}

/// All files of the folder, in the order of their names.
fn defaults(folder: &Path, loader: &Arc<dyn Loader>) -> Found<Map> {
    let unreadable = |error: std::io::Error| {
        vec![
            Diagnostic::error(
                "catalogue",
                format!("{} cannot be read: {error}", folder.display()),
            )
            .help("--catalogue names the folder of a role's defaults"),
        ]
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "yml" || end == "yaml")
        })
        .collect();
    files.sort();
    let mut all = Map::new();
    for file in files {
        all.extend(&*read_vars(&file, &**loader).map_err(|problem| vec![*problem])?);
    }
    Ok(all)
}

fn groups(inventory: &Inventory) -> Value {
    let mut all = Map::new();
    for (name, _) in inventory.groups() {
        let hosts: Value = inventory
            .hosts_of(name)
            .into_iter()
            .map(Value::Str)
            .collect();
        all.insert(&**name, hosts);
    }
    all.into()
}
