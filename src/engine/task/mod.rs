//! One task on one host: `items` goes through a loop, `attempt` tries, `verdict` judges.

mod attempt;
mod items;
mod verdict;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::loader::Loader;
use ocplay_language::plan::{PlannedPlay, PlannedTask, Resolver, Role};
use ocplay_language::playbook::ast::{Keyword, Word};
use ocplay_language::source::Span;
use ocplay_language::template::{Templar, TemplateError};
use ocplay_language::value::{Map, Value, is_template};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use crate::actions;
use crate::chain::Turn;
use crate::connection::Pool;
use crate::dispatcher::VarsFiles;
use crate::event::{Event, Report, Sink, Status, TaskInfo};
use crate::forks::Fork;
use crate::given::Given;
use crate::looping::{self, Items};
use crate::options::RunOptions;
use crate::outcome::{ActionOutcome, HostOutcome};
use crate::settings::{Evaluator, Settings};
use crate::world::{Snapshot, task_scope};

pub(crate) use verdict::difference;
use verdict::plain;

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
    fork: &Fork,
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
        fork,
    };
    let (item, looped) = match looping::items(&shared.templar, &step.planned, &scope) {
        Ok(Items::None) => (runner.item(&scope, None, None).await, false),
        Ok(Items::Of(items)) => (runner.all_items(&scope, items).await, true),
        Err(error) => (runner.loop_failed(&scope, *error), false),
    };
    runner.finish(&scope, item, looped, started.elapsed())
}

struct Runner<'a> {
    shared: &'a Arc<Shared>,
    step: &'a Arc<Step>,
    host: &'a Arc<str>,
    fork: &'a Fork,
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
    async fn item(&self, scope: &Scope, item: Option<&Value>, turn: Option<&Turn>) -> ItemOutcome {
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
        let outcome = self
            .attempts(scope, &settings, item, turn, &mut given)
            .await;
        ItemOutcome {
            outcome,
            settings: Some(settings),
            given,
        }
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
