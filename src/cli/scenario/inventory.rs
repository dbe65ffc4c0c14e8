//! The inventory of a scenario: its platforms, its variables, and how the hosts are reached.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ocplay_language::diagnostic::Diagnostic;
use serde_json::{Map, Value as Json, json};

use super::driver::Kind;
use super::place::{Place, unwritable};
use super::role;
use super::settings::{Settings, merge};

/// Variables with which a host is reached, by name.
pub(super) type Roads = Vec<(String, Map<String, Json>)>;

/// Writes the inventory and gives all sources that a run takes, the last over the others.
pub(super) fn write(place: &Place, settings: &Settings, roads: &Roads) -> Result<(), Diagnostic> {
    place.make()?;
    role::link(place)?;
    let text = serde_json::to_string_pretty(&Json::Object(build(place, settings, roads)))
        .unwrap_or_default();
    let path = place.inventory();
    std::fs::remove_file(&path).ok();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| unwritable(&path, &error))?;
    for name in ["group_vars", "host_vars"] {
        let link = place.inventory_folder().join(name);
        std::fs::remove_file(&link).ok();
        if let Some(target) = settings.provisioner.links.get(name) {
            link_to(target, &link)?;
        }
    }
    Ok(())
}

pub(super) fn link_to(target: &Path, link: &Path) -> Result<(), Diagnostic> {
    let target = target
        .canonicalize()
        .map_err(|error| unwritable(target, &error))?;
    std::os::unix::fs::symlink(&target, link).map_err(|error| unwritable(link, &error))
}

/// The sources of a run, the later over the earlier.
pub(super) fn sources(place: &Place, settings: &Settings) -> Vec<String> {
    let given = [
        settings.driver.inventory.as_ref(),
        settings.provisioner.links.get("hosts"),
    ];
    given
        .into_iter()
        .flatten()
        .map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()))
        .chain([place.inventory()])
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

fn build(place: &Place, settings: &Settings, roads: &Roads) -> Map<String, Json> {
    let provisioner = &settings.provisioner;
    let mut hosts = Map::new();
    for (name, road) in roads {
        let mut vars = provisioner.connection.clone();
        merge(&mut vars, road.clone());
        hosts.insert(name.clone(), Json::Object(vars));
    }
    for (name, vars) in &provisioner.host_vars {
        let mut one = Map::new();
        one.insert(name.clone(), vars.clone());
        // Where hosts come from elsewhere, every name may be one of them.
        let foreign = settings.driver.kind == Kind::Existing || settings.driver.inventory.is_some();
        if hosts.contains_key(name) || foreign || name == "localhost" {
            merge(&mut hosts, one);
        }
    }
    let mut groups = Map::new();
    for platform in &settings.platforms {
        for group in &platform.groups {
            let children: Map<String, Json> = platform
                .children
                .iter()
                .map(|child| (child.clone(), json!({ "hosts": { &platform.name: {} } })))
                .collect();
            let mut own = json!({ group: { "hosts": { &platform.name: {} } } });
            if !children.is_empty() {
                own[group]["children"] = Json::Object(children);
            }
            if let Json::Object(own) = own {
                merge(&mut groups, own);
            }
        }
    }
    let mut everywhere = molecule_vars(place);
    for (name, vars) in &provisioner.group_vars {
        match vars {
            Json::Object(vars) if name == "all" => merge(&mut everywhere, vars.clone()),
            vars => {
                if let Json::Object(own) = json!({ name: { "vars": vars } }) {
                    merge(&mut groups, own);
                }
            }
        }
    }
    let mut root = Map::new();
    root.insert(
        "all".to_owned(),
        json!({ "hosts": hosts, "children": groups, "vars": everywhere }),
    );
    merge(&mut root, provisioner.hosts.clone());
    root
}

/// Variables that molecule's users read in their playbooks.
fn molecule_vars(place: &Place) -> Map<String, Json> {
    let mut vars = Map::new();
    let path = |path: &Path| Json::String(path.to_string_lossy().into_owned());
    vars.insert("molecule_file".to_owned(), path(&place.file()));
    vars.insert(
        "molecule_scenario_directory".to_owned(),
        path(&place.folder),
    );
    vars.insert(
        "molecule_ephemeral_directory".to_owned(),
        path(&place.ephemeral),
    );
    vars.insert(
        "molecule_instance_config".to_owned(),
        path(&place.instances()),
    );
    vars.insert("molecule_no_log".to_owned(), Json::Bool(false));
    vars.insert(
        "molecule_yml".to_owned(),
        "{{ lookup('file', molecule_file) | from_yaml }}".into(),
    );
    vars
}
