//! The items of a loop, one after the other, and what becomes of the task then.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use ocplay_language::playbook::ast::Keyword;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use super::verdict::{finished_result, status_of};
use super::{ItemOutcome, Runner};
use crate::actions;
use crate::chain::{self, Chain};
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
        // What one item sets, the next one sees.
        let mut seen = scope.clone();
        let mut brought = Map::new();
        let total = items.len();
        let chain = self.goes_together(&names).then(Arc::<Chain>::default);
        let window = chain.as_ref().map_or(1, |_| chain::WINDOW);
        let mut begun = 0;
        let mut running = FuturesOrdered::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0
                && let Some(pause) = names.pause
            {
                tokio::time::sleep(pause).await;
            }
            while begun < total && running.len() < window {
                let inner = names.scope(&seen, &items, begun);
                let turn = chain.as_ref().map(|chain| chain.join(begun));
                let item = items.get(begun);
                begun += 1;
                running.push_back(async move {
                    let outcome = self.item(&inner, item, turn.as_ref()).await;
                    (inner, outcome)
                });
            }
            let Some((inner, mut outcome)) = running.next().await else {
                break;
            };
            for effect in &outcome.outcome.effects {
                if let Effect::SetFacts(vars) = effect {
                    brought.extend(vars);
                }
            }
            if chain.is_none() {
                if let Some(name) = self.register_name() {
                    brought.insert(name, finished_result(&outcome.outcome));
                }
                if !brought.is_empty() {
                    seen = scope.with(Level::SetFacts, Arc::new(brought.clone()));
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

    /// Whether items may be on their way to the host together: none of them
    /// can need to know how another one ended.
    fn goes_together(&self, names: &looping::Names) -> bool {
        let task = &self.step.planned.task;
        let info = self.shared.resolver.catalogue().get(&task.action.name);
        let alone = info.is_some_and(actions::goes_together)
            && task.until.is_empty()
            && task.retries.is_none()
            && task.asynchronous.is_none()
            && task.loop_control.break_when.is_empty()
            // Each has its own time, which begins with its work.
            && self.step.planned.context.get(Keyword::Timeout).is_none()
            && self.shared.options.rules.task_timeout == 0
            && names.pause.is_none();
        alone
            && !self
                .register_name()
                .is_some_and(|name| self.mentions(&name))
    }

    /// Whether a name occurs in what the task says. What its variables say is
    /// not looked through.
    fn mentions(&self, name: &str) -> bool {
        let planned = &self.step.planned;
        let (action, context) = (&planned.task.action, &planned.context);
        let args = action.args.iter().map(|arg| &arg.value);
        let raw = action.raw.iter().map(|word| &word.value);
        let conditions = context.when().into_iter();
        let lists = context.environment().into_iter();
        let lists = lists.chain(context.module_defaults());
        let words = context.own().words.values();
        let words = conditions.chain(lists).chain(words).map(|word| &word.value);
        args.chain(raw)
            .chain(words)
            .any(|value| occurs(name, value))
            || context.vars().iter().any(|vars| occurs_among(name, vars))
    }
}

fn occurs(name: &str, value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(|item| occurs(name, item)),
        Value::Map(map) => occurs_among(name, map),
        other => other.as_str().is_some_and(|text| text.contains(name)),
    }
}

fn occurs_among(name: &str, map: &Map) -> bool {
    map.entries().any(|(_, value)| occurs(name, value))
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
