//! How a module ends: with values, or with a reason why not.

use std::fmt::Display;
use std::io;

use ocplay_protocol::Diff;
use serde_json::{Map, Value};

/// Values that a module returns, in the order they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Return {
    pub(crate) values: Map<String, Value>,
    /// Overrides what the harness derives from the verdict.
    pub(crate) changed: Option<bool>,
    /// In place of the module's description, for changes that only show
    /// while they are made.
    pub(crate) diffs: Vec<Diff>,
}

impl Return {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds one value.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.values.insert(key.to_owned(), value.into());
        self
    }

    /// Adds the value if there is one.
    #[must_use]
    pub(crate) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a line to `warnings`, which the controller shows.
    #[must_use]
    pub(crate) fn warn(mut self, text: impl Into<String>) -> Self {
        let list = self
            .values
            .entry("warnings")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = list {
            items.push(Value::String(text.into()));
        }
        self
    }

    #[must_use]
    pub(crate) fn changed(mut self, changed: bool) -> Self {
        self.changed = Some(changed);
        self
    }
}

/// Why a module failed: the cause, what to do, and the values it still has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) data: Map<String, Value>,
    /// Something was changed before it failed.
    pub(crate) changed: bool,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// Takes over what a [`Return`] would have said.
    #[must_use]
    pub(crate) fn with_values(mut self, values: Return) -> Self {
        self.changed |= values.changed.unwrap_or(false);
        self.data.extend(values.values);
        self
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

/// Turns an operating-system error into a [`Failure`] that says what was tried.
pub(crate) trait Explain<T> {
    /// `what` reads on from "cannot".
    fn explain(self, what: impl Display) -> Result<T, Failure>;
}

impl<T> Explain<T> for io::Result<T> {
    fn explain(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("cannot {what}: {}", reason(&error))))
    }
}

impl<T> Explain<T> for Result<T, rustix::io::Errno> {
    fn explain(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(io::Error::from).explain(what)
    }
}

/// The error in words, with what to do where that is clear.
pub(crate) fn reason(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    let hint = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) if !rustix::process::geteuid().is_root() => {
            "; the task may need become: true"
        }
        Some(libc::EPERM) => {
            "; root is refused too: an immutable attribute (lsattr), a read-only mount or a \
             missing capability of the container"
        }
        Some(libc::ENOSPC) => "; free some space (df -h, df -i) and run again",
        Some(libc::EDQUOT) => "; the disk quota of this user is used up",
        Some(libc::EROFS) => "; the file system is mounted read-only",
        Some(libc::ETXTBSY) => "; the program is running",
        _ => "",
    };
    text.push_str(hint);
    text
}
