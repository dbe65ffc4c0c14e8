//! What a scenario's `molecule.yml` says, read key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::{Source, Span};
use ocplay_language::yaml::{Node, parse_one};
use serde_json::{Map, Value as Json};

use super::driver::Kind;
use super::interpolate::{Lookup, interpolate};
use super::platforms::{self, Platform};
use super::reader::{Reader, plain};
use super::sequence::Sequences;

/// Everything that a scenario sets; what it leaves out is the default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(super) driver: Driver,
    pub(super) dependency: Dependency,
    pub(super) platforms: Vec<Platform>,
    pub(super) provisioner: Provisioner,
    pub(super) verifier: Verifier,
    pub(crate) sequences: Sequences,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Driver {
    pub(super) kind: Kind,
    /// `default`: the scenario's own playbooks make and remove hosts.
    pub(super) managed: Option<bool>,
    /// Lab: the hosts of this inventory, instead of platforms.
    pub(super) inventory: Option<PathBuf>,
    /// Lab: the part of the range to take.
    pub(super) network: Option<String>,
    /// Lab: megabytes that all hosts of an inventory are counted as.
    pub(super) memory: Option<u64>,
    /// Lab: whose cached image layers the registry begins with.
    pub(super) registry: Option<String>,
    pub(super) connection: Map<String, Json>,
    pub(super) login: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Dependency {
    /// What `name: shell` runs.
    pub(super) command: Option<String>,
    pub(super) disabled: bool,
    pub(super) options: Map<String, Json>,
    pub(super) env: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Provisioner {
    pub(super) playbooks: BTreeMap<String, String>,
    pub(super) config: Map<String, Json>,
    pub(super) connection: Map<String, Json>,
    pub(super) options: Map<String, Json>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) hosts: Map<String, Json>,
    pub(super) group_vars: Map<String, Json>,
    pub(super) host_vars: Map<String, Json>,
    pub(super) links: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Verifier {
    pub(super) disabled: bool,
    pub(super) env: Vec<(String, String)>,
}

const PLAYBOOKS: [&str; 7] = [
    "create",
    "converge",
    "destroy",
    "prepare",
    "side_effect",
    "verify",
    "cleanup",
];
const DRIVER_SECTIONS: [&str; 6] = ["docker", "podman", "vagrant", "lab", "vm", "default"];

/// Reads the files of a scenario, the later over the earlier.
pub(super) struct Reading<'a> {
    /// Relative paths start here.
    pub(super) folder: &'a Path,
    pub(super) lookup: Lookup<'a>,
    /// The driver that the command line asks for.
    pub(super) driver: Option<Kind>,
}

impl Reading<'_> {
    /// # Errors
    /// Every mistake of every file; warnings come with the settings.
    pub(super) fn files(
        &self,
        files: &[PathBuf],
    ) -> Result<(Settings, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut reader = Reader::default();
        let mut settings = Settings::default();
        for file in files {
            match self.parse(file, &mut reader.warnings) {
                Ok(node) => self.read(&node, &mut settings, &mut reader),
                Err(problem) => reader.problems.push(*problem),
            }
        }
        if let Some(kind) = self.driver {
            settings.driver.kind = kind;
        }
        if reader.problems.is_empty() {
            Ok((settings, reader.warnings))
        } else {
            reader.problems.extend(reader.warnings);
            Err(reader.problems)
        }
    }

    fn parse(
        &self,
        file: &Path,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Arc<Node>, Box<Diagnostic>> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Diagnostic::error(
                "missing-file",
                format!("{} cannot be read: {error}", file.display()),
            )
        })?;
        let text = interpolate(&text, self.lookup).map_err(|at| {
            let source = Source::new(file, text.clone());
            Diagnostic::error("variable", "this variable cannot be read")
                .at(&Span::new(&source, at..at + 1))
                .help("write ${NAME}, ${NAME:-word}, or $$ for a dollar sign")
        })?;
        let (node, found) = parse_one(&Source::new(file, text))?;
        warnings.extend(found);
        Ok(node)
    }

    fn read(&self, root: &Node, settings: &mut Settings, reader: &mut Reader) {
        let entries = reader.keys(
            root,
            "molecule.yml",
            &[
                "ansible",
                "dependency",
                "driver",
                "lint",
                "log",
                "platforms",
                "prerun",
                "provisioner",
                "role_name_check",
                "scenario",
                "shared_state",
                "verifier",
            ],
        );
        // What a platform may say depends on the driver.
        if let Some(entry) = root.get("driver") {
            self.driver(&entry.value, &mut settings.driver, reader);
        }
        let kind = self.driver.unwrap_or(settings.driver.kind);
        for entry in entries {
            let node = &entry.value;
            match &*entry.key.text() {
                "dependency" => dependency(node, &mut settings.dependency, reader),
                "platforms" => settings.platforms = platforms::read(node, kind, reader),
                "provisioner" => self.provisioner(node, &mut settings.provisioner, reader),
                "ansible" => self.ansible(node, &mut settings.provisioner, reader),
                "scenario" => scenario(node, &mut settings.sequences, reader),
                "verifier" => verifier(node, &mut settings.verifier, reader),
                "lint" => reader.without_effect(entry, "run ansible-lint beside it"),
                "shared_state" if reader.flag(node, "shared_state") => reader.problems.push(
                    Diagnostic::error("molecule", "scenarios here do not share hosts")
                        .at(&entry.key_span)
                        .help("remove shared_state: each scenario makes its own"),
                ),
                // 'log', 'prerun', 'role_name_check': what they ask for is so in any case.
                _ => {}
            }
        }
    }

    fn driver(&self, node: &Node, into: &mut Driver, reader: &mut Reader) {
        let entries = reader.keys(
            node,
            "driver",
            &[
                "name",
                "options",
                "provider",
                "safe_files",
                "ssh_connection_options",
            ],
        );
        for entry in entries {
            match &*entry.key.text() {
                "name" => {
                    let name = reader.text(&entry.value, "the driver's name");
                    match Kind::of(&name) {
                        Ok(kind) => into.kind = kind,
                        // The command line's word goes before the file's.
                        Err(_) if self.driver.is_some() => {}
                        Err(problem) => reader.problems.push(problem.at(&entry.value.span)),
                    }
                }
                "options" => self.driver_options(&entry.value, into, reader),
                "ssh_connection_options" => {
                    let words = reader.words(&entry.value, "ssh_connection_options");
                    into.connection
                        .insert("ansible_ssh_common_args".to_owned(), words.join(" ").into());
                }
                name @ ("provider" | "safe_files") => {
                    let why = format!("no driver of ocplay has a use for {name}");
                    reader.without_effect(entry, &why);
                }
                _ => {}
            }
        }
    }

    fn driver_options(&self, node: &Node, into: &mut Driver, reader: &mut Reader) {
        let known = [
            "managed",
            "inventory",
            "network",
            "registry",
            "memory",
            "ansible_connection_options",
            "login_cmd_template",
        ];
        for entry in reader.keys(node, "driver.options", &known) {
            let node = &entry.value;
            match &*entry.key.text() {
                "managed" => into.managed = Some(reader.flag(node, "managed")),
                "inventory" => {
                    let path = self.folder.join(reader.text(node, "inventory"));
                    if !path.exists() {
                        reader.problems.push(missing(&path, &node.span));
                    }
                    into.inventory = Some(path);
                }
                "memory" => into.memory = platforms::memory(entry, reader),
                "registry" => into.registry = Some(reader.text(node, "registry")),
                "network" => into.network = Some(reader.text(node, "network")),
                "ansible_connection_options" => {
                    into.connection = reader.json(node, "ansible_connection_options");
                }
                "login_cmd_template" => {
                    into.login = Some(reader.text(node, "login_cmd_template"));
                }
                _ => {}
            }
        }
    }

    fn provisioner(&self, node: &Node, into: &mut Provisioner, reader: &mut Reader) {
        let entries = reader.keys(
            node,
            "provisioner",
            &[
                "name",
                "log",
                "ansible_args",
                "config_options",
                "connection_options",
                "options",
                "env",
                "inventory",
                "playbooks",
                "lint",
            ],
        );
        for entry in entries {
            let node = &entry.value;
            match &*entry.key.text() {
                "name" => {
                    let name = reader.text(node, "the provisioner's name");
                    if name != "ansible" {
                        reader.problems.push(
                            Diagnostic::error(
                                "molecule",
                                format!("there is no provisioner '{name}'"),
                            )
                            .at(&node.span)
                            .help("write 'ansible': playbooks"),
                        );
                    }
                }
                "ansible_args" => into.args = reader.words(node, "ansible_args"),
                "config_options" => merge(&mut into.config, reader.json(node, "config_options")),
                "connection_options" => merge(
                    &mut into.connection,
                    reader.json(node, "connection_options"),
                ),
                "options" => merge(&mut into.options, reader.json(node, "options")),
                "env" => into.env.extend(reader.environment(node, "env")),
                "inventory" => self.inventory(node, into, reader),
                "playbooks" => playbooks(node, into, reader),
                "lint" => reader.without_effect(entry, "run ansible-lint beside it"),
                _ => {}
            }
        }
    }

    /// The newer place of what a provisioner sets.
    fn ansible(&self, node: &Node, into: &mut Provisioner, reader: &mut Reader) {
        for entry in reader.keys(node, "ansible", &["cfg", "env", "executor", "playbooks"]) {
            let node = &entry.value;
            match &*entry.key.text() {
                "cfg" => merge(&mut into.config, reader.json(node, "cfg")),
                "env" => into.env.extend(reader.environment(node, "env")),
                "playbooks" => playbooks(node, into, reader),
                "executor" => executor(node, into, reader),
                _ => {}
            }
        }
    }

    fn inventory(&self, node: &Node, into: &mut Provisioner, reader: &mut Reader) {
        let known = ["hosts", "group_vars", "host_vars", "links"];
        for entry in reader.keys(node, "inventory", &known) {
            let node = &entry.value;
            match &*entry.key.text() {
                "hosts" => merge(&mut into.hosts, reader.json(node, "inventory.hosts")),
                "group_vars" => merge(&mut into.group_vars, reader.json(node, "group_vars")),
                "host_vars" => merge(&mut into.host_vars, reader.json(node, "host_vars")),
                "links" => {
                    let known = ["hosts", "group_vars", "host_vars"];
                    for link in reader.keys(node, "links", &known) {
                        let path = self.folder.join(reader.text(&link.value, "a link"));
                        if !path.exists() {
                            reader.problems.push(missing(&path, &link.value.span));
                        }
                        into.links.insert(link.key.text().to_string(), path);
                    }
                }
                _ => {}
            }
        }
    }
}

fn missing(path: &Path, span: &Span) -> Diagnostic {
    Diagnostic::error("missing-file", format!("{} does not exist", path.display())).at(span)
}

fn executor(node: &Node, into: &mut Provisioner, reader: &mut Reader) {
    for entry in reader.keys(node, "executor", &["args", "backend"]) {
        match &*entry.key.text() {
            "args" => {
                let known = ["ansible_playbook", "ansible_navigator"];
                for args in reader.keys(&entry.value, "executor.args", &known) {
                    if &*args.key.text() == "ansible_playbook" {
                        into.args = reader.words(&args.value, "ansible_playbook");
                    } else {
                        reader.without_effect(args, "ocplay runs the playbooks itself");
                    }
                }
            }
            _ => reader.without_effect(entry, "ocplay runs the playbooks itself"),
        }
    }
}

fn playbooks(node: &Node, into: &mut Provisioner, reader: &mut Reader) {
    for entry in reader.map(node, "playbooks") {
        let name = entry.key.text();
        if PLAYBOOKS.contains(&&*name) {
            let file = reader.text(&entry.value, &format!("playbook '{name}'"));
            into.playbooks.insert(name.to_string(), file);
        } else if DRIVER_SECTIONS.contains(&&*name) {
            for inner in reader.keys(&entry.value, &format!("playbooks.{name}"), &PLAYBOOKS) {
                let inner_name = inner.key.text();
                let file = reader.text(&inner.value, &format!("playbook '{inner_name}'"));
                into.playbooks.insert(format!("{name}.{inner_name}"), file);
            }
        } else {
            reader.problems.push(
                Diagnostic::error("unknown-key", format!("there is no playbook '{name}'"))
                    .at(&entry.key_span)
                    .suggest(&name, PLAYBOOKS),
            );
        }
    }
}

fn dependency(node: &Node, into: &mut Dependency, reader: &mut Reader) {
    let known = ["name", "command", "enabled", "options", "env"];
    let entries = reader.keys(node, "dependency", &known);
    let mut shell = None;
    for entry in entries {
        match &*entry.key.text() {
            "name" => match &*reader.text(&entry.value, "the dependency's name") {
                "galaxy" => {}
                "shell" => shell = Some(entry),
                other => reader.problems.push(
                    Diagnostic::error(
                        "molecule",
                        format!("there is no dependency manager '{other}'"),
                    )
                    .at(&entry.value.span)
                    .help("galaxy or shell"),
                ),
            },
            "command" => into.command = Some(reader.text(&entry.value, "command")),
            "enabled" => into.disabled = !reader.flag(&entry.value, "enabled"),
            "options" => into.options = reader.json(&entry.value, "options"),
            "env" => into.env = reader.environment(&entry.value, "env"),
            _ => {}
        }
    }
    match shell {
        Some(entry) if into.command.is_none() => reader.problems.push(
            Diagnostic::error("molecule", "the dependency manager 'shell' needs a command")
                .at(&entry.value.span)
                .help("add: command: ./fetch.sh"),
        ),
        None => into.command = None,
        Some(_) => {}
    }
}

fn scenario(node: &Node, into: &mut Sequences, reader: &mut Reader) {
    let known = [
        "name",
        "check_sequence",
        "cleanup_sequence",
        "converge_sequence",
        "create_sequence",
        "dependency_sequence",
        "destroy_sequence",
        "idempotence_sequence",
        "prepare_sequence",
        "side_effect_sequence",
        "syntax_sequence",
        "test_sequence",
        "verify_sequence",
        "lint_sequence",
    ];
    for entry in reader.keys(node, "scenario", &known) {
        let key = entry.key.text();
        if let Some(action) = Sequences::action_of_key(&key) {
            into.read(action, &entry.value, reader);
        } else if &*key == "lint_sequence" {
            reader.without_effect(entry, "run ansible-lint beside it");
        } else if &*key == "name" {
            reader.without_effect(entry, "a scenario is called as its folder");
        }
    }
}

fn verifier(node: &Node, into: &mut Verifier, reader: &mut Reader) {
    let known = [
        "name",
        "enabled",
        "env",
        "directory",
        "options",
        "additional_files_or_dirs",
        "lint",
    ];
    for entry in reader.keys(node, "verifier", &known) {
        match &*entry.key.text() {
            "name" => {
                let name = reader.text(&entry.value, "the verifier's name");
                if name != "ansible" {
                    reader.problems.push(
                        Diagnostic::error(
                            "molecule",
                            format!("the verifier '{name}' cannot be run by ocplay"),
                        )
                        .at(&entry.value.span)
                        .help(
                            "write what it proves as a playbook, verify.yml, and 'name: ansible'",
                        ),
                    );
                }
            }
            "enabled" => into.disabled = !reader.flag(&entry.value, "enabled"),
            "env" => into.env = reader.environment(&entry.value, "env"),
            "lint" => reader.without_effect(entry, "run ansible-lint beside it"),
            "directory" | "options" | "additional_files_or_dirs" => {
                reader.without_effect(entry, "verify.yml is a playbook");
            }
            _ => {}
        }
    }
}

/// Puts a mapping over another, key by key, all the way down.
pub(super) fn merge(into: &mut Map<String, Json>, over: Map<String, Json>) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(Json::Object(old)), Json::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Options of a command line from a mapping: `vvv: true`, `limit: web`, `extra-vars: {…}`.
pub(super) fn flags(options: &Map<String, Json>) -> Vec<String> {
    let mut words = Vec::new();
    for (name, value) in options {
        let is_verbosity = !name.is_empty() && name.bytes().all(|byte| byte == b'v');
        let dashes = if is_verbosity || name.len() == 1 {
            "-"
        } else {
            "--"
        };
        let option = format!("{dashes}{}", name.replace('_', "-"));
        match value {
            Json::Bool(true) => words.push(option),
            Json::Bool(false) | Json::Null => {}
            Json::Array(items) => {
                for item in items {
                    words.extend([option.clone(), plain(item)]);
                }
            }
            other => words.extend([option, plain(other)]),
        }
    }
    words
}
