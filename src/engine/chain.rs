//! The items of one loop on their way to the host: each request leaves when
//! the one in front of it has left, not when it is answered, and the host works
//! on them in that order. So a loop costs one round trip, not one an item.
//!
//! Where an item goes to another agent than the one in front of it, or is
//! begun again, it waits for the end of all that came before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::connection::Link;

/// Items that are on their way at the same time.
pub(crate) const WINDOW: usize = 32;

/// Where an item is that has not ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its request is not on its way.
    Coming,
    /// On its way by a link (its address), as the task of this number.
    Sent { link: usize, task: u64 },
}

/// A loop's items that have not ended, by their place in it.
#[derive(Default)]
pub(crate) struct Chain {
    open: Mutex<BTreeMap<usize, Stage>>,
    changed: Notify,
}

/// One item's place in the chain, held until it ends.
pub(crate) struct Turn {
    chain: Arc<Chain>,
    place: usize,
}

impl Chain {
    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, Stage>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item; in the order of the loop.
    pub(crate) fn join(self: &Arc<Self>, place: usize) -> Turn {
        self.open().insert(place, Stage::Coming);
        Turn {
            chain: Arc::clone(self),
            place,
        }
    }

    fn set(&self, place: usize, stage: Option<Stage>) {
        let mut open = self.open();
        match stage {
            Some(stage) => open.insert(place, stage),
            None => open.remove(&place),
        };
        drop(open);
        self.changed.notify_waiters();
    }
}

impl Turn {
    /// Waits until the request may go by this link; gives the task on that
    /// link that it must stay behind.
    pub(crate) async fn come(&self, link: &Arc<Link>) -> Option<u64> {
        self.come_by(address(link)).await
    }

    async fn come_by(&self, by: usize) -> Option<u64> {
        // Sent already, and lost: those behind must not pass.
        self.chain.set(self.place, Some(Stage::Coming));
        loop {
            let changed = self.chain.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let behind = {
                let open = self.chain.open();
                let mut before = open.range(..self.place).map(|(_, stage)| *stage);
                before.try_fold(None, |_, stage| match stage {
                    Stage::Sent { link, task } if link == by => Ok(Some(task)),
                    _ => Err(()),
                })
            };
            if let Ok(behind) = behind {
                return behind;
            }
            changed.await;
        }
    }

    /// The request is on its way.
    pub(crate) fn sent(&self, link: &Arc<Link>, task: u64) {
        let link = address(link);
        self.chain.set(self.place, Some(Stage::Sent { link, task }));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.chain.set(self.place, None);
    }
}

fn address(link: &Arc<Link>) -> usize {
    Arc::as_ptr(link).addr()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_ready(turn: &Turn, link: usize) -> Option<Option<u64>> {
        tokio::time::timeout(Duration::from_millis(20), turn.come_by(link))
            .await
            .ok()
    }

    fn sent(turn: &Turn, link: usize, task: u64) {
        turn.chain.set(turn.place, Some(Stage::Sent { link, task }));
    }

    #[tokio::test]
    async fn requests_leave_in_order_and_do_not_wait_for_answers() {
        let chain = Arc::new(Chain::default());
        let turns: Vec<Turn> = (0..3).map(|place| chain.join(place)).collect();
        assert_eq!(is_ready(&turns[1], 1).await, None);
        assert_eq!(is_ready(&turns[0], 1).await, Some(None));
        sent(&turns[0], 1, 7);
        assert_eq!(is_ready(&turns[2], 1).await, None);
        assert_eq!(is_ready(&turns[1], 1).await, Some(Some(7)));
        sent(&turns[1], 1, 8);
        assert_eq!(is_ready(&turns[2], 1).await, Some(Some(8)));
    }

    #[tokio::test]
    async fn another_link_waits_for_the_end_of_all_before() {
        let chain = Arc::new(Chain::default());
        let mut turns: Vec<Turn> = (0..3).map(|place| chain.join(place)).collect();
        sent(&turns[0], 1, 7);
        sent(&turns[1], 1, 8);
        assert_eq!(is_ready(&turns[2], 2).await, None);
        drop(turns.remove(0));
        assert_eq!(is_ready(&turns[1], 2).await, None);
        drop(turns.remove(0));
        assert_eq!(is_ready(&turns[0], 2).await, Some(None));
    }

    #[tokio::test]
    async fn what_is_begun_again_is_not_overtaken() {
        let chain = Arc::new(Chain::default());
        let turns: Vec<Turn> = (0..2).map(|place| chain.join(place)).collect();
        sent(&turns[0], 1, 7);
        // The link was lost; the second comes back first.
        assert_eq!(is_ready(&turns[1], 2).await, None);
        assert_eq!(is_ready(&turns[0], 2).await, Some(None));
        sent(&turns[0], 2, 1);
        assert_eq!(is_ready(&turns[1], 2).await, Some(Some(1)));
    }
}
