//! Which source is of which kind. As in Ansible every enabled kind may try,
//! the first that succeeds counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fancy_regex::Regex;

use super::{
    GroupNames, Inventory, Options, constructed, generator, host_list, ini, script, toml, yaml,
};
use crate::diagnostic::{Diagnostic, Severity};
use crate::loader::Loader;
use crate::source::Source;
use crate::yaml::{Node, parse_one};

/// Names that a folder never reads as inventories.
const RESERVED: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
const YAML_ENDS: [&str; 3] = ["yml", "yaml", "json"];
/// Kinds that are Python programs in Ansible and built in here.
const PLUGINS: [&str; 2] = ["constructed", "generator"];

/// What `auto` says about other files.
const NO_PLUGIN: &str = "no root 'plugin' key found";

/// What one kind made of a source.
pub(super) type Attempt = Result<(), Vec<Diagnostic>>;

/// Reading state of a whole inventory.
pub(super) struct Reader<'a> {
    pub(super) inventory: Inventory,
    pub(super) options: &'a Options,
    pub(super) loader: &'a Arc<dyn Loader>,
    pub(super) warnings: Vec<Diagnostic>,
    problems: Vec<Diagnostic>,
    ignored: Vec<Regex>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(options: &'a Options, loader: &'a Arc<dyn Loader>) -> Self {
        let mut inventory = Inventory::default();
        inventory.set_group_names(options.group_names);
        inventory.set_merging(options.merging);
        Self {
            inventory,
            options,
            loader,
            warnings: Vec::new(),
            problems: Vec::new(),
            ignored: Vec::new(),
        }
    }

    pub(super) fn read(
        mut self,
        sources: &[String],
    ) -> Result<(Inventory, Vec<Diagnostic>), Vec<Diagnostic>> {
        for pattern in &self.options.ignored_patterns {
            match Regex::new(pattern) {
                Ok(regex) => self.ignored.push(regex),
                Err(error) => self.problems.push(Diagnostic::error(
                    "inventory",
                    format!("the pattern '{pattern}' of files to ignore is not valid: {error}"),
                )),
            }
        }
        self.check_kinds();
        self.inventory.set_sources(sources, self.options);
        let mut parsed = false;
        for source in sources.iter().filter(|source| !source.is_empty()) {
            let path = Path::new(source);
            if self.loader.is_dir(path) {
                self.inventory.add_folder(path);
            } else if let Some(folder) = path.parent().filter(|_| !is_list(source, &**self.loader))
            {
                self.inventory.add_folder(folder);
            }
            parsed |= self.source(source);
        }
        if !parsed {
            if self.options.unparsed_fails {
                self.problems.push(Diagnostic::error(
                    "inventory",
                    "No inventory was parsed, please check your configuration and options.",
                ));
            } else if self.options.unparsed_warns {
                self.warnings.push(
                    Diagnostic::warning(
                        "inventory",
                        "No inventory was parsed, only implicit localhost is available",
                    )
                    .help("give an existing file or folder with -i, or hosts as 'h1,h2,'"),
                );
            }
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.inventory.finish();
        self.warn_about_names();
        Ok((self.inventory, self.warnings))
    }

    /// A form that still works, but should not be used.
    pub(super) fn remark(&mut self, message: &str) {
        self.warnings
            .push(Diagnostic::warning("deprecated", message));
    }

    /// Kinds that are not there are named once.
    fn check_kinds(&mut self) {
        for name in &self.options.enabled {
            let known = [
                "host_list",
                "advanced_host_list",
                "script",
                "auto",
                "yaml",
                "ini",
                "toml",
            ];
            let short = short(name);
            if !known.contains(&short) && !PLUGINS.contains(&short) {
                self.warnings.push(
                    Diagnostic::warning(
                        "inventory",
                        format!("Failed to load inventory plugin, skipping {name}"),
                    )
                    .suggest(short, known.into_iter().chain(PLUGINS))
                    .help("a script that answers --list does the same in any language"),
                );
            }
        }
    }

    fn warn_about_names(&mut self) {
        if self.inventory.has_odd_names() {
            let done = match self.options.group_names {
                GroupNames::Never => "but not replaced",
                _ => "and automatically replaced",
            };
            self.warnings.push(Diagnostic::warning(
                "group-name",
                format!(
                    "Invalid characters were found in group names {done}, use -vvvv to see details"
                ),
            ));
        }
        for name in self.inventory.ambiguous_names() {
            self.warnings.push(Diagnostic::warning(
                "inventory",
                format!("Found both group and host with same name: {name}"),
            ));
        }
    }

    fn source(&mut self, source: &str) -> bool {
        let path = Path::new(source);
        if self.loader.is_dir(path) {
            return self.folder(path);
        }
        self.inventory.set_source(Some(source));
        let parsed = self.one(source);
        self.inventory.set_source(None);
        parsed
    }

    fn folder(&mut self, folder: &Path) -> bool {
        let entries = match self.loader.list(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.problems.push(Diagnostic::error(
                    "inventory",
                    format!("the inventory {} cannot be read: {error}", folder.display()),
                ));
                return false;
            }
        };
        let mut parsed = false;
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let ignored = name.starts_with('.')
                || RESERVED.iter().any(|reserved| name == *reserved)
                || self
                    .options
                    .ignored_ends
                    .iter()
                    .any(|end| name.ends_with(end.as_str()))
                || self
                    .ignored
                    .iter()
                    .any(|regex| regex.is_match(&*name).unwrap_or(false));
            if !ignored {
                parsed |= self.source(&entry.to_string_lossy());
            }
        }
        parsed
    }

    /// Lets every kind try a source that is no folder.
    fn one(&mut self, source: &str) -> bool {
        // How people say that there is no inventory.
        if source == "/dev/null" {
            return true;
        }
        let mut failures: Vec<(String, Vec<Diagnostic>)> = Vec::new();
        let options = self.options;
        for name in &options.enabled {
            let kind = short(name);
            if let Some(attempt) = self.attempt(kind, source) {
                match attempt {
                    Ok(()) => return true,
                    Err(problems) => failures.push((name.clone(), problems)),
                }
            }
        }
        self.report(source, failures);
        false
    }

    /// Why nobody could read a source.
    fn report(&mut self, source: &str, failures: Vec<(String, Vec<Diagnostic>)>) {
        let path = Path::new(source);
        let missing = !self.loader.exists(path);
        let before = self.problems.len();
        let configured = |problems: &[Diagnostic]| {
            problems
                .iter()
                .any(|problem| !problem.message.starts_with(NO_PLUGIN))
        };
        let plugin = failures
            .iter()
            .any(|(kind, problems)| short(kind) == "auto" && configured(problems));
        for (kind, problems) in failures {
            // The configuration of a plug-in is no inventory of another kind,
            // and the other way round.
            let meant = if plugin {
                short(&kind) == "auto"
            } else {
                kind_of(path).is_none_or(|meant| meant == short(&kind))
            };
            if (short(&kind) == "auto") != plugin {
                continue;
            }
            if self.options.any_unparsed_fails {
                if meant {
                    self.problems.extend(problems);
                }
                continue;
            }
            for mut problem in problems {
                problem.severity = Severity::Warning;
                problem.message = format!(
                    "Failed to parse inventory with '{kind}' plugin. {}",
                    problem.message
                );
                self.warnings.push(problem);
            }
        }
        let hint = "give an existing file or folder with -i, or hosts as 'h1,h2,'";
        if self.options.any_unparsed_fails {
            if self.problems.len() > before {
                return;
            }
            let message = if missing {
                format!("the inventory {source} cannot be read: there is no such file")
            } else {
                format!("Completely failed to parse inventory source {source}")
            };
            self.problems
                .push(Diagnostic::error("inventory", message).help(hint));
        } else if source != "/etc/ansible/hosts" || !missing {
            self.warnings.push(Diagnostic::warning(
                "inventory",
                format!("Unable to parse {source} as an inventory source"),
            ));
        }
    }

    /// What a kind makes of a source; `None` where it does not want it.
    fn attempt(&mut self, kind: &str, source: &str) -> Option<Attempt> {
        let loader = Arc::clone(self.loader);
        let path = PathBuf::from(source);
        if matches!(kind, "host_list" | "advanced_host_list") {
            return is_list(source, &*loader).then(|| {
                host_list::read(
                    source,
                    kind == "advanced_host_list",
                    &mut self.inventory,
                    &mut self.warnings,
                )
            });
        }
        if !loader.is_file(&path) {
            return None;
        }
        let end = path.extension().and_then(|end| end.to_str());
        match kind {
            "script" => loader
                .is_executable(&path)
                .then(|| script::read(&path, self)),
            "auto" => matches!(end, Some("yml" | "yaml")).then(|| self.auto(&path)),
            "yaml" => end
                .is_none_or(|end| YAML_ENDS.contains(&end))
                .then(|| self.yaml(&path)),
            "ini" => (end != Some("toml")).then(|| {
                let text = text(&path, &*loader, true).map_err(|problem| vec![*problem])?;
                ini::read(
                    &Source::new(&path, text),
                    &mut self.inventory,
                    &mut self.warnings,
                )
            }),
            "toml" => (end == Some("toml")).then(|| toml::read(&path, self)),
            _ if PLUGINS.contains(&kind) => end
                .is_none_or(|end| end == "config" || YAML_ENDS.contains(&end))
                .then(|| {
                    let root = self.document(&path)?;
                    match plugin_of(&root) {
                        Some(found) if short(&found) == kind => self.plugin(kind, &root),
                        _ => Err(vec![
                            Diagnostic::error(
                                "inventory",
                                format!("this is no configuration of the plug-in '{kind}'"),
                            )
                            .at(&root.span)
                            .help(format!("it starts with 'plugin: {kind}'")),
                        ]),
                    }
                }),
            _ => None,
        }
    }

    fn document(&mut self, path: &Path) -> Result<Arc<Node>, Vec<Diagnostic>> {
        let text = text(path, &**self.loader, false).map_err(|problem| vec![*problem])?;
        let (root, warnings) =
            parse_one(&Source::new(path, text)).map_err(|problem| vec![*problem])?;
        self.warnings.extend(warnings);
        Ok(root)
    }

    /// A YAML file that says which plug-in it configures.
    fn auto(&mut self, path: &Path) -> Attempt {
        let root = self.document(path)?;
        let Some(name) = plugin_of(&root) else {
            return Err(vec![Diagnostic::error(
                "inventory",
                format!(
                    "{NO_PLUGIN}, '{}' is not a valid YAML inventory plugin config file",
                    path.display()
                ),
            )]);
        };
        self.plugin(&name, &root)
    }

    fn plugin(&mut self, name: &str, root: &Node) -> Attempt {
        match short(name) {
            "constructed" => constructed::read(root, self),
            "generator" => generator::read(root, self),
            _ => Err(vec![
                Diagnostic::error(
                    "inventory",
                    format!("inventory config specifies unknown plugin '{name}'"),
                )
                .at(&root.span)
                .suggest(name, PLUGINS)
                .help("plug-ins in Python are not run; a script that answers --list does the same in any language"),
            ]),
        }
    }

    fn yaml(&mut self, path: &Path) -> Attempt {
        let root = self.document(path)?;
        if plugin_of(&root).is_some() {
            return Err(vec![
                Diagnostic::error(
                    "inventory",
                    "Plugin configuration YAML file, not YAML inventory",
                )
                .at(&root.span),
            ]);
        }
        yaml::read(&root, &mut self.inventory, &mut self.warnings)
    }
}

/// A name without its collection, where it is Ansible's own.
fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").unwrap_or(name)
}

/// Hosts with commas between them, unless a file has such a name.
fn is_list(source: &str, loader: &dyn Loader) -> bool {
    source.contains(',') && !loader.exists(Path::new(source))
}

/// The kind that a name promises.
fn kind_of(path: &Path) -> Option<&'static str> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("yml" | "yaml" | "json") => Some("yaml"),
        Some("toml") => Some("toml"),
        _ => Some("ini"),
    }
}

fn plugin_of(root: &Node) -> Option<String> {
    let name = root.get("plugin")?.value.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// A file's text. Comments of INI files need not be UTF-8.
pub(super) fn text(
    path: &Path,
    loader: &dyn Loader,
    comments: bool,
) -> Result<String, Box<Diagnostic>> {
    let bytes = loader.read(path).map_err(|error| {
        Diagnostic::error(
            "inventory",
            format!("the inventory {} cannot be read: {error}", path.display()),
        )
    })?;
    let wrong = || {
        Box::new(Diagnostic::error(
            "inventory",
            format!("{} is not UTF-8 text", path.display()),
        ))
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if comments => {
            let mut text = String::new();
            for line in error.as_bytes().split_inclusive(|byte| *byte == b'\n') {
                match std::str::from_utf8(line) {
                    Ok(line) => text.push_str(line),
                    Err(_) if line.starts_with(b"#") || line.starts_with(b";") => {
                        text.push_str("#\n");
                    }
                    Err(_) => return Err(wrong()),
                }
            }
            Ok(text)
        }
        Err(_) => Err(wrong()),
    }
}
