//! What a run is asked to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use ocplay_language::plan::tags::TagSelection;
use ocplay_language::value::Map;

use crate::connection::SshOptions;
use crate::fact_cache::FactCache;

/// Everything that is not in the playbook or the inventory.
#[derive(Debug, Clone)]
pub struct RunOptions {
    pub check: bool,
    pub diff: bool,
    pub forks: usize,
    pub verbosity: u8,
    pub tags: TagSelection,
    /// Hosts left by `--limit`; `None` for all.
    pub limit: Option<BTreeSet<Arc<str>>>,
    /// The words of `--limit`.
    pub limit_text: Option<String>,
    pub extra_vars: Arc<Map>,
    pub start_at_task: Option<String>,
    /// Whether somebody is asked before each task (`--step`).
    pub stepwise: bool,
    pub force_handlers: bool,
    /// Facts kept between runs.
    pub fact_cache: Option<FactCache>,
    /// Forget the facts of the inventory's hosts first.
    pub flush_cache: bool,
    /// What the configuration says about the language.
    pub rules: Rules,
    pub becoming: BecomeDefaults,
    pub ssh: SshOptions,
    /// A Python of the controller, where there is one: content asks for it.
    pub python: Option<String>,
    /// Sources of the inventory, for magic variables.
    pub inventory_sources: Vec<String>,
}

/// When facts are gathered without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gathering {
    /// At the beginning of each play.
    #[default]
    Implicit,
    /// Only where a play says `gather_facts: true`.
    Explicit,
    /// At the beginning of a play, from hosts that have none yet.
    Smart,
}

/// What a pattern is that matches no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mismatch {
    #[default]
    Warning,
    Error,
    Ignored,
}

/// Settings of ansible.cfg and its environment variables that change what a
/// playbook means.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Strategy of plays that name none.
    pub strategy: String,
    pub gathering: Gathering,
    /// Whether notifying a handler that nobody defines ends the run.
    pub error_on_missing_handler: bool,
    pub any_errors_fatal: bool,
    /// Whether facts are variables of their own, as `ansible_x`.
    pub inject_facts: bool,
    /// Results are hidden unless a task says otherwise.
    pub no_log: bool,
    /// What a pattern without hosts is.
    pub pattern_mismatch: Mismatch,
    /// Seconds after which a task without `timeout` is given up; 0 for never.
    pub task_timeout: u64,
    /// Whether dictionaries of several levels are merged
    /// (`hash_behaviour = merge`).
    pub merge_hashes: bool,
    /// Whether a task that fails or cannot be reached is debugged
    /// (`enable_task_debugger`).
    pub task_debugger: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strategy: "linear".to_owned(),
            gathering: Gathering::Implicit,
            error_on_missing_handler: true,
            any_errors_fatal: false,
            inject_facts: true,
            no_log: false,
            pattern_mismatch: Mismatch::Warning,
            task_timeout: 0,
            merge_hashes: false,
            task_debugger: false,
        }
    }
}

/// `-b`, `--become-user`, `--become-method`.
#[derive(Debug, Clone, Default)]
pub struct BecomeDefaults {
    pub enabled: bool,
    pub user: Option<String>,
    pub method: Option<String>,
    pub exe: Option<String>,
    pub flags: Option<String>,
}
