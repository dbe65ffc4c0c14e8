//! Inventories: hosts, groups, their variables, and patterns over them.
//!
//! `sources` decides which kind a source is; each kind has a file of its own
//! that reads it into the graph.

mod address;
mod constructed;
mod files;
mod generator;
mod graph;
mod host_list;
mod ini;
mod literal;
mod pattern;
mod script;
mod sources;
mod toml;
mod yaml;

use std::sync::Arc;

pub use files::{VarsFolders, read_play_vars, read_vars};
pub use graph::{Group, GroupNames, Host, Inventory};
pub(crate) use literal::parse as python_literal;
pub use pattern::{PatternError, select};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::value::Map;

/// What the configuration says about inventories.
#[derive(Debug, Clone)]
pub struct Options {
    /// Kinds that are tried, in this order.
    pub enabled: Vec<String>,
    /// Ends of names that a folder leaves out.
    pub ignored_ends: Vec<String>,
    /// Patterns of names that a folder leaves out.
    pub ignored_patterns: Vec<String>,
    pub group_names: GroupNames,
    /// One source that no kind can read is a mistake.
    pub any_unparsed_fails: bool,
    /// It is a mistake if no source at all can be read.
    pub unparsed_fails: bool,
    pub unparsed_warns: bool,
    pub extra_vars: Arc<Map>,
    /// Mappings of several sources are merged (`hash_behaviour = merge`).
    pub merging: bool,
    /// What scripts write to standard error is shown.
    pub script_stderr: bool,
}

impl Default for Options {
    fn default() -> Self {
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        Self {
            enabled: words("host_list,script,auto,yaml,ini,toml"),
            ignored_ends: words(".pyc,.pyo,.swp,.bak,~,.rpm,.md,.txt,.rst,.orig,.cfg,.retry"),
            ignored_patterns: Vec::new(),
            group_names: GroupNames::Never,
            any_unparsed_fails: false,
            unparsed_fails: false,
            unparsed_warns: true,
            extra_vars: Arc::default(),
            merging: false,
            script_stderr: true,
        }
    }
}

/// Reads every source of an inventory, in order: files, folders, scripts, or
/// host lists such as `h1,h2`.
///
/// # Errors
/// All mistakes of all sources, where the options make them such.
pub fn load(
    sources: &[String],
    options: &Options,
    loader: &Arc<dyn Loader>,
) -> Result<(Inventory, Vec<Diagnostic>), Vec<Diagnostic>> {
    sources::Reader::new(options, loader).read(sources)
}

#[cfg(test)]
mod tests;
