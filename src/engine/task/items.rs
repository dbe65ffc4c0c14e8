//! The items of a loop, one after the other, and what becomes of the task then.

use std::sync::Arc;

use ocplay_language::value::Value;
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use super::verdict::{finished_result, status_of};
use super::{ItemOutcome, Runner};
use crate::event::Event;
use crate::given::Given;
use crate::looping;
use crate::outcome::{ActionOutcome, Effect};
use crate::settings::Evaluator;

impl Runner<'_> {
    pub(super) async fn all_items(&self, scope: &Scope, items: Vec<Value>) -> ItemOutcome {
        let control = &self.step.planned.task.loop_control;
        let evaluator = Evaluator {
            templar: self.templar(),
            scope,
        };
        let names = match looping::names(control, &evaluator) {
            Ok(names) => names,
            Err(outcome) => {
                return ItemOutcome {
                    outcome: *outcome,
                    settings: None,
                    given: Given::default(),
                };
            }
        };
        let mut done: Vec<ItemOutcome> = Vec::new();
        let mut results = Vec::new();
        let mut seen = scope.clone();
        let total = items.len();
        for (index, item) in items.iter().enumerate() {
            if index > 0
                && let Some(pause) = names.pause
            {
                tokio::time::sleep(pause).await;
            }
            let inner = names.scope(&seen, &items, index);
            let mut outcome = self.item(&inner, Some(item)).await;
            // What one item sets, the next one sees.
            for effect in &outcome.outcome.effects {
                if let Effect::SetFacts(vars) = effect {
                    seen = seen.with(Level::SetFacts, Arc::new(vars.clone()));
                }
            }
            // What an item before has brought is no news any more.
            let again = outcome.outcome.effects.iter().any(|effect| {
                matches!(effect, Effect::AddHost { .. })
                    && done.iter().any(|known| {
                        let mut known = known.outcome.effects.iter();
                        known.any(|known| format!("{known:?}") == format!("{effect:?}"))
                    })
            });
            outcome.outcome.changed &= !again;
            outcome.outcome.result.insert(&*names.item, item.clone());
            outcome
                .outcome
                .result
                .insert("ansible_loop_var", names.item.as_str());
            if let Some(name) = &names.index {
                outcome
                    .outcome
                    .result
                    .insert(name.as_str(), i64::try_from(index).unwrap_or(0));
                outcome
                    .outcome
                    .result
                    .insert("ansible_index_var", name.as_str());
            }
            // What the item gave is known to its label already.
            let seen_result = self.with_result(&inner, &outcome.outcome);
            let label = match names.label(control, &seen_result, self.templar(), item) {
                Ok(label) => label,
                Err(error) => {
                    let failed = ActionOutcome::template(&error);
                    outcome.outcome.failed = true;
                    outcome.outcome.result.extend(&failed.result);
                    outcome.outcome.mistake = failed.mistake;
                    ocplay_language::python::text(item)
                }
            };
            let status = status_of(&outcome.outcome, outcome.settings.as_ref());
            let report = self.report(&outcome, status, Some(label.clone()));
            self.shared.events.event(Event::ItemDone {
                host: Arc::clone(self.host),
                task: Arc::clone(&self.step.info),
                report,
            });
            label_includes(&mut outcome.outcome, &label);
            if outcome.outcome.unreachable && ignores_loss(&outcome) {
                outcome.outcome.result.remove("unreachable");
            }
            results.push(finished_result(&outcome.outcome));
            done.push(outcome);
            let broken = control
                .break_when
                .iter()
                .try_fold(!control.break_when.is_empty(), |all, word| {
                    Ok::<bool, Box<ActionOutcome>>(all && self.holds(word, &inner)?)
                });
            if index + 1 < total && matches!(broken, Ok(true)) {
                break;
            }
        }
        combine(done, results)
    }
}

pub(super) fn label_includes(outcome: &mut ActionOutcome, label: &str) {
    for effect in &mut outcome.effects {
        match effect {
            Effect::IncludeTasks(include) => include.item = Some(label.to_owned()),
            Effect::IncludeRole(include) => include.item = Some(label.to_owned()),
            _ => {}
        }
    }
}

fn ignores_loss(item: &ItemOutcome) -> bool {
    let settings = item.settings.as_ref();
    settings.is_some_and(|settings| settings.ignore_unreachable)
}

/// Items to one result.
fn combine(items: Vec<ItemOutcome>, results: Vec<Value>) -> ItemOutcome {
    let mut all = ActionOutcome::default();
    let mut settings = None;
    let mut hashes = Vec::new();
    let count = items.len();
    let mut skipped = 0;
    let mut forgiven = true;
    let mut let_go = true;
    for item in items {
        if item.outcome.unreachable {
            let_go &= ignores_loss(&item);
        }
        all.changed |= item.outcome.changed;
        all.failed |= item.outcome.failed;
        all.unreachable |= item.outcome.unreachable;
        skipped += usize::from(item.outcome.skipped);
        all.diff.extend(item.outcome.diff);
        all.effects.extend(item.outcome.effects);
        if item.outcome.failed {
            forgiven &= item
                .settings
                .as_ref()
                .is_some_and(|settings| settings.ignore_errors);
            all.mistake = all.mistake.or(item.outcome.mistake);
        }
        hashes.push(item.given);
        settings = item.settings.or(settings);
    }
    if let Some(settings) = &mut settings {
        settings.ignore_errors = forgiven && settings.ignore_errors;
        settings.ignore_unreachable = let_go;
    }
    if all.unreachable && !let_go {
        all.result.insert("unreachable", true);
    }
    all.result.insert("results", results);
    if count == 0 {
        all.skipped = true;
        all.result.insert("skipped_reason", "No items in the list");
    } else if skipped == count {
        all.skipped = true;
        all.result.insert("msg", "All items skipped");
    } else if all.failed {
        all.result.insert("msg", "One or more items failed");
    } else {
        all.result.insert("msg", "All items completed");
        all.result.insert("skipped", false);
    }
    let given = Given::of_loop(hashes.iter());
    ItemOutcome {
        outcome: all,
        settings,
        given,
    }
}
