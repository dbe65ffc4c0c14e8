//! The file of `log_path`: what the screen shows, with time, process and
//! user in front.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use ocplay_language::vault::Keyring;

use super::style::mask;

pub(super) struct Log {
    file: File,
    user: String,
    keyring: Arc<Keyring>,
}

impl Log {
    pub(super) fn open(path: &Path, keyring: &Arc<Keyring>) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
            keyring: Arc::clone(keyring),
        })
    }

    /// Writes one message. A log that cannot be written must not stop a run.
    pub(super) fn write(&mut self, text: &str, level: &str) {
        let plain = console::strip_ansi_codes(text);
        let text = mask(plain.trim_matches('\n'), &self.keyring);
        if text.is_empty() {
            return;
        }
        let line = format!(
            "{} p={} u={} n=ansible {level}| {text}\n",
            now(),
            std::process::id(),
            self.user
        );
        drop(self.file.write_all(line.as_bytes()));
    }
}

/// Local time to the millisecond, as Python's logging writes it.
fn now() -> String {
    jiff::Zoned::now()
        .strftime("%Y-%m-%d %H:%M:%S,%3f")
        .to_string()
}
