//! The modules that exist, by every name they answer to.

use std::collections::BTreeMap;

use ocplay_protocol::ModuleInfo;

use crate::diagnostic::Diagnostic;
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
}

impl Catalogue {
    #[must_use]
    pub fn new(modules: impl IntoIterator<Item = ModuleInfo>) -> Self {
        Self {
            modules: modules.into_iter().map(|info| (info.name, info)).collect(),
        }
    }

    /// The module of this name, with or without its collection.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ModuleInfo> {
        self.modules.get(short_module_name(name))
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
        let names = self.modules.keys().copied().chain(STRUCTURAL);
        Diagnostic::error("unknown-module", format!("there is no module '{name}'"))
            .at(span)
            .suggest(short_module_name(name), names)
            .help("'ocplay doc -l' lists all modules")
    }
}
