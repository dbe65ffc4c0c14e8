//! Attempts at a task: its arguments, its call, and `until`.

use std::sync::Arc;
use std::time::Duration;

use ocplay_language::plan::PlannedTask;
use ocplay_language::playbook::ast::{Task, Word};
use ocplay_language::value::{Map, Value, is_template};
use ocplay_language::vars::scope::Scope;

use super::verdict::{censored, finished_result};
use super::{Runner, Step};
use crate::actions::{self, Call};
use crate::chain::Turn;
use crate::event::Event;
use crate::given::Given;
use crate::outcome::ActionOutcome;
use crate::settings::{Evaluator, Settings};

impl Runner<'_> {
    /// Tries until `until` holds, if there is one.
    pub(super) async fn attempts(
        &self,
        scope: &Scope,
        settings: &Settings,
        item: Option<&Value>,
        turn: Option<&Turn>,
        given: &mut Given,
    ) -> ActionOutcome {
        let task = &self.step.planned.task;
        let evaluator = Evaluator {
            templar: self.templar(),
            scope,
        };
        let number = |word: &Option<Word>| match word {
            Some(word) => evaluator.number(word).map(Some),
            None => Ok(None),
        };
        let (retries, delay) = match (number(&task.retries), number(&task.delay)) {
            (Ok(retries), Ok(delay)) => (retries, delay.unwrap_or(5.0)),
            (Err(outcome), _) | (_, Err(outcome)) => return *outcome,
        };
        let repeated = !task.until.is_empty() || retries.is_some();
        let retries = retries.map_or(3, |count| count.max(0.0) as u32);
        let executions = if repeated { retries + 1 } else { 1 };
        let mut attempt = 1;
        loop {
            let mut outcome = self.once(scope, settings, item, turn, given).await;
            if outcome.unreachable {
                return outcome;
            }
            if repeated {
                outcome
                    .result
                    .insert("attempts", i64::from(attempt.min(retries.max(1))));
            }
            self.judge(scope, &mut outcome);
            if !repeated {
                return outcome;
            }
            let scope = self.with_result(scope, &outcome);
            let mut met = task.until.is_empty() && !outcome.failed;
            if !task.until.is_empty() {
                met = true;
                for word in &task.until {
                    match self.holds(word, &scope) {
                        Ok(true) => {}
                        Ok(false) => met = false,
                        Err(error) => return *error,
                    }
                }
            }
            if met {
                return outcome;
            }
            if attempt >= executions {
                // Where the author says what a failure is, that stands.
                outcome.failed |= task.failed_when.is_empty();
                return outcome;
            }
            let left = executions - attempt;
            attempt += 1;
            let result = if settings.no_log {
                censored(&outcome)
            } else {
                finished_result(&outcome).to_json()
            };
            self.shared.events.event(Event::Retrying {
                host: Arc::clone(self.host),
                task: Arc::clone(&self.step.info),
                left,
                result: Arc::new(result),
            });
            tokio::time::sleep(Duration::from_secs_f64(delay.clamp(0.0, 86_400.0))).await;
        }
    }

    async fn once(
        &self,
        scope: &Scope,
        settings: &Settings,
        item: Option<&Value>,
        turn: Option<&Turn>,
        given: &mut Given,
    ) -> ActionOutcome {
        let args = match self.arguments(scope) {
            Ok(args) => args,
            Err(outcome) => return *outcome,
        };
        let step = match self.named_step(scope) {
            Ok(Some(step)) => step,
            Ok(None) => Arc::clone(self.step),
            Err(outcome) => return *outcome,
        };
        let info = self
            .shared
            .resolver
            .catalogue()
            .get(&step.planned.task.action.name);
        *given = Given::new(&args, info, self.shared.options.verbosity);
        let call = Call {
            shared: self.shared,
            step: &step,
            host: self.host,
            fork: self.fork,
            turn,
            scope,
            settings,
            args,
            item,
            detached: match self.detached(scope) {
                Ok(wish) => wish,
                Err(outcome) => return *outcome,
            },
        };
        match settings.timeout {
            None => actions::run(&call).await,
            Some(limit) => match tokio::time::timeout(limit, actions::run(&call)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let seconds = limit.as_secs_f64();
                    let mut timedout = Map::new();
                    timedout.insert("period", Value::Float(seconds));
                    ActionOutcome::failure(format!("Timed out after {seconds} second(s)."))
                        .with("timedout", Value::from(timedout))
                }
            },
        }
    }

    /// The step with its module's name resolved, where that is a template.
    fn named_step(&self, scope: &Scope) -> Result<Option<Arc<Step>>, Box<ActionOutcome>> {
        let planned = &self.step.planned;
        let action = &planned.task.action;
        if !is_template(&action.name) {
            return Ok(None);
        }
        let value = Value::trusted(&action.name, &action.name_span, None);
        let name = self
            .templar()
            .resolve(&value, scope)
            .map_err(|error| Box::new(ActionOutcome::template(&error)))?;
        let name = ocplay_language::python::text(&name);
        if !self.shared.resolver.catalogue().knows(&name) {
            let unknown = self.shared.resolver.catalogue();
            let unknown = unknown.unknown(&name, &action.name_span);
            return Err(Box::new(ActionOutcome::mistake(unknown)));
        }
        let mut task = Task::clone(&planned.task);
        task.action.name = name;
        let planned = PlannedTask {
            id: planned.id.clone(),
            task: Arc::new(task),
            context: Arc::clone(&planned.context),
            implicit: planned.implicit,
        };
        Ok(Some(Arc::new(Step {
            planned: Arc::new(planned),
            ..Step::clone(self.step)
        })))
    }

    /// What `async` and `poll` ask for.
    fn detached(
        &self,
        scope: &Scope,
    ) -> Result<Option<actions::detached::Wish>, Box<ActionOutcome>> {
        let task = &self.step.planned.task;
        let evaluator = Evaluator {
            templar: self.templar(),
            scope,
        };
        let limit = match &task.asynchronous {
            Some(word) => evaluator.number(word)?,
            None => 0.0,
        };
        if limit < 1.0 {
            return Ok(None);
        }
        let poll = match &task.poll {
            Some(word) => evaluator.number(word)?,
            None => 15.0,
        };
        Ok(Some(actions::detached::Wish {
            limit: limit as u64,
            poll,
        }))
    }

    /// Arguments with their templates resolved, omitted ones left out,
    /// defaults for modules filled in.
    fn arguments(&self, scope: &Scope) -> Result<Map, Box<ActionOutcome>> {
        let planned = &self.step.planned;
        let action = &planned.task.action;
        let module = planned.module();
        let templar = self.templar();
        let fail = |name: Option<&str>, error| {
            let mut place = format!(
                "Finalization of task args for '{}' failed",
                self.shared.resolver.catalogue().full_name(&action.name)
            );
            if let Some(name) = name {
                place.push_str(&format!(": Error while resolving value for '{name}'"));
            }
            Box::new(ActionOutcome::template_in(&place, &error))
        };
        let resolve = |value: &Value, name: Option<&str>| {
            templar
                .resolve(value, scope)
                .map_err(|error| fail(name, error))
        };
        let mut args = Map::new();
        for word in planned.context.module_defaults() {
            if let Value::Map(defaults) = resolve(&word.value, None)? {
                for (name, values) in defaults.entries() {
                    let short = ocplay_language::playbook::ast::short_module_name(name);
                    if short == module
                        && let Some(values) = values.as_map()
                    {
                        args.extend(values);
                    }
                }
            }
        }
        // `debug` and `set_fact` look at some arguments themselves.
        for arg in &action.args {
            let value = if actions::keeps_lazy(module, &arg.name) {
                arg.value.clone()
            } else {
                resolve(&arg.value, Some(&arg.name))?
            };
            if matches!(value, Value::Omit) {
                continue;
            }
            // Only here are names of arguments made by templates.
            if module == "set_fact" && is_template(&arg.name) {
                let name = Value::trusted(&arg.name, &arg.name_span, None);
                match resolve(&name, None)? {
                    Value::Str(name) | Value::Trusted(name) => args.insert(&*name, value),
                    other => {
                        return Err(Box::new(ActionOutcome::failure(format!(
                            "Invalid variable name '{}' of type '{}'.",
                            ocplay_language::python::text(&other),
                            other.type_name()
                        ))));
                    }
                }
            } else {
                args.insert(&*arg.name, value);
            }
        }
        if let Some(raw) = &action.raw {
            match resolve(&raw.value, None)? {
                // What the task itself says stands.
                Value::Map(map) => {
                    for (key, value) in map.entries() {
                        if action.arg(key).is_none() && !matches!(value, Value::Omit) {
                            args.insert(&**key, value.clone());
                        }
                    }
                }
                Value::Omit => {}
                value if raw.value.is_lazy() && self.takes_only_words(module) => {
                    let name = self.shared.resolver.catalogue().full_name(&action.name);
                    return Err(Box::new(ActionOutcome::failure(format!(
                        "Task failed: Finalization of task args for '{name}' failed: Task args must resolve to a 'dict' not '{}'.",
                        value.type_name()
                    ))));
                }
                value => args.insert("_raw_params", value),
            }
        }
        Ok(args)
    }

    /// Whether a module knows no free text, only named arguments.
    fn takes_only_words(&self, module: &str) -> bool {
        let info = self.shared.resolver.catalogue().get(module);
        info.is_some_and(|info| !info.free_form)
    }
}
