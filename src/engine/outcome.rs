//! What running a task on a host gives back to the dispatcher.

use std::path::PathBuf;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::playbook::ast::RoleRef;
use ocplay_language::template::TemplateError;
use ocplay_language::value::{Map, Value};
use ocplay_protocol::Diff;

use crate::event::Status;

/// A change of the run's state, carried out by the dispatcher.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    SetFacts(Map),
    Facts(Map),
    IncludeVars(Map),
    /// Values for the end of the run.
    Stats {
        data: serde_json::Map<String, serde_json::Value>,
        per_host: bool,
        aggregate: bool,
    },
    AddHost {
        name: String,
        groups: Vec<String>,
        vars: Map,
    },
    GroupBy {
        key: String,
        parents: Vec<String>,
    },
    IncludeTasks(IncludeTasks),
    IncludeRole(Box<IncludeRole>),
    Meta(Meta),
}

/// A file of tasks to go on with.
#[derive(Debug, Clone)]
pub(crate) struct IncludeTasks {
    pub(crate) path: PathBuf,
    /// Why there is no such file.
    pub(crate) missing: Option<Diagnostic>,
    pub(crate) vars: Map,
    pub(crate) item: Option<String>,
}

/// A role to go on with.
#[derive(Debug, Clone)]
pub(crate) struct IncludeRole {
    pub(crate) role: RoleRef,
    pub(crate) vars: Map,
    pub(crate) item: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    FlushHandlers,
    EndPlay,
    EndBatch,
    EndHost,
    EndRole,
    ClearFacts,
    ClearHostErrors,
    RefreshInventory,
    ResetConnection,
}

/// What an action gives back.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActionOutcome {
    pub(crate) result: Map,
    pub(crate) changed: bool,
    pub(crate) failed: bool,
    pub(crate) skipped: bool,
    pub(crate) unreachable: bool,
    pub(crate) diff: Vec<Diff>,
    pub(crate) effects: Vec<Effect>,
    /// Where in the content the failure comes from.
    pub(crate) mistake: Option<Diagnostic>,
}

impl ActionOutcome {
    pub(crate) fn ok() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.result.insert(key, value);
        self
    }

    /// Adds to `deprecations`: a form of the content that still works.
    pub(crate) fn deprecated(self, message: &str) -> Self {
        let mut entry = Map::new();
        entry.insert("msg", message);
        entry.insert("collection_name", "ansible.builtin");
        let entries: Value = std::iter::once(Value::from(entry)).collect();
        self.with("deprecations", entries)
    }

    pub(crate) fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self {
            failed: true,
            ..Self::default()
        }
        .with("msg", message.into())
    }

    /// A mistake in the content, with its place.
    pub(crate) fn mistake(diagnostic: Diagnostic) -> Self {
        Self {
            mistake: Some(diagnostic.clone()),
            ..Self::failure(diagnostic.message)
        }
    }

    /// A template of the task that cannot be evaluated.
    pub(crate) fn template(error: &TemplateError) -> Self {
        let diagnostic = error.diagnostic();
        let message = format!("Task failed: {}", diagnostic.message);
        Self::mistake(diagnostic).with("msg", message)
    }

    /// As [`Self::template`], with the place in the task where it stands.
    pub(crate) fn template_in(place: &str, error: &TemplateError) -> Self {
        let diagnostic = error.diagnostic();
        let message = format!("Task failed: {place}: {}", diagnostic.message);
        Self::mistake(diagnostic).with("msg", message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            unreachable: true,
            ..Self::default()
        }
        .with("msg", message.into())
        .with("unreachable", true)
    }

    pub(crate) fn skipped(reason: &str) -> Self {
        Self {
            skipped: true,
            ..Self::default()
        }
        .with("skip_reason", reason)
    }
}

/// The whole of a task on a host, loop included.
#[derive(Debug, Clone)]
pub(crate) struct HostOutcome {
    pub(crate) host: Arc<str>,
    pub(crate) status: Status,
    /// What `register` keeps.
    pub(crate) result: Value,
    pub(crate) effects: Vec<Effect>,
    /// Where facts go with `delegate_facts`.
    pub(crate) fact_host: Option<Arc<str>>,
    /// Names given in `notify`, when something changed.
    pub(crate) notify: Vec<String>,
    pub(crate) register: Option<String>,
}
