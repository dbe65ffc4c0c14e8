//! Speaking with a running agent: many tasks over one channel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ocplay_protocol::frame::{decode, encode, length};
use ocplay_protocol::{FromAgent, Hello, Outcome, Request, Stream, ToAgent};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::Pipe;

/// Bytes of a blob sent in one frame.
const CHUNK: usize = 256 * 1024;
/// Frames of one task that wait to be worked on; then the channel waits.
const QUEUE: usize = 64;
/// The end of the agent's standard error that is kept for messages.
const LAST_WORDS: usize = 4096;

/// Why a task got no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    #[error("the connection was lost while the task ran: {0}")]
    Lost(String),
    #[error("{0}")]
    Local(String),
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

type Waiting = Arc<Mutex<HashMap<u64, mpsc::Sender<FromAgent>>>>;

/// A running agent.
pub struct Link {
    pub hello: Hello,
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next: AtomicU64,
    lost: Arc<Mutex<Option<String>>>,
}

impl Link {
    /// Takes over the streams of an agent that has said hello.
    pub(super) fn new(hello: Hello, pipe: Pipe) -> Self {
        let waiting: Waiting = Arc::default();
        let lost = Arc::new(Mutex::new(None));
        let (outgoing, mut frames) = mpsc::channel::<Vec<u8>>(16);
        let Pipe {
            mut input,
            output,
            mut errors,
        } = pipe;
        tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if input.write_all(&frame).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
            // The agent ends when its input does.
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
        tokio::spawn(read_all(
            output,
            Arc::clone(&waiting),
            Arc::clone(&lost),
            last_words,
        ));
        Self {
            hello,
            outgoing,
            waiting,
            next: AtomicU64::new(1),
            lost,
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

    /// Runs one module; `progress` is called for all that comes before the end.
    ///
    /// # Errors
    /// The connection broke, or a local file could not be read.
    pub async fn run(
        &self,
        mut request: Request,
        blobs: &[BlobSource],
        progress: &mut (dyn FnMut(Progress) -> Result<(), String> + Send),
    ) -> Result<Outcome, LinkError> {
        let task = self.next.fetch_add(1, Ordering::Relaxed);
        request.task = task;
        let (sender, mut incoming) = mpsc::channel(QUEUE);
        self.lock().insert(task, sender);
        let guard = Forget {
            link: self,
            task,
            done: false,
        };
        let result = self.converse(request, blobs, &mut incoming, progress).await;
        let mut guard = guard;
        guard.done = true;
        result
    }

    async fn converse(
        &self,
        request: Request,
        blobs: &[BlobSource],
        incoming: &mut mpsc::Receiver<FromAgent>,
        progress: &mut (dyn FnMut(Progress) -> Result<(), String> + Send),
    ) -> Result<Outcome, LinkError> {
        let task = request.task;
        self.send(&ToAgent::Run(request)).await?;
        loop {
            let Some(message) = incoming.recv().await else {
                return Err(self.lost_error());
            };
            match message {
                FromAgent::Done { outcome, .. } => return Ok(outcome),
                FromAgent::Need { blob, .. } => {
                    let source = blobs
                        .get(blob as usize)
                        .cloned()
                        .unwrap_or(BlobSource::Inline);
                    self.send_blob(task, blob, source).await?;
                }
                FromAgent::Output { stream, data, .. } => {
                    progress(Progress::Output(stream, data)).map_err(LinkError::Local)?;
                }
                FromAgent::File { data, last, .. } => {
                    progress(Progress::File(data, last)).map_err(LinkError::Local)?;
                }
                FromAgent::Hello(_) => {}
            }
        }
    }

    async fn send_blob(&self, task: u64, blob: u32, source: BlobSource) -> Result<(), LinkError> {
        match source {
            BlobSource::Inline => {
                self.send(&ToAgent::Chunk {
                    task,
                    blob,
                    data: Vec::new(),
                    last: true,
                })
                .await
            }
            BlobSource::Bytes(bytes) => {
                let mut chunks = bytes.chunks(CHUNK).peekable();
                while let Some(chunk) = chunks.next() {
                    let last = chunks.peek().is_none();
                    self.send(&ToAgent::Chunk {
                        task,
                        blob,
                        data: chunk.to_vec(),
                        last,
                    })
                    .await?;
                }
                if bytes.is_empty() {
                    self.send(&ToAgent::Chunk {
                        task,
                        blob,
                        data: Vec::new(),
                        last: true,
                    })
                    .await?;
                }
                Ok(())
            }
            BlobSource::File(path) => self.send_file(task, blob, &path).await,
        }
    }

    async fn send_file(&self, task: u64, blob: u32, path: &Path) -> Result<(), LinkError> {
        let local =
            |error: std::io::Error| LinkError::Local(format!("{}: {error}", path.display()));
        let mut file = tokio::fs::File::open(path).await.map_err(local)?;
        loop {
            let mut data = vec![0; CHUNK];
            let count = file.read(&mut data).await.map_err(local)?;
            data.truncate(count);
            let last = count == 0;
            self.send(&ToAgent::Chunk {
                task,
                blob,
                data,
                last,
            })
            .await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn send(&self, message: &ToAgent) -> Result<(), LinkError> {
        let frame = encode(message).map_err(|error| LinkError::Local(error.to_string()))?;
        self.outgoing
            .send(frame)
            .await
            .map_err(|_| self.lost_error())
    }

    fn lost_error(&self) -> LinkError {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        LinkError::Lost(
            lost.clone()
                .unwrap_or_else(|| "the channel was closed".to_owned()),
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::Sender<FromAgent>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a task when its future is dropped, and has it ended on the host.
struct Forget<'a> {
    link: &'a Link,
    task: u64,
    done: bool,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.lock().remove(&self.task);
        if !self.done
            && let Ok(frame) = encode(&ToAgent::Cancel { task: self.task })
        {
            // A full queue means that the host does not listen anyway.
            drop(self.link.outgoing.try_send(frame));
        }
    }
}

async fn read_all(
    mut output: Box<dyn AsyncRead + Send + Unpin>,
    waiting: Waiting,
    lost: Arc<Mutex<Option<String>>>,
    last_words: Arc<Mutex<Vec<u8>>>,
) {
    let reason = loop {
        match read_frame(&mut output).await {
            Ok(message) => {
                let task = match &message {
                    FromAgent::Need { task, .. }
                    | FromAgent::Output { task, .. }
                    | FromAgent::File { task, .. }
                    | FromAgent::Done { task, .. } => *task,
                    FromAgent::Hello(_) => continue,
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
    *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
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
