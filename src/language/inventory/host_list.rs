//! Hosts given on the command line: `h1,h2:2222`.

use super::{Inventory, address};
use crate::value::{Map, Value};

/// The advanced form also expands ranges.
pub(super) fn read(list: &str, advanced: bool, inventory: &mut Inventory) {
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        // What is no name of a host stays as it is, as in Ansible.
        let (names, port) = if advanced {
            address::expand(part).unwrap_or_else(|_| (vec![part.to_owned()], None))
        } else {
            let (name, port) = address::parse(part, false).unwrap_or((part, None));
            (vec![name.to_owned()], port)
        };
        for name in names {
            if inventory.host(&name).is_none() {
                inventory.add_host(&name, "ungrouped");
                set_port(inventory, &name, port);
            }
        }
    }
}

pub(super) fn set_port(inventory: &mut Inventory, host: &str, port: Option<u16>) {
    if let Some(port) = port {
        let mut vars = Map::new();
        vars.insert("ansible_port", Value::Int(port.into()));
        inventory.set_host_vars(host, &vars);
    }
}
