//! The agent's loop: frames in, a thread for each running task, frames out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use ocplay_protocol::{
    Detached, FrameError, FromAgent, Hello, MARKER, Outcome, PROTOCOL_VERSION, Request, ToAgent,
    read_frame,
};

use crate::crew::Crew;
use crate::host::channel::{Channel, Chunk, Context, Handle, cancelled};
use crate::host::session::{self, Session};
use crate::host::{Look, accounts, cache, job};
use crate::modules;

/// Tidies the folder that the program was just put into.
pub fn installed() {
    if let Some(folder) = cache::own_file().as_deref().and_then(Path::parent) {
        cache::clean(folder);
    }
}

/// Serves the controller on standard input and output until it says goodbye
/// or goes away.
#[must_use]
pub fn serve() -> ExitCode {
    if let Some(file) = cache::own_file() {
        cache::note_use(&file);
    }
    let Ok(out) = io::stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    // sshd gives both streams as one socket, which ends for both sides at once.
    let session = Session::open(session::PATIENCE, || {
        rustix::net::shutdown(io::stdin().as_fd(), rustix::net::Shutdown::Both).ok();
    });
    match exchange(&mut io::stdin().lock(), File::from(out), &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Running {
    /// What a task of this session hears; one that is collected from another
    /// hears nothing.
    handle: Option<Handle>,
    /// Says when it has ended, to the one that must stay behind it.
    ended: Option<Receiver<()>>,
}

/// The loop itself, over any pair of streams.
pub(crate) fn exchange(
    input: &mut impl Read,
    mut output: impl Write + Send + 'static,
    session: &Arc<Session>,
) -> Result<(), FrameError> {
    output.write_all(MARKER)?;
    output.flush()?;
    let channel = Arc::new(Channel::new(output));
    channel.send(&FromAgent::Hello(hello(session.name())));
    let crew = Crew::default();
    let (ended, endings) = std::sync::mpsc::channel();
    let mut running: HashMap<u64, Running> = HashMap::new();
    let over = Arc::new(AtomicBool::new(false));
    let result = loop {
        let message = read_frame::<ToAgent>(input);
        for task in endings.try_iter() {
            running.remove(&task);
        }
        match message {
            Ok(ToAgent::Run(request)) => {
                let task = request.task;
                session.heard(request.heard);
                session.begin(task);
                let front = request.behind.and_then(|task| running.get_mut(&task));
                let front = Front {
                    ended: front.and_then(|front| front.ended.take()),
                    over: Arc::clone(&over),
                };
                let started = start(request, front, &crew, &channel, session, ended.clone());
                running.insert(task, started);
            }
            Ok(ToAgent::Chunk {
                task,
                blob,
                data,
                last,
            }) => {
                if let Some(handle) = running.get(&task).and_then(|task| task.handle.as_ref()) {
                    // The task may have ended without wanting the rest.
                    handle.chunks.send(Chunk { blob, data, last }).ok();
                }
            }
            Ok(ToAgent::Cancel { task }) => {
                if let Some(handle) = running.get(&task).and_then(|task| task.handle.as_ref()) {
                    handle.leash.cancel();
                }
            }
            Ok(ToAgent::Attach {
                session: lost,
                task,
                as_task,
            }) => {
                session.begin(as_task);
                let (channel, session) = (Arc::clone(&channel), Arc::clone(session));
                let ended = ended.clone();
                crew.run(move || {
                    let last = session::collect(&lost, task, as_task);
                    channel.send(&last);
                    session.end(as_task, last);
                    ended.send(as_task).ok();
                });
                running.insert(
                    as_task,
                    Running {
                        handle: None,
                        ended: None,
                    },
                );
            }
            Ok(ToAgent::Ping) => channel.send(&FromAgent::Pong),
            Ok(ToAgent::Bye) => break Ok(true),
            Err(FrameError::Closed) => break Ok(false),
            Err(error) => break Err(error),
        }
    };
    // What runs is finished, so that nothing stays half done; what waits for
    // bytes that cannot come any more fails at once, and what waits for others
    // to end does not begin.
    over.store(true, Ordering::Release);
    for task in running.values_mut() {
        task.handle = None;
    }
    while !running.is_empty() {
        let Ok(task) = endings.recv() else { break };
        running.remove(&task);
    }
    // A connection that ended without a goodbye was lost.
    if !matches!(result, Ok(true)) && !session.name().is_empty() {
        session.linger();
    }
    result.map(drop)
}

/// What a task waits for before it begins.
struct Front {
    /// The end of the task in front of it.
    ended: Option<Receiver<()>>,
    /// The session is over: nothing begins any more.
    over: Arc<AtomicBool>,
}

impl Front {
    /// Whether the task may begin.
    fn wait(self) -> bool {
        let Some(ended) = self.ended else {
            return true;
        };
        // The other end is dropped by the task that ends.
        ended.recv().ok();
        !self.over.load(Ordering::Acquire)
    }
}

fn start(
    mut request: Request,
    front: Front,
    crew: &Crew,
    channel: &Arc<Channel>,
    session: &Arc<Session>,
    ended: Sender<u64>,
) -> Running {
    // A job takes everything along; what is left here only starts it.
    let job = request.detached.take().map(|wanted| {
        let job = request.clone();
        (job, wanted)
    });
    let (context, handle) = Context::new(&mut request, channel);
    let (channel, session) = (Arc::clone(channel), Arc::clone(session));
    let leash = Arc::clone(&handle.leash);
    let (mine, behind) = std::sync::mpsc::channel::<()>();
    crew.run(move || {
        let task = request.task;
        // Dropped at the end, whatever that is.
        let _mine = mine;
        if !front.wait() {
            session.cut(task);
            ended.send(task).ok();
            return;
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match job {
            _ if leash.is_cancelled() => Outcome::failure(&cancelled().message),
            Some((job, wanted)) => started(job, &wanted, context),
            None => modules::run(&request.module, &request.args, context),
        }))
        .unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Outcome::failure(&format!(
                "the module '{}' broke: {text}; this is a bug of ocplay, please report it",
                request.module
            ))
        });
        let last = FromAgent::Done { task, outcome };
        channel.send(&last);
        if leash.is_cut() {
            session.cut(task);
        } else {
            session.end(task, last);
        }
        ended.send(task).ok();
    });
    Running {
        handle: Some(handle),
        ended: Some(behind),
    }
}

/// The answer to a request that became a job.
fn started(request: Request, wanted: &Detached, context: Context) -> Outcome {
    match job::start(request, wanted, Look::new(Arc::new(context))) {
        Ok(result) => Outcome {
            changed: true,
            result: result.to_string(),
            ..Outcome::default()
        },
        Err(failure) => Outcome::failure(&failure.message),
    }
}

/// The whole life of a job: one request on standard input, the result in a
/// file. `None` if the program was not called to be one.
#[must_use]
pub fn job() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != job::WORD {
        return None;
    }
    let (name, limit) = (words.next()?, words.next()?);
    let limit = Duration::from_secs(limit.to_str()?.parse().ok()?);
    let Ok(ToAgent::Run(request)) = read_frame::<ToAgent>(&mut io::stdin().lock()) else {
        return Some(ExitCode::FAILURE);
    };
    let done = job::run(request, Path::new(&name), limit, modules::run);
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn hello(session: &str) -> Hello {
    let uid = rustix::process::geteuid().as_raw();
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = accounts::parse_users(&text)
        .into_iter()
        .find(|user| user.uid == uid);
    let (name, home) = match user {
        Some(user) => (user.name, user.home),
        None => (
            std::env::var("USER").unwrap_or_else(|_| uid.to_string()),
            std::env::var("HOME").unwrap_or_else(|_| "/".to_owned()),
        ),
    };
    Hello {
        protocol: PROTOCOL_VERSION,
        pid: std::process::id(),
        uid,
        session: session.to_owned(),
        user: name,
        home,
        arch: rustix::system::uname()
            .machine()
            .to_string_lossy()
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use ocplay_protocol::{Blob, BlobKind, write_frame};
    use serde_json::{Value, json};

    use super::*;
    use crate::host::sha1_of;

    /// The controller's end of an agent that runs in a thread.
    struct Controller {
        to: UnixStream,
        from: UnixStream,
        agent: Option<std::thread::JoinHandle<Result<(), FrameError>>>,
    }

    impl Controller {
        fn new() -> Self {
            let (to, mut input) = UnixStream::pair().unwrap();
            let (mut from, output) = UnixStream::pair().unwrap();
            let agent = std::thread::spawn(move || {
                let session = Session::open(Duration::ZERO, || ());
                exchange(&mut input, output, &session)
            });
            let mut marker = vec![0; MARKER.len()];
            from.read_exact(&mut marker).unwrap();
            assert_eq!(marker, MARKER);
            let mut controller = Self {
                to,
                from,
                agent: Some(agent),
            };
            assert!(matches!(controller.next(), FromAgent::Hello(_)));
            controller
        }

        fn send(&mut self, message: &ToAgent) {
            write_frame(&mut self.to, message).unwrap();
        }

        fn next(&mut self) -> FromAgent {
            read_frame(&mut self.from).unwrap()
        }

        fn run(&mut self, module: &str, args: &Value, blobs: Vec<Blob>) {
            self.send(&ToAgent::Run(Request {
                task: 5,
                heard: 0,
                behind: None,
                module: module.to_owned(),
                args: args.to_string(),
                check: false,
                diff: false,
                environment: Vec::new(),
                blobs,
                detached: None,
            }));
        }

        fn outcome(&mut self) -> (Outcome, Value) {
            loop {
                if let FromAgent::Done { task, outcome } = self.next() {
                    assert_eq!(task, 5);
                    let result = serde_json::from_str(&outcome.result).unwrap();
                    return (outcome, result);
                }
            }
        }

        fn bye(mut self) {
            self.send(&ToAgent::Bye);
            self.agent.take().unwrap().join().unwrap().unwrap();
        }
    }

    fn blob(content: &[u8]) -> Blob {
        Blob {
            name: String::new(),
            kind: BlobKind::File,
            mode: 0o644,
            size: content.len() as u64,
            sha1: sha1_of(content),
            inline: None,
        }
    }

    #[test]
    fn a_module_runs_and_unknown_ones_fail() {
        let mut controller = Controller::new();
        controller.run("ansible.builtin.ping", &json!({}), Vec::new());
        assert_eq!(controller.outcome().1, json!({"ping": "pong"}));
        controller.run("no_such", &json!({}), Vec::new());
        assert!(controller.outcome().0.failed);
        controller.bye();
    }

    #[test]
    fn output_comes_while_a_command_runs() {
        let mut controller = Controller::new();
        let line = "echo one; sleep 20; echo two";
        controller.run("shell", &json!({ "_raw_params": line }), Vec::new());
        let FromAgent::Output { data, .. } = controller.next() else {
            panic!("no live output");
        };
        assert_eq!(data, b"one\n");
        controller.send(&ToAgent::Cancel { task: 5 });
        let (outcome, result) = controller.outcome();
        assert!(outcome.failed);
        assert!(result["msg"].as_str().unwrap().contains("cancelled"));
        controller.bye();
    }

    #[test]
    fn bytes_travel_only_when_they_differ() {
        let directory = tempfile::tempdir().unwrap();
        let dest = directory.path().join("f");
        let args = json!({"src": "/c/f", "dest": dest});
        let mut controller = Controller::new();
        controller.run("copy", &args, vec![blob(b"hello")]);
        assert_eq!(controller.next(), FromAgent::Need { task: 5, blob: 0 });
        for (data, last) in [(&b"hel"[..], false), (b"lo", true)] {
            controller.send(&ToAgent::Chunk {
                task: 5,
                blob: 0,
                data: data.to_vec(),
                last,
            });
        }
        assert!(controller.outcome().0.changed);
        assert_eq!(std::fs::read(&dest).unwrap(), b"hello");
        controller.run("copy", &args, vec![blob(b"hello")]);
        // Straight to the outcome, nothing is asked for.
        let FromAgent::Done { outcome, .. } = controller.next() else {
            panic!("asked for bytes");
        };
        assert!(!outcome.changed);
        controller.bye();
    }

    #[test]
    fn a_lost_connection_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let dest = directory.path().join("f");
        crate::cases::write(&dest, "old");
        let mut controller = Controller::new();
        let args = json!({"src": "/c/f", "dest": dest});
        controller.run("copy", &args, vec![blob(b"hello")]);
        assert_eq!(controller.next(), FromAgent::Need { task: 5, blob: 0 });
        controller.send(&ToAgent::Chunk {
            task: 5,
            blob: 0,
            data: b"hel".to_vec(),
            last: false,
        });
        controller.to.shutdown(std::net::Shutdown::Both).unwrap();
        let (outcome, result) = controller.outcome();
        assert!(outcome.failed, "{result}");
        assert_eq!(std::fs::read(&dest).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        controller.agent.take().unwrap().join().unwrap().unwrap();
    }

    #[test]
    fn garbage_ends_the_agent_without_a_panic() {
        let (mut to, mut input) = UnixStream::pair().unwrap();
        to.write_all(&[0, 0, 0, 2, 0xff, 0xff]).unwrap();
        assert!(
            exchange(
                &mut input,
                io::sink(),
                &Session::open(Duration::ZERO, || ())
            )
            .is_err()
        );
    }
}
