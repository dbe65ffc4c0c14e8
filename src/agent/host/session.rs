//! What of a session outlives its connection: outcomes of which nobody may
//! have heard, and the door at which the next agent of the same user asks for
//! them.
//!
//! The door is a socket in Linux's abstract namespace: no file is left when the
//! process ends, however it ends. Only the same user is let in.

use std::collections::BTreeMap;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use ocplay_protocol::{FromAgent, ToAgent, read_frame, write_frame};

/// How long outcomes wait for a controller that comes back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How often in a row an agent must be found stopped to be given up.
const STOPPED: u32 = 5;

/// The tasks of one connection.
pub(crate) struct Session {
    name: String,
    /// How long outcomes wait for somebody to ask.
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: BTreeMap<u64, Task>,
}

enum Task {
    Running,
    /// It ended: its last frame.
    Ended(FromAgent),
    /// It ended for want of bytes that could not come any more; nothing was
    /// done.
    Cut,
    /// Another agent has its last frame.
    Given,
}

impl Session {
    /// Opens the door. `sever` ends the old connection for good when somebody
    /// comes for its tasks: what it may still bring must not run.
    pub(crate) fn open(patience: Duration, sever: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let token = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let name = format!("ocplay/{uid}/{}/{}", std::process::id(), token.trim());
        let listener = SocketAddr::from_abstract_name(&name)
            .and_then(|address| UnixListener::bind_addr(&address));
        let session = Arc::new(Self {
            // Without a door nobody can come back; everything else works.
            name: if listener.is_ok() {
                name
            } else {
                String::new()
            },
            patience,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        if let Ok(listener) = listener {
            let session = Arc::clone(&session);
            let sever = Arc::new(sever);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let peer = rustix::net::sockopt::socket_peercred(&stream);
                    if peer.is_ok_and(|peer| peer.uid.as_raw() == uid) {
                        let (session, sever) = (Arc::clone(&session), Arc::clone(&sever));
                        std::thread::spawn(move || {
                            // Whoever asked may have gone away again.
                            session.answer(stream, &*sever).ok();
                        });
                    }
                }
            });
        }
        session
    }

    /// The name under which [`collect`] finds it; empty where it cannot.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, task: u64) {
        self.lock().tasks.insert(task, Task::Running);
    }

    /// Keeps a task's last frame until it is known to have been heard.
    pub(crate) fn end(&self, task: u64, last: FromAgent) {
        self.lock().tasks.insert(task, Task::Ended(last));
        self.changed.notify_all();
    }

    /// A task that ended because its bytes could not come.
    pub(crate) fn cut(&self, task: u64) {
        self.lock().tasks.insert(task, Task::Cut);
        self.changed.notify_all();
    }

    /// Everything before this task has been heard.
    pub(crate) fn heard(&self, before: u64) {
        let mut state = self.lock();
        state
            .tasks
            .retain(|task, state| *task >= before || matches!(state, Task::Running));
    }

    /// Waits until everything has been asked for, but not for ever.
    pub(crate) fn linger(&self) {
        let deadline = Instant::now() + self.patience;
        let mut state = self.lock();
        while state
            .tasks
            .values()
            .any(|task| !matches!(task, Task::Given))
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Tells the next agent how a task ended, as soon as it has.
    fn answer(&self, mut stream: UnixStream, sever: &dyn Fn()) -> Result<(), io::Error> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        let asked = read_frame::<ToAgent>(&mut stream).map_err(broken)?;
        let ToAgent::Attach { task, .. } = asked else {
            return Ok(());
        };
        sever();
        let mut state = self.lock();
        let last = loop {
            match state.tasks.get(&task) {
                Some(Task::Running) => {
                    state = match self.changed.wait(state) {
                        Ok(state) => state,
                        Err(poisoned) => poisoned.into_inner(),
                    };
                }
                Some(Task::Ended(last)) => break last.clone(),
                Some(Task::Cut) | None => break FromAgent::NotStarted { task },
                // Begun again, it would be done twice.
                Some(Task::Given) => break FromAgent::Gone { task },
            }
        };
        let ended = !matches!(last, FromAgent::Gone { .. });
        if ended {
            state.tasks.insert(task, Task::Given);
        }
        drop(state);
        if write_frame(&mut stream, &last).is_err() {
            // Whoever asked has gone; the next one may ask.
            let again = match last {
                FromAgent::NotStarted { .. } => Task::Cut,
                last => Task::Ended(last),
            };
            if ended {
                self.lock().tasks.insert(task, again);
            }
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.changed.notify_all();
        Ok(())
    }
}

/// How a task of an earlier session ended: waits for it if need be. The frame
/// is for `as_task` of this session.
pub(crate) fn collect(session: &str, task: u64, as_task: u64) -> FromAgent {
    let ask = || -> io::Result<FromAgent> {
        let address = SocketAddr::from_abstract_name(session)?;
        let mut stream = UnixStream::connect_addr(&address)?;
        let question = ToAgent::Attach {
            session: String::new(),
            task,
            as_task,
        };
        write_frame(&mut stream, &question).map_err(io::Error::other)?;
        wait_for(&stream)?;
        read_frame::<FromAgent>(&mut stream).map_err(io::Error::other)
    };
    match ask() {
        Ok(FromAgent::Done { outcome, .. }) => FromAgent::Done {
            task: as_task,
            outcome,
        },
        Ok(FromAgent::NotStarted { .. }) => FromAgent::NotStarted { task: as_task },
        Ok(_) | Err(_) => FromAgent::Gone { task: as_task },
    }
}

/// Waits for the other agent's answer as long as that one is not stopped.
fn wait_for(stream: &UnixStream) -> io::Result<()> {
    let pid = rustix::net::sockopt::socket_peercred(stream)?.pid;
    let pid = pid.as_raw_nonzero();
    let pause = Timespec {
        tv_sec: 2,
        tv_nsec: 0,
    };
    let mut stopped = 0;
    while stopped < STOPPED {
        let mut wanted = [PollFd::new(stream, PollFlags::IN)];
        match rustix::event::poll(&mut wanted, Some(&pause)) {
            Ok(0) => {}
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state comes behind the name, which may hold anything.
        let state = stat.rsplit(") ").next().unwrap_or_default();
        stopped = if state.starts_with(['T', 't']) {
            stopped + 1
        } else {
            0
        };
    }
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use ocplay_protocol::Outcome;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(30);

    fn done(text: &str) -> FromAgent {
        FromAgent::Done {
            task: 1,
            outcome: Outcome::failure(text),
        }
    }

    #[test]
    fn an_outcome_is_handed_on_once() {
        let severed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&severed);
        let session = Session::open(LONG, move || flag.store(true, Ordering::Relaxed));
        session.begin(1);
        let waiting = {
            let name = session.name().to_owned();
            std::thread::spawn(move || collect(&name, 1, 7))
        };
        std::thread::sleep(Duration::from_millis(50));
        assert!(severed.load(Ordering::Relaxed));
        session.end(1, done("x"));
        assert_eq!(
            waiting.join().unwrap(),
            FromAgent::Done {
                task: 7,
                outcome: Outcome::failure("x")
            }
        );
        assert_eq!(collect(session.name(), 1, 8), FromAgent::Gone { task: 8 });
        session.linger();
    }

    #[test]
    fn a_session_that_is_not_there_is_gone() {
        assert_eq!(collect("ocplay/none", 1, 2), FromAgent::Gone { task: 2 });
    }

    #[test]
    fn what_was_heard_or_cut_is_not_kept() {
        let session = Session::open(SHORT, || ());
        for task in 1..4 {
            session.begin(task);
        }
        session.end(1, done("1"));
        session.cut(2);
        session.heard(2);
        let ask = |task| collect(session.name(), task, 9);
        assert_eq!(ask(1), FromAgent::NotStarted { task: 9 });
        assert_eq!(ask(2), FromAgent::NotStarted { task: 9 });
        let before = Instant::now();
        session.linger();
        assert!(before.elapsed() >= SHORT);
    }
}
