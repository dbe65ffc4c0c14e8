//! Hosts given on the command line: `h1,h2:2222`.

use super::sources::Attempt;
use super::{Inventory, address};
use crate::diagnostic::Diagnostic;
use crate::value::{Map, Value};

/// The advanced form also expands ranges.
pub(super) fn read(
    list: &str,
    advanced: bool,
    inventory: &mut Inventory,
    warnings: &mut Vec<Diagnostic>,
) -> Attempt {
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        // What is no name of a host stays as it is, as in Ansible.
        let (names, port) = if advanced {
            match address::expand(part) {
                Ok(expanded) => expanded,
                Err(reason) if reason.ends_with(address::NO_NUMBER) => {
                    return Err(vec![Diagnostic::error(
                        "inventory",
                        format!("Invalid data from string, could not parse: {reason}"),
                    )]);
                }
                Err(reason) => {
                    warnings.push(Diagnostic::warning(
                        "inventory",
                        format!(
                            "Unable to parse address from hostname, leaving unchanged: {reason}"
                        ),
                    ));
                    (vec![part.to_owned()], None)
                }
            }
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
    Ok(())
}

pub(super) fn set_port(inventory: &mut Inventory, host: &str, port: Option<u16>) {
    if let Some(port) = port {
        let mut vars = Map::new();
        vars.insert("ansible_port", Value::Int(port.into()));
        inventory.set_host_vars(host, &vars);
    }
}
