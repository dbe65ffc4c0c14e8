//! Hosts that ocplay did not make: those of an inventory, or of the scenario's `create.yml`.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::Source;
use ocplay_language::yaml::parse_one;
use serde_json::{Map, Value as Json};

use super::inventory::Roads;
use super::place::Place;
use super::settings::{Settings, merge};

/// What an entry of `instance_config.yml` says, and the variable that it becomes.
const FIELDS: [(&str, &str); 9] = [
    ("address", "ansible_host"),
    ("user", "ansible_user"),
    ("port", "ansible_port"),
    ("identity_file", "ansible_ssh_private_key_file"),
    ("password", "ansible_password"),
    ("become_pass", "ansible_become_password"),
    ("become_method", "ansible_become_method"),
    ("connection", "ansible_connection"),
    ("shell_type", "ansible_shell_type"),
];

/// The ways to the hosts.
pub(super) fn roads(
    place: &Place,
    settings: &Settings,
    managed: bool,
) -> Result<Roads, Diagnostic> {
    let mut roads: Roads = settings
        .platforms
        .iter()
        .map(|platform| (platform.name.clone(), settings.driver.connection.clone()))
        .collect();
    if managed {
        for (name, vars) in instances(place)? {
            match roads.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => merge(known, vars),
                None => roads.push((name, vars)),
            }
        }
    }
    Ok(roads)
}

/// What `create.yml` has written.
fn instances(place: &Place) -> Result<Roads, Diagnostic> {
    let path = place.instances();
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(Roads::new());
    };
    let (node, _) = parse_one(&Source::new(&path, text)).map_err(|problem| *problem)?;
    let mut roads = Roads::new();
    for item in node.as_list().unwrap_or_default() {
        let Json::Object(entry) = item.value().to_json() else {
            return Err(
                Diagnostic::error("molecule", "an instance must be a mapping").at(&item.span),
            );
        };
        let Some(name) = entry.get("instance").and_then(Json::as_str) else {
            return Err(Diagnostic::error("molecule", "this instance has no name")
                .at(&item.span)
                .help("write: instance: NAME"));
        };
        roads.push((name.to_owned(), road(&entry)));
    }
    Ok(roads)
}

fn road(entry: &Map<String, Json>) -> Map<String, Json> {
    let mut vars = Map::new();
    for (field, name) in FIELDS {
        if let Some(value) = entry.get(field).filter(|value| !value.is_null()) {
            vars.insert(name.to_owned(), value.clone());
        }
    }
    vars
}
