//! One file that a module makes, and how it shall look.

use std::path::PathBuf;

use super::acts::Acts;
use super::steps::{Body, Placement, Step, Work, edit, state_diff};
use crate::host::{Failure, Look, Return, Settled, Touch, parent};

/// Where, and how it shall look.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) wanted: Settled,
    pub(super) backup: bool,
}

impl Made {
    /// Fails unless its directory is there.
    pub(super) fn check(&self, look: &Look) -> Result<(), Failure> {
        let holder = parent(&self.path);
        if look.stat(holder)?.is_some_and(|holder| holder.is_dir()) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "The directory '{}' does not exist or the file is not a directory; make it first, with the module file",
            holder.display()
        )))
    }

    fn placement(&self, bytes: Vec<u8>) -> Placement {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        Placement {
            body: Body::Bytes(bytes),
            path,
            wanted: self.wanted.clone(),
            backup: self.backup,
            validate: None,
        }
    }

    /// Writes what was made; gives the copy's name.
    pub(super) fn write(&self, touch: &mut Touch, bytes: Vec<u8>) -> Result<Return, Failure> {
        let mut backups = Vec::new();
        Step::Place(self.placement(bytes)).run(touch, &mut backups)?;
        Ok(Return::new().maybe(
            "backup_file",
            backups.first().map(|copy| copy.to_string_lossy()),
        ))
    }

    /// What makes the owner, the mode and so on right where the content is.
    pub(super) fn settle(&self, look: &Look, bytes: &[u8]) -> Result<Work, Failure> {
        edit(
            look,
            Some(bytes),
            bytes.to_vec(),
            self.placement(Vec::new()),
        )
    }
}

/// What takes it away.
pub(super) fn absent(made: &Made, there: bool, acts: &mut Acts) {
    if !there {
        return;
    }
    acts.diff(state_diff(&made.path, "present", "absent"));
    let made = made.clone();
    acts.body(move |touch| {
        let copy = if made.backup {
            Some(touch.backup(&made.path)?)
        } else {
            None
        };
        touch.remove(&made.path)?;
        Ok(Return::new().maybe(
            "backup_file",
            copy.map(|copy| copy.to_string_lossy().into_owned()),
        ))
    });
}
