//! Strategies `free` and `host_pinned`: hosts do not wait for each other.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Dispatcher, PlayRun, Settling};
use crate::cursor::At;
use crate::outcome::HostOutcome;
use crate::task::{self, Step};

impl Dispatcher {
    /// Runs each of the batch's hosts at its own pace. `pinned` lets only as
    /// many hosts begin as there are forks; each keeps its place to the end.
    pub(crate) async fn free(&mut self, run: &mut PlayRun, pinned: bool) {
        let mut running: JoinSet<(At, Arc<Step>, HostOutcome)> = JoinSet::new();
        let mut busy: HashSet<Arc<str>> = HashSet::new();
        let mut begun: HashSet<Arc<str>> = HashSet::new();
        let mut done: HashSet<Arc<str>> = HashSet::new();
        // One limit for a task, however many hosts come to it and when.
        let mut throttles: Vec<(String, Arc<Semaphore>)> = Vec::new();
        loop {
            if !(self.stopped() || run.ended || run.broken) {
                let names: Vec<Arc<str>> = run.cursors.keys().cloned().collect();
                for name in names {
                    if busy.contains(&name) || done.contains(&name) {
                        continue;
                    }
                    let places = self.shared.options.forks.max(1);
                    if pinned && !begun.contains(&name) && begun.len() - done.len() >= places {
                        continue;
                    }
                    begun.insert(Arc::clone(&name));
                    let Some(at) = self.next_of(run, &name) else {
                        done.insert(name);
                        continue;
                    };
                    let (step, _) = self.prepare_step(run, &at, &name);
                    let throttle = self.throttle(&step, Some(&name)).map(|limit| {
                        let id = &at.task.id;
                        match throttles.iter().find(|(known, _)| known == id) {
                            Some((_, semaphore)) => Arc::clone(semaphore),
                            None => {
                                let semaphore = Arc::new(Semaphore::new(limit));
                                throttles.push((id.clone(), Arc::clone(&semaphore)));
                                semaphore
                            }
                        }
                    });
                    busy.insert(Arc::clone(&name));
                    let (shared, forks) = (Arc::clone(&self.shared), self.forks.clone());
                    running.spawn(async move {
                        let _throttle = match &throttle {
                            Some(throttle) => throttle.acquire().await.ok(),
                            None => None,
                        };
                        let fork = forks.enter().await;
                        let step = Arc::new(step);
                        let outcome = task::run_on_host(&shared, &step, name, &fork).await;
                        (at, step, outcome)
                    });
                }
            }
            let Some(joined) = running.join_next().await else {
                return;
            };
            let Ok((at, step, outcome)) = joined else {
                continue;
            };
            let mut outcomes = [outcome];
            self.debug(run, &step, &mut outcomes).await;
            let [outcome] = outcomes;
            busy.remove(&outcome.host);
            let here = [Arc::clone(&outcome.host)];
            let settling = Settling {
                planned: &at.task,
                here: &here,
                once: false,
                quiet: at.task.module() == "meta",
            };
            self.settle(run, &settling, &[outcome]).await;
        }
    }

    /// The task that a host has next, unselected ones passed over.
    fn next_of(&mut self, run: &mut PlayRun, name: &Arc<str>) -> Option<At> {
        loop {
            let cursor = run.cursors.get_mut(name)?;
            run.roles.pass(name, cursor);
            let cursor = run.cursors.get(name)?;
            if !self.takes_part(name, cursor) {
                return None;
            }
            let at = cursor.peek()?;
            if self.selected(run, &at, std::slice::from_ref(name)) {
                return Some(at);
            }
            run.cursors.get_mut(name)?.advance();
        }
    }
}
