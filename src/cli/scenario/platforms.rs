//! The hosts that a scenario names.

use std::net::Ipv4Addr;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::yaml::{Entry, Node};

use super::driver::Kind;
use super::reader::Reader;

/// One host of a scenario.
#[derive(Debug, Clone, Default)]
pub(super) struct Platform {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// Groups below each of the groups.
    pub(super) children: Vec<String>,
    pub(super) address: Option<Ipv4Addr>,
    /// A virtual machine, not a container.
    pub(super) vm: bool,
    /// Megabytes: what a virtual machine gets, what a container is counted as.
    pub(super) memory: Option<u64>,
}

/// Reads the list of hosts.
pub(super) fn read(node: &Node, kind: Kind, reader: &mut Reader) -> Vec<Platform> {
    let Some(items) = node.as_list() else {
        if !node.is_null() {
            reader.problems.push(
                Diagnostic::error("molecule", "platforms must be a list of hosts").at(&node.span),
            );
        }
        return Vec::new();
    };
    let mut platforms: Vec<Platform> = Vec::new();
    for item in items {
        let platform = platform(item, kind, reader);
        if platform.name.is_empty() {
            reader.problems.push(
                Diagnostic::error("molecule", "this platform has no name")
                    .at(&item.span)
                    .help("add: name: instance"),
            );
        } else if platforms.iter().any(|other| other.name == platform.name) {
            reader.problems.push(
                Diagnostic::error(
                    "molecule",
                    format!("two platforms are called '{}'", platform.name),
                )
                .at(&item.span),
            );
        }
        platforms.push(platform);
    }
    platforms
}

fn platform(node: &Node, kind: Kind, reader: &mut Reader) -> Platform {
    // The playbooks that make and remove hosts may read any key.
    let known = [
        "name", "groups", "children", "address", "vm", "memory", "hostname",
    ];
    let foreign = [
        "image",
        "pre_build_image",
        "privileged",
        "volumes",
        "command",
        "tmpfs",
        "cgroupns_mode",
        "dockerfile",
        "capabilities",
        "networks",
        "network_mode",
        "env",
        "environment",
        "override_command",
        "published_ports",
        "exposed_ports",
        "ulimits",
        "registry",
        "docker_networks",
        "systemd",
        "box",
        "cpus",
        "interfaces",
        "pkg_extras",
        "provider_options",
        "provider_raw_config_args",
        "security_opts",
        "dns_servers",
    ];
    let mut platform = Platform {
        vm: kind == Kind::Vm,
        ..Platform::default()
    };
    for entry in reader.map(node, "a platform") {
        let value = &entry.value;
        match &*entry.key.text() {
            "name" => platform.name = reader.text(value, "a platform's name"),
            "groups" => platform.groups = reader.words(value, "groups"),
            "children" => platform.children = reader.words(value, "children"),
            _ if kind == Kind::Existing => {}
            "vm" => platform.vm = reader.flag(value, "vm"),
            "memory" => platform.memory = memory(entry, reader),
            "address" => {
                let text = reader.text(value, "address");
                platform.address = text.parse().ok();
                if platform.address.is_none() {
                    reader.problems.push(
                        Diagnostic::error("molecule", format!("'{text}' is no address"))
                            .at(&value.span)
                            .help(
                                "write for example 198.51.100.200, within driver.options.network",
                            ),
                    );
                }
            }
            "hostname" => reader.without_effect(entry, "a host is called as its platform"),
            other if foreign.contains(&other) => {
                reader.without_effect(entry, "hosts of a lab are all made alike");
            }
            other => reader.problems.push(
                Diagnostic::error("unknown-key", format!("a platform knows no key '{other}'"))
                    .at(&entry.key_span)
                    .suggest(other, known)
                    .help(format!("keys of a platform: {}", known.join(", "))),
            ),
        }
    }
    platform
}

/// Megabytes: `512`, `512m`, `2g`.
pub(super) fn memory(entry: &Entry, reader: &mut Reader) -> Option<u64> {
    let text = reader.text(&entry.value, "memory").to_lowercase();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let size = match &text[digits.len()..] {
        "" | "m" | "mb" | "mib" => number,
        "g" | "gb" | "gib" => number.and_then(|number| number.checked_mul(1024)),
        _ => None,
    };
    if size.is_none() {
        reader.problems.push(
            Diagnostic::error("molecule", format!("'{text}' is no amount of memory"))
                .at(&entry.value.span)
                .help("write 1024, or 1g"),
        );
    }
    size
}
