//! Notifications: which handlers a word means, and sending hosts to them.

use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::plan::{Handler, PlannedTask};
use ocplay_language::playbook::ast::Word;
use ocplay_language::value::Value;
use ocplay_language::vars::scope::Scope;

use super::{Dispatcher, PlayRun};
use crate::event::Event;

impl Dispatcher {
    /// A task has notified a handler or a topic on behalf of a host.
    pub(super) fn notify(
        &mut self,
        run: &mut PlayRun,
        planned: &PlannedTask,
        wanted: &str,
        name: &Arc<str>,
    ) {
        let Some(host) = self.hosts.get(name) else {
            return;
        };
        let scope = run.files.scope(name, self.task_scope(run, planned, host));
        let mut numbers: Vec<usize> = self
            .named(&run.handlers, wanted, &scope)
            .into_iter()
            .collect();
        numbers.extend(self.listening(&run.handlers, wanted, &scope));
        if numbers.is_empty() {
            self.missing_handler(run, planned, wanted);
        }
        if let Some(cursor) = run.cursors.get_mut(name) {
            for number in numbers {
                cursor.notify(number);
            }
        }
    }

    /// Of several handlers with one name, one of the last role wins, and one
    /// of the play over all roles; within each the first.
    fn named(&self, handlers: &[Handler], wanted: &str, scope: &Scope) -> Option<usize> {
        let mut found: Option<usize> = None;
        for (number, handler) in handlers.iter().enumerate() {
            let Some(word) = &handler.name else { continue };
            let name = match self.shared.templar.resolve(&word.value, scope) {
                Ok(value) => ocplay_language::python::text(&value),
                Err(error) => {
                    if handler.listen.is_empty() {
                        self.shared.warn_once(unusable(word, &error.message));
                    }
                    continue;
                }
            };
            if !answers_to(handler, &name, wanted) {
                continue;
            }
            if found.is_none_or(|known| handlers[known].group != handler.group) {
                found = Some(number);
            }
        }
        found
    }

    /// Handlers that listen to a topic; of those with one name only one.
    fn listening(&self, handlers: &[Handler], wanted: &str, scope: &Scope) -> Vec<usize> {
        let mut seen: Vec<String> = Vec::new();
        let mut out = Vec::new();
        for (number, handler) in handlers.iter().enumerate() {
            // Topics are names as they stand: templates are not resolved.
            let mut topics = handler.listen.iter().flat_map(literal_texts);
            if !topics.any(|topic| answers_to(handler, &topic, wanted)) {
                continue;
            }
            let name = handler.name.as_ref();
            let name = name.and_then(|word| self.handler_text(word, scope).into_iter().next());
            if let Some(name) = name {
                let role = handler.role.as_ref().map_or("", |role| role.name.as_str());
                let name = format!("{role} : {name}");
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
            }
            out.push(number);
        }
        out
    }

    /// A name or topics, with templates resolved where that works.
    fn handler_text(&self, word: &Word, scope: &Scope) -> Vec<String> {
        match self.shared.templar.resolve(&word.value, scope) {
            Ok(Value::List(items)) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Ok(value) => value.as_str().map(str::to_owned).into_iter().collect(),
            Err(_) => Vec::new(),
        }
    }

    fn missing_handler(&self, run: &mut PlayRun, planned: &PlannedTask, wanted: &str) {
        let mut names = Vec::new();
        for handler in &run.handlers {
            let Some(word) = &handler.name else { continue };
            let scope = Scope::new();
            if let Ok(value) = self.shared.templar.resolve(&word.value, &scope) {
                names.extend(value.as_str().map(str::to_owned));
            }
        }
        let message = format!(
            "The requested handler '{wanted}' was not found in either the main handlers list nor in the listening handlers list"
        );
        let span = &planned.task.span;
        if self.shared.options.rules.error_on_missing_handler {
            let problem = Diagnostic::error("unknown-handler", message)
                .at(span)
                .suggest(wanted, names.iter().map(String::as_str));
            self.shared.events.event(Event::Mistakes(vec![problem]));
            run.broken = true;
        } else {
            let problem = Diagnostic::warning("unknown-handler", message)
                .at(span)
                .suggest(wanted, names.iter().map(String::as_str));
            self.shared.events.event(Event::Warning(problem));
        }
    }

    /// Sends hosts to the handlers that were notified.
    pub(super) fn flush(&mut self, run: &mut PlayRun, targets: &[Arc<str>]) {
        let nodes: Arc<[_]> = run
            .handlers
            .iter()
            .map(|handler| handler.node.clone())
            .collect();
        for name in targets {
            let Some(cursor) = run.cursors.get_mut(name) else {
                continue;
            };
            let text = if cursor.is_notified() {
                format!("META: triggered running handlers for {name}")
            } else {
                format!("META: No handler notifications for {name}.")
            };
            let level = if cursor.is_notified() { 2 } else { 3 };
            self.shared.events.event(Event::Note { level, text });
            cursor.flush(Arc::clone(&nodes));
        }
    }
}

fn unusable(word: &Word, reason: &str) -> Diagnostic {
    let name = word.value.as_str().unwrap_or_default();
    Diagnostic::warning(
        "handler-name",
        format!("Handler '{name}' is unusable because it has no listen topics and the name could not be templated: {reason}"),
    )
    .at(&word.span)
}

fn literal_texts(word: &Word) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Str(text) | Value::Trusted(text) => Some(text.to_string()),
        _ => None,
    };
    match &word.value {
        Value::List(items) => items.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// Whether a handler's name or topic is what is wanted, with or without its
/// role in front.
fn answers_to(handler: &Handler, name: &str, wanted: &str) -> bool {
    let prefixed = |role: &str| {
        wanted
            .strip_prefix(role)
            .and_then(|rest| rest.strip_prefix(" : ").or_else(|| rest.strip_prefix(": ")))
            == Some(name)
    };
    name == wanted
        || handler.role.as_ref().is_some_and(|role| {
            prefixed(&role.name) || role.name.rsplit('.').next().is_some_and(prefixed)
        })
}
