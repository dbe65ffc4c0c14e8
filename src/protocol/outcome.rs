//! Agent to controller.

use serde::{Deserialize, Serialize};

use crate::{Diff, Hello};

/// One frame sent by the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromAgent {
    Hello(Hello),
    /// The task cannot go on without the bytes of this blob.
    Need {
        task: u64,
        blob: u32,
    },
    /// Live output of a running command.
    Output {
        task: u64,
        stream: Stream,
        #[serde(with = "crate::bytes")]
        data: Vec<u8>,
    },
    /// Part of a file that the controller asked for (`fetch`).
    File {
        task: u64,
        #[serde(with = "crate::bytes")]
        data: Vec<u8>,
        last: bool,
    },
    Done {
        task: u64,
        outcome: Outcome,
    },
    /// The task that was asked for by [`crate::ToAgent::Attach`] has done
    /// nothing, and will not.
    NotStarted {
        task: u64,
    },
    /// Nobody knows any more how it ended.
    Gone {
        task: u64,
    },
    /// The answer to [`crate::ToAgent::Ping`].
    Pong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a module ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub changed: bool,
    pub failed: bool,
    pub skipped: bool,
    /// Ansible's return values of the module: a JSON object as text, without
    /// `changed`, `failed` and `diff`.
    pub result: String,
    pub diff: Vec<Diff>,
}

impl Outcome {
    /// A failure that carries nothing but its message.
    #[must_use]
    pub fn failure(message: &str) -> Self {
        Self {
            failed: true,
            result: serde_json::json!({ "msg": message }).to_string(),
            ..Self::default()
        }
    }
}
