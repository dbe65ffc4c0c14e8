//! `copy`: files and directories, from the controller or on the host.
//!
//! The controller sends what it has as blobs: one nameless file, or a
//! manifest of a directory. Bytes travel only for files that differ.
//! `template` arrives here too, as a copy with its text inline.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ocplay_protocol::{Blob, BlobKind, Diff};

use super::stat::{Algorithm, checksum};
use super::steps::{Body, Placement, Step, Work, content_diff, note, state_diff};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{
    Explain, Failure, Look, Mode, Return, Settled, Touch, missing_directories, parent, sha1_of,
};

file_arguments! {
    /// Copies files and directories to the host, or within it.
    pub(super) struct Args {
        /// File or directory to copy. A directory ending in `/` stands for its contents.
        src: Option<PathBuf>,
        /// Text to write instead of a file's content.
        content: Option<serde_json::Value>,
        /// Where to put it. A directory if it ends in `/` or is one.
        dest: PathBuf,
        /// Keep a copy of a file that is replaced.
        backup: bool = false,
        /// Replace files that differ; otherwise only missing ones are written.
        force: bool = true,
        /// Mode of new directories.
        directory_mode: Option<Mode>,
        /// src is a path on the host.
        remote_src: bool = false,
        /// Command that must accept the new file, named %s, before it is put in place.
        validate: Option<String>,
        /// If dest is a symbolic link, write to what it points to.
        follow: bool = false,
        /// Follow symbolic links in src.
        local_follow: bool = true,
        /// Decrypt vaulted sources; done by the controller.
        decrypt: bool = true,
        /// SHA-1 that the source must have.
        checksum: Option<String>,
        /// Name of the source, where src is not it; set by template.
        _original_basename: Option<String>,
        /// Path of the source on the controller, for the diff; set by template.
        _source: Option<String>,
    }
}

pub(super) struct Copy;

/// Larger files are not read once more for the old kind of checksum.
const MOST_SUMMED: u64 = 8 << 20;

pub(super) struct Plan {
    work: Work,
    result: Return,
    /// The file whose attributes are returned.
    path: PathBuf,
    single: bool,
}

/// One thing to copy.
struct Item {
    /// Below the destination; empty for a single file or the directory itself.
    name: PathBuf,
    kind: BlobKind,
    mode: u32,
    size: u64,
    sha1: String,
    body: Body,
}

impl Module for Copy {
    const NAME: &'static str = "copy";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let items = sources(args, look)?;
        let Some(items) = items else {
            // Only in check mode: the source on the host is not there yet.
            let warning = "src does not exist on the host yet; an earlier task may create it";
            let result = Return::new().with("dest", args.dest.to_string_lossy());
            let plan = Plan {
                work: Work::default(),
                result: result.clone(),
                path: args.dest.clone(),
                single: true,
            };
            return Ok(Verdict::Change(plan, result.warn(warning)));
        };
        let single = matches!(&items[..], [item] if item.kind == BlobKind::File && item.name.as_os_str().is_empty());
        let destination = destination(args, look, single)?;
        let mut job = Job {
            args,
            look,
            wanted: args.attributes().settle(look)?,
            directories: directory_attributes(args, look)?,
            work: Work::default(),
            warning: None,
        };
        if let Some(missing) = job.holder(&destination, single)? {
            job.work.add(
                Step::Directories(missing.clone(), job.directories.clone()),
                state_diff(&missing, "absent", "directory"),
            );
        }
        let mut result = Return::new().with("dest", destination.to_string_lossy());
        if let Some(src) = &args.src {
            result = result.with("src", src.to_string_lossy());
        }
        let mut path = destination.clone();
        for item in items {
            let target = if item.name.as_os_str().is_empty() {
                destination.clone()
            } else {
                destination.join(&item.name)
            };
            if single {
                path = job.through_link(&target);
                result = result.with("checksum", item.sha1.as_str());
                if let Some(expected) = &args.checksum
                    && *expected != item.sha1
                {
                    return Err(Failure::new(
                        "Copied file does not match the expected checksum. Transfer failed.",
                    )
                    .with("checksum", item.sha1)
                    .with("expected_checksum", expected.as_str()));
                }
            }
            job.item(item, &target)?;
        }
        if let Some(warning) = job.warning.take() {
            result = result.warn(warning);
        }
        if args.remote_src && !single {
            job.top(&destination)?;
        }
        let work = job.work;
        if work.is_empty() {
            let result = if single {
                result.with("path", path.to_string_lossy())
            } else {
                result
            };
            return Ok(Verdict::Same(describe(look, &path, result)));
        }
        let foreseen = result.clone();
        let plan = Plan {
            work,
            result,
            path,
            single,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let backups = plan.work.run(touch)?;
        let mut result = plan.result;
        if let (true, Some(backup)) = (plan.single, backups.first()) {
            result = result.with("backup_file", backup.to_string_lossy());
        }
        if plan.single
            && let Ok(Some(metadata)) = touch.stat(&plan.path)
            && metadata.len() <= MOST_SUMMED
        {
            let sum = checksum(&plan.path, Algorithm::Md5)?;
            result = result.with("md5sum", sum);
        }
        Ok(describe(touch, &plan.path, result))
    }
}

/// Attributes of new directories: their own mode, the same owner.
fn directory_attributes(args: &Args, look: &Look) -> Result<Settled, Failure> {
    let mut attributes = args.attributes();
    attributes.mode = args
        .directory_mode
        .clone()
        .filter(|mode| *mode != Mode::Preserve);
    attributes.flags = None;
    attributes.settle(look)
}

/// What is to be copied; `None` if it is only to be in check mode.
fn sources(args: &Args, look: &Look) -> Result<Option<Vec<Item>>, Failure> {
    if !look.blobs().is_empty() {
        return Ok(Some(from_blobs(args, look.blobs())?));
    }
    if let Some(content) = &args.content {
        let text = match content {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        return Ok(Some(vec![Item {
            name: PathBuf::new(),
            kind: BlobKind::File,
            mode: 0o644,
            size: text.len() as u64,
            sha1: sha1_of(text.as_bytes()),
            body: Body::Bytes(text.into_bytes()),
        }]));
    }
    let Some(src) = &args.src else {
        return Err("src (or content) is required".into());
    };
    let Some(metadata) = look.stat(src)? else {
        if look.is_check() {
            return Ok(None);
        }
        return Err(Failure::new(format!(
            "Source {} not found on this host",
            src.display()
        )));
    };
    let mut items = Vec::new();
    if metadata.is_dir() {
        let top = top_of(args, src);
        walk(args, look, src, &top, &mut items, &mut Vec::new())?;
    } else {
        items.push(host_item(look, src, PathBuf::new(), &metadata)?);
    }
    Ok(Some(items))
}

/// Name under which a directory arrives: its own, or none with a `/` at the end.
fn top_of(args: &Args, src: &Path) -> PathBuf {
    if src.to_string_lossy().ends_with('/') {
        return PathBuf::new();
    }
    match &args._original_basename {
        Some(name) => PathBuf::from(name),
        None => src.file_name().map(PathBuf::from).unwrap_or_default(),
    }
}

fn from_blobs(args: &Args, blobs: &[Blob]) -> Result<Vec<Item>, Failure> {
    let single = matches!(blobs, [blob] if blob.kind == BlobKind::File && blob.name.is_empty());
    let top = match &args.src {
        Some(src) if !single => top_of(args, src),
        _ => PathBuf::new(),
    };
    let mut items = Vec::with_capacity(blobs.len() + 1);
    if !top.as_os_str().is_empty() && !blobs.iter().any(|blob| blob.name.is_empty()) {
        items.push(Item {
            name: top.clone(),
            kind: BlobKind::Directory,
            mode: 0o755,
            size: 0,
            sha1: String::new(),
            body: Body::Bytes(Vec::new()),
        });
    }
    for (index, blob) in blobs.iter().enumerate() {
        let name = Path::new(&blob.name);
        let inside = name
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return Err(Failure::new(format!(
                "the controller announced a file outside of the copied directory: {}",
                blob.name
            )));
        }
        items.push(Item {
            name: if name.as_os_str().is_empty() {
                top.clone()
            } else {
                top.join(name)
            },
            kind: blob.kind.clone(),
            mode: blob.mode & 0o7777,
            size: blob.size,
            sha1: blob.sha1.clone(),
            body: Body::Blob(index),
        });
    }
    Ok(items)
}

fn host_item(
    look: &Look,
    path: &Path,
    name: PathBuf,
    metadata: &Metadata,
) -> Result<Item, Failure> {
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(Failure::new(format!(
            "Cannot copy invalid source '{}': not a file",
            path.display()
        )));
    }
    Ok(Item {
        name,
        kind: if metadata.is_dir() {
            BlobKind::Directory
        } else {
            BlobKind::File
        },
        mode: metadata.permissions().mode() & 0o7777,
        size: metadata.len(),
        sha1: if metadata.is_dir() {
            String::new()
        } else {
            look.sha1(path)?
        },
        body: Body::Host(path.to_owned()),
    })
}

fn walk(
    args: &Args,
    look: &Look,
    directory: &Path,
    name: &Path,
    items: &mut Vec<Item>,
    inside: &mut Vec<(u64, u64)>,
) -> Result<(), Failure> {
    let Some(metadata) = look.stat(directory)? else {
        return Ok(());
    };
    items.push(host_item(look, directory, name.to_owned(), &metadata)?);
    inside.push((metadata.dev(), metadata.ino()));
    let entries =
        std::fs::read_dir(directory).explain(format_args!("list {}", directory.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for entry in names {
        let path = directory.join(&entry);
        let below = name.join(&entry);
        let Some(metadata) = look.lstat(&path)? else {
            continue;
        };
        let behind = look.stat(&path)?;
        match behind {
            // Also a link that leads back to where it is.
            _ if metadata.is_symlink()
                && (!args.local_follow
                    || behind
                        .as_ref()
                        .is_none_or(|found| inside.contains(&(found.dev(), found.ino())))) =>
            {
                let target = std::fs::read_link(&path)
                    .explain(format_args!("read the link {}", path.display()))?;
                items.push(Item {
                    name: below,
                    kind: BlobKind::Link(target.to_string_lossy().into_owned()),
                    mode: 0o777,
                    size: 0,
                    sha1: String::new(),
                    body: Body::Host(path),
                });
            }
            Some(metadata) if metadata.is_dir() => {
                walk(args, look, &path, &below, items, inside)?;
            }
            Some(metadata) => items.push(host_item(look, &path, below, &metadata)?),
            None => {}
        }
    }
    inside.pop();
    Ok(())
}

/// The path that is written: a file, or the directory for a tree.
fn destination(args: &Args, look: &Look, single: bool) -> Result<PathBuf, Failure> {
    let text = args.dest.to_string_lossy();
    if !single {
        return Ok(args.dest.clone());
    }
    let is_directory = look.stat(&args.dest)?.is_some_and(|found| found.is_dir());
    if !text.ends_with('/') && !is_directory {
        return Ok(args.dest.clone());
    }
    let name = match (&args._original_basename, &args.src) {
        (Some(name), _) => PathBuf::from(name),
        (None, Some(src)) => src.file_name().map(PathBuf::from).unwrap_or_default(),
        (None, None) => PathBuf::new(),
    };
    if name.as_os_str().is_empty() {
        return Err(Failure::new(format!(
            "can not use content with a dir as dest: {text} must name the file to write"
        )));
    }
    Ok(args.dest.join(name))
}

struct Job<'a> {
    args: &'a Args,
    look: &'a Look,
    wanted: Settled,
    directories: Settled,
    work: Work,
    warning: Option<String>,
}

impl Job<'_> {
    /// The directory to create before anything else, if one is missing.
    fn holder(&mut self, destination: &Path, single: bool) -> Result<Option<PathBuf>, Failure> {
        let directory = if single {
            parent(destination)
        } else {
            destination
        };
        match self.look.stat(directory)? {
            Some(found) if found.is_dir() => Ok(None),
            Some(_) => Err(Failure::new(format!(
                "{} is there and is no directory",
                directory.display()
            ))),
            None if !single || self.args.dest.to_string_lossy().ends_with('/') => {
                missing_directories(self.look, directory)?;
                Ok(Some(directory.to_owned()))
            }
            None if self.look.is_check() => {
                self.warning = Some(format!(
                    "the directory {} does not exist yet; an earlier task may create it",
                    directory.display()
                ));
                Ok(None)
            }
            None => Err(Failure::new(format!(
                "Destination directory {} does not exist; create it first with the file module, or \
                 end dest with '/'",
                directory.display()
            ))),
        }
    }

    /// Where a file really goes if the destination is a link.
    fn through_link(&self, target: &Path) -> PathBuf {
        if self.args.follow
            && let Ok(real) = std::fs::canonicalize(target)
        {
            return real;
        }
        target.to_owned()
    }

    fn item(&mut self, item: Item, target: &Path) -> Result<(), Failure> {
        match &item.kind {
            BlobKind::Directory => self.directory(&item, target),
            BlobKind::Link(to) => self.link(Path::new(to), target),
            BlobKind::File => self.file(item, target),
        }
    }

    fn directory(&mut self, item: &Item, target: &Path) -> Result<(), Failure> {
        let planned = |step: &Step| matches!(step, Step::Directories(path, _) if path == target);
        let mut wanted = self.directories.clone();
        if self.args.remote_src {
            // Within the host, directories look as their originals do.
            wanted.mode = Some(Mode::Bits(item.mode));
        }
        match self.look.stat(target)? {
            Some(found) if found.is_dir() => {
                if self.args.remote_src {
                    wanted.mode = None;
                }
                let below = item.name.components().count() > 1
                    || (item.name.components().count() == 1 && self.is_contents());
                if (below || self.args.remote_src)
                    && let Some(difference) = wanted.difference(self.look, target, &found)
                {
                    let diff = difference.diff(target);
                    self.work.add(Step::Settle(target.to_owned(), wanted), diff);
                }
                Ok(())
            }
            Some(_) => Err(Failure::new(format!(
                "{} is there and is no directory",
                target.display()
            ))),
            None if self.work.steps.iter().any(planned) => Ok(()),
            None => {
                let step = Step::Directories(target.to_owned(), wanted);
                let diff = state_diff(target, "absent", "directory");
                self.work.add(step, diff);
                Ok(())
            }
        }
    }

    /// The source ends in `/`: its contents are copied, not itself.
    fn is_contents(&self) -> bool {
        let src = self.args.src.as_ref();
        src.is_some_and(|src| src.to_string_lossy().ends_with('/'))
    }

    /// The mode of a directory copied within the host is for itself alone.
    fn top(&mut self, destination: &Path) -> Result<(), Failure> {
        let mut path = destination.to_owned();
        if let (false, true, Some(name)) = (
            self.is_contents(),
            self.look.stat(destination)?.is_some(),
            self.args.src.as_deref().and_then(Path::file_name),
        ) {
            path = destination.join(name);
        }
        let mut wanted = self.wanted.clone();
        if wanted.mode == Some(Mode::Preserve) {
            wanted.mode = match self.args.src.as_deref().map(|src| self.look.stat(src)) {
                Some(Ok(Some(found))) => Some(Mode::Bits(found.permissions().mode() & 0o7777)),
                _ => None,
            };
        }
        match self.look.lstat(&path)? {
            Some(found) => {
                if let Some(difference) = wanted.difference(self.look, &path, &found) {
                    let diff = difference.diff(&path);
                    self.work.add(Step::Settle(path, wanted), diff);
                }
            }
            None if !wanted.is_empty() => self.work.steps.push(Step::Settle(path, wanted)),
            None => {}
        }
        Ok(())
    }

    fn link(&mut self, to: &Path, target: &Path) -> Result<(), Failure> {
        let found = self.look.lstat(target)?;
        let current = std::fs::read_link(target).ok();
        if current.as_deref() == Some(to) || (found.is_some() && !self.args.force) {
            return Ok(());
        }
        if found.is_some_and(|found| found.is_dir()) {
            return Err(Failure::new(format!(
                "{} is a directory and is not replaced by a link",
                target.display()
            )));
        }
        let shown = |to: &Path| format!("link to {}\n", to.display());
        let before = current.as_deref().map(shown).unwrap_or_default();
        let step = Step::Link {
            target: to.to_owned(),
            path: target.to_owned(),
        };
        let diff = Diff::text(&target.display().to_string(), before, shown(to));
        self.work.add(step, diff);
        Ok(())
    }

    fn file(&mut self, item: Item, target: &Path) -> Result<(), Failure> {
        let path = self.through_link(target);
        let found = self.look.lstat(&path)?;
        let mut wanted = self.wanted.clone();
        let tree = !item.name.as_os_str().is_empty();
        if wanted.mode == Some(Mode::Preserve) || (self.args.remote_src && tree) {
            wanted.mode = Some(Mode::Bits(item.mode));
        }
        let same = match &found {
            Some(found) if found.is_dir() => {
                return Err(Failure::new(format!(
                    "{} is a directory and is not replaced by a file",
                    path.display()
                )));
            }
            Some(_) if !self.args.force => return Ok(()),
            Some(found) if found.is_file() => {
                found.len() == item.size && self.look.sha1(&path)? == item.sha1
            }
            _ => false,
        };
        if same {
            if self.args.remote_src && tree {
                wanted.mode = None;
            }
            if let Some(found) = &found
                && let Some(difference) = wanted.difference(self.look, &path, found)
            {
                let diff = difference.diff(&path);
                self.work.add(Step::Settle(path, wanted), diff);
            }
            return Ok(());
        }
        if self.args.remote_src && wanted.mode.is_none() {
            wanted.mode = Some(Mode::Bits(item.mode));
        }
        let diff = if self.look.wants_diff() {
            self.diff(&item, &path, found.as_ref())?
        } else {
            Diff::default()
        };
        let step = Step::Place(Placement {
            body: item.body,
            path,
            wanted,
            backup: self.args.backup,
            validate: self.args.validate.clone(),
        });
        self.work.add(step, diff);
        Ok(())
    }

    fn diff(&self, item: &Item, path: &Path, found: Option<&Metadata>) -> Result<Diff, Failure> {
        let before = match found {
            Some(found) if found.is_file() && found.len() < 1 << 20 => {
                self.look.read(path)?.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let after = match &item.body {
            Body::Bytes(bytes) => Some(bytes.clone()),
            Body::Blob(index) => self.look.blobs()[*index].inline.clone(),
            Body::Host(source) if item.size < 1 << 20 => self.look.read(source)?,
            Body::Host(_) => None,
        };
        Ok(match after {
            Some(after) => content_diff(path, &before, &after),
            None => Diff::text(
                &path.display().to_string(),
                note("old", found.map_or(0, Metadata::len)),
                note("new", item.size),
            ),
        })
    }
}
