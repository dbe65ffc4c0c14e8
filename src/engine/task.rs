//! One task on one host: loop, condition, attempts, verdict.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::loader::Loader;
use ocplay_language::plan::{PlannedPlay, PlannedTask, Resolver, Role};
use ocplay_language::playbook::ast::{Keyword, Task, Word};
use ocplay_language::source::Span;
use ocplay_language::template::{Templar, TemplateError};
use ocplay_language::value::{Map, Value, is_template};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::Diff;
use serde_json::Value as Json;

use crate::actions::{self, Call};
use crate::connection::Pool;
use crate::dispatcher::VarsFiles;
use crate::event::{Event, Report, Sink, Status, TaskInfo};
use crate::given::Given;
use crate::looping::{self, Items};
use crate::options::RunOptions;
use crate::outcome::{ActionOutcome, Effect, HostOutcome};
use crate::settings::{Evaluator, Settings};
use crate::world::{Snapshot, task_scope};

/// Id of the task with which plays begin unless told otherwise.
pub(crate) const GATHERING: &str = "gathering-facts";

/// What every task of a run shares.
pub(crate) struct Shared {
    pub(crate) options: RunOptions,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) templar: Templar,
    pub(crate) pool: Pool,
    pub(crate) events: Arc<dyn Sink>,
    pub(crate) loader: Arc<dyn Loader>,
    /// Warnings that were given already, as text.
    pub(crate) warned: Mutex<HashSet<String>>,
}

impl Shared {
    /// Warns about something, once in a run.
    pub(crate) fn warn_once(&self, warning: Diagnostic) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(warning.to_string()) {
            drop(warned);
            self.events.event(Event::Warning(warning));
        }
    }
}

/// One task on its way to several hosts.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) planned: Arc<PlannedTask>,
    pub(crate) info: Arc<TaskInfo>,
    pub(crate) play: Arc<PlannedPlay>,
    pub(crate) play_vars: Arc<Vec<(Level, Arc<Map>)>>,
    pub(crate) files: VarsFiles,
    /// Variables that somebody set in the debugger.
    pub(crate) debug_vars: Arc<Map>,
    pub(crate) dynamic_roles: Arc<Vec<Arc<Role>>>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// `ansible_play_hosts` and its kind, `groups`.
    pub(crate) play_magic: Arc<Map>,
}

impl Step {
    pub(crate) fn scope(&self, host: &str) -> Scope {
        let base = self.snapshot.scopes.get(host).cloned().unwrap_or_default();
        let base = base
            .with_hosts(Arc::clone(&self.snapshot) as _)
            .with(Level::Magic, Arc::clone(&self.play_magic));
        let scope = task_scope(
            &base,
            &self.play,
            &self.play_vars,
            &self.planned,
            &self.dynamic_roles,
        );
        self.files
            .scope(host, scope)
            .with(Level::Magic, Arc::clone(&self.debug_vars))
    }
}

/// One item's end, before it is combined.
struct ItemOutcome {
    outcome: ActionOutcome,
    settings: Option<Settings>,
    given: Given,
}

/// Runs a task on a host; never panics, never gives up without an outcome.
pub(crate) async fn run_on_host(
    shared: &Arc<Shared>,
    step: &Arc<Step>,
    host: Arc<str>,
) -> HostOutcome {
    let started = Instant::now();
    if !step.planned.implicit {
        shared.events.event(Event::HostStarted {
            host: Arc::clone(&host),
            task: Arc::clone(&step.info),
        });
    }
    let mut scope = step.scope(&host);
    // What was typed for `-k` is the lowest of all sources, as in Ansible.
    if let Some(password) = &shared.options.ssh.password {
        let value = Value::from(password.reveal());
        scope = scope.with_var(Level::CommandLineValues, "ansible_password", value);
    }
    let runner = Runner {
        shared,
        step,
        host: &host,
    };
    let (item, looped) = match looping::items(&shared.templar, &step.planned, &scope) {
        Ok(Items::None) => (runner.item(&scope, None).await, false),
        Ok(Items::Of(items)) => (runner.all_items(&scope, items).await, true),
        Err(error) => (runner.loop_failed(&scope, *error), false),
    };
    runner.finish(&scope, item, looped, started.elapsed())
}

struct Runner<'a> {
    shared: &'a Arc<Shared>,
    step: &'a Arc<Step>,
    host: &'a Arc<str>,
}

impl Runner<'_> {
    fn templar(&self) -> &Templar {
        &self.shared.templar
    }

    /// The loop's list could not be had. Where a condition is false without
    /// any item, the task is skipped all the same.
    fn loop_failed(&self, scope: &Scope, error: ActionOutcome) -> ItemOutcome {
        let outcome = match self.condition(scope) {
            Ok(Some(skipped)) => skipped,
            _ => error,
        };
        let evaluator = Evaluator {
            templar: self.templar(),
            scope,
        };
        let context = &self.step.planned.context;
        ItemOutcome {
            outcome,
            settings: evaluator
                .settings(context, &self.shared.options, false)
                .ok(),
            given: Given::default(),
        }
    }

    /// `Some` when a condition is false.
    fn condition(&self, scope: &Scope) -> Result<Option<ActionOutcome>, Box<ActionOutcome>> {
        for word in self.step.planned.context.when() {
            match self.holds(word, scope) {
                Ok(true) => {}
                Ok(false) => {
                    return Ok(Some(match self.meta() {
                        Some(meta) => {
                            let reason = actions::meta::left_out(meta, self.host);
                            self.shared.events.event(Event::Note {
                                level: 2,
                                text: format!("META: {reason}"),
                            });
                            ActionOutcome::skipped(&reason)
                        }
                        None => ActionOutcome::skipped("Conditional result was False")
                            .with("false_condition", plain(&word.value)),
                    }));
                }
                Err(outcome) => return Err(outcome),
            }
        }
        Ok(None)
    }

    /// Which `meta` this is.
    fn meta(&self) -> Option<&str> {
        let planned = &self.step.planned;
        if planned.module() != "meta" || planned.implicit {
            return None;
        }
        planned.task.action.raw.as_ref()?.value.as_str()
    }

    fn holds(&self, word: &Word, scope: &Scope) -> Result<bool, Box<ActionOutcome>> {
        condition(self.templar(), &word.value, &word.span, scope)
            .map_err(|error| Box::new(ActionOutcome::template(&error)))
    }

    async fn all_items(&self, scope: &Scope, items: Vec<Value>) -> ItemOutcome {
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

    /// Where the task goes and as whom, for content that asks for it: as a
    /// rule no variable says so.
    fn with_connection(&self, scope: &Scope) -> Scope {
        let context = &self.step.planned.context;
        if let Some(word) = context.get(Keyword::DelegateTo) {
            return self.with_delegate(word, scope);
        }
        let word = |keyword: Keyword| {
            let value = self.templar().resolve(&context.get(keyword)?.value, scope);
            value.ok()?.as_str().map(str::to_owned)
        };
        let ssh = &self.shared.options.ssh;
        let mut vars = Map::new();
        let mut known = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|_| scope.get(name).is_none()) {
                vars.insert(name, value);
            }
        };
        known("ansible_host", Some(self.host.to_string()));
        let kind = word(Keyword::Connection).or_else(|| ssh.connection.clone());
        known(
            "ansible_connection",
            Some(kind.unwrap_or_else(|| "ssh".to_owned())),
        );
        known(
            "ansible_user",
            word(Keyword::RemoteUser).or_else(|| ssh.user.clone()),
        );
        if vars.is_empty() {
            return scope.clone();
        }
        scope.with(Level::CommandLineValues, Arc::new(vars))
    }

    /// `ansible_delegated_vars`: what is known about the host to which the
    /// task is delegated.
    fn with_delegate(&self, word: &Word, scope: &Scope) -> Scope {
        let name = self.templar().resolve(&word.value, scope);
        let Some(name) = name.ok().and_then(|name| name.as_str().map(str::to_owned)) else {
            return scope.clone();
        };
        let known = self.step.snapshot.scopes.get(&*name);
        let mut vars = known.map(Scope::flatten).unwrap_or_default();
        if !vars.contains_key("ansible_host") {
            vars.insert("ansible_host", name.as_str());
        }
        vars.insert("inventory_hostname", &**self.host);
        let mut delegated = Map::new();
        delegated.insert(name, vars);
        scope.with_var(Level::Magic, "ansible_delegated_vars", delegated.into())
    }

    /// The task for one item, or without a loop.
    async fn item(&self, scope: &Scope, item: Option<&Value>) -> ItemOutcome {
        let planned = &self.step.planned;
        let scope = &self.with_connection(scope);
        let mut given = Given::default();
        // Whom to delegate to is known before any condition.
        let nobody = planned
            .context
            .get(Keyword::DelegateTo)
            .is_some_and(|word| {
                let name = self.templar().resolve(&word.value, scope);
                name.is_ok_and(|name| name.as_str() == Some(""))
            });
        match self.condition(scope) {
            Ok(_) if nobody => {}
            Ok(None) => {}
            found @ (Ok(Some(_)) | Err(_)) => {
                let outcome = match found {
                    Ok(skipped) => skipped.unwrap_or_default(),
                    Err(error) => *error,
                };
                let evaluator = Evaluator {
                    templar: self.templar(),
                    scope,
                };
                let settings = evaluator
                    .settings(
                        &planned.context,
                        &self.shared.options,
                        planned.id == GATHERING,
                    )
                    .ok();
                return ItemOutcome {
                    outcome,
                    settings,
                    given,
                };
            }
        }
        let evaluator = Evaluator {
            templar: self.templar(),
            scope,
        };
        let settings = match evaluator.settings(
            &planned.context,
            &self.shared.options,
            planned.id == GATHERING,
        ) {
            Ok(settings) => settings,
            Err(outcome) => {
                let settings = evaluator.rescue(&planned.context, &self.shared.options);
                return ItemOutcome {
                    outcome: *outcome,
                    settings: Some(settings),
                    given,
                };
            }
        };
        let outcome = self.attempts(scope, &settings, item, &mut given).await;
        ItemOutcome {
            outcome,
            settings: Some(settings),
            given,
        }
    }

    /// Tries until `until` holds, if there is one.
    async fn attempts(
        &self,
        scope: &Scope,
        settings: &Settings,
        item: Option<&Value>,
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
            let mut outcome = self.once(scope, settings, item, given).await;
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

    fn with_result(&self, scope: &Scope, outcome: &ActionOutcome) -> Scope {
        match self.register_name() {
            Some(name) => scope.with_var(Level::Magic, &name, finished_result(outcome)),
            None => scope.clone(),
        }
    }

    fn register_name(&self) -> Option<String> {
        let word = self.step.planned.task.register.as_ref()?;
        word.value.as_str().map(str::to_owned)
    }

    /// `changed_when` and `failed_when` have the last word.
    fn judge(&self, scope: &Scope, outcome: &mut ActionOutcome) {
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

    fn report(&self, item: &ItemOutcome, status: Status, label: Option<String>) -> Report {
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

    fn finish(
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
fn plain(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), Value::from)
}

fn status_of(outcome: &ActionOutcome, settings: Option<&Settings>) -> Status {
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
fn finished_result(outcome: &ActionOutcome) -> Value {
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

fn censored(outcome: &ActionOutcome) -> serde_json::Value {
    serde_json::json!({
        "censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result",
        "changed": outcome.changed,
    })
}

fn label_includes(outcome: &mut ActionOutcome, label: &str) {
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

/// The end of an include whose file or role cannot be had.
pub(crate) fn include_failed(
    planned: &PlannedTask,
    templar: &Templar,
    host: &Arc<str>,
    reason: &str,
) -> Event {
    Event::HostDone {
        host: Arc::clone(host),
        task: Arc::new(info(planned, templar, &Scope::new(), false)),
        report: Report {
            status: Status::Failed,
            result: Arc::new(serde_json::json!({ "changed": false, "reason": reason })),
            diff: Vec::new(),
            item: None,
            delegated: None,
            no_log: false,
            args_hash: String::new(),
            mistake: None,
        },
        looped: false,
        duration: Duration::ZERO,
    }
}

/// The module of a task, also where a template names it.
fn module_name(planned: &PlannedTask, templar: &Templar, scope: &Scope) -> String {
    let action = &planned.task.action;
    if is_template(&action.name) {
        let value = Value::trusted(&action.name, &action.name_span, None);
        if let Ok(Value::Str(name) | Value::Trusted(name)) = templar.resolve(&value, scope) {
            return name.to_string();
        }
    }
    action.name.clone()
}

/// The title of a task, with templates resolved where that works.
pub(crate) fn info(
    planned: &PlannedTask,
    templar: &Templar,
    scope: &Scope,
    handler: bool,
) -> TaskInfo {
    let name = planned
        .task
        .name
        .as_ref()
        .map(|word| match templar.resolve(&word.value, scope) {
            Ok(value) => value.as_str().unwrap_or_default().to_owned(),
            Err(_) => word.value.as_str().unwrap_or_default().to_owned(),
        });
    // Without a name of its own, an include is called after its role.
    let role = planned
        .task
        .action
        .arg("name")
        .filter(|_| planned.module() == "include_role");
    let name = name.or_else(|| {
        let value = templar.resolve(&role?.value, scope).ok()?;
        Some(format!("include_role : {}", value.as_str()?))
    });
    let span = &planned.task.span;
    TaskInfo {
        id: planned.id.as_str().into(),
        title: planned.title(name.as_deref()),
        module: module_name(planned, templar, scope),
        path: format!("{}:{}", span.path().display(), span.position().0),
        span: span.clone(),
        handler,
    }
}

/// A condition with its place, so that an error can show it.
pub(crate) fn condition(
    templar: &Templar,
    value: &Value,
    span: &Span,
    scope: &Scope,
) -> Result<bool, TemplateError> {
    match value {
        Value::Trusted(text) => {
            let written = span.text();
            let quoted = usize::from(written.starts_with(['"', '\'']));
            let exact = written
                .get(quoted..)
                .is_some_and(|rest| rest.starts_with(&**text));
            let offset = exact.then_some(u32::from(quoted == 1));
            templar.condition_at(text, span, offset, scope)
        }
        other => templar.condition(other, scope).map_err(|mut error| {
            if error.span.is_nowhere() {
                error.span = span.clone();
            }
            error
        }),
    }
}

/// A mistake as text, for the places that carry only text.
pub(crate) fn first_text(problems: &[Diagnostic]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
