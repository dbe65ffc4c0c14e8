//! The order of variable sources, low to high, as one table.
//!
//! Source: ansible-core's documentation of variable precedence, 22 levels,
//! with the corrections that a run of 2.19 shows (set_fact beats a later
//! include_vars and the task's own vars).

/// Where a variable was set. Later variants win over earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `-u`, `--private-key` and friends.
    CommandLineValues,
    RoleDefaults,
    InventoryGroup,
    InventoryGroupVarsAll,
    PlaybookGroupVarsAll,
    InventoryGroupVars,
    PlaybookGroupVars,
    InventoryHost,
    InventoryHostVars,
    PlaybookHostVars,
    /// Gathered facts and cached set_facts.
    Facts,
    PlayVars,
    PlayVarsPrompt,
    PlayVarsFiles,
    RoleVars,
    BlockVars,
    TaskVars,
    IncludeVars,
    /// `set_fact` and `register`.
    SetFacts,
    /// Parameters of roles and of include_role.
    RoleParams,
    /// `vars` of include_tasks, and loop variables.
    IncludeParams,
    ExtraVars,
    /// `inventory_hostname`, `groups`, `hostvars` and so on: nobody may
    /// replace them.
    Magic,
}
