//! The modules that exist, by every name they answer to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use ocplay_protocol::{ModuleInfo, Place};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::playbook::ast::short_module_name;
use crate::source::Span;

/// Words that the engine itself carries out; they are no modules, but stand
/// in a task where a module does.
pub const STRUCTURAL: [&str; 7] = [
    "include_tasks",
    "import_tasks",
    "include_role",
    "import_role",
    "include",
    "meta",
    "include_vars",
];

/// All modules, in name order.
#[derive(Debug, Default)]
pub struct Catalogue {
    modules: BTreeMap<&'static str, ModuleInfo>,
    /// Programs of the playbook's author, by name; those of collections by
    /// their full name.
    externals: RwLock<BTreeMap<String, &'static External>>,
}

/// A program of the playbook's author that is used as a module.
#[derive(Debug)]
pub struct External {
    pub info: ModuleInfo,
    pub path: PathBuf,
}

/// How a program wants its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A file with one JSON object.
    Json,
    /// A file of `name=value` pairs.
    Pairs,
    /// It cannot be run: it needs Ansible's own Python library.
    NeedsAnsible,
    /// It cannot be run: PowerShell.
    PowerShell,
}

impl Style {
    /// Tells from a program's content what it is.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let has = |word: &str| {
            content
                .windows(word.len())
                .any(|window| window == word.as_bytes())
        };
        let text = |byte: &u8| matches!(byte, 7..=13 | 27 | 0x20..=0x7e | 0x80..);
        if !content.iter().take(1024).all(text) || has("WANT_JSON") {
            return Self::Json;
        }
        let library = [
            "from ansible.module_utils",
            "import ansible.module_utils",
            "from ansible_collections.",
            "<<INCLUDE_ANSIBLE_MODULE_COMMON>>",
            "from ...module_utils",
            "from ..module_utils",
        ];
        if library.into_iter().any(has) {
            return Self::NeedsAnsible;
        }
        if [
            "#Requires -Module",
            "#AnsibleRequires",
            "# POWERSHELL_COMMON",
        ]
        .into_iter()
        .any(has)
        {
            return Self::PowerShell;
        }
        Self::Pairs
    }
}

impl Catalogue {
    #[must_use]
    pub fn new(modules: impl IntoIterator<Item = ModuleInfo>) -> Self {
        Self {
            modules: modules.into_iter().map(|info| (info.name, info)).collect(),
            externals: RwLock::default(),
        }
    }

    /// Adds the programs of a folder; the first of a name stays.
    pub fn add_library(&self, folder: &Path, loader: &dyn Loader) {
        self.add_folder(folder, "", loader);
    }

    /// Adds the modules of all collections below a folder.
    pub fn add_collections(&self, root: &Path, loader: &dyn Loader) {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        for namespace in loader.list(root).unwrap_or_default() {
            for collection in loader.list(&namespace).unwrap_or_default() {
                let (Some(first), Some(second)) = (name(&namespace), name(&collection)) else {
                    continue;
                };
                let folder = collection.join("plugins/modules");
                self.add_folder(&folder, &format!("{first}.{second}."), loader);
            }
        }
    }

    fn add_folder(&self, folder: &Path, prefix: &str, loader: &dyn Loader) {
        let Ok(entries) = loader.list(folder) else {
            return;
        };
        let mut all = self
            .externals
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for path in entries {
            let extension = path.extension().and_then(|text| text.to_str());
            let other = matches!(
                extension,
                Some("pyc" | "pyo" | "md" | "txt" | "rst" | "yml" | "yaml" | "json" | "ps1" | "cs")
            );
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            if other || stem.starts_with(['.', '_']) || !loader.is_file(&path) {
                continue;
            }
            all.entry(format!("{prefix}{stem}")).or_insert_with(|| {
                // Few, and they live as long as the program.
                Box::leak(Box::new(External {
                    info: ModuleInfo {
                        name: Box::leak(stem.to_owned().into_boxed_str()),
                        collection: "",
                        doc: format!("A program of this playbook: {}", path.display()),
                        place: Place::Host,
                        args: Vec::new(),
                        free_form: false,
                        open: true,
                    },
                    path: path.clone(),
                }))
            });
        }
    }

    /// The author's program of this name.
    #[must_use]
    pub fn external(&self, name: &str) -> Option<&'static External> {
        let name = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        let all = self
            .externals
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        // A collection's own module gives way to the one that is built in.
        if name.contains('.') && self.modules.contains_key(short_module_name(name)) {
            return None;
        }
        all.get(name).copied()
    }

    /// The module of this name, with or without its collection.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ModuleInfo> {
        match self.external(name) {
            Some(external) => Some(&external.info),
            None => self.modules.get(short_module_name(name)),
        }
    }

    /// The name with its collection, as messages show it.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        let short = short_module_name(name);
        match self.get(name) {
            Some(info) => format!("{}.{short}", info.collection),
            None if STRUCTURAL.contains(&short) => format!("ansible.builtin.{short}"),
            None => name.to_owned(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &ModuleInfo> {
        self.modules.values()
    }

    /// Whether a key of a task can be its module.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        STRUCTURAL.contains(&short_module_name(name)) || self.get(name).is_some()
    }

    /// Whether the module takes a line of free text.
    #[must_use]
    pub fn is_free_form(&self, name: &str) -> bool {
        matches!(
            short_module_name(name),
            "include_tasks" | "import_tasks" | "include" | "meta" | "include_vars"
        ) || self.get(name).is_some_and(|info| info.free_form)
    }

    /// Arguments that may stand as `key=value` in a line of free text.
    #[must_use]
    pub fn line_options(&self, name: &str) -> Vec<&'static str> {
        if matches!(
            short_module_name(name),
            "include_tasks" | "import_tasks" | "include"
        ) {
            return vec!["file"];
        }
        self.get(name).map_or_else(Vec::new, |info| {
            info.args
                .iter()
                .flat_map(|arg| std::iter::once(arg.name).chain(arg.aliases.iter().copied()))
                .filter(|name| !name.starts_with('_') && *name != "cmd")
                .collect()
        })
    }

    /// The message for a module that does not exist.
    #[must_use]
    pub fn unknown(&self, name: &str, span: &Span) -> Diagnostic {
        if let Some(reason) = unsupported(name) {
            return Diagnostic::error("unsupported-module", format!("module '{name}' {reason}"))
                .at(span)
                .help("leave the task out, or put a program of this name into 'library/'");
        }
        let names = self.modules.keys().copied().chain(STRUCTURAL);
        Diagnostic::error("unknown-module", format!("there is no module '{name}'"))
            .at(span)
            .suggest(short_module_name(name), names)
            .help("'ocplay doc -l' lists all modules")
    }
}

/// Why a name that Ansible knows is not known here.
fn unsupported(name: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 21] = [
        ("win_", "is for Windows hosts, which are not managed here"),
        ("vmware_", "is for VMware, which is not managed here"),
        ("vcenter_", "is for VMware, which is not managed here"),
        ("vsphere_", "is for VMware, which is not managed here"),
        ("ec2", "is for a public cloud, which is not managed here"),
        ("aws_", "is for a public cloud, which is not managed here"),
        ("azure_", "is for a public cloud, which is not managed here"),
        (
            "azure_rm",
            "is for a public cloud, which is not managed here",
        ),
        ("gcp_", "is for a public cloud, which is not managed here"),
        ("gce", "is for a public cloud, which is not managed here"),
        ("s3_", "is for a public cloud, which is not managed here"),
        ("rds_", "is for a public cloud, which is not managed here"),
        (
            "route53",
            "is for a public cloud, which is not managed here",
        ),
        ("ios_", "is for network devices, which are not managed here"),
        ("eos_", "is for network devices, which are not managed here"),
        (
            "nxos_",
            "is for network devices, which are not managed here",
        ),
        (
            "junos_",
            "is for network devices, which are not managed here",
        ),
        ("virt", "is not there"),
        ("os_", "is not there"),
        ("k8s", "is not there"),
        ("helm", "is not there"),
    ];
    let short = name.rsplit('.').next().unwrap_or(name);
    let family = FAMILIES.iter().find(|(start, _)| short.starts_with(start));
    if let Some((_, reason)) = family {
        return Some(reason);
    }
    // Those of Ansible's that content for Linux hosts names.
    let known = match short {
        "gluster_volume" => "is not there: use the program gluster with the module command",
        "homebrew" | "homebrew_cask" | "homebrew_tap" => "is for macOS, which is not managed here",
        "jenkins_plugin" => {
            "is not there: use jenkins-plugin-cli with the module command, or Jenkins' own interface with uri"
        }
        _ => "",
    };
    if !known.is_empty() {
        return Some(known);
    }
    (name.split('.').count() == 3 && short_module_name(name) == name)
        .then_some("belongs to a collection that is not here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart() {
        assert_eq!(Style::of(b"\x7fELF\x02\x01\x01\0\0"), Style::Json);
        assert_eq!(Style::of(b"#!/bin/sh\n# WANT_JSON\n"), Style::Json);
        assert_eq!(Style::of(b"#!/bin/sh\n. $1\n"), Style::Pairs);
        let python = b"#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n";
        assert_eq!(Style::of(python), Style::NeedsAnsible);
    }
}
