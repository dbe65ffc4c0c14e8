//! What tasks bring in: files, other lists of tasks, roles.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Checker, META};
use crate::diagnostic::Diagnostic;
use crate::plan::resolve::{file_word, role_of_task};
use crate::plan::{Node, PlannedTask};
use crate::playbook::first_word;
use crate::value::is_template;

impl Checker<'_> {
    pub(super) fn all(&mut self, found: Vec<Diagnostic>) {
        for problem in found {
            self.push(problem);
        }
    }

    /// What is wrong with a file that an include names.
    pub(super) fn maybe(&mut self, found: Vec<Diagnostic>) {
        let before = self.uncertain;
        self.uncertain |= self.conditional || self.strictness.listing;
        self.all(found);
        self.uncertain = before;
    }

    /// Goes through what an include brings; under a condition it may never be
    /// brought.
    pub(super) fn inside(&mut self, planned: &PlannedTask, nodes: &[Node]) {
        let before = self.uncertain;
        self.uncertain |= self.conditional
            || self.forgiven
            || self.strictness.listing
            || planned.task.loop_over.is_some();
        self.nodes(nodes);
        self.uncertain = before;
    }

    /// Local files that the task will send.
    pub(super) fn files(&mut self, planned: &Arc<PlannedTask>) {
        let truthy = |name: &str| {
            planned.task.action.arg(name).is_some_and(|arg| {
                ocplay_protocol::coerce::boolean(&arg.value.to_json()) != Ok(false)
            })
        };
        let falsy = |name: &str| {
            planned.task.action.arg(name).is_some_and(|arg| {
                ocplay_protocol::coerce::boolean(&arg.value.to_json()) != Ok(true)
            })
        };
        let (kind, literal) = match planned.module() {
            "template" => ("templates", Self::literal(planned, &["src"])),
            "copy" if !truthy("remote_src") => ("files", Self::literal(planned, &["src"])),
            "patch" if !truthy("remote_src") => {
                ("files", Self::literal(planned, &["src", "patchfile"]))
            }
            "unarchive" if !truthy("remote_src") && !falsy("copy") => {
                ("files", Self::literal(planned, &["src"]))
            }
            "script" => {
                let raw = planned.task.action.raw.as_ref();
                let line = raw.and_then(|raw| Some((raw.value.as_str()?, &raw.span)));
                let line = line.or_else(|| Self::literal(planned, &["cmd"]));
                let first = line.and_then(|(text, span)| {
                    let word = first_word(text)?;
                    (!is_template(&word)).then_some((word, span))
                });
                if let Some((word, span)) = first {
                    let folders = planned.context.search("files");
                    if let Err(found) = self.resolver.find(&word, &folders, span) {
                        self.all(found);
                    }
                }
                return;
            }
            _ => return,
        };
        let Some((name, span)) = literal else { return };
        match self
            .resolver
            .find(name, &planned.context.search(kind), span)
        {
            Err(found) => self.all(found),
            Ok(path) if kind == "templates" && self.resolver.loader().is_file(&path) => {
                if self.seen_files.insert(path.clone()) {
                    match self.resolver.read_source(&path) {
                        Ok(source) => {
                            if let Err(problem) = self.resolver.templar().check_file(&source) {
                                self.push(problem);
                            }
                        }
                        Err(found) => self.all(found),
                    }
                }
            }
            Ok(_) => {}
        }
    }

    pub(super) fn structural(&mut self, planned: &Arc<PlannedTask>) {
        let action = &planned.task.action;
        match planned.module() {
            "include_tasks" | "include" => {
                let word = match file_word(action, &["file", "_raw_params"]) {
                    Ok(word) => word,
                    Err(found) => return self.maybe(found),
                };
                let Some(name) = word.value.as_str().filter(|name| !is_template(name)) else {
                    return;
                };
                match self.resolver.find_tasks(name, &planned.context, &word.span) {
                    Err(found) => self.maybe(found),
                    Ok(path) => {
                        let role = planned.context.role().map_or("", |role| &role.name);
                        if self.seen_files.insert(path.join(role)) {
                            let context = planned.context.included(Arc::default());
                            match self.resolver.include_tasks(&path, &context) {
                                Ok(nodes) => self.inside(planned, &nodes),
                                Err(found) => self.maybe(found),
                            }
                        }
                    }
                }
            }
            "include_role" => {
                let role = match role_of_task(&planned.task) {
                    Ok(role) => role,
                    Err(found) => return self.maybe(found),
                };
                let from = &role.from;
                let names = [
                    Some(&role.name),
                    from.tasks.as_ref(),
                    from.vars.as_ref(),
                    from.defaults.as_ref(),
                    from.handlers.as_ref(),
                ];
                if names.into_iter().flatten().any(|word| word.value.is_lazy()) {
                    return;
                }
                let key = names
                    .into_iter()
                    .flatten()
                    .filter_map(|word| word.value.as_str());
                let key: PathBuf = std::iter::once("role").chain(key).collect();
                if !self.seen_files.insert(key) {
                    return;
                }
                let context = planned.context.included(Arc::default());
                match self.resolver.include_role(&role, &context) {
                    Ok(included) => {
                        self.inside(planned, &included.tasks);
                        for handler in &included.handlers {
                            self.inside(planned, std::slice::from_ref(&handler.node));
                        }
                    }
                    Err(found) => self.maybe(found),
                }
            }
            "meta" => {
                let word = action
                    .raw
                    .as_ref()
                    .and_then(|raw| Some((raw.value.as_str()?, &raw.span)));
                match word {
                    Some(("end_role", span)) if self.handler => self.push(
                        Diagnostic::error("meta", "Cannot execute 'end_role' from a handler")
                            .at(span),
                    ),
                    Some(("end_role", span)) if planned.context.role().is_none() => self.push(
                        Diagnostic::error(
                            "meta",
                            "Cannot execute 'end_role' from outside of a role",
                        )
                        .at(span),
                    ),
                    Some((name, _)) if META.contains(&name) || is_template(name) => {}
                    Some((name, span)) => self.push(
                        Diagnostic::error("meta", format!("'{name}' is not an action of meta"))
                            .at(span)
                            .suggest(name, META),
                    ),
                    None => self.push(
                        Diagnostic::error("meta", "meta names no action").at(&action.name_span),
                    ),
                }
            }
            _ => {}
        }
    }
}
