//! Facts about the host, under the names that playbooks know. Read from /proc,
//! /sys and /etc, so that gathering takes milliseconds.

mod account;
mod distribution;
mod hardware;
mod local;
mod network;
mod platform;
mod python;
pub(crate) mod storage;
mod time;
mod virtualization;

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

pub(crate) use distribution::{package_manager, service_manager};

use crate::host::{Failure, Look, glob};

/// What a family may look at, and where it puts what it finds.
pub(super) struct Gather<'a> {
    pub(super) look: &'a Look,
    pub(super) local_directory: &'a Path,
    pub(super) limit: Duration,
    facts: Map<String, Value>,
}

impl Gather<'_> {
    /// Adds `ansible_<name>`.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(format!("ansible_{name}"), value.into());
    }
}

struct Family {
    /// Subset names that select it; the first is its own.
    names: &'static [&'static str],
    /// Part of the minimal set.
    minimal: bool,
    gather: fn(&mut Gather<'_>),
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["platform", "apparmor", "caps", "fips", "selinux"],
        minimal: true,
        gather: platform::gather,
    },
    Family {
        names: &["distribution", "lsb", "pkg_mgr", "service_mgr"],
        minimal: true,
        gather: distribution::gather,
    },
    Family {
        names: &["python"],
        minimal: true,
        gather: python::gather,
    },
    Family {
        names: &["date_time"],
        minimal: true,
        gather: time::gather,
    },
    Family {
        names: &["user", "env", "ssh_pub_keys"],
        minimal: true,
        gather: account::gather,
    },
    Family {
        names: &["cmdline"],
        minimal: true,
        gather: platform::command_line,
    },
    Family {
        names: &["dns"],
        minimal: true,
        gather: network::name_service,
    },
    Family {
        names: &["local"],
        minimal: true,
        gather: local::gather,
    },
    Family {
        names: &[
            "network",
            "interfaces",
            "default_ipv4",
            "default_ipv6",
            "all_ipv4_addresses",
            "all_ipv6_addresses",
        ],
        minimal: false,
        gather: network::gather,
    },
    Family {
        names: &[
            "hardware",
            "memory",
            "processor",
            "processor_count",
            "processor_cores",
            "dmi",
            "uptime_seconds",
            "loadavg",
        ],
        minimal: false,
        gather: hardware::gather,
    },
    Family {
        names: &["hardware", "mounts", "devices"],
        minimal: false,
        gather: storage::gather,
    },
    Family {
        names: &[
            "virtual",
            "virtualization_type",
            "virtualization_role",
            "virtualization_tech_guest",
            "virtualization_tech_host",
            "is_chroot",
            "chroot",
        ],
        minimal: false,
        gather: virtualization::gather,
    },
];

/// Subsets of collectors that are not built in: accepted, and empty.
const EMPTY: &[&str] = &[
    "all",
    "min",
    "facter",
    "ohai",
    "python",
    "fibre_channel_wwn",
    "iscsi",
    "nvme",
];

/// Whether `family` is wanted.
fn wanted(family: &Family, subsets: &[String]) -> bool {
    let names = |subset: &str| family.names.contains(&subset);
    let excluded = subsets
        .iter()
        .filter_map(|subset| subset.strip_prefix('!'))
        .any(|subset| names(subset) || (subset == "min" && family.minimal));
    let included = subsets
        .iter()
        .any(|subset| names(subset) || subset == "all" || (subset == "min" && family.minimal));
    let anything_named = subsets.iter().any(|subset| !subset.starts_with('!'));
    let nothing = subsets.iter().any(|subset| subset == "!all");
    let by_default = family.minimal || (!anything_named && !nothing);
    !excluded && (included || by_default)
}

/// Gathers the facts of the wanted families and filters them by name.
pub(crate) fn gather(
    look: &Look,
    subsets: &[String],
    filters: &[String],
    local_directory: &Path,
    limit: i64,
) -> Result<Map<String, Value>, Failure> {
    let known = |name: &str| {
        EMPTY.contains(&name) || FAMILIES.iter().any(|family| family.names.contains(&name))
    };
    if let Some(unknown) = subsets
        .iter()
        .find(|subset| !known(subset.trim_start_matches('!')))
    {
        let mut names: Vec<&str> = FAMILIES
            .iter()
            .flat_map(|family| family.names)
            .copied()
            .collect();
        names.extend(["all", "min"]);
        names.sort_unstable();
        names.dedup();
        return Err(Failure::new(format!(
            "'{unknown}' is no subset of facts; known are {}",
            names.join(", ")
        )));
    }
    let mut gather = Gather {
        look,
        local_directory,
        limit: Duration::from_secs(u64::try_from(limit).unwrap_or(10).max(1)),
        facts: Map::new(),
    };
    for family in FAMILIES {
        if wanted(family, subsets) {
            (family.gather)(&mut gather);
        }
    }
    let mut facts = gather.facts;
    facts.insert(
        "gather_subset".to_owned(),
        subsets.iter().cloned().collect(),
    );
    facts.insert("module_setup".to_owned(), Value::Bool(true));
    let filters: Vec<&String> = filters.iter().filter(|filter| !filter.is_empty()).collect();
    if !filters.is_empty() {
        facts.retain(|name, _| {
            let short = name.strip_prefix("ansible_").unwrap_or(name);
            filters
                .iter()
                .any(|filter| glob::matches(filter, name) || glob::matches(filter, short))
        });
    }
    Ok(facts)
}

/// A file as trimmed text; empty if it cannot be read.
pub(super) fn text(path: impl AsRef<Path>) -> String {
    std::fs::read(path)
        .map(|data| {
            String::from_utf8_lossy(&data)
                .trim_matches(['\n', '\0', ' ', '\t'])
                .to_owned()
        })
        .unwrap_or_default()
}

/// Names in a directory, sorted.
pub(super) fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .map(|entries| {
            entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(subsets: &[&str]) -> Vec<&'static str> {
        let subsets: Vec<String> = subsets.iter().map(|s| (*s).to_owned()).collect();
        FAMILIES
            .iter()
            .filter(|family| wanted(family, &subsets))
            .map(|family| family.names[0])
            .collect()
    }

    #[test]
    fn subsets_as_ansible_reads_them() {
        assert_eq!(selected(&["all"]).len(), FAMILIES.len());
        assert_eq!(selected(&["!all"]).len(), 8);
        assert_eq!(selected(&["!all", "!min"]).len(), 0);
        assert_eq!(selected(&["!all", "!min", "network"]), ["network"]);
        assert_eq!(selected(&["network"]).len(), 9);
        assert_eq!(selected(&["!hardware"]).len(), FAMILIES.len() - 2);
        assert_eq!(selected(&["min"]).len(), 8);
    }
}
