//! Outcomes become state: variables, standings, new hosts, what `meta` asks.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::Inventory;
use ocplay_language::plan::PlannedTask;
use ocplay_language::playbook::ast::Keyword;
use ocplay_language::value::{Map, Value};

use super::{Dispatcher, PlayRun, Settling};
use crate::cursor::{Cursor, Fall};
use crate::event::{Event, Status};
use crate::host::Standing;
use crate::outcome::{Effect, HostOutcome, Meta};

impl Dispatcher {
    /// Outcomes become state.
    pub(super) async fn settle(
        &mut self,
        run: &mut PlayRun,
        step: &Settling<'_>,
        outcomes: &[HostOutcome],
    ) {
        let planned = step.planned;
        let mut includes: IndexMap<Arc<str>, Vec<Effect>> = IndexMap::new();
        let mut any_failed = false;
        let mut any_lost = false;
        for outcome in outcomes {
            let targets: Vec<Arc<str>> = if step.once {
                step.here.to_vec()
            } else {
                vec![Arc::clone(&outcome.host)]
            };
            self.keep(run, planned, outcome, &targets);
            if let Some(role) = planned.context.role().filter(|_| !step.quiet) {
                run.roles.ran(&outcome.host, role, outcome);
            }
            let cursor = run.cursors.get(&outcome.host);
            let rescuable = cursor.is_some_and(Cursor::rescuable);
            if let Some(host) = self.hosts.get_mut(&outcome.host)
                && (!step.quiet || matches!(outcome.status, Status::Failed | Status::Unreachable))
            {
                let includes = outcome.effects.iter().any(|effect| {
                    matches!(effect, Effect::IncludeTasks(_) | Effect::IncludeRole(_))
                });
                match outcome.status {
                    // Each file that comes in counts by itself.
                    Status::Ok if includes => {}
                    Status::Failed if rescuable => host.stats.rescued += 1,
                    status => {
                        host.stats.count(status);
                        // A failure that is ignored may have changed things.
                        let changed = outcome.result.get("changed");
                        if status == Status::Ignored && changed.is_some_and(Value::truthy) {
                            host.stats.changed += 1;
                        }
                    }
                }
            }
            let failed = matches!(outcome.status, Status::Failed | Status::Unreachable);
            any_failed |= failed;
            any_lost |= failed && !rescuable;
            // Before the task is left: it may be the last of an `always`.
            if outcome
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Meta(Meta::ClearHostErrors)))
            {
                for cursor in run.cursors.values_mut() {
                    cursor.clear_errors();
                }
            }
            for name in &targets {
                self.stand(run, planned, outcome, name);
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
                    Effect::Meta(meta) => self.meta(run, *meta, &targets, planned).await,
                    _ => {}
                }
            }
        }
        if !includes.is_empty() && self.enter(run, planned, includes) {
            (any_failed, any_lost) = (true, true);
        }
        if (any_failed && self.is_fatal(step)) || (any_lost && self.too_many_failed(run)) {
            self.fail_all(run, outcomes, step.once);
        }
    }

    /// Lets every host of the batch fall that has not done so yet.
    fn fail_all(&mut self, run: &mut PlayRun, outcomes: &[HostOutcome], once: bool) {
        let failed: HashSet<&str> = outcomes
            .iter()
            .filter(|outcome| outcome.status == Status::Failed)
            .map(|outcome| &*outcome.host)
            .collect();
        for (name, cursor) in &mut run.cursors {
            if once && !failed.is_empty() || failed.contains(&**name) {
                continue;
            }
            let Some(host) = self.hosts.get_mut(name).filter(|host| host.is_active()) else {
                continue;
            };
            if cursor.task().is_none() || cursor.fail() == Fall::Failed {
                host.standing = Standing::Failed;
            }
        }
    }

    /// Moves a host on, or lets it fall.
    pub(super) fn stand(
        &mut self,
        run: &mut PlayRun,
        planned: &PlannedTask,
        outcome: &HostOutcome,
        name: &Arc<str>,
    ) {
        let Some(cursor) = run.cursors.get_mut(name) else {
            return;
        };
        let enters = outcome.effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::IncludeTasks(_)
                    | Effect::IncludeRole(_)
                    | Effect::Meta(Meta::FlushHandlers)
            )
        });
        match outcome.status {
            // It takes part again once its errors are cleared.
            Status::Unreachable => {
                cursor.advance();
                if let Some(host) = self.hosts.get_mut(name) {
                    host.standing = Standing::Unreachable;
                }
            }
            Status::Failed => {
                let rescued = cursor.fail() == Fall::Rescued;
                let rescuable = cursor.rescuable();
                if let Some(host) = self.hosts.get_mut(name) {
                    let mut failed = Map::new();
                    failed.insert("ansible_failed_result", outcome.result.clone());
                    let mut task = Map::new();
                    task.insert("name", planned.written_name().unwrap_or(planned.module()));
                    task.insert("action", planned.task.action.name.as_str());
                    failed.insert("ansible_failed_task", task);
                    host.set_facts(&failed);
                    if !rescued && !rescuable {
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
    pub(super) fn keep(
        &mut self,
        run: &mut PlayRun,
        planned: &PlannedTask,
        outcome: &HostOutcome,
        targets: &[Arc<str>],
    ) {
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
            for name in targets {
                self.notify(run, planned, wanted, name);
            }
        }
    }

    pub(super) fn effect(
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
                        Effect::Facts(_) => {
                            host.add_facts(vars);
                            if let Some(cache) = &self.shared.options.fact_cache
                                && let Err(error) = cache.store(name, host.facts())
                            {
                                let warning = Diagnostic::warning(
                                    "fact-cache",
                                    format!("the facts of {name} cannot be kept: {error}"),
                                );
                                self.shared.warn_once(warning);
                            }
                        }
                        Effect::IncludeVars(_) => host.add_include_vars(vars),
                        _ => host.set_facts(vars),
                    }
                }
                self.snapshot = None;
                self.read_vars_files(run, &fact_hosts, false);
            }
            Effect::AddHost { name, .. } => {
                self.grow(effect, targets);
                self.inventory_changed(run, &[Arc::from(name.as_str())]);
            }
            Effect::GroupBy { .. } => {
                self.grow(effect, targets);
                self.inventory_changed(run, targets);
            }
            Effect::Stats {
                data,
                per_host,
                aggregate,
            } => {
                let host = per_host.then_some(&*outcome.host);
                self.stats.add(host, data.clone(), *aggregate);
            }
            Effect::IncludeTasks(_) | Effect::IncludeRole(_) | Effect::Meta(_) => {}
        }
    }

    /// What a task brings into the inventory; it outlives a refresh.
    fn grow(&mut self, effect: &Effect, targets: &[Arc<str>]) {
        put(&mut self.inventory, effect, targets, false);
        self.grown.push((effect.clone(), targets.to_vec()));
    }

    /// Reads every source of the inventory again.
    fn refresh_inventory(&mut self, run: &mut PlayRun) {
        match self.inventory.reload(&self.shared.loader) {
            Ok((inventory, warnings)) => {
                for warning in warnings {
                    self.shared.warn_once(warning);
                }
                self.inventory = inventory;
            }
            Err(problems) => {
                self.shared.events.event(Event::Mistakes(problems));
                run.broken = true;
                return;
            }
        }
        for (effect, targets) in &self.grown {
            put(&mut self.inventory, effect, targets, true);
        }
        self.folders.forget();
        let inventory = &self.inventory;
        self.hosts
            .retain(|name, _| inventory.host(name).is_some() || run.all.contains(name));
        let names: Vec<Arc<str>> = inventory
            .hosts()
            .map(|(name, _)| Arc::clone(name))
            .collect();
        self.inventory_changed(run, &names);
    }

    pub(super) fn inventory_changed(&mut self, run: &PlayRun, names: &[Arc<str>]) {
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

    pub(super) async fn meta(
        &mut self,
        run: &mut PlayRun,
        meta: Meta,
        targets: &[Arc<str>],
        planned: &PlannedTask,
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
                    if let (Some(cursor), Some(role)) = (run.cursors.get_mut(name), &role) {
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
                        if let Some(cache) = &self.shared.options.fact_cache {
                            cache.forget(name);
                        }
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
            Meta::RefreshInventory => self.refresh_inventory(run),
            Meta::FlushHandlers => self.flush(run, targets),
        }
    }

    /// Whether any failure is everybody's: `any_errors_fatal` and `run_once`.
    fn is_fatal(&self, step: &Settling<'_>) -> bool {
        let flag = step.planned.context.get(Keyword::AnyErrorsFatal).map_or(
            self.shared.options.rules.any_errors_fatal,
            |word| {
                let scope = step
                    .here
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
            },
        );
        flag || step.once
    }

    /// Whether more hosts failed than `max_fail_percentage` allows.
    fn too_many_failed(&self, run: &PlayRun) -> bool {
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
}

/// Puts what `add_host` or `group_by` brought into an inventory.
/// `again` after a refresh: a host that is gone stays so.
fn put(inventory: &mut Inventory, effect: &Effect, targets: &[Arc<str>], again: bool) {
    match effect {
        Effect::AddHost { name, groups, vars } => {
            inventory.add_host(name, groups.first().map_or("ungrouped", String::as_str));
            for group in groups {
                inventory.add_host(name, group);
            }
            inventory.set_host_vars(name, vars);
        }
        Effect::GroupBy { key, parents } => {
            for name in targets {
                if !again || inventory.host(name).is_some() {
                    inventory.add_host(name, key);
                }
            }
            for parent in parents.iter().filter(|parent| *parent != "all") {
                // A circle cannot come of a group that is new; one that is
                // refused changes nothing.
                drop(inventory.add_child(parent, key));
            }
        }
        _ => {}
    }
}
