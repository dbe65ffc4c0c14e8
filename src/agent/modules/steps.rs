//! Changes to files as a list of steps: found by a check, carried out by an
//! apply. Shared by all modules that leave files behind.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ocplay_protocol::Diff;

use crate::host::{Failure, Look, Settled, Touch, parent};

/// Larger files are only said to differ.
const MOST_SHOWN: usize = 256 << 10;

/// Where the content of a file comes from.
pub(super) enum Body {
    /// A file that came with the task.
    Blob(usize),
    /// A file of this host.
    Host(PathBuf),
    Bytes(Vec<u8>),
}

/// One new file content.
pub(super) struct Placement {
    pub(super) body: Body,
    pub(super) path: PathBuf,
    pub(super) wanted: Settled,
    /// Keep a copy of the old file.
    pub(super) backup: bool,
    /// Command that must accept the new content.
    pub(super) validate: Option<String>,
}

pub(super) enum Step {
    Remove(PathBuf),
    /// With missing parents; the attributes are for all new ones.
    Directories(PathBuf, Settled),
    Link {
        target: PathBuf,
        path: PathBuf,
    },
    HardLink {
        target: PathBuf,
        path: PathBuf,
    },
    /// An empty file, unless there is one.
    Create(PathBuf),
    Times {
        path: PathBuf,
        access: Option<SystemTime>,
        modification: Option<SystemTime>,
        /// Both times are the present: enough for who may only write.
        now: bool,
        follow: bool,
    },
    Settle(PathBuf, Settled),
    Place(Placement),
}

/// All steps of a task and how they look.
#[derive(Default)]
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) diffs: Vec<Diff>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn add(&mut self, step: Step, diff: Diff) {
        self.steps.push(step);
        self.diffs.push(diff);
    }

    /// Carries out all steps; gives the backup copies that were made.
    pub(super) fn run(self, touch: &mut Touch) -> Result<Vec<PathBuf>, Failure> {
        let mut backups = Vec::new();
        for step in self.steps {
            step.run(touch, &mut backups)?;
        }
        Ok(backups)
    }
}

impl Step {
    pub(super) fn run(self, touch: &mut Touch, backups: &mut Vec<PathBuf>) -> Result<(), Failure> {
        match self {
            Self::Remove(path) => touch.remove(&path),
            Self::Directories(path, wanted) => touch.make_directories(&path, &wanted).map(drop),
            Self::Link { target, path } => touch.link(&target, &path),
            Self::HardLink { target, path } => touch.hard_link(&target, &path),
            Self::Create(path) => touch.create(&path),
            Self::Times {
                path,
                access,
                modification,
                now,
                follow,
            } => {
                if now {
                    return touch.set_now(&path, follow);
                }
                touch.set_times(&path, access, modification, follow)
            }
            Self::Settle(path, wanted) => touch.settle(&path, &wanted).map(drop),
            Self::Place(placement) => placement.run(touch, backups),
        }
    }
}

impl Placement {
    fn run(self, touch: &mut Touch, backups: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let mut staged = touch.stage_for(&self.path, &self.wanted)?;
        match &self.body {
            Body::Blob(index) => touch.fill(&mut staged, *index)?,
            Body::Host(source) => touch.fill_from(&mut staged, source)?,
            Body::Bytes(bytes) => staged.write(bytes)?,
        }
        if let Some(template) = &self.validate {
            touch.validate(&staged, template)?;
        }
        if self.backup && touch.stat(&self.path)?.is_some_and(|old| old.is_file()) {
            backups.push(touch.backup(&self.path)?);
        }
        touch.place(staged, &self.path, &self.wanted)
    }
}

/// The steps that turn a file's content into another, keeping or setting its
/// attributes. Writes behind a symbolic link.
pub(super) fn edit(
    look: &Look,
    before: Option<&[u8]>,
    after: Vec<u8>,
    placement: Placement,
) -> Result<Work, Failure> {
    let mut placement = placement;
    if let Ok(real) = std::fs::canonicalize(&placement.path) {
        placement.path = real;
    }
    let mut work = Work::default();
    if before == Some(&after) {
        if let Some(metadata) = look.lstat(&placement.path)?
            && let Some(difference) = placement
                .wanted
                .difference(look, &placement.path, &metadata)
        {
            let diff = difference.diff(&placement.path);
            work.add(Step::Settle(placement.path, placement.wanted), diff);
        }
        return Ok(work);
    }
    let holder = parent(&placement.path).to_owned();
    if look.stat(&holder)?.is_none() {
        work.steps
            .push(Step::Directories(holder, Settled::default()));
    }
    let diff = content_diff(&placement.path, before.unwrap_or_default(), &after);
    placement.body = Body::Bytes(after);
    work.add(Step::Place(placement), diff);
    Ok(work)
}

/// A change of a file's content as people read it.
pub(super) fn content_diff(path: &Path, before: &[u8], after: &[u8]) -> Diff {
    let header = path.display().to_string();
    let hidden = before.contains(&0) || after.contains(&0);
    if hidden || before.len() > MOST_SHOWN || after.len() > MOST_SHOWN {
        let kind = if hidden { "binary" } else { "large" };
        return Diff::text(
            &header,
            note(kind, before.len() as u64),
            note(kind, after.len() as u64),
        );
    }
    Diff::text(
        &header,
        String::from_utf8_lossy(before),
        String::from_utf8_lossy(after),
    )
}

/// Stands for a content that is not shown.
pub(super) fn note(kind: &str, size: u64) -> String {
    if size == 0 {
        String::new()
    } else {
        format!("({kind} file, {size} bytes)\n")
    }
}

/// A change of what a path is.
pub(super) fn state_diff(path: &Path, before: &str, after: &str) -> Diff {
    Diff::text(
        &path.display().to_string(),
        format!("state: {before}\n"),
        format!("state: {after}\n"),
    )
}
