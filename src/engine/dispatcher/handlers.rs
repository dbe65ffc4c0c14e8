//! Notifications, and running what was notified.

use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::playbook::ast::Word;
use ocplay_language::value::Value;

use super::{Dispatcher, PlayRun};
use crate::event::Event;
use crate::host::Standing;

impl Dispatcher {
    pub(super) fn notify(&mut self, run: &PlayRun, wanted: &str, host: &Arc<str>) {
        let templar = &self.shared.templar;
        let Some(state) = self.hosts.get_mut(host) else {
            return;
        };
        let scope = state.scope().clone();
        let text = |word: &Word| -> Vec<String> {
            let value = templar
                .resolve(&word.value, &scope)
                .unwrap_or_else(|_| word.value.clone());
            match &value {
                Value::List(items) => items
                    .iter()
                    .filter_map(|item| item.as_str().map(str::to_owned))
                    .collect(),
                other => other.as_str().map(str::to_owned).into_iter().collect(),
            }
        };
        let mut found = false;
        for (number, handler) in run.handlers.iter().enumerate() {
            let names = handler.name.iter().flat_map(&text).any(|name| {
                name == wanted
                    || handler.role.as_ref().is_some_and(|role| {
                        format!("{} : {name}", role.name) == wanted
                            || format!("{}: {name}", role.name) == wanted
                    })
            });
            // Of several handlers with one name the first runs.
            if names && !found {
                found = true;
                state.notified.insert(number);
            }
            if handler
                .listen
                .iter()
                .flat_map(&text)
                .any(|topic| topic == wanted)
            {
                found = true;
                state.notified.insert(number);
            }
        }
        if !found {
            let names: Vec<String> = run
                .handlers
                .iter()
                .flat_map(|handler| handler.name.iter().flat_map(&text))
                .collect();
            let problem = Diagnostic::warning(
                "unknown-handler",
                format!("no handler is named '{wanted}' or listens to it"),
            )
            .suggest(wanted, names.iter().map(String::as_str));
            self.shared.events.event(Event::Warning(problem));
        }
    }

    /// Runs what was notified, in the order in which handlers are defined.
    pub(crate) async fn flush_handlers(&mut self, run: &mut PlayRun, hosts: &[Arc<str>]) {
        // A handler may notify one that was passed already; more rounds than
        // there are handlers would be a circle.
        for _ in 0..=run.handlers.len() {
            let mut ran = false;
            let mut number = 0;
            while number < run.handlers.len() {
                let notified: Vec<Arc<str>> = hosts
                    .iter()
                    .filter(|name| {
                        self.hosts.get_mut(*name).is_some_and(|host| {
                            let takes_part = host.is_active()
                                || (host.standing == Standing::Failed
                                    && self.shared.options.force_handlers);
                            takes_part && host.notified.shift_remove(&number)
                        })
                    })
                    .cloned()
                    .collect();
                if !notified.is_empty() {
                    ran = true;
                    let node = run.handlers[number].node.clone();
                    Box::pin(self.section(run, Arc::from([node]), &notified, true)).await;
                }
                number += 1;
            }
            if !ran {
                return;
            }
        }
    }
}
