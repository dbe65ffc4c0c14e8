//! The run's state and the one place that changes it.
//!
//! Neighbours: `free` lets each host go at its own pace, `settle` turns outcomes
//! into state, `includes` brings files and roles in, `handlers` finds what was
//! notified.
//!
//! Workers get a snapshot and give back outcomes; here the outcomes become
//! variables, notifications, standings and further tasks.

mod confirm;
mod debugger;
mod free;
mod handlers;
mod includes;
mod roles;
mod settle;
mod vars_files;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool};

use indexmap::IndexMap;
use ocplay_language::inventory::{Inventory, VarsFolders};
use ocplay_language::plan::tags;
use ocplay_language::plan::{Handler, PlannedPlay, PlannedTask, Role};
use ocplay_language::playbook::ast::Keyword;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use tokio::sync::Semaphore;

use crate::cursor::{At, Cursor};
use crate::custom_stats::CustomStats;
use crate::event::{Event, Status};
use crate::forks::Forks;
use crate::host::{Host, Standing};
use crate::outcome::{Effect, HostOutcome};
use crate::settings::Evaluator;
use crate::task::{self, Shared, Step};
use crate::world::{self, Snapshot};

pub(crate) use vars_files::VarsFiles;

/// State of a run.
pub(crate) struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inventory: Inventory,
    pub(crate) folders: VarsFolders,
    pub(crate) hosts: IndexMap<Arc<str>, Host>,
    /// Connection facts of lab hosts.
    pub(crate) lab: HashMap<Arc<str>, Arc<Map>>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) stats: CustomStats,
    /// What `add_host` and `group_by` brought so far.
    grown: Vec<(Effect, Vec<Arc<str>>)>,
    snapshot: Option<Arc<Snapshot>>,
    groups: Option<Value>,
    forks: Forks,
    /// `--start-at-task`, until it is met.
    start_at: Option<String>,
    /// `--step`, until somebody says to go on.
    stepwise: bool,
    /// No play comes behind this one.
    pub(crate) last_play: bool,
}

/// What belongs to the play that is running.
pub(crate) struct PlayRun {
    pub(crate) play: Arc<PlannedPlay>,
    pub(crate) vars: Arc<Vec<(Level, Arc<Map>)>>,
    /// What `vars_files` brought, for each host.
    pub(crate) files: VarsFiles,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) dynamic_roles: Arc<Vec<Arc<Role>>>,
    /// Hosts of the play, and of the batch that is running.
    pub(crate) all: Vec<Arc<str>>,
    pub(crate) batch: Vec<Arc<str>>,
    /// Where the hosts of the batch stand.
    pub(crate) cursors: IndexMap<Arc<str>, Cursor>,
    /// Which roles hosts have been through.
    pub(crate) roles: roles::Passed,
    pub(crate) force_handlers: bool,
    pub(crate) ended: bool,
    /// A mistake in the content that no host can be blamed for.
    pub(crate) broken: bool,
}

/// Where tasks go, and who goes along.
pub(super) struct Settling<'a> {
    pub(super) planned: &'a Arc<PlannedTask>,
    /// The hosts that stood at the task.
    pub(super) here: &'a [Arc<str>],
    /// One host did the work for all of them.
    pub(super) once: bool,
    /// The task does not count as one (`meta`).
    pub(super) quiet: bool,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        inventory: Inventory,
        folders: VarsFolders,
        lab: HashMap<Arc<str>, Arc<Map>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let forks = Forks::new(shared.options.forks);
        let start_at = shared.options.start_at_task.clone();
        let stepwise = shared.options.stepwise;
        Self {
            shared,
            inventory,
            folders,
            hosts: IndexMap::new(),
            lab,
            stop,
            stats: CustomStats::default(),
            grown: Vec::new(),
            snapshot: None,
            groups: None,
            forks,
            start_at,
            stepwise,
            last_play: false,
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(atomic::Ordering::Relaxed)
    }

    /// Makes sure that a host is known and has its variables for this play.
    pub(crate) fn prepare_host(&mut self, name: &Arc<str>, play: &PlannedPlay) {
        let inventory = &self.inventory;
        let options = &self.shared.options;
        let scope = world::inventory_scope(
            name,
            inventory,
            &self.folders,
            Some(&play.folder),
            self.lab.get(name),
        );
        let mut scope = match scope {
            Ok(scope) => scope.merging(options.rules.merge_hashes),
            Err(problem) => {
                self.shared.events.event(Event::Mistakes(vec![*problem]));
                return;
            }
        };
        if inventory.host(name).is_none() && crate::actions::is_local_name(name) {
            scope = scope.with_var(Level::InventoryHost, "ansible_connection", "local".into());
            if let Some(python) = &options.python {
                scope = scope.with_var(
                    Level::InventoryHost,
                    "ansible_python_interpreter",
                    python.as_str().into(),
                );
            }
        }
        let mut magic = world::play_magic(name, inventory, options, Some(play));
        if self.groups.is_none() {
            self.groups = Some(world::groups(inventory));
        }
        magic.insert("groups", self.groups.clone().unwrap_or_default());
        let scope = scope
            .with(Level::ExtraVars, Arc::clone(&options.extra_vars))
            .with(Level::Magic, Arc::new(magic));
        let cache = options.fact_cache.as_ref();
        let flush = options.flush_cache;
        let host = self.hosts.entry(Arc::clone(name)).or_insert_with(|| {
            let mut host = Host::new();
            match cache {
                Some(cache) if flush => cache.forget(name),
                Some(cache) => {
                    if let Some(facts) = cache.load(name) {
                        host.add_facts(&facts);
                    }
                }
                None => {}
            }
            host
        });
        host.set_base(scope);
        self.snapshot = None;
    }

    /// Prepares the play's hosts and every other host of the inventory, whose
    /// variables `hostvars` serves.
    pub(crate) fn prepare_all(&mut self, play: &PlannedPlay, hosts: &[Arc<str>]) {
        let mut names: Vec<Arc<str>> = self
            .inventory
            .hosts()
            .map(|(name, _)| Arc::clone(name))
            .collect();
        names.extend(
            hosts
                .iter()
                .filter(|name| self.inventory.host(name).is_none())
                .cloned(),
        );
        for name in names {
            self.prepare_host(&name, play);
        }
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        let hosts = &self.hosts;
        Arc::clone(self.snapshot.get_or_insert_with(|| {
            Arc::new(Snapshot {
                scopes: hosts
                    .iter()
                    .map(|(name, host)| (Arc::clone(name), host.scope().clone()))
                    .collect(),
                order: hosts.keys().cloned().collect(),
            })
        }))
    }

    fn play_magic(&self, run: &PlayRun) -> Map {
        let list = |names: &[Arc<str>], active: bool| -> Value {
            names
                .iter()
                .filter(|name| {
                    !active
                        || !matches!(
                            self.hosts.get(*name).map(|host| host.standing),
                            Some(Standing::Failed | Standing::Unreachable)
                        )
                })
                .map(|name| Value::Str(Arc::clone(name)))
                .collect()
        };
        let mut magic = Map::new();
        magic.insert("ansible_play_hosts_all", list(&run.all, false));
        magic.insert("ansible_play_hosts", list(&run.all, true));
        magic.insert("ansible_play_batch", list(&run.batch, true));
        magic.insert("play_hosts", list(&run.batch, true));
        magic
    }

    /// Whether a host has something left to do, given how it stands.
    fn takes_part(&self, name: &str, cursor: &Cursor) -> bool {
        let host = self.hosts.get(name);
        cursor.task().is_some()
            && match host.map_or(Standing::Ended, |host| host.standing) {
                Standing::Active => true,
                // Only `always` sections are left to run.
                Standing::Failed => cursor.is_failed(),
                Standing::Ended | Standing::Unreachable => false,
            }
    }

    /// Runs the batch's hosts in lockstep. What comes next is the nearest task
    /// ahead at which a host stands; hosts that were left behind (their errors
    /// were cleared) follow when nothing is ahead any more.
    pub(crate) async fn lockstep(&mut self, run: &mut PlayRun) {
        let mut last: Option<At> = None;
        loop {
            if self.stopped() || run.ended || run.broken {
                return;
            }
            for (name, cursor) in &mut run.cursors {
                run.roles.pass(name, cursor);
            }
            let standing: Vec<(Arc<str>, At)> = run
                .cursors
                .iter()
                .filter(|(name, cursor)| self.takes_part(name, cursor))
                .filter_map(|(name, cursor)| Some((Arc::clone(name), cursor.peek()?)))
                .collect();
            let ahead = |at: &At| {
                last.as_ref()
                    .is_none_or(|last| match at.position.cmp(&last.position) {
                        Ordering::Less => false,
                        Ordering::Equal => !Arc::ptr_eq(&at.task, &last.task),
                        Ordering::Greater => true,
                    })
            };
            let next = standing
                .iter()
                .map(|(_, at)| at)
                .min_by(|a, b| (!ahead(a), &a.position).cmp(&(!ahead(b), &b.position)));
            let Some(lowest) = next.cloned() else {
                return;
            };
            last = Some(lowest.clone());
            let here: Vec<Arc<str>> = standing
                .iter()
                .filter(|(_, at)| {
                    at.position == lowest.position && Arc::ptr_eq(&at.task, &lowest.task)
                })
                .map(|(name, _)| Arc::clone(name))
                .collect();
            if !self.selected(run, &lowest, &here) {
                for name in &here {
                    if let Some(cursor) = run.cursors.get_mut(name) {
                        cursor.advance();
                    }
                }
                continue;
            }
            self.step(run, &lowest, &here).await;
        }
    }

    /// What a task sees on a host, without other hosts and what changes from
    /// task to task.
    fn task_scope(&self, run: &PlayRun, planned: &PlannedTask, host: &Host) -> Scope {
        world::task_scope(
            host.scope(),
            &run.play,
            &run.vars,
            planned,
            &run.dynamic_roles,
        )
    }

    /// Tags and `--start-at-task`.
    fn selected(&mut self, run: &PlayRun, at: &At, here: &[Arc<str>]) -> bool {
        if at.handler {
            return true;
        }
        let planned = &at.task;
        let words = planned.context.tags();
        let lazy = words.iter().any(|word| word.value.is_lazy());
        let host = here.first().and_then(|name| self.hosts.get(name));
        let scope = match host.filter(|_| lazy) {
            Some(host) => self.task_scope(run, planned, host),
            None => Scope::new(),
        };
        let tags = tags::names(&words, &self.shared.templar, &scope);
        let selection = &self.shared.options.tags;
        if !selection.selects(tags.iter().map(String::as_str)) {
            return false;
        }
        if let Some(wanted) = &self.start_at {
            let name = planned.written_name().unwrap_or_default();
            if name != wanted && planned.title(Some(name)) != *wanted && !glob(wanted, name) {
                return false;
            }
            self.start_at = None;
        }
        true
    }

    /// One task and everything that its workers need, for hosts that stand at
    /// it; whether one of them does the work for all.
    fn prepare_step(&mut self, run: &PlayRun, at: &At, first: &str) -> (Step, bool) {
        let planned = &at.task;
        let snapshot = self.snapshot();
        let mut step = Step {
            planned: Arc::clone(planned),
            info: Arc::new(task::info(
                planned,
                &self.shared.templar,
                &Scope::new(),
                at.handler,
            )),
            play: Arc::clone(&run.play),
            play_vars: Arc::clone(&run.vars),
            files: run.files.clone(),
            debug_vars: Arc::default(),
            dynamic_roles: Arc::clone(&run.dynamic_roles),
            snapshot,
            play_magic: Arc::new(self.play_magic(run)),
        };
        let scope = step.scope(first);
        step.info = Arc::new(task::info(
            planned,
            &self.shared.templar,
            &scope,
            at.handler,
        ));
        let once = planned
            .context
            .get(Keyword::RunOnce)
            .and_then(|word| self.shared.templar.resolve(&word.value, &scope).ok())
            .is_some_and(|value| ocplay_protocol::coerce::boolean(&value.to_json()) == Ok(true));
        (step, once || runs_once(planned.module()))
    }

    async fn step(&mut self, run: &mut PlayRun, at: &At, here: &[Arc<str>]) {
        let Some(first) = here.first() else { return };
        let (step, once) = self.prepare_step(run, at, first);
        let hosts = if once { &here[..1] } else { here };
        let quiet = at.task.module() == "meta";
        if !quiet && !self.confirmed(&step.info).await {
            for name in here {
                if let Some(cursor) = run.cursors.get_mut(name) {
                    cursor.advance();
                }
            }
            return;
        }
        if !at.task.implicit {
            self.shared.events.event(Event::TaskStarted {
                task: Arc::clone(&step.info),
                hosts: hosts.len(),
            });
        }
        let step = Arc::new(step);
        let last = self.is_last(run, &at.task, hosts);
        let mut outcomes = self.run_hosts(&step, hosts, last).await;
        // The order of the inventory, not that of completion.
        let order: HashMap<&str, usize> = here
            .iter()
            .enumerate()
            .map(|(place, name)| (&**name, place))
            .collect();
        outcomes.sort_by_key(|outcome| order.get(&*outcome.host).copied());
        self.debug(run, &step, &mut outcomes).await;
        let settling = Settling {
            planned: &at.task,
            here,
            once,
            quiet,
        };
        self.settle(run, &settling, &outcomes).await;
    }

    /// `throttle`: how many hosts may work on a task at once.
    fn throttle(&self, step: &Step, first: Option<&Arc<str>>) -> Option<usize> {
        step.planned.context.get(Keyword::Throttle)?;
        let evaluator = Evaluator {
            templar: &self.shared.templar,
            scope: &step.scope(first?),
        };
        evaluator.throttle(&step.planned.context).ok().flatten()
    }

    /// Whether hosts have seen the last of the run with a task, as far as can
    /// be told; their connections end then, while others still wait for theirs.
    fn is_last(&self, run: &PlayRun, planned: &PlannedTask, hosts: &[Arc<str>]) -> bool {
        // Another host may be at work there for the same task.
        let shared = planned.context.get(Keyword::DelegateTo).is_some();
        let brings_more = planned.module().starts_with("include_");
        self.last_play
            && !(shared || brings_more)
            && hosts
                .iter()
                .all(|name| run.cursors.get(name).is_some_and(Cursor::is_at_end))
    }

    /// `last`: the hosts are not needed any more behind this.
    async fn run_hosts(
        &self,
        step: &Arc<Step>,
        hosts: &[Arc<str>],
        last: bool,
    ) -> Vec<HostOutcome> {
        let throttle = self.throttle(step, hosts.first());
        let throttle = throttle.map(|limit| Arc::new(Semaphore::new(limit)));
        let mut running = tokio::task::JoinSet::new();
        for name in hosts {
            let (shared, step, name) =
                (Arc::clone(&self.shared), Arc::clone(step), Arc::clone(name));
            // Hosts start in their order, each as soon as there is room.
            let throttle = match &throttle {
                Some(throttle) => Arc::clone(throttle).acquire_owned().await.ok(),
                None => None,
            };
            let fork = self.forks.enter().await;
            running.spawn(async move {
                let outcome = task::run_on_host(&shared, &step, Arc::clone(&name), &fork).await;
                let over = outcome.status != Status::Failed && outcome.notify.is_empty();
                if last && over {
                    shared.pool.reset(&name).await;
                }
                drop((fork, throttle));
                outcome
            });
        }
        let mut outcomes = Vec::new();
        while let Some(joined) = running.join_next().await {
            if let Ok(outcome) = joined {
                outcomes.push(outcome);
            }
        }
        outcomes
    }
}

/// Tasks that concern all hosts at once and run on the first of them only.
fn runs_once(module: &str) -> bool {
    matches!(module, "add_host" | "pause")
}

/// `*` in `--start-at-task`.
fn glob(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    let mut parts = pattern.split('*').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        if first {
            let Some(after) = rest.strip_prefix(part) else {
                return false;
            };
            rest = after;
            first = false;
        } else if parts.peek().is_none() {
            return rest.ends_with(part);
        } else {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
    }
    rest.is_empty()
}
