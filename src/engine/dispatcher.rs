//! The run's state and the one place that changes it.
//!
//! Workers get a snapshot and give back outcomes; here the outcomes become
//! variables, notifications, standings and further tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use ocplay_language::inventory::{Inventory, VarsFolders};
use ocplay_language::plan::{Context, Handler, Node, PlannedPlay, PlannedTask, Role};
use ocplay_language::playbook::ast::Keyword;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use tokio::sync::Semaphore;

use crate::cursor::{Cursor, Position};
use crate::event::{Event, Status};
use crate::host::{Host, Standing};
use crate::outcome::{Effect, HostOutcome, Meta};
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

    /// Outcomes become state.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step's whole context, used once"
    )]
    async fn settle(
        &mut self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        outcomes: &[HostOutcome],
        here: &[Arc<str>],
        once: bool,
        quiet: bool,
        cursors: &mut IndexMap<Arc<str>, Cursor>,
    ) {
        let mut flush = Vec::new();
        let mut includes: IndexMap<Arc<str>, Vec<Effect>> = IndexMap::new();
        let mut any_failed = false;
        for outcome in outcomes {
            let targets: Vec<Arc<str>> = if once {
                here.to_vec()
            } else {
                vec![Arc::clone(&outcome.host)]
            };
            self.keep(run, outcome, &targets);
            let rescuable = cursors.get(&outcome.host).is_some_and(Cursor::rescuable);
            if let Some(host) = self.hosts.get_mut(&outcome.host)
                && (!quiet || matches!(outcome.status, Status::Failed | Status::Unreachable))
            {
                match outcome.status {
                    Status::Failed if rescuable => host.stats.rescued += 1,
                    status => host.stats.count(status),
                }
            }
            any_failed |=
                matches!(outcome.status, Status::Failed | Status::Unreachable) && !rescuable;
            for name in &targets {
                self.stand(planned, outcome, name, cursors);
            }
            for effect in &outcome.effects {
                match effect {
                    Effect::IncludeTasks(_) | Effect::IncludeRole(_) => {
                        for name in &targets {
                            includes
                                .entry(Arc::clone(name))
                                .or_default()
                                .push(effect.clone());
                        }
                    }
                    Effect::Meta(Meta::FlushHandlers) => flush.extend(targets.iter().cloned()),
                    Effect::Meta(meta) => self.meta(run, *meta, &targets, planned, cursors).await,
                    _ => {}
                }
            }
        }
        if !includes.is_empty() {
            self.enter(run, planned, includes, cursors);
        }
        if any_failed && self.is_fatal(run, planned, here, once) {
            for name in here {
                if let Some(host) = self.hosts.get_mut(name)
                    && host.is_active()
                {
                    host.standing = Standing::Failed;
                }
            }
            for name in run.batch.clone() {
                if let Some(host) = self.hosts.get_mut(&name)
                    && host.is_active()
                {
                    host.standing = Standing::Failed;
                    if let Some(cursor) = cursors.get_mut(&name) {
                        cursor.fail();
                    }
                }
            }
        }
        if !flush.is_empty() {
            Box::pin(self.flush_handlers(run, &flush)).await;
        }
    }

    /// Moves a host on, or lets it fall.
    fn stand(
        &mut self,
        planned: &PlannedTask,
        outcome: &HostOutcome,
        name: &Arc<str>,
        cursors: &mut IndexMap<Arc<str>, Cursor>,
    ) {
        let Some(cursor) = cursors.get_mut(name) else {
            return;
        };
        let enters = outcome
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::IncludeTasks(_) | Effect::IncludeRole(_)));
        match outcome.status {
            Status::Unreachable => {
                cursor.leave();
                if let Some(host) = self.hosts.get_mut(name) {
                    host.standing = Standing::Unreachable;
                }
            }
            Status::Failed => {
                let rescued = cursor.fail() == crate::cursor::Fall::Rescued;
                if let Some(host) = self.hosts.get_mut(name) {
                    let mut failed = Map::new();
                    failed.insert("ansible_failed_result", outcome.result.clone());
                    let mut task = Map::new();
                    task.insert("name", planned.written_name().unwrap_or(planned.module()));
                    task.insert("action", planned.task.action.name.as_str());
                    failed.insert("ansible_failed_task", task);
                    host.set_facts(&failed);
                    if !rescued && !cursor.rescuable() {
                        host.standing = Standing::Failed;
                    }
                }
                self.snapshot = None;
            }
            _ if enters => {}
            _ => cursor.advance(),
        }
    }

    /// Registered results, facts, new hosts and groups, notifications.
    fn keep(&mut self, run: &mut PlayRun, outcome: &HostOutcome, targets: &[Arc<str>]) {
        for name in targets {
            if let (Some(register), Some(host)) = (&outcome.register, self.hosts.get_mut(name)) {
                let mut vars = Map::new();
                vars.insert(register.as_str(), outcome.result.clone());
                host.set_facts(&vars);
                self.snapshot = None;
            }
        }
        for effect in &outcome.effects {
            self.effect(run, effect, outcome, targets);
        }
        for wanted in &outcome.notify {
            self.notify(run, wanted, &outcome.host);
        }
    }

    fn effect(
        &mut self,
        run: &mut PlayRun,
        effect: &Effect,
        outcome: &HostOutcome,
        targets: &[Arc<str>],
    ) {
        let fact_hosts = outcome
            .fact_host
            .as_ref()
            .map_or_else(|| targets.to_vec(), |host| vec![Arc::clone(host)]);
        match effect {
            Effect::SetFacts(vars) | Effect::Facts(vars) | Effect::IncludeVars(vars) => {
                for name in &fact_hosts {
                    if !self.hosts.contains_key(name) {
                        self.prepare_host(name, &Arc::clone(&run.play));
                    }
                    let Some(host) = self.hosts.get_mut(name) else {
                        continue;
                    };
                    match effect {
                        Effect::Facts(_) => host.add_facts(vars),
                        Effect::IncludeVars(_) => host.add_include_vars(vars),
                        _ => host.set_facts(vars),
                    }
                }
                self.snapshot = None;
            }
            Effect::AddHost { name, groups, vars } => {
                self.inventory
                    .add_host(name, groups.first().map_or("ungrouped", String::as_str));
                for group in groups {
                    self.inventory.add_host(name, group);
                }
                self.inventory.set_host_vars(name, vars);
                self.inventory_changed(run, &[Arc::from(name.as_str())]);
            }
            Effect::GroupBy { key, parents } => {
                for name in targets {
                    self.inventory.add_host(name, key);
                }
                for parent in parents.iter().filter(|parent| *parent != "all") {
                    // A circle cannot come of a group that is new; one that is
                    // refused changes nothing.
                    drop(self.inventory.add_child(parent, key));
                }
                self.inventory_changed(run, targets);
            }
            Effect::IncludeTasks(_) | Effect::IncludeRole(_) | Effect::Meta(_) => {}
        }
    }

    fn inventory_changed(&mut self, run: &PlayRun, names: &[Arc<str>]) {
        self.inventory.finish();
        self.groups = None;
        let play = Arc::clone(&run.play);
        // `groups` is seen by every host.
        let mut all: Vec<Arc<str>> = self.hosts.keys().cloned().collect();
        all.extend(
            names
                .iter()
                .filter(|name| !self.hosts.contains_key(*name))
                .cloned(),
        );
        for name in all {
            self.prepare_host(&name, &play);
        }
    }

    fn notify(&mut self, run: &PlayRun, wanted: &str, host: &Arc<str>) {
        let templar = &self.shared.templar;
        let Some(state) = self.hosts.get_mut(host) else {
            return;
        };
        let scope = state.scope().clone();
        let text = |word: &ocplay_language::playbook::ast::Word| -> Vec<String> {
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
            let problem = ocplay_language::diagnostic::Diagnostic::warning(
                "unknown-handler",
                format!("no handler is named '{wanted}' or listens to it"),
            )
            .suggest(wanted, names.iter().map(String::as_str));
            self.shared.events.event(Event::Warning(problem));
        }
    }

    async fn meta(
        &mut self,
        run: &mut PlayRun,
        meta: Meta,
        targets: &[Arc<str>],
        planned: &PlannedTask,
        cursors: &mut IndexMap<Arc<str>, Cursor>,
    ) {
        match meta {
            Meta::EndPlay => {
                run.ended = true;
                for name in &run.all {
                    if let Some(host) = self.hosts.get_mut(name).filter(|host| host.is_active()) {
                        host.standing = Standing::Ended;
                    }
                }
            }
            Meta::EndBatch => {
                for name in &run.batch {
                    if let Some(host) = self.hosts.get_mut(name).filter(|host| host.is_active()) {
                        host.standing = Standing::Ended;
                    }
                }
            }
            Meta::EndHost => {
                for name in targets {
                    if let Some(host) = self.hosts.get_mut(name) {
                        host.standing = Standing::Ended;
                    }
                }
            }
            Meta::EndRole => {
                let role = planned.context.role().cloned();
                for name in targets {
                    if let (Some(cursor), Some(role)) = (cursors.get_mut(name), &role) {
                        cursor.skip_while(|task| {
                            task.context
                                .role()
                                .is_some_and(|other| Arc::ptr_eq(other, role))
                        });
                    }
                }
            }
            Meta::ClearFacts => {
                for name in targets {
                    if let Some(host) = self.hosts.get_mut(name) {
                        host.clear_facts();
                    }
                }
                self.snapshot = None;
            }
            Meta::ClearHostErrors => {
                for name in &run.batch {
                    if let Some(host) = self.hosts.get_mut(name)
                        && matches!(host.standing, Standing::Failed | Standing::Unreachable)
                    {
                        host.standing = Standing::Active;
                    }
                }
            }
            Meta::ResetConnection => {
                for name in targets {
                    self.shared.pool.reset(name).await;
                }
            }
            // Files are read once per run; what add_host brought stays.
            Meta::RefreshInventory => self.inventory.finish(),
            Meta::FlushHandlers => {}
        }
    }

    /// Loads what includes brought and puts it into the hosts' way.
    fn enter(
        &mut self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        includes: IndexMap<Arc<str>, Vec<Effect>>,
        cursors: &mut IndexMap<Arc<str>, Cursor>,
    ) {
        // Hosts with the same file and variables go on together.
        let mut loaded: Vec<(
            String,
            Result<Arc<[Node]>, String>,
            Vec<Arc<str>>,
            String,
            Option<String>,
        )> = Vec::new();
        let mut ways: IndexMap<Arc<str>, Vec<usize>> = IndexMap::new();
        for (name, effects) in includes {
            for effect in effects {
                let key = format!("{effect:?}");
                let number = match loaded.iter().position(|(known, ..)| *known == key) {
                    Some(number) => number,
                    None => {
                        let (nodes, file, item) = self.load(run, planned, &effect);
                        loaded.push((key, nodes, Vec::new(), file, item));
                        loaded.len() - 1
                    }
                };
                loaded[number].2.push(Arc::clone(&name));
                ways.entry(Arc::clone(&name)).or_default().push(number);
            }
        }
        for (_, nodes, hosts, file, item) in &loaded {
            if nodes.is_ok() && !file.is_empty() {
                self.shared.events.event(Event::Included {
                    file: file.clone(),
                    hosts: hosts.clone(),
                    item: item.clone(),
                });
            }
        }
        for (name, numbers) in ways {
            let Some(cursor) = cursors.get_mut(&name) else {
                continue;
            };
            let mut inner = Vec::new();
            let mut failed = false;
            for number in numbers {
                match &loaded[number].1 {
                    Ok(nodes) => {
                        inner.push((u32::try_from(number).unwrap_or(u32::MAX), Arc::clone(nodes)))
                    }
                    Err(_) => failed = true,
                }
            }
            if !failed {
                cursor.enter(inner);
                continue;
            }
            let rescued = cursor.fail() == crate::cursor::Fall::Rescued;
            if let Some(host) = self.hosts.get_mut(&name) {
                if rescued {
                    host.stats.rescued += 1;
                } else {
                    host.stats.failed += 1;
                    host.standing = Standing::Failed;
                }
            }
        }
    }

    fn load(
        &mut self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        effect: &Effect,
    ) -> (Result<Arc<[Node]>, String>, String, Option<String>) {
        let fail = |shared: &Shared, problems: Vec<ocplay_language::diagnostic::Diagnostic>| {
            let text = task::first_text(&problems);
            shared.events.event(Event::Mistakes(problems));
            text
        };
        match effect {
            Effect::IncludeTasks(include) => {
                let context = self.apply(
                    planned,
                    planned.context.included(Arc::new(include.vars.clone())),
                );
                let nodes = self
                    .shared
                    .resolver
                    .include_tasks(&include.path, &context)
                    .map(Arc::from)
                    .map_err(|problems| fail(&self.shared, problems));
                (
                    nodes,
                    include.path.display().to_string(),
                    include.item.clone(),
                )
            }
            Effect::IncludeRole(include) => {
                let context = self.apply(
                    planned,
                    planned.context.included(Arc::new(include.vars.clone())),
                );
                match self.shared.resolver.include_role(&include.role, &context) {
                    Ok(included) => {
                        run.handlers.extend(included.handlers);
                        if include
                            .role
                            .public
                            .as_ref()
                            .is_some_and(|word| word.value.truthy())
                        {
                            Arc::make_mut(&mut run.dynamic_roles).push(included.role);
                        }
                        (
                            Ok(included.tasks.into()),
                            String::new(),
                            include.item.clone(),
                        )
                    }
                    Err(problems) => (Err(fail(&self.shared, problems)), String::new(), None),
                }
            }
            _ => (Ok(Arc::from([])), String::new(), None),
        }
    }

    /// `apply:` of an include: keywords for everything inside.
    fn apply(&self, planned: &PlannedTask, context: Arc<Context>) -> Arc<Context> {
        let Some(arg) = planned.task.action.arg("apply") else {
            return context;
        };
        let Value::Map(map) = &arg.value else {
            return context;
        };
        match ocplay_language::playbook::keywords_of(map, &arg.value_span) {
            Ok(keywords) => context.child(keywords),
            Err(problems) => {
                self.shared.events.event(Event::Mistakes(problems));
                context
            }
        }
    }

    /// Whether a failure stops everybody: `any_errors_fatal`, `run_once`, or
    /// more failures than `max_fail_percentage` allows.
    fn is_fatal(
        &self,
        run: &PlayRun,
        planned: &PlannedTask,
        here: &[Arc<str>],
        once: bool,
    ) -> bool {
        let flag = planned
            .context
            .get(Keyword::AnyErrorsFatal)
            .is_some_and(|word| {
                let scope = here
                    .first()
                    .and_then(|name| self.hosts.get(name))
                    .map(|host| host.scope().clone());
                let value = self
                    .shared
                    .templar
                    .resolve(&word.value, &scope.unwrap_or_default());
                value.is_ok_and(|value| {
                    ocplay_protocol::coerce::boolean(&value.to_json()) == Ok(true)
                })
            });
        if flag || once {
            return true;
        }
        let Some(word) = &run.play.play.options.max_fail_percentage else {
            return false;
        };
        let Ok(limit) = ocplay_protocol::coerce::float(&word.value.to_json()) else {
            return false;
        };
        let failed = run.batch.iter().filter(|name| {
            matches!(
                self.hosts.get(*name).map(|host| host.standing),
                Some(Standing::Failed | Standing::Unreachable)
            )
        });
        let failed = failed.count() as f64;
        failed * 100.0 / run.batch.len().max(1) as f64 > limit
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
