//! Files that are written but not yet in their place. Each is locked as long as
//! somebody is at work on it, so that what a killed agent has left can be told
//! apart, and is removed by the next one that works in the same folder.
#![expect(
    clippy::disallowed_methods,
    reason = "removes what only this file makes"
)]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};
use tempfile::{NamedTempFile, PersistError, TempPath};

use super::{Explain, Failure};

const PREFIX: &str = ".ocplay-";
/// Letters and digits behind it.
const RANDOM: usize = 6;
/// How often another agent may sweep a new file away before it is locked.
const ATTEMPTS: usize = 5;

/// Folders in which this agent has looked for what others have left.
static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// A file that vanishes unless it is placed.
pub(crate) struct Staged(NamedTempFile);

/// A staged file that others may run or read; it vanishes when dropped.
pub(crate) struct Script {
    path: TempPath,
    /// Says that somebody needs it.
    _lock: Option<File>,
}

/// An empty file in a folder.
pub(super) fn stage(directory: &Path) -> Result<Staged, Failure> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    sweep_once(directory);
    let what = || format!("write in {}", directory.display());
    let make = || {
        tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .tempfile_in(directory)
            .explain(what())
    };
    let mut file = make()?;
    for _ in 1..ATTEMPTS {
        match rustix::fs::flock(file.as_file(), FlockOperation::NonBlockingLockExclusive) {
            // Between its making and the lock somebody may have taken it for
            // one that was left.
            Ok(()) if file.as_file().metadata().is_ok_and(|meta| meta.nlink() > 0) => break,
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => file = make()?,
            // Where files cannot be locked nobody sweeps either.
            Err(_) => break,
        }
    }
    Ok(Staged(file))
}

impl Staged {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Closes the file, so that it can be run; it still vanishes when dropped.
    pub(crate) fn close_for_running(self) -> Script {
        let path = self.0.into_temp_path();
        let lock = locked(&path);
        Script { path, _lock: lock }
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        let path = self.path().to_owned();
        self.0
            .write_all(data)
            .explain(format_args!("write {}", path.display()))
    }

    pub(super) fn persist(self, destination: &Path) -> Result<File, PersistError> {
        self.0.persist(destination)
    }
}

impl Script {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a file and locks it, unless somebody else has.
fn locked(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(File::from(file))
}

fn sweep_once(directory: &Path) {
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.get_or_insert_default().insert(directory.to_owned()) {
        sweep(directory);
    }
}

/// Removes the user's own staged files that nobody is at work on.
fn sweep(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let staged = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let ours = staged
            && entry
                .metadata()
                .is_ok_and(|meta| meta.is_file() && meta.uid() == own);
        if ours && let Some(_lock) = locked(&entry.path()) {
            // One that cannot be removed is no reason to fail.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_swept_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".ocplay-aB3dE6", ".ocplay-keep", ".ocplay-1-2345", "other"] {
            crate::cases::write(&at(name), "left");
        }
        let mut used = stage(folder.path()).unwrap();
        assert!(!at(".ocplay-aB3dE6").exists());
        used.write(b"new").unwrap();
        sweep(folder.path());
        assert!(used.path().exists());
        let script = used.close_for_running();
        sweep(folder.path());
        assert_eq!(std::fs::read(script.path()).unwrap(), b"new");
        drop(script);
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 3);
    }
}
