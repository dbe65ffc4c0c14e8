//! Speaking with a running agent: many tasks over one channel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ocplay_protocol::frame::{decode, encode, length};
use ocplay_protocol::{FromAgent, Hello, Outcome, Request, Stream, ToAgent};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Pipe;

/// Bytes of a blob sent in one frame.
const CHUNK: usize = 256 * 1024;
/// Frames of one task that wait to be worked on; then the channel waits.
const QUEUE: usize = 64;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// The end of the agent's standard error that is kept for messages.
const LAST_WORDS: usize = 4096;

/// A helper of which nothing was heard for so long is asked whether it is
/// there.
const BEAT: Duration = Duration::from_secs(15);
/// One that says nothing for so long, or takes nothing, is given up. Its loop
/// may stand still for a while: what it receives goes to a disk.
const DEAF: Duration = Duration::from_secs(120);

/// Why a task got no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    #[error("the connection was lost while the task ran: {reason}")]
    Lost {
        reason: String,
        /// The task's number on this link; what was asked for.
        task: u64,
        request: Box<Request>,
    },
    #[error("{0}")]
    Local(String),
}

/// How a task ended whose connection was lost.
#[derive(Debug)]
pub enum Attached {
    Done(Outcome),
    /// It had not begun; it can be run again.
    NotStarted,
    /// The agent that ran it is gone.
    Gone,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// They went along with the request.
    Inline,
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

/// What comes back while a task runs.
#[derive(Debug)]
pub enum Progress {
    Output(Stream, Vec<u8>),
    /// Part of a fetched file, and whether it is the last.
    File(Vec<u8>, bool),
}

/// What goes to the agent.
enum Out {
    Frame(Vec<u8>),
    /// Nothing more.
    Goodbye,
}

type Waiting = Arc<Mutex<HashMap<u64, mpsc::Sender<FromAgent>>>>;

/// A running agent.
pub struct Link {
    pub hello: Hello,
    outgoing: mpsc::Sender<Out>,
    waiting: Waiting,
    next: AtomicU64,
    lost: Arc<Mutex<Option<String>>>,
    /// When the last frame came.
    heard: Arc<Mutex<Instant>>,
    /// Ends with what the agent says.
    reader: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Takes over the streams of an agent that has said hello.
    pub(super) fn new(hello: Hello, pipe: Pipe) -> Self {
        let waiting: Waiting = Arc::default();
        let lost = Arc::new(Mutex::new(None));
        let heard = Arc::new(Mutex::new(Instant::now()));
        let (outgoing, mut frames) = mpsc::channel::<Out>(16);
        let Pipe {
            mut input,
            output,
            mut errors,
        } = pipe;
        tokio::spawn(async move {
            while let Some(Out::Frame(frame)) = frames.recv().await {
                if input.write_all(&frame).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
            // Without a goodbye it would wait for the controller to come back.
            if let Ok(frame) = encode(&ToAgent::Bye) {
                drop(input.write_all(&frame).await);
            }
            drop(input.shutdown().await);
        });
        let last_words = Arc::new(Mutex::new(Vec::new()));
        let words = Arc::clone(&last_words);
        tokio::spawn(async move {
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = errors.read(&mut chunk).await {
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                words.extend_from_slice(&chunk[..count]);
                let surplus = words.len().saturating_sub(LAST_WORDS);
                words.drain(..surplus);
            }
        });
        let reader = tokio::spawn(read_all(
            output,
            Arc::clone(&waiting),
            Arc::clone(&lost),
            Arc::clone(&heard),
            last_words,
        ));
        Self {
            hello,
            outgoing,
            waiting,
            next: AtomicU64::new(1),
            lost,
            heard,
            reader: Mutex::new(Some(reader)),
        }
    }

    /// Whether the agent is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Runs one module; `sent` is called with the task's number when the request
    /// is on its way, `progress` for all that comes before the end.
    ///
    /// # Errors
    /// The connection broke, or a local file could not be read.
    pub async fn run(
        &self,
        mut request: Request,
        blobs: &[BlobSource],
        sent: &mut (dyn FnMut(u64) + Send),
        progress: &mut (dyn FnMut(Progress) -> Result<(), String> + Send),
    ) -> Result<Outcome, LinkError> {
        let guard = self.enlist();
        let task = guard.task;
        request.task = task;
        request.heard = self.lock().keys().copied().min().unwrap_or(task);
        let message = ToAgent::Run(request);
        let ended = self.converse(guard, &message, blobs, sent, progress).await;
        let ToAgent::Run(request) = message else {
            return Err(LinkError::Local("a request turned into another".to_owned()));
        };
        match ended {
            Ok(Some(FromAgent::Done { outcome, .. })) => Ok(outcome),
            Ok(_) => Err(LinkError::Lost {
                reason: self.reason(),
                task,
                request: Box::new(request),
            }),
            Err(reason) => Err(LinkError::Local(reason)),
        }
    }

    /// Asks how a task ended that ran on a link which was lost; waits for it.
    /// Nothing is given when this link is lost as well; then the number is
    /// the one to ask for next.
    pub async fn attach(&self, session: &str, task: u64) -> Result<Attached, u64> {
        let guard = self.enlist();
        let as_task = guard.task;
        let message = ToAgent::Attach {
            session: session.to_owned(),
            task,
            as_task,
        };
        let ended = self
            .converse(guard, &message, &[], &mut |_| (), &mut |_| Ok(()))
            .await;
        match ended {
            Ok(Some(FromAgent::Done { outcome, .. })) => Ok(Attached::Done(outcome)),
            Ok(Some(FromAgent::NotStarted { .. })) => Ok(Attached::NotStarted),
            Ok(Some(FromAgent::Gone { .. })) => Ok(Attached::Gone),
            Ok(_) | Err(_) => Err(as_task),
        }
    }

    /// A task's number, and the way back for its frames.
    fn enlist(&self) -> Forget<'_> {
        let task = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, incoming) = mpsc::channel(QUEUE);
        self.lock().insert(task, sender);
        Forget {
            link: self,
            task,
            incoming,
            done: false,
        }
    }

    /// Ends every task on the host, and says goodbye.
    pub(super) async fn abort(&self) {
        let tasks: Vec<u64> = self.lock().keys().copied().collect();
        let farewells = tasks.into_iter().map(|task| ToAgent::Cancel { task });
        for message in farewells {
            // One that is lost has nobody to end.
            drop(self.send(&message).await);
        }
        self.goodbye().await;
    }

    /// Ends the agent, as soon as its tasks have ended.
    pub(super) async fn goodbye(&self) {
        let reader = {
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.take()
        };
        // The end of what it says is the sign that it heard: sshd throws away
        // what a connection that ends has brought last.
        if let Some(reader) = reader
            && self.outgoing.send(Out::Goodbye).await.is_ok()
        {
            // A host that does not listen keeps nobody.
            drop(tokio::time::timeout(GOODBYE, reader).await);
        }
    }

    /// The last frame of a task; nothing when the link is lost.
    ///
    /// # Errors
    /// A local file could not be read, or what came could not be kept.
    async fn converse(
        &self,
        mut guard: Forget<'_>,
        message: &ToAgent,
        blobs: &[BlobSource],
        sent: &mut (dyn FnMut(u64) + Send),
        progress: &mut (dyn FnMut(Progress) -> Result<(), String> + Send),
    ) -> Result<Option<FromAgent>, String> {
        let task = guard.task;
        // Lost before it was listed: then nobody ends its wait.
        let mut alive = !self.is_lost() && self.send(message).await?;
        if alive {
            sent(task);
        }
        let begun = Instant::now();
        while alive {
            let message = match tokio::time::timeout(BEAT, guard.incoming.recv()).await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(_) => {
                    alive = self.ask_for_life(begun);
                    continue;
                }
            };
            match message {
                FromAgent::Done { .. } | FromAgent::NotStarted { .. } | FromAgent::Gone { .. } => {
                    guard.done = true;
                    return Ok(Some(message));
                }
                FromAgent::Need { blob, .. } => {
                    let source = blobs
                        .get(blob as usize)
                        .cloned()
                        .unwrap_or(BlobSource::Inline);
                    alive = self.send_blob(task, blob, source).await?;
                }
                FromAgent::Output { stream, data, .. } => {
                    progress(Progress::Output(stream, data))?;
                }
                FromAgent::File { data, last, .. } => progress(Progress::File(data, last))?,
                FromAgent::Hello(_) | FromAgent::Pong => {}
            }
        }
        guard.done = true;
        Ok(None)
    }

    /// Whether the helper may still be there, of which nothing was heard for a
    /// while. It is asked each time.
    fn ask_for_life(&self, since: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.max(since).elapsed() > DEAF {
            self.give_up();
            return false;
        }
        if let Ok(frame) = encode(&ToAgent::Ping) {
            // A full queue is a question as well.
            drop(self.outgoing.try_send(Out::Frame(frame)));
        }
        true
    }

    /// Takes the link for lost, for all its tasks.
    fn give_up(&self) {
        let reason = format!(
            "the helper has not answered for {} minutes",
            DEAF.as_secs() / 60
        );
        self.lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(reason);
        self.lock().clear();
    }

    async fn send_blob(&self, task: u64, blob: u32, source: BlobSource) -> Result<bool, String> {
        match source {
            BlobSource::Inline => self.send_blob_end(task, blob).await,
            BlobSource::Bytes(bytes) => {
                let mut chunks = bytes.chunks(CHUNK).peekable();
                while let Some(chunk) = chunks.next() {
                    let last = chunks.peek().is_none();
                    let chunk = ToAgent::Chunk {
                        task,
                        blob,
                        data: chunk.to_vec(),
                        last,
                    };
                    if !self.send(&chunk).await? {
                        return Ok(false);
                    }
                }
                if bytes.is_empty() {
                    return self.send_blob_end(task, blob).await;
                }
                Ok(true)
            }
            BlobSource::File(path) => self.send_file(task, blob, &path).await,
        }
    }

    async fn send_file(&self, task: u64, blob: u32, path: &Path) -> Result<bool, String> {
        let local = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = tokio::fs::File::open(path).await.map_err(local)?;
        loop {
            let mut data = vec![0; CHUNK];
            let count = file.read(&mut data).await.map_err(local)?;
            data.truncate(count);
            let last = count == 0;
            let chunk = ToAgent::Chunk {
                task,
                blob,
                data,
                last,
            };
            if !self.send(&chunk).await? || last {
                return Ok(last);
            }
        }
    }

    async fn send_blob_end(&self, task: u64, blob: u32) -> Result<bool, String> {
        self.send(&ToAgent::Chunk {
            task,
            blob,
            data: Vec::new(),
            last: true,
        })
        .await
    }

    /// Whether the link still takes frames.
    async fn send(&self, message: &ToAgent) -> Result<bool, String> {
        let frame = encode(message).map_err(|error| error.to_string())?;
        let sent = tokio::time::timeout(DEAF, self.outgoing.send(Out::Frame(frame)));
        let Ok(sent) = sent.await else {
            self.give_up();
            return Ok(false);
        };
        Ok(sent.is_ok())
    }

    fn reason(&self) -> String {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.clone()
            .unwrap_or_else(|| "the channel was closed".to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::Sender<FromAgent>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a task when its future is dropped, and has it ended on the host.
struct Forget<'a> {
    link: &'a Link,
    task: u64,
    incoming: mpsc::Receiver<FromAgent>,
    done: bool,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.lock().remove(&self.task);
        if !self.done
            && let Ok(frame) = encode(&ToAgent::Cancel { task: self.task })
        {
            // A full queue means that the host does not listen anyway.
            drop(self.link.outgoing.try_send(Out::Frame(frame)));
        }
    }
}

async fn read_all(
    mut output: Box<dyn AsyncRead + Send + Unpin>,
    waiting: Waiting,
    lost: Arc<Mutex<Option<String>>>,
    heard: Arc<Mutex<Instant>>,
    last_words: Arc<Mutex<Vec<u8>>>,
) {
    let reason = loop {
        match read_frame(&mut output).await {
            Ok(message) => {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                let task = match &message {
                    FromAgent::Need { task, .. }
                    | FromAgent::Output { task, .. }
                    | FromAgent::File { task, .. }
                    | FromAgent::Done { task, .. }
                    | FromAgent::NotStarted { task }
                    | FromAgent::Gone { task } => *task,
                    FromAgent::Hello(_) | FromAgent::Pong => continue,
                };
                let receiver = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(&task)
                    .cloned();
                if let Some(receiver) = receiver {
                    // A task that was given up does not listen any more.
                    drop(receiver.send(message).await);
                }
            }
            Err(reason) => break reason,
        }
    };
    let words = last_words
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    let reason = if words.is_empty() {
        reason
    } else {
        format!("{reason} ({words})")
    };
    lost.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(reason);
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

async fn read_frame(output: &mut (dyn AsyncRead + Send + Unpin)) -> Result<FromAgent, String> {
    let mut prefix = [0; 4];
    output
        .read_exact(&mut prefix)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the host closed the connection".to_owned(),
            _ => error.to_string(),
        })?;
    let wanted = length(prefix).map_err(|error| error.to_string())?;
    let mut body = Vec::with_capacity(wanted.min(CHUNK * 2));
    let got = output
        .take(wanted as u64)
        .read_to_end(&mut body)
        .await
        .map_err(|error| error.to_string())?;
    if got < wanted {
        return Err("the host closed the connection in the middle of a message".to_owned());
    }
    decode(&body).map_err(|error| error.to_string())
}
