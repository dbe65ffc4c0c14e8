//! How a task ended: verdict, report, and what playbooks see of it.

use std::sync::Arc;
use std::time::Duration;

use ocplay_language::playbook::ast::{Keyword, Word};
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::Diff;
use serde_json::Value as Json;

use super::{ItemOutcome, Runner};
use crate::event::{Event, Report, Status};
use crate::outcome::{ActionOutcome, HostOutcome};
use crate::settings::Settings;

impl Runner<'_> {
    pub(super) fn with_result(&self, scope: &Scope, outcome: &ActionOutcome) -> Scope {
        match self.register_name() {
            Some(name) => scope.with_var(Level::Magic, &name, finished_result(outcome)),
            None => scope.clone(),
        }
    }

    pub(super) fn register_name(&self) -> Option<String> {
        let word = self.step.planned.task.register.as_ref()?;
        word.value.as_str().map(str::to_owned)
    }

    /// `changed_when` and `failed_when` have the last word.
    pub(super) fn judge(&self, scope: &Scope, outcome: &mut ActionOutcome) {
        let task = &self.step.planned.task;
        if outcome.skipped || (task.changed_when.is_empty() && task.failed_when.is_empty()) {
            return;
        }
        let scope = self.with_result(scope, outcome);
        let all = |words: &[Word]| {
            words.iter().try_fold(true, |all, word| {
                Ok::<bool, Box<ActionOutcome>>(all && self.holds(word, &scope)?)
            })
        };
        if !task.changed_when.is_empty() {
            match all(&task.changed_when) {
                Ok(changed) => outcome.changed = changed,
                Err(error) => return fail_with(outcome, "changed_when_result", *error),
            }
        }
        if !task.failed_when.is_empty() {
            match all(&task.failed_when) {
                Ok(failed) => {
                    if outcome.failed && !failed {
                        outcome
                            .result
                            .insert("failed_when_suppressed_exception", NO_TRACEBACK);
                    }
                    outcome.failed = failed;
                    outcome.result.insert("failed_when_result", failed);
                }
                Err(error) => fail_with(outcome, "failed_when_result", *error),
            }
        }
    }

    pub(super) fn report(
        &self,
        item: &ItemOutcome,
        status: Status,
        label: Option<String>,
    ) -> Report {
        let outcome = &item.outcome;
        let settings = item.settings.as_ref();
        let no_log = settings.map_or_else(|| self.hides(), |settings| settings.no_log)
            || outcome.result.get("_ansible_no_log") == Some(&Value::Bool(true));
        let shown = settings.is_none_or(|settings| settings.diff) && !no_log;
        Report {
            status,
            result: Arc::new(if no_log {
                censored(outcome)
            } else {
                let mut result = finished_result(outcome).to_json();
                let ran = !outcome.unreachable && !outcome.skipped;
                if let (Json::Object(map), Some(invocation), true) =
                    (&mut result, &item.given.invocation, ran)
                {
                    map.insert("invocation".to_owned(), invocation.clone());
                }
                result
            }),
            diff: if shown {
                outcome.diff.clone()
            } else {
                Vec::new()
            },
            item: if no_log && label.is_some() {
                Some("(censored due to no_log)".to_owned())
            } else {
                label
            },
            delegated: settings
                .and_then(|settings| settings.delegate_to.as_deref())
                .filter(|name| **name != **self.host)
                .map(Arc::from),
            no_log,
            args_hash: item.given.hash.clone(),
            mistake: if no_log {
                None
            } else {
                outcome.mistake.clone()
            },
        }
    }

    /// Settings could not be evaluated: hide the result where it may be secret.
    fn hides(&self) -> bool {
        self.step
            .planned
            .context
            .get(Keyword::NoLog)
            .is_some_and(|word| word.value != Value::Bool(false))
    }

    pub(super) fn finish(
        &self,
        scope: &Scope,
        item: ItemOutcome,
        looped: bool,
        duration: Duration,
    ) -> HostOutcome {
        let status = status_of(&item.outcome, item.settings.as_ref());
        let report = self.report(&item, status, None);
        let delegate = item
            .settings
            .as_ref()
            .filter(|settings| settings.delegate_facts);
        let fact_host = delegate
            .and_then(|settings| settings.delegate_to.as_deref())
            .map(Arc::from);
        let mut result = finished_result(&item.outcome);
        if let (Value::Map(map), Some(name)) = (&mut result, &report.delegated) {
            let mut delegated = Map::new();
            delegated.insert("ansible_delegated_host", Value::Str(Arc::clone(name)));
            Arc::make_mut(map).insert("ansible_delegated_vars", delegated);
        }
        for warning in self.shared.templar.take_warnings() {
            self.shared.events.event(Event::Warning(warning));
        }
        if !self.step.planned.implicit {
            self.shared.events.event(Event::HostDone {
                host: Arc::clone(self.host),
                task: Arc::clone(&self.step.info),
                report,
                looped,
                duration,
            });
        }
        HostOutcome {
            host: Arc::clone(self.host),
            status,
            result,
            effects: item.outcome.effects,
            fact_host,
            notify: if item.outcome.changed {
                self.notify(scope)
            } else {
                Vec::new()
            },
            register: self.register_name(),
        }
    }

    fn notify(&self, scope: &Scope) -> Vec<String> {
        let Some(word) = self.step.planned.context.get(Keyword::Notify) else {
            return Vec::new();
        };
        match self.templar().resolve(&word.value, scope) {
            Ok(Value::List(items)) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Ok(value) => value.as_str().map(str::to_owned).into_iter().collect(),
            Err(error) => {
                self.shared.events.event(Event::Warning(error.diagnostic()));
                Vec::new()
            }
        }
    }
}

/// What stands for Python's traceback in results of failed tasks.
const NO_TRACEBACK: &str = "(traceback unavailable)";

/// A verdict that cannot be had fails the task; what it did stays known.
fn fail_with(outcome: &mut ActionOutcome, key: &str, error: ActionOutcome) {
    outcome.failed = true;
    let message = error.result.get("msg").and_then(Value::as_str);
    let message = message.unwrap_or_default();
    let message = message.strip_prefix("Task failed: ").unwrap_or(message);
    outcome.result.insert(key, message.to_owned());
    if !outcome.result.contains_key("msg") {
        outcome.result.insert("msg", message.to_owned());
    }
    outcome.mistake = error.mistake;
}

/// A template's text, or the value itself.
pub(super) fn plain(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), Value::from)
}

pub(super) fn status_of(outcome: &ActionOutcome, settings: Option<&Settings>) -> Status {
    let ignores = |pick: fn(&Settings) -> bool| settings.is_some_and(pick);
    if outcome.unreachable {
        if ignores(|settings| settings.ignore_unreachable) {
            Status::Ignored
        } else {
            Status::Unreachable
        }
    } else if outcome.failed {
        if ignores(|settings| settings.ignore_errors) {
            Status::Ignored
        } else {
            Status::Failed
        }
    } else if outcome.skipped {
        Status::Skipped
    } else if outcome.changed {
        Status::Changed
    } else {
        Status::Ok
    }
}

/// What `register` keeps and events show.
pub(super) fn finished_result(outcome: &ActionOutcome) -> Value {
    let mut result = outcome.result.clone();
    result.insert("changed", outcome.changed);
    if outcome.skipped {
        result.insert("skipped", true);
    }
    result.insert("failed", outcome.failed);
    let whole = !result.contains_key("results") && !result.contains_key("diff");
    if whole && !outcome.diff.is_empty() {
        result.insert("diff", differences(&outcome.diff));
    }
    if outcome.failed && !result.contains_key("results") && !result.contains_key("exception") {
        result.insert("exception", NO_TRACEBACK);
    }
    result.into()
}

/// Changes as playbooks find them in a result.
fn differences(all: &[Diff]) -> Value {
    Value::from(all.iter().map(difference).collect::<Vec<Value>>())
}

/// One change as playbooks find it in a result.
pub(crate) fn difference(diff: &Diff) -> Value {
    let mut map = Map::new();
    if !diff.prepared.is_empty() {
        map.insert("prepared", diff.prepared.as_str());
        return map.into();
    }
    for (name, text) in [
        ("before_header", &diff.before_header),
        ("before", &diff.before),
        ("after_header", &diff.after_header),
        ("after", &diff.after),
    ] {
        if !text.is_empty() || !name.ends_with("header") {
            map.insert(name, text.as_str());
        }
    }
    map.into()
}

pub(super) fn censored(outcome: &ActionOutcome) -> serde_json::Value {
    serde_json::json!({
        "censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result",
        "changed": outcome.changed,
    })
}
