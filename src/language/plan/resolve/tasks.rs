//! Lists of tasks: blocks, imports and includes in their place.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::files::{circle, file_word, folder_of};
use super::roles::role_of_task;
use super::{DEPTH_LIMIT, Found, PlayState, Resolver};
use crate::diagnostic::Diagnostic;
use crate::plan::{Context, Handler, Node, PlannedBlock, PlannedTask, Role};
use crate::playbook::ast::{self, Item, Task};
use crate::source::Span;
use crate::value::{Map, Value};
use crate::vars::precedence::Level;
use crate::vars::scope::Scope;

impl Resolver {
    /// Blocks that imports would bring among handlers.
    pub(super) fn imported_blocks(
        &self,
        items: &[Item],
        context: &Arc<Context>,
        state: &PlayState,
    ) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        for item in items {
            let Item::Task(task) = item else { continue };
            if task.action.short_name() != "import_tasks" {
                continue;
            }
            // A file that cannot be had is reported where it is imported.
            let found = file_word(&task.action, &["file", "_raw_params"])
                .and_then(|word| Ok((self.text(&word, &state.scope)?, word.span)))
                .and_then(|(name, span)| self.find_tasks(&name, context, &span))
                .and_then(|path| self.task_file(&path));
            if let Ok(items) = found {
                out.extend(not_handlers(&items, 1));
            }
        }
        out
    }

    pub(super) fn items(
        &self,
        items: &[Item],
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Vec<Node>> {
        let mut out = Vec::new();
        let mut problems = Vec::new();
        for item in items {
            let found = match item {
                Item::Block(block) => self
                    .block(block, context, state, depth)
                    .map(|block| vec![block]),
                Item::Task(task) => self.task(task, context, state, depth),
            };
            match found {
                Ok(nodes) => out.extend(nodes),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(out)
        } else {
            Err(problems)
        }
    }

    pub(super) fn block(
        &self,
        block: &Arc<ast::Block>,
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Node> {
        let context = context.child(block.keywords.clone());
        let mut problems = Vec::new();
        let mut part = |items: &[Item], context: &Arc<Context>| {
            self.items(items, context, state, depth)
                .unwrap_or_else(|found| {
                    problems.extend(found);
                    Vec::new()
                })
        };
        let guarded = if block.rescue.is_empty() {
            Arc::clone(&context)
        } else {
            context.guarded()
        };
        let planned = PlannedBlock {
            name: block.name.clone(),
            block: part(&block.block, &guarded),
            rescue: part(&block.rescue, &context),
            always: part(&block.always, &context),
            context: Arc::clone(&context),
        };
        if problems.is_empty() {
            Ok(Node::Block(Arc::new(planned)))
        } else {
            Err(problems)
        }
    }

    pub(super) fn task(
        &self,
        task: &Arc<Task>,
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Vec<Node>> {
        if depth > DEPTH_LIMIT {
            return Err(vec![circle(&task.span)]);
        }
        let name = match task.action.short_name() {
            // The old word: static wherever it can be.
            "include" => {
                self.warn_of_include(&task.action.name_span);
                if self.is_static_include(task, context, state) {
                    "import_tasks"
                } else {
                    "include_tasks"
                }
            }
            name => name,
        };
        match name {
            "import_tasks" => {
                no_loop(task)?;
                let word = file_word(&task.action, &["file", "_raw_params"])?;
                let name =
                    self.text(&word, &scope_in(&state.scope, context, &task.keywords.vars))?;
                let path = self.find_tasks(&name, context, &word.span)?;
                let inner = context.child(task.keywords.clone()).file(&folder_of(&path));
                let items = self.task_file(&path)?;
                let nodes = self.items(&items, &inner, state, depth + 1)?;
                // Kept together, so that the import's place stays one place.
                Ok(nodes)
            }
            "import_role" => {
                no_loop(task)?;
                let role = role_of_task(task)?;
                let (_, nodes) = self.role(&role, context, state, true, depth + 1)?;
                Ok(nodes)
            }
            _ => Ok(vec![Node::Task(Arc::new(PlannedTask {
                id: task_id(task, &mut state.ids),
                task: Arc::clone(task),
                context: context.child(task.keywords.clone()),
                implicit: false,
            }))]),
        }
    }

    /// Whether an `include` names one file, whoever the host is.
    pub(super) fn is_static_include(
        &self,
        task: &Task,
        context: &Context,
        state: &PlayState,
    ) -> bool {
        if task.loop_over.is_some() {
            return false;
        }
        let Ok(word) = file_word(&task.action, &["file", "_raw_params"]) else {
            return false;
        };
        let scope = scope_in(&state.scope, context, &task.keywords.vars);
        let name = self.text(&word, &scope);
        name.is_ok_and(|name| self.find_tasks(&name, context, &word.span).is_ok())
    }

    pub(super) fn warn_of_include(&self, span: &Span) {
        let warning = Diagnostic::warning(
            "old-include",
            "'include' is an old word: use import_tasks for a file that is always the same, include_tasks for one that depends on hosts",
        );
        if !self.said_include.swap(true, Ordering::Relaxed) {
            self.warn(vec![warning.at(span)]);
        }
    }

    /// Loads a file of tasks for a dynamic include.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn include_tasks(&self, path: &Path, context: &Arc<Context>) -> Found<Vec<Node>> {
        let items = self.task_file(path)?;
        let context = context.file(&folder_of(path));
        let mut state = self.dynamic_state(&context);
        self.items(&items, &context, &mut state, 0)
    }
}

pub(super) fn scope_in(scope: &Scope, context: &Context, vars: &Arc<Map>) -> Scope {
    let mut scope = scope.clone();
    for role in context.role().into_iter() {
        scope = scope
            .with(Level::RoleDefaults, Arc::clone(&role.defaults))
            .with(Level::RoleVars, Arc::clone(&role.vars))
            .with(Level::RoleParams, Arc::clone(&role.params))
            .with_var(
                Level::Magic,
                "role_path",
                Value::from(&*role.path.to_string_lossy()),
            );
    }
    for vars in context.vars() {
        scope = scope.with(Level::TaskVars, vars);
    }
    scope.with(Level::TaskVars, Arc::clone(vars))
}

pub(super) fn handlers(
    nodes: Vec<Node>,
    role: Option<&Arc<Role>>,
    known: &[Handler],
) -> Vec<Handler> {
    let group = known.last().map_or(0, |handler| handler.group + 1);
    let mut out = Vec::new();
    for node in nodes {
        // A block around handlers only groups them.
        node.each_task(&mut |task| {
            out.push(Handler {
                node: Node::Task(Arc::clone(task)),
                name: task.task.name.clone(),
                listen: task.task.listen.clone(),
                role: role.cloned(),
                group,
            });
        });
    }
    out
}

/// What cannot be a handler: roles, flushes, and blocks inside blocks.
pub(super) fn not_handlers(items: &[Item], depth: usize) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for item in items {
        match item {
            Item::Block(block) if depth > 0 => out.push(
                Diagnostic::error("handler", "Using a block as a handler is not supported.")
                    .at(&block.span)
                    .help(
                        "notify each of its tasks, or put them into a file and use include_tasks",
                    ),
            ),
            Item::Block(block) => out.extend(not_handlers(&block.block, depth + 1)),
            Item::Task(task) => {
                let name = task.action.short_name();
                let raw = task.action.raw.as_ref().and_then(|raw| raw.value.as_str());
                if matches!(name, "include_role" | "import_role") {
                    out.push(
                        Diagnostic::error(
                            "handler",
                            format!("Using '{name}' as a handler is not supported."),
                        )
                        .at(&task.action.name_span)
                        .help("notify a handler of the role instead, as 'ROLE : NAME'"),
                    );
                } else if name == "meta" && raw == Some("flush_handlers") {
                    out.push(
                        Diagnostic::error("handler", "flush_handlers cannot be used as a handler")
                            .at(&task.action.name_span),
                    );
                }
            }
        }
    }
    out
}

pub(super) fn no_loop(task: &Task) -> Found<()> {
    if task.loop_over.is_none() {
        return Ok(());
    }
    let name = task.action.short_name();
    Err(vec![
        Diagnostic::error("loop", format!("{name} cannot be repeated by a loop"))
            .at(&task.action.name_span)
            .help(format!(
                "use {} instead",
                name.replace("import_", "include_")
            )),
    ])
}

pub(super) fn task_id(task: &Task, ids: &mut HashMap<String, usize>) -> String {
    let file = task
        .span
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let mut hash = Sha256::new();
    hash.update(task.span.path().to_string_lossy().as_bytes());
    hash.update([0]);
    hash.update(task.span.text().as_bytes());
    let digest = hash.finalize();
    let short: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let base = format!("{file}:{short}");
    let count = ids.entry(base.clone()).or_default();
    *count += 1;
    if *count == 1 {
        base
    } else {
        format!("{base}.{count}")
    }
}
