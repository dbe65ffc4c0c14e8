//! The run's state and the one place that changes it.
//!
//! Neighbours: `settle` turns outcomes into state, `includes` brings files and
//! roles in, `handlers` runs what was notified.
//!
//! Workers get a snapshot and give back outcomes; here the outcomes become
//! variables, notifications, standings and further tasks.

mod handlers;
mod includes;
mod settle;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use ocplay_language::inventory::{Inventory, VarsFolders};
use ocplay_language::plan::{Handler, Node, PlannedPlay, PlannedTask, Role};
use ocplay_language::playbook::ast::Keyword;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use tokio::sync::Semaphore;

use crate::cursor::{Cursor, Position};
use crate::event::Event;
use crate::host::{Host, Standing};
use crate::outcome::HostOutcome;
use crate::task::{self, Shared, Step};
use crate::world::{self, Snapshot};

/// What a section of a play ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    /// Nobody is left, or somebody said stop.
    EndPlay,
}

/// State of a run.
pub(crate) struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inventory: Inventory,
    pub(crate) folders: VarsFolders,
    pub(crate) hosts: IndexMap<Arc<str>, Host>,
    /// Connection facts of lab hosts.
    pub(crate) lab: HashMap<Arc<str>, Arc<Map>>,
    pub(crate) stop: Arc<AtomicBool>,
    snapshot: Option<Arc<Snapshot>>,
    groups: Option<Value>,
    forks: Arc<Semaphore>,
    /// `--start-at-task`, until it is met.
    start_at: Option<String>,
}

/// What belongs to the play that is running.
pub(crate) struct PlayRun {
    pub(crate) play: Arc<PlannedPlay>,
    pub(crate) vars: Arc<Vec<(Level, Arc<Map>)>>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) dynamic_roles: Arc<Vec<Arc<Role>>>,
    /// Hosts of the play, and of the batch that is running.
    pub(crate) all: Vec<Arc<str>>,
    pub(crate) batch: Vec<Arc<str>>,
    pub(crate) ended: bool,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        inventory: Inventory,
        folders: VarsFolders,
        lab: HashMap<Arc<str>, Arc<Map>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let forks = Arc::new(Semaphore::new(shared.options.forks.max(1)));
        let start_at = shared.options.start_at_task.clone();
        Self {
            shared,
            inventory,
            folders,
            hosts: IndexMap::new(),
            lab,
            stop,
            snapshot: None,
            groups: None,
            forks,
            start_at,
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
            Ok(scope) => scope,
            Err(problem) => {
                self.shared.events.event(Event::Mistakes(vec![*problem]));
                return;
            }
        };
        if inventory.host(name).is_none() && crate::actions::is_local_name(name) {
            scope = scope.with_var(Level::InventoryHost, "ansible_connection", "local".into());
        }
        let mut magic = world::play_magic(name, inventory, options, Some(play));
        if self.groups.is_none() {
            self.groups = Some(world::groups(inventory));
        }
        magic.insert("groups", self.groups.clone().unwrap_or_default());
        let scope = scope
            .with(Level::ExtraVars, Arc::clone(&options.extra_vars))
            .with(Level::Magic, Arc::new(magic));
        let host = self.hosts.entry(Arc::clone(name)).or_insert_with(Host::new);
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

    /// Runs a list of tasks on hosts in lockstep.
    pub(crate) async fn section(
        &mut self,
        run: &mut PlayRun,
        nodes: Arc<[Node]>,
        hosts: &[Arc<str>],
        handler: bool,
    ) -> Flow {
        let mut cursors: IndexMap<Arc<str>, Cursor> = hosts
            .iter()
            .map(|name| (Arc::clone(name), Cursor::new(Arc::clone(&nodes))))
            .collect();
        loop {
            if self.stopped() || run.ended {
                return Flow::EndPlay;
            }
            // Hosts that left (ended, unreachable) take no further part.
            cursors.retain(|name, cursor| {
                let host = self.hosts.get(name);
                let standing = host.map_or(Standing::Ended, |host| host.standing);
                cursor.peek().is_some()
                    && match standing {
                        Standing::Active => true,
                        // Only `always` sections are left to run.
                        Standing::Failed => cursor.is_failed() || handler,
                        Standing::Ended | Standing::Unreachable => false,
                    }
            });
            let Some((position, planned)) = lowest(&cursors) else {
                return Flow::On;
            };
            let here: Vec<Arc<str>> = cursors
                .iter()
                .filter(|(_, cursor)| {
                    cursor
                        .peek()
                        .is_some_and(|(at, task)| at == position && Arc::ptr_eq(task, &planned))
                })
                .map(|(name, _)| Arc::clone(name))
                .collect();
            if !self.selected(&planned, handler) {
                for name in &here {
                    if let Some(cursor) = cursors.get_mut(name) {
                        cursor.advance();
                    }
                }
                continue;
            }
            self.step(run, &planned, &here, &mut cursors, handler).await;
        }
    }

    /// Tags and `--start-at-task`.
    fn selected(&mut self, planned: &PlannedTask, handler: bool) -> bool {
        if handler {
            return true;
        }
        let tags = planned.context.tags();
        let tags = tags.iter().filter_map(|word| word.value.as_str());
        if !self.shared.options.tags.selects(tags) {
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

    async fn step(
        &mut self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        here: &[Arc<str>],
        cursors: &mut IndexMap<Arc<str>, Cursor>,
        handler: bool,
    ) {
        let Some(first) = here.first() else { return };
        let snapshot = self.snapshot();
        let mut step = Step {
            planned: Arc::clone(planned),
            info: Arc::new(task::info(
                planned,
                &self.shared.templar,
                &ocplay_language::vars::scope::Scope::new(),
                handler,
            )),
            play: Arc::clone(&run.play),
            play_vars: Arc::clone(&run.vars),
            dynamic_roles: Arc::clone(&run.dynamic_roles),
            snapshot,
            play_magic: Arc::new(self.play_magic(run)),
        };
        let scope = step.scope(first);
        step.info = Arc::new(task::info(planned, &self.shared.templar, &scope, handler));
        let once = planned
            .context
            .get(Keyword::RunOnce)
            .and_then(|word| self.shared.templar.resolve(&word.value, &scope).ok())
            .is_some_and(|value| ocplay_protocol::coerce::boolean(&value.to_json()) == Ok(true));
        let hosts = if once { &here[..1] } else { here };
        let quiet = matches!(planned.module(), "meta");
        if !quiet {
            self.shared.events.event(Event::TaskStarted {
                task: Arc::clone(&step.info),
                hosts: hosts.len(),
            });
        }
        let step = Arc::new(step);
        let mut outcomes = self.run_hosts(&step, hosts).await;
        // The order of the inventory, not that of completion.
        outcomes.sort_by_key(|outcome| here.iter().position(|name| *name == outcome.host));
        self.settle(run, planned, &outcomes, here, once, quiet, cursors)
            .await;
    }

    async fn run_hosts(&self, step: &Arc<Step>, hosts: &[Arc<str>]) -> Vec<HostOutcome> {
        let throttle = step
            .planned
            .context
            .get(Keyword::Throttle)
            .and_then(|word| match &word.value {
                Value::Int(limit) => usize::try_from(*limit).ok().filter(|limit| *limit > 0),
                _ => None,
            });
        let throttle = throttle.map(|limit| Arc::new(Semaphore::new(limit)));
        let mut running = tokio::task::JoinSet::new();
        for name in hosts {
            let (shared, step, name) =
                (Arc::clone(&self.shared), Arc::clone(step), Arc::clone(name));
            let (forks, throttle) = (Arc::clone(&self.forks), throttle.clone());
            running.spawn(async move {
                let _throttle = match &throttle {
                    Some(throttle) => throttle.acquire().await.ok(),
                    None => None,
                };
                let _fork = forks.acquire().await.ok();
                task::run_on_host(&shared, &step, name).await
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

/// The position furthest behind, and its task.
fn lowest(cursors: &IndexMap<Arc<str>, Cursor>) -> Option<(Position, Arc<PlannedTask>)> {
    cursors
        .values()
        .filter_map(Cursor::peek)
        .min_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(position, task)| (position, Arc::clone(task)))
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
