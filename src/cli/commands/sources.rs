//! Where playbooks and inventories are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self, GroupNames, Inventory, Options, read_vars};
use ocplay_language::loader::{Loader, Machine};
use ocplay_language::value::Map;

use crate::config::Config;

/// A path as given, or below a folder where a bare name is looked for.
pub(super) fn find(given: &Path, folder: &str) -> PathBuf {
    let bare = given.components().count() == 1;
    let below = Path::new(folder).join(given);
    if bare && !given.exists() && below.exists() {
        below
    } else {
        given.to_owned()
    }
}

/// The inventory's sources as they are found.
pub(super) fn inventories(given: &[String], config: &Config) -> Vec<String> {
    let given = if given.is_empty() {
        config.sources("DEFAULT_HOST_LIST").unwrap_or_else(|| {
            // The usual place counts only where it exists.
            let usual = Path::new("/etc/ansible/hosts");
            let found = usual.exists().then(|| usual.to_string_lossy().into_owned());
            found.into_iter().collect()
        })
    } else {
        given.to_vec()
    };
    given
        .into_iter()
        .map(|source| {
            if source.contains(',') {
                source
            } else {
                find(Path::new(&source), "inventories")
                    .to_string_lossy()
                    .into_owned()
            }
        })
        .collect()
}

/// Loads an inventory and shows its warnings.
pub(super) fn load(
    sources: &[String],
    config: &Config,
    extra_vars: &Arc<Map>,
    loader: &Arc<dyn Loader>,
) -> Result<Inventory, Vec<Diagnostic>> {
    let options = options(config, extra_vars)?;
    let (inventory, warnings) = inventory::load(sources, &options, loader)?;
    let deprecations = config.flag("DEPRECATION_WARNINGS")?.unwrap_or(true);
    let shown: Vec<Diagnostic> = warnings
        .into_iter()
        .filter(|warning| deprecations || warning.code != "deprecated")
        .collect();
    crate::render::diagnostic::print_all(&shown);
    Ok(inventory)
}

/// What the configuration says about inventories. Called by its own name the
/// program takes a source that it cannot read for a mistake.
fn options(config: &Config, extra_vars: &Arc<Map>) -> Result<Options, Vec<Diagnostic>> {
    let usual = Options::default();
    let strict = !config.classic();
    let words = ["always", "never", "ignore", "silently"];
    let hashes = config.choice("DEFAULT_HASH_BEHAVIOUR", &["replace", "merge"])?;
    Ok(Options {
        enabled: config.list("INVENTORY_ENABLED").unwrap_or(usual.enabled),
        ignored_ends: config
            .list("INVENTORY_IGNORE_EXTS")
            .unwrap_or(usual.ignored_ends),
        ignored_patterns: config.list("INVENTORY_IGNORE_PATTERNS").unwrap_or_default(),
        group_names: match config
            .choice("TRANSFORM_INVALID_GROUP_CHARS", &words)?
            .as_deref()
        {
            Some("always") => GroupNames::Always,
            Some("ignore") => GroupNames::Ignore,
            Some("silently") => GroupNames::Silently,
            _ => GroupNames::Never,
        },
        any_unparsed_fails: config
            .flag("INVENTORY_ANY_UNPARSED_IS_FAILED")?
            .unwrap_or(strict),
        unparsed_fails: config
            .flag("INVENTORY_UNPARSED_IS_FAILED")?
            .unwrap_or(false),
        unparsed_warns: config.flag("INVENTORY_UNPARSED_WARNING")?.unwrap_or(true),
        extra_vars: Arc::clone(extra_vars),
        merging: hashes.as_deref() == Some("merge"),
        script_stderr: config.flag("INVENTORY_SCRIPT_STDERR")?.unwrap_or(true),
    })
}

/// Connection facts that `ocplay lab up` has written for these inventories.
pub(super) fn lab_facts(sources: &[String]) -> HashMap<Arc<str>, Arc<Map>> {
    let mut facts = HashMap::new();
    for source in sources {
        let Ok(path) = Path::new(source).canonicalize() else {
            continue;
        };
        let Some(stem) = path.file_stem() else {
            continue;
        };
        let file = state_folder().join("lab").join(stem).join("hosts.yml");
        let Ok(vars) = read_vars(&file, &Machine) else {
            continue;
        };
        let same = vars.get("inventory").and_then(|value| value.as_str()) == path.to_str();
        let hosts = vars.get("hosts").and_then(|hosts| hosts.as_map());
        if let (true, Some(hosts)) = (same, hosts) {
            for (name, vars) in hosts.entries() {
                if let ocplay_language::value::Value::Map(vars) = vars {
                    facts.insert(Arc::clone(name), Arc::clone(vars));
                }
            }
        }
    }
    facts
}

/// `$XDG_STATE_HOME/ocplay`.
pub(crate) fn state_folder() -> PathBuf {
    std::env::var_os("XDG_STATE_HOME")
        .filter(|path| !path.is_empty())
        .map_or_else(|| home().join(".local/state"), PathBuf::from)
        .join("ocplay")
}

pub(crate) fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}
