//! Controller to agent.

use serde::{Deserialize, Serialize};

/// One frame sent to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    Run(Request),
    /// Part of a blob that the agent asked for with [`crate::FromAgent::Need`].
    Chunk {
        task: u64,
        blob: u32,
        #[serde(with = "crate::bytes")]
        data: Vec<u8>,
        last: bool,
    },
    /// Ends the task: its process group is killed, its outcome still comes.
    Cancel {
        task: u64,
    },
    /// Asks how a task ended whose connection was lost: its outcome comes as
    /// that of `as_task`, when it is there.
    Attach {
        /// [`crate::Hello::session`] of the lost connection.
        session: String,
        task: u64,
        as_task: u64,
    },
    Bye,
    /// Asks whether anybody is there.
    Ping,
}

/// One module to run with ready arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the controller, unique on this channel.
    pub task: u64,
    /// Outcomes of all tasks before this one have arrived.
    pub heard: u64,
    /// It must not begin before this task of the same channel has ended.
    pub behind: Option<u64>,
    pub module: String,
    /// A JSON object as text (postcard cannot decode self-describing values).
    pub args: String,
    /// Find out what would change, change nothing.
    pub check: bool,
    /// The caller will show [`crate::Outcome::diff`].
    pub diff: bool,
    /// Added to the environment of every process that the module starts.
    pub environment: Vec<(String, String)>,
    /// Files that travel with the task (the source of `copy`, a rendered
    /// template, the body of `script`).
    pub blobs: Vec<Blob>,
    /// Run it as a job of its own, and answer at once.
    pub detached: Option<Detached>,
}

/// A job that outlives the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// Seconds after which it is ended.
    pub limit: u64,
    /// Folder in which it leaves its result; `~` stands for the user's home.
    pub folder: String,
}

/// A file known to the controller; its bytes are sent only when wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Path below the root of the transfer; empty for a single file.
    pub name: String,
    pub kind: BlobKind,
    /// Permission bits on the controller.
    pub mode: u32,
    pub size: u64,
    /// SHA-1 in lower-case hex; empty for what is not a regular file.
    pub sha1: String,
    /// Small bodies come along at once; others are asked for by
    /// [`crate::FromAgent::Need`].
    #[serde(with = "crate::bytes::optional")]
    pub inline: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobKind {
    File,
    Directory,
    /// A symbolic link and its target.
    Link(String),
}
