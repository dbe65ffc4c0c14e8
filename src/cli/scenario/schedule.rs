//! Which scenarios run at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

/// What a scenario needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// Megabytes.
    pub(crate) memory: u64,
    /// Its hosts are not its own: no two of these at once.
    pub(crate) alone: bool,
}

#[derive(Debug, Default)]
struct Busy {
    running: usize,
    memory: u64,
    alone: bool,
    next: Vec<bool>,
}

impl Busy {
    /// The first that fits beside what runs; with nothing running everything fits.
    fn pick(&mut self, needs: &[Need], jobs: usize, memory: u64) -> Option<usize> {
        if self.running >= jobs {
            return None;
        }
        let fits = |need: &Need| {
            let room = self.running == 0 || self.memory + need.memory <= memory;
            room && !(need.alone && self.alone)
        };
        let index = (0..needs.len()).find(|index| !self.next[*index] && fits(&needs[*index]))?;
        self.next[index] = true;
        self.running += 1;
        self.memory += needs[index].memory;
        self.alone |= needs[index].alone;
        Some(index)
    }

    fn give_back(&mut self, need: Need) {
        self.running -= 1;
        self.memory -= need.memory;
        self.alone &= !need.alone;
    }
}

/// Does the work of every need, so many at once as memory (in megabytes) and `jobs` allow.
pub(crate) fn run(needs: &[Need], jobs: usize, memory: u64, work: &(dyn Fn(usize) + Sync)) {
    let busy = Mutex::new(Busy {
        next: vec![false; needs.len()],
        ..Busy::default()
    });
    let freed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, needs.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let mut state = busy.lock().unwrap_or_else(PoisonError::into_inner);
                    let index = loop {
                        if state.next.iter().all(|taken| *taken) {
                            return;
                        }
                        match state.pick(needs, jobs, memory) {
                            Some(index) => break index,
                            None => {
                                state = freed.wait(state).unwrap_or_else(PoisonError::into_inner);
                            }
                        }
                    };
                    drop(state);
                    work(index);
                    let mut state = busy.lock().unwrap_or_else(PoisonError::into_inner);
                    state.give_back(needs[index]);
                    freed.notify_all();
                }
            });
        }
    });
}

/// Megabytes that programs can still have on this machine.
pub(crate) fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(1024, |kilobytes| kilobytes / 1024)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_run_within_the_limits() {
        let need = |memory, alone| Need { memory, alone };
        let needs = [
            need(60, false),
            need(60, true),
            need(30, true),
            need(500, false),
            need(1, true),
        ];
        let (done, used, most, alone) = (
            AtomicUsize::new(0),
            AtomicU64::new(0),
            AtomicU64::new(0),
            AtomicUsize::new(0),
        );
        run(&needs, 3, 100, &|index| {
            let now = used.fetch_add(needs[index].memory, Ordering::SeqCst) + needs[index].memory;
            most.fetch_max(now, Ordering::SeqCst);
            if needs[index].alone {
                assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            if needs[index].alone {
                alone.fetch_sub(1, Ordering::SeqCst);
            }
            used.fetch_sub(needs[index].memory, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(done.into_inner(), 5);
        // The one that needs more than there is runs by itself.
        assert_eq!(most.into_inner(), 500);
    }
}
