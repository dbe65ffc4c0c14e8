//! Places for hosts at work: as many as `forks` says.
//!
//! A host that is only waited for (it does not answer, or not yet) gives its
//! place to another one and asks for a new one when it answers. How many may
//! wait like that is limited, too: their connections cost memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// A host that answers does so within this; whoever takes longer gives its
/// place away.
const PATIENCE: Duration = Duration::from_millis(300);
/// Hosts that are waited for, for each place.
const WAITING: usize = 4;

/// All places of a run.
#[derive(Clone)]
pub(crate) struct Forks {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// The place of one host.
pub(crate) struct Fork {
    forks: Forks,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Forks {
    pub(crate) fn new(count: usize) -> Self {
        let count = count.max(1);
        Self {
            places: Arc::new(Semaphore::new(count)),
            waiting: Arc::new(Semaphore::new(count.saturating_mul(WAITING))),
        }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Fork {
        Fork {
            forks: self.clone(),
            // The semaphore is never closed.
            place: Mutex::new(Arc::clone(&self.places).acquire_owned().await.ok()),
        }
    }
}

impl Fork {
    /// Does what may mean waiting for a host that does not answer.
    pub(crate) async fn lend<T>(&self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = std::pin::pin!(waiting);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut waiting).await {
            return done;
        }
        let Ok(_limit) = self.forks.waiting.try_acquire() else {
            return waiting.await;
        };
        self.place.lock().await.take();
        let done = waiting.await;
        // Items of one loop come back together: one of them is enough.
        let mut place = self.place.lock().await;
        if place.is_none() {
            *place = Arc::clone(&self.forks.places).acquire_owned().await.ok();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_does_not_answer_keeps_no_place() {
        let forks = Forks::new(1);
        let first = forks.enter().await;
        let (answer, answered) = tokio::sync::oneshot::channel();
        let hangs = first.lend(async { answered.await.ok() });
        let other = async {
            let second = forks.enter().await;
            // The place is taken, so the first cannot go on yet.
            answer.send(()).ok();
            assert_eq!(forks.places.available_permits(), 0);
            drop(second);
        };
        let (done, ()) = tokio::join!(hangs, other);
        assert_eq!(done, Some(()));
        assert_eq!(forks.places.available_permits(), 0);
        drop(first);
        assert_eq!(forks.places.available_permits(), 1);
    }

    #[tokio::test]
    async fn hosts_that_are_waited_for_are_counted() {
        let forks = Forks::new(1);
        let mut hung = Vec::new();
        for _ in 0..WAITING {
            let fork = forks.enter().await;
            hung.push(tokio::spawn(async move {
                fork.lend(std::future::pending::<()>()).await;
            }));
        }
        let last = forks.enter().await;
        let hung_too = tokio::time::timeout(PATIENCE * 2, last.lend(std::future::pending::<()>()));
        assert!(hung_too.await.is_err());
        assert_eq!(forks.places.available_permits(), 0);
        for task in hung {
            task.abort();
        }
    }
}
