//! What a running task shares with the serve loop: the way out for frames,
//! the way in for blobs, and the leash by which it can be cancelled.

use std::collections::HashSet;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ocplay_protocol::{Blob, FromAgent, Request, write_frame};
use rustix::process::{Pid, Signal};

use super::Failure;

/// Locks also after a panic elsewhere: the data stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes frames; shared by all tasks.
pub(crate) struct Channel(Mutex<Box<dyn Write + Send>>);

impl Channel {
    pub(crate) fn new(out: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(out)))
    }

    /// Sends one frame. When nobody listens any more the end of standard
    /// input tells the serve loop; there is nothing to report here.
    pub(crate) fn send(&self, message: &FromAgent) {
        let sent = write_frame(&mut *lock(&self.0), message);
        drop(sent);
    }
}

/// Ends a task from outside.
#[derive(Default)]
pub(crate) struct Leash {
    state: Mutex<LeashState>,
    changed: Condvar,
}

#[derive(Default)]
struct LeashState {
    cancelled: bool,
    /// Bytes that the task waited for cannot come any more.
    cut: bool,
    groups: HashSet<i32>,
}

impl Leash {
    /// Kills the processes of the task and lets it wait for nothing more.
    pub(crate) fn cancel(&self) {
        let mut state = lock(&self.state);
        state.cancelled = true;
        for group in &state.groups {
            kill_group(*group);
        }
        self.changed.notify_all();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.state).cancelled
    }

    pub(crate) fn is_cut(&self) -> bool {
        lock(&self.state).cut
    }

    /// Puts a process group on the leash.
    pub(crate) fn hold(&self, group: i32) {
        let mut state = lock(&self.state);
        state.groups.insert(group);
        if state.cancelled {
            kill_group(group);
        }
    }

    pub(crate) fn release(&self, group: i32) {
        lock(&self.state).groups.remove(&group);
    }

    /// Sleeps; false when the task was cancelled.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = lock(&self.state);
        loop {
            if state.cancelled {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

/// Ends every process of a group; one that is gone already is fine.
pub(super) fn kill_group(group: i32) {
    if let Some(pid) = Pid::from_raw(group) {
        rustix::process::kill_process_group(pid, Signal::KILL).ok();
    }
}

/// Part of a blob on its way to the task.
pub(crate) struct Chunk {
    pub(crate) blob: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) last: bool,
}

/// How many chunks wait for a slow disk before the channel is held up.
pub(crate) const CHUNKS_WAITING: usize = 16;

/// The serve loop's end of a running task.
pub(crate) struct Handle {
    pub(crate) leash: Arc<Leash>,
    pub(crate) chunks: SyncSender<Chunk>,
}

/// One task as modules see it, behind [`super::Look`] and [`super::Touch`].
pub(crate) struct Context {
    pub(crate) task: u64,
    pub(crate) check: bool,
    pub(crate) diff: bool,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) blobs: Vec<Blob>,
    pub(crate) channel: Arc<Channel>,
    pub(crate) leash: Arc<Leash>,
    chunks: Mutex<Receiver<Chunk>>,
}

impl Context {
    /// The context of a request, and the end that the serve loop keeps.
    pub(crate) fn new(request: &mut Request, channel: &Arc<Channel>) -> (Self, Handle) {
        let (sender, receiver) = std::sync::mpsc::sync_channel(CHUNKS_WAITING);
        let leash = Arc::new(Leash::default());
        let context = Self {
            task: request.task,
            check: request.check,
            diff: request.diff,
            environment: std::mem::take(&mut request.environment),
            blobs: std::mem::take(&mut request.blobs),
            channel: Arc::clone(channel),
            leash: Arc::clone(&leash),
            chunks: Mutex::new(receiver),
        };
        let handle = Handle {
            leash,
            chunks: sender,
        };
        (context, handle)
    }

    /// Fails when the task was cancelled meanwhile.
    pub(crate) fn go_on(&self) -> Result<(), Failure> {
        if self.leash.is_cancelled() {
            return Err(cancelled());
        }
        Ok(())
    }

    /// Asks for the body of a blob and hands its parts to `take`.
    pub(crate) fn receive(
        &self,
        blob: u32,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.channel.send(&FromAgent::Need {
            task: self.task,
            blob,
        });
        let chunks = lock(&self.chunks);
        loop {
            self.go_on()?;
            let chunk = match chunks.recv_timeout(Duration::from_millis(200)) {
                Ok(chunk) => chunk,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => continue,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                    lock(&self.leash.state).cut = true;
                    return Err("the connection ended before the file had arrived whole".into());
                }
            };
            if chunk.blob != blob {
                continue;
            }
            take(&chunk.data)?;
            if chunk.last {
                return Ok(());
            }
        }
    }
}

pub(crate) fn cancelled() -> Failure {
    Failure::new("the task was cancelled; its processes were ended")
}
