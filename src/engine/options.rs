//! What a run is asked to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use ocplay_language::plan::tags::TagSelection;
use ocplay_language::value::Map;

use crate::connection::SshOptions;

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
    pub force_handlers: bool,
    pub becoming: BecomeDefaults,
    pub ssh: SshOptions,
    /// Sources of the inventory, for magic variables.
    pub inventory_sources: Vec<String>,
}

/// `-b`, `--become-user`, `--become-method`.
#[derive(Debug, Clone, Default)]
pub struct BecomeDefaults {
    pub enabled: bool,
    pub user: Option<String>,
    pub method: Option<String>,
}
