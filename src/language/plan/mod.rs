//! Plans: playbooks with their roles, imports and handlers found.
//!
//! `resolve` turns words into meaning, `roles` finds roles, `check` reports
//! every mistake that can be known before a host is contacted, `tags` selects.

mod check;
mod context;
mod resolve;
mod roles;
pub mod tags;

use std::path::PathBuf;
use std::sync::Arc;

use crate::playbook::ast;
use crate::value::Map;

pub use check::{Strictness, check};
pub use context::Context;
pub use resolve::{IncludedRole, Resolver};

/// Everything that a run will do, as far as it is known beforehand.
#[derive(Debug, Default)]
pub struct Plan {
    pub plays: Vec<Arc<PlannedPlay>>,
    /// How many plays there are up to the end of each playbook but the last.
    pub ends: Vec<usize>,
    /// The playbooks, as they were named.
    pub names: Vec<String>,
}

/// One play with its roles found and its imports put in place.
#[derive(Debug)]
pub struct PlannedPlay {
    pub play: Arc<ast::Play>,
    /// Folder of the playbook.
    pub folder: PathBuf,
    pub context: Arc<Context>,
    /// Roles whose defaults and vars the whole play sees.
    pub roles: Vec<Arc<Role>>,
    pub pre_tasks: Vec<Node>,
    /// Tasks of `roles:`, then `tasks:`.
    pub tasks: Vec<Node>,
    pub post_tasks: Vec<Node>,
    pub handlers: Vec<Handler>,
}

/// A member of a list of tasks.
#[derive(Debug, Clone)]
pub enum Node {
    Task(Arc<PlannedTask>),
    Block(Arc<PlannedBlock>),
}

#[derive(Debug)]
pub struct PlannedTask {
    /// Stable while the file is edited elsewhere: made of the file's name, the
    /// task's own words, and its number among equals.
    pub id: String,
    pub task: Arc<ast::Task>,
    /// The chain of keywords, the task's own innermost.
    pub context: Arc<Context>,
    /// Nobody wrote it, and nobody wants to read about it.
    pub implicit: bool,
}

#[derive(Debug)]
pub struct PlannedBlock {
    pub name: Option<ast::Word>,
    pub context: Arc<Context>,
    pub block: Vec<Node>,
    pub rescue: Vec<Node>,
    pub always: Vec<Node>,
}

/// Something that `notify` can name.
#[derive(Debug, Clone)]
pub struct Handler {
    pub node: Node,
    pub name: Option<ast::Word>,
    pub listen: Vec<ast::Word>,
    pub role: Option<Arc<Role>>,
    /// Handlers of one role, or of the play itself, share a number.
    pub group: usize,
}

/// A role as it is used in one place.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub path: PathBuf,
    /// Defaults of its dependencies, then its own.
    pub defaults: Arc<Map>,
    /// Vars of its dependencies, then its own.
    pub vars: Arc<Map>,
    /// What was given where the role was named.
    pub params: Arc<Map>,
    pub parent: Option<Arc<Self>>,
    pub allow_duplicates: bool,
    /// Alike for what is the same role, called for in the same way.
    pub key: String,
}

impl Role {
    /// Names of the roles that led here, outermost first.
    #[must_use]
    pub fn parents(&self) -> Vec<&str> {
        let mut out = Vec::new();
        let mut at = self.parent.as_ref();
        while let Some(role) = at {
            out.push(role.name.as_str());
            at = role.parent.as_ref();
        }
        out.reverse();
        out
    }
}

impl PlannedTask {
    /// Name of the module without its collection.
    #[must_use]
    pub fn module(&self) -> &str {
        self.task.action.short_name()
    }

    /// The name as written, if any.
    #[must_use]
    pub fn written_name(&self) -> Option<&str> {
        self.task.name.as_ref().and_then(|name| name.value.as_str())
    }

    /// `role : name`, the module standing in for a missing name. An
    /// `include_role` leads out of its role and is named without it.
    #[must_use]
    pub fn title(&self, name: Option<&str>) -> String {
        let name = name.unwrap_or(&self.task.action.name);
        let role = self.context.role();
        match role.filter(|_| self.module() != "include_role") {
            Some(role) => format!("{} : {name}", role.name),
            None => name.to_owned(),
        }
    }
}

impl Node {
    /// Calls a function for each task below, in order.
    pub fn each_task(&self, visit: &mut dyn FnMut(&Arc<PlannedTask>)) {
        match self {
            Self::Task(task) => visit(task),
            Self::Block(block) => {
                for node in block.block.iter().chain(&block.rescue).chain(&block.always) {
                    node.each_task(visit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
