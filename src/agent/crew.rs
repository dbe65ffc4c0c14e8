//! Threads that run tasks, and stay for the next one: a thread for each task
//! costs more than many a task.

use std::sync::mpsc::{SendError, Sender};
use std::sync::{Arc, Mutex, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

/// Whoever has nothing to do waits here.
#[derive(Clone, Default)]
pub(crate) struct Crew(Arc<Mutex<Vec<Sender<Job>>>>);

impl Crew {
    /// Runs a job on a thread of its own.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut job: Job = Box::new(job);
        while let Some(idle) = self.idle().pop() {
            match idle.send(job) {
                Ok(()) => return,
                Err(SendError(back)) => job = back,
            }
        }
        let (sender, jobs) = std::sync::mpsc::channel();
        let crew = self.clone();
        std::thread::spawn(move || {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                job();
                crew.idle().push(sender.clone());
                next = jobs.recv().ok();
            }
        });
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_run_at_once_and_threads_are_used_again() {
        let crew = Crew::default();
        let (here, there) = channel();
        let (first, second) = (channel::<()>(), channel::<()>());
        // Each waits for the other: both must be running.
        for (mine, other) in [(first.0, second.1), (second.0, first.1)] {
            let here = here.clone();
            crew.run(move || {
                drop(mine);
                other.recv().unwrap_err();
                here.send(std::thread::current().id()).unwrap();
            });
        }
        let known = [there.recv().unwrap(), there.recv().unwrap()];
        while crew.idle().len() < 2 {
            std::thread::yield_now();
        }
        let here = here.clone();
        crew.run(move || here.send(std::thread::current().id()).unwrap());
        assert!(known.contains(&there.recv().unwrap()));
    }
}
