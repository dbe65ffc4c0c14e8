//! The lab of a scenario.

use std::io::Write;
use std::path::PathBuf;

use ocplay_language::diagnostic::Diagnostic;
use serde_json::{Map, Value as Json, json};

use super::inventory::Roads;
use super::place::{Place, unwritable};
use super::platforms::Platform;
use super::settings::Settings;
use crate::lab::{self, Lab, Scenery, USER};

type Found<T> = Result<T, Diagnostic>;

/// Name of the snapshot of prepared hosts.
pub(super) const PREPARED: &str = "prepared";

/// The scenario's lab as it was made.
pub(super) fn of(place: &Place, settings: &Settings) -> Found<Lab> {
    let own = place.ephemeral.join("lab.yml");
    let inventory = settings.driver.inventory.clone().unwrap_or(own);
    let scenery = Scenery {
        name: place.lab.clone(),
        hint: format!("ocplay test create {}", place.name),
        layers: settings.driver.registry.clone(),
        network: settings.driver.network.clone(),
    };
    Lab::of_test(&inventory.to_string_lossy(), scenery).map_err(|problem| *problem)
}

/// Makes the hosts and gives the ways to them.
pub(super) fn create(place: &Place, settings: &Settings, out: &mut dyn Write) -> Found<Roads> {
    if settings.driver.inventory.is_none() {
        place.make()?;
        let part = match &settings.driver.network {
            Some(part) => part.clone(),
            None => lab::take_part(&place.lab, settings.platforms.len()).map_err(|error| *error)?,
        };
        write_inventory(place, &settings.platforms, &part)?;
    }
    let lab = of(place, settings)?;
    lab::raise(&lab, false, out).map_err(|problem| *problem)?;
    Ok(roads(&lab))
}

pub(super) fn roads(lab: &Lab) -> Roads {
    lab.nodes
        .iter()
        .map(|node| {
            let mut vars = Map::new();
            let mut put = |name: &str, value: Json| vars.insert(name.to_owned(), value);
            put("ansible_host", node.address.to_string().into());
            put("lab_network", lab.range().into());
            put("lab_gateway", lab.gateway().into());
            put("ansible_port", 22.into());
            put("ansible_user", USER.into());
            put(
                "ansible_ssh_private_key_file",
                lab.key().to_string_lossy().into(),
            );
            put(
                "ansible_ssh_known_hosts_file",
                lab.known_hosts().to_string_lossy().into(),
            );
            (node.name.clone(), vars)
        })
        .collect()
}

/// The inventory from which the lab is made: hosts with addresses of the part.
fn write_inventory(place: &Place, platforms: &[Platform], part: &str) -> Found<()> {
    let chosen: Vec<_> = platforms
        .iter()
        .filter_map(|platform| platform.address)
        .collect();
    let mut free = (0..)
        .map_while(|index| lab::address(part, index))
        .filter(|address| !chosen.contains(address));
    let mut hosts = Map::new();
    for platform in platforms {
        let address = platform.address.or_else(|| free.next()).ok_or_else(|| {
            Diagnostic::error(
                "lab",
                format!("{part} has no room for {} hosts", platforms.len()),
            )
            .help("write a larger part in driver.options.network, within 198.51.100.0/24")
        })?;
        hosts.insert(
            platform.name.clone(),
            json!({
                "ansible_host": address.to_string(),
                "lab_vm": platform.vm,
                "lab_memory": platform.memory.unwrap_or(1024),
            }),
        );
    }
    let registry: Map<String, Json> = platforms
        .iter()
        .filter(|platform| platform.groups.iter().any(|group| group == "registry"))
        .map(|platform| (platform.name.clone(), json!({})))
        .collect();
    let text = json!({ "all": {
        "vars": { "lab_network": part },
        "hosts": hosts,
        "children": { "registry": { "hosts": registry } },
    }});
    let path: PathBuf = place.ephemeral.join("lab.yml");
    std::fs::write(&path, format!("{text:#}")).map_err(|error| unwritable(&path, &error))
}
