//! What happens in a run, as plain data. Everything that people see, the
//! journal included, is a fold over these.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::Span;
use ocplay_protocol::{Diff, Stream};
use serde::Serialize;

use crate::secret::Secret;

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Changed,
    Skipped,
    Failed,
    /// Failed, but `ignore_errors` says to go on.
    Ignored,
    Unreachable,
}

/// The outcome of a task, or of one item of its loop.
#[derive(Debug, Clone)]
pub struct Report {
    pub status: Status,
    /// Return values as JSON; masked where `no_log` says so.
    pub result: Arc<serde_json::Value>,
    pub diff: Vec<Diff>,
    /// Label of the item, in a loop.
    pub item: Option<String>,
    /// The host that did the work, if another.
    pub delegated: Option<Arc<str>>,
    pub no_log: bool,
    /// SHA-256 of the rendered arguments; tells equal tasks apart from
    /// changed ones without keeping the arguments.
    pub args_hash: String,
    /// Where in the content a failure comes from.
    pub mistake: Option<Diagnostic>,
}

/// One task as it is about to run.
#[derive(Debug, Clone)]
pub struct TaskInfo {
    /// Stable across edits elsewhere in its file.
    pub id: Arc<str>,
    /// `role : name`.
    pub title: String,
    pub module: String,
    /// `file:line`.
    pub path: String,
    /// Where it stands.
    pub span: Span,
    pub handler: bool,
}

#[derive(Debug, Clone)]
pub enum Event {
    PlayStarted {
        name: String,
        hosts: Vec<Arc<str>>,
    },
    NoHostsMatched,
    NoHostsLeft,
    TaskStarted {
        task: Arc<TaskInfo>,
        hosts: usize,
    },
    HostStarted {
        host: Arc<str>,
        task: Arc<TaskInfo>,
    },
    ItemDone {
        host: Arc<str>,
        task: Arc<TaskInfo>,
        report: Report,
    },
    /// `until` was not met; more attempts follow.
    Retrying {
        host: Arc<str>,
        task: Arc<TaskInfo>,
        left: u32,
        result: Arc<serde_json::Value>,
    },
    Output {
        host: Arc<str>,
        stream: Stream,
        data: Vec<u8>,
    },
    HostDone {
        host: Arc<str>,
        task: Arc<TaskInfo>,
        report: Report,
        looped: bool,
        duration: Duration,
    },
    Included {
        file: String,
        hosts: Vec<Arc<str>>,
        item: Option<String>,
    },
    Warning(Diagnostic),
    /// Something that is shown from a level of `-v` on.
    Note {
        level: u8,
        text: String,
    },
    /// A mistake found while running (a file included dynamically).
    Mistakes(Vec<Diagnostic>),
    /// A question of `pause`, `vars_prompt` or the debugger.
    Prompt {
        question: Question,
        answer: PromptAnswer,
    },
    /// One of several playbooks has ended.
    PlaybookDone {
        stats: IndexMap<Arc<str>, HostStats>,
    },
    Finished {
        stats: IndexMap<Arc<str>, HostStats>,
        custom: serde_json::Value,
    },
}

/// A question to whoever sits at the terminal.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub text: String,
    /// Do not show what is typed.
    pub secret: bool,
    /// A line of an input that is no terminal is an answer, too.
    pub piped: bool,
    /// Wait no longer than this; what is typed meanwhile is no answer.
    pub timeout: Option<Duration>,
    /// Ctrl-C asks whether to go on instead of stopping the run.
    pub pause: bool,
}

#[derive(Debug, Clone)]
pub enum Answer {
    Text(Secret),
    /// Somebody wants the run to end.
    Aborted,
    /// There is no terminal.
    NobodyThere,
}

/// Where the answer to a prompt goes; cloned events share it.
#[derive(Debug, Clone)]
pub struct PromptAnswer(pub Arc<std::sync::Mutex<Option<tokio::sync::oneshot::Sender<Answer>>>>);

/// Asks, and waits for the answer.
pub async fn ask(events: &Arc<dyn Sink>, question: Question) -> Answer {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let events = Arc::clone(events);
    let answer = PromptAnswer(Arc::new(std::sync::Mutex::new(Some(sender))));
    // Somebody may think about it for a while.
    let asking = tokio::task::spawn_blocking(move || {
        events.event(Event::Prompt { question, answer });
    });
    let answer = receiver.await.unwrap_or(Answer::NobodyThere);
    // The event was answered, so its taker is done with it.
    drop(asking.await);
    answer
}

/// Ansible's recap columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HostStats {
    pub ok: u32,
    pub changed: u32,
    pub unreachable: u32,
    pub failed: u32,
    pub skipped: u32,
    pub rescued: u32,
    pub ignored: u32,
}

impl HostStats {
    /// Counts the end of one task.
    pub fn count(&mut self, status: Status) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Changed => {
                self.ok += 1;
                self.changed += 1;
            }
            Status::Skipped => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Ignored => {
                self.ok += 1;
                self.ignored += 1;
            }
            Status::Unreachable => self.unreachable += 1,
        }
    }
}

/// Takes every event of a run; called from one place at a time per host.
pub trait Sink: Send + Sync {
    fn event(&self, event: Event);
}
