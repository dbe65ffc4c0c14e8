//! `file`: what a path is, and its attributes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::steps::{Step, Work};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments, state_of};
use crate::host::{
    Explain, Failure, Look, Return, Settled, Touch, clock, missing_directories, parent, real_path,
};

ocplay_protocol::choices! {
    /// Wanted state of a path.
    pub(super) enum State {
        /// Nothing is there; directories go with all that is in them.
        Absent = "absent",
        /// A directory, created with its parents.
        Directory = "directory",
        /// Whatever file is there, only its attributes are set.
        File = "file",
        /// A hard link to src.
        Hard = "hard",
        /// A symbolic link to src.
        Link = "link",
        /// A file with fresh times, created empty.
        Touch = "touch",
    }
}

file_arguments! {
    /// Sets what a path is (directory, link, nothing at all) and its attributes.
    pub(super) struct Args {
        /// The path to manage.
        path: PathBuf ["dest", "name"],
        /// What it shall be. Default: what is there, or file.
        state: Option<State>,
        /// Target of the link, for state link and hard.
        src: Option<PathBuf>,
        /// Set the attributes on everything in the directory too.
        recurse: bool = false,
        /// Change what symbolic links point to, rather than the links.
        follow: bool = true,
        /// Link even if src is missing or something else is in the way.
        force: bool = false,
        /// Access time: `now`, `preserve`, or a time in access_time_format.
        access_time: Option<String>,
        /// Format of access_time.
        access_time_format: String = "%Y%m%d%H%M.%S".to_owned(),
        /// Modification time: `now`, `preserve`, or a time in modification_time_format.
        modification_time: Option<String>,
        /// Format of modification_time.
        modification_time_format: String = "%Y%m%d%H%M.%S".to_owned(),
        /// Basename for a path that is a directory; set by other modules.
        _original_basename: Option<String>,
        /// Only tell whether the file looks binary; set by other modules.
        _diff_peek: Option<bool>,
    }
}

pub(super) struct FileModule;

pub(super) struct Plan {
    work: Work,
    path: PathBuf,
    result: Return,
    properties: Properties,
    /// The path is new: it goes again if its attributes cannot be set.
    fresh: bool,
}

/// Properties of the path before and after.
#[derive(Default)]
struct Properties {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Properties {
    fn of(path: &Path) -> Self {
        let mut both = Self::default();
        let path = Value::from(path.to_string_lossy());
        both.put("path", path.clone(), path);
        both
    }

    fn put(&mut self, name: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(name.to_owned(), before.into());
        self.after.insert(name.to_owned(), after.into());
    }

    fn value(&self) -> Value {
        json!({ "before": self.before, "after": self.after })
    }
}

impl Module for FileModule {
    const NAME: &'static str = "file";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let mut path = inside(args, look)?;
        if args._diff_peek.is_some() {
            let head = look.read(&path).ok().flatten().unwrap_or_default();
            let binary = head.iter().take(8192).any(|byte| *byte == 0);
            return Ok(Verdict::Same(
                Return::new()
                    .with("path", path.to_string_lossy())
                    .with("appears_binary", binary),
            ));
        }
        let mut found = look.lstat(&path)?;
        let state = args.state.unwrap_or_else(|| default_state(args, &found));
        let wrong = |text: &str| {
            let path = path.to_string_lossy();
            Err(Failure::new(text).with("path", path))
        };
        if args.recurse && state != State::Directory {
            return wrong("recurse option requires state to be 'directory'");
        }
        if args.src.is_some() && !matches!(state, State::Link | State::Hard) {
            return wrong(
                "src option requires state to be 'link' or 'hard'; to copy a file use the copy \
                 module",
            );
        }
        let shown = path.clone();
        // Links are followed for everything but links and removal.
        if args.follow
            && found.as_ref().is_some_and(Metadata::is_symlink)
            && !matches!(state, State::Absent | State::Link | State::Hard)
        {
            path = real_path(&path);
            found = look.lstat(&path)?;
        }
        let wanted = args.attributes().settle(look)?;
        let mut job = Job {
            args,
            look,
            path: &path,
            found: found.as_ref(),
            wanted: &wanted,
            times: Times::new(args, state == State::Touch && found.is_some())?,
            work: Work::default(),
            properties: Properties::of(&path),
            warnings: Vec::new(),
            message: None,
        };
        let was = job.was();
        if was != state.word() {
            job.properties.put("state", was, state.word());
        }
        if state != State::Absent && look.is_check() {
            job.unknown_owners();
        }
        match state {
            State::Absent => job.absent()?,
            State::Directory => job.directory()?,
            State::File => job.file()?,
            State::Touch => job.touch(),
            State::Link => job.link()?,
            State::Hard => job.hard_link()?,
        }
        let Job {
            work,
            properties,
            warnings,
            message,
            ..
        } = job;
        let (name, value) = match state {
            State::Touch => ("dest", &shown),
            State::Link | State::Hard => ("dest", &path),
            _ => ("path", &path),
        };
        let mut result = Return::new().with(name, value.to_string_lossy());
        if matches!(state, State::Link | State::Hard) {
            let src = args.src.clone().or_else(|| std::fs::read_link(&path).ok());
            result = result.maybe("src", src.map(|src| src.to_string_lossy().into_owned()));
        }
        for warning in warnings {
            result = result.warn(warning);
        }
        result = result.maybe("msg", message);
        if look.wants_diff() && (state != State::Absent || !work.is_empty()) {
            result = result.with("diff", properties.value());
        }
        if work.is_empty() {
            return Ok(Verdict::Same(describe(look, value, result)));
        }
        let foreseen = result.clone().with("state", state.word());
        let plan = Plan {
            work,
            path: value.clone(),
            result,
            properties,
            fresh: found.is_none() && state == State::Touch,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let before = plan.properties.before.clone().into();
        vec![Diff::data(&before, &plan.properties.after.clone().into())]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        if let Err(failure) = plan.work.run(touch) {
            if plan.fresh {
                touch.remove(&plan.path)?;
            }
            return Err(failure.with("path", plan.path.to_string_lossy()));
        }
        Ok(describe(touch, &plan.path, plan.result))
    }
}

/// What is put into a directory goes under its own name.
fn inside(args: &Args, look: &Look) -> Result<PathBuf, Failure> {
    let stays = matches!(args.state, Some(State::Link | State::Absent));
    if stays || !look.stat(&args.path)?.is_some_and(|found| found.is_dir()) {
        return Ok(args.path.clone());
    }
    let name = match (&args._original_basename, &args.src) {
        (Some(name), _) if !name.is_empty() => Some(PathBuf::from(name)),
        (_, Some(src)) => src.file_name().map(PathBuf::from),
        _ => None,
    };
    Ok(name.map_or_else(|| args.path.clone(), |name| args.path.join(name)))
}

fn default_state(args: &Args, found: &Option<Metadata>) -> State {
    match found.as_ref().map(state_of) {
        Some("link") => State::Link,
        Some("directory") => State::Directory,
        Some("hard") => State::Hard,
        Some(_) => State::File,
        None if args.recurse => State::Directory,
        None => State::File,
    }
}

/// The times to set; `None` leaves one as it is.
struct Times {
    access: Option<SystemTime>,
    modification: Option<SystemTime>,
    now: bool,
}

impl Times {
    fn new(args: &Args, fresh_by_default: bool) -> Result<Self, Failure> {
        let time = |given: &Option<String>, format: &str| match given.as_deref() {
            None if !fresh_by_default => Ok(None),
            None | Some("now") => Ok(Some(SystemTime::now())),
            Some("preserve") => Ok(None),
            Some(text) => clock::parse(text, format).map(Some).ok_or_else(|| {
                Failure::new(format!(
                    "Error while obtaining timestamp for time {text} using format {format}: the \
                     two do not match (nor is it now or preserve)"
                ))
            }),
        };
        let is_now = |given: &Option<String>| match given.as_deref() {
            None => fresh_by_default,
            Some(word) => word == "now",
        };
        Ok(Self {
            now: is_now(&args.access_time) && is_now(&args.modification_time),
            access: time(&args.access_time, &args.access_time_format)?,
            modification: time(&args.modification_time, &args.modification_time_format)?,
        })
    }
}

/// Seconds since 1970 with their fraction.
fn stamp(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Finding the steps for one state.
struct Job<'a> {
    args: &'a Args,
    look: &'a Look,
    path: &'a Path,
    found: Option<&'a Metadata>,
    wanted: &'a Settled,
    times: Times,
    work: Work,
    properties: Properties,
    warnings: Vec<String>,
    message: Option<String>,
}

impl Job<'_> {
    fn was(&self) -> &'static str {
        self.found.map_or("absent", state_of)
    }

    fn add(&mut self, step: Step) {
        self.work.steps.push(step);
    }

    /// Steps for the attributes and times of something that is there.
    fn settle(&mut self, path: &Path, metadata: &Metadata) {
        if let Some(difference) = self.wanted.difference(self.look, path, metadata) {
            if path == self.path {
                let Properties { before, after } = &mut self.properties;
                difference.data(before, after);
            }
            self.add(Step::Settle(path.to_owned(), self.wanted.clone()));
        }
        self.set_times(path, Some(metadata));
    }

    fn set_times(&mut self, path: &Path, metadata: Option<&Metadata>) {
        let Times {
            access,
            modification,
            ..
        } = self.times;
        let is = |time: std::io::Result<SystemTime>| time.map_or(0.0, stamp);
        let mut differs = false;
        for (name, wanted, current) in [
            ("mtime", modification, metadata.map(|m| is(m.modified()))),
            ("atime", access, metadata.map(|m| is(m.accessed()))),
        ] {
            let Some(wanted) = wanted.map(stamp) else {
                continue;
            };
            if current != Some(wanted) {
                differs = true;
                if path == self.path {
                    self.properties.put(name, current, wanted);
                }
            }
        }
        if differs {
            self.add(Step::Times {
                path: path.to_owned(),
                access,
                modification,
                now: self.times.now,
                follow: self.args.follow,
            });
        }
    }

    fn absent(&mut self) -> Result<(), Failure> {
        let Some(metadata) = self.found else {
            return Ok(());
        };
        if metadata.is_dir() && self.look.wants_diff() {
            let mut directories = Vec::new();
            let mut files = Vec::new();
            contents(self.path, &mut directories, &mut files);
            let content = json!({ "directories": directories, "files": files });
            self.properties
                .before
                .insert("path_content".to_owned(), content);
        }
        self.add(Step::Remove(self.path.to_owned()));
        Ok(())
    }

    fn directory(&mut self) -> Result<(), Failure> {
        match self.found {
            Some(metadata) if metadata.is_dir() => {
                self.settle(self.path, metadata);
                if self.args.recurse {
                    self.below(self.path, 0)?;
                }
            }
            Some(_) => {
                let text = format!(
                    "{} already exists as a {}; remove it first (state: absent)",
                    self.path.display(),
                    self.was()
                );
                return Err(Failure::new(text).with("path", self.path.to_string_lossy()));
            }
            None => {
                missing_directories(self.look, self.path)?;
                self.add(Step::Directories(self.path.to_owned(), self.wanted.clone()));
                self.set_times(self.path, None);
            }
        }
        Ok(())
    }

    /// Attributes of everything in a directory.
    fn below(&mut self, directory: &Path, depth: usize) -> Result<(), Failure> {
        if depth > 200 {
            return Err(Failure::new(format!(
                "{} is nested too deeply to recurse, or a link leads back into it",
                directory.display()
            )));
        }
        let entries =
            std::fs::read_dir(directory).explain(format_args!("list {}", directory.display()))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Some(metadata) = self.look.lstat(&path)? else {
                continue;
            };
            self.settle(&path, &metadata);
            if metadata.is_dir() {
                self.below(&path, depth + 1)?;
            } else if metadata.is_symlink()
                && self.args.follow
                && let Ok(real) = std::fs::canonicalize(&path)
                && let Some(behind) = self.look.lstat(&real)?
                // A link into the tree: what it points to is visited anyway.
                && !real.starts_with(self.path)
            {
                self.settle(&real, &behind);
                if behind.is_dir() {
                    self.below(&real, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self) -> Result<(), Failure> {
        let was = self.was();
        if let Some(metadata) = self.found
            && matches!(was, "file" | "hard")
        {
            self.settle(self.path, metadata);
            return Ok(());
        }
        let hint = match was {
            "absent" => "state: file only sets attributes, state: touch or the copy module create",
            "directory" => "use state: directory",
            _ => "use follow: true for what it points to",
        };
        let text = format!(
            "file ({}) is {was}, cannot continue; {hint}",
            self.path.display()
        );
        if was == "absent" && self.look.is_check() {
            self.add(Step::Settle(self.path.to_owned(), self.wanted.clone()));
            self.message = Some(format!("{text} (an earlier task may do so)"));
            return Ok(());
        }
        let path = self.path.to_string_lossy();
        Err(Failure::new(text).with("path", path).with("state", was))
    }

    fn touch(&mut self) {
        match self.found {
            Some(metadata) => self.settle(self.path, metadata),
            None => {
                self.add(Step::Create(self.path.to_owned()));
                if !self.wanted.is_empty() {
                    self.add(Step::Settle(self.path.to_owned(), self.wanted.clone()));
                }
                self.set_times(self.path, None);
            }
        }
    }

    fn link(&mut self) -> Result<(), Failure> {
        let current = match self.found {
            Some(metadata) if metadata.is_symlink() => std::fs::read_link(self.path).ok(),
            _ => None,
        };
        let Some(target) = self.args.src.clone().or_else(|| current.clone()) else {
            return Err(match self.was() {
                "directory" | "file" | "hard" if !self.args.force => self.in_the_way("symlink"),
                _ => Failure::new("src is required for creating new symlinks"),
            });
        };
        let behind = parent(self.path).join(&target);
        let exists = self.look.stat(&behind)?.is_some();
        let same = current.as_ref() == Some(&target);
        if !exists && !self.args.force && !same && !self.look.is_check() {
            return Err(Failure::new(format!(
                "src file does not exist, use 'force=yes' if you really want to create the link: \
                 {}",
                behind.display()
            ))
            .with("path", self.path.to_string_lossy())
            .with("src", target.to_string_lossy()));
        }
        if !same {
            match self.was() {
                "absent" | "link" => {}
                _ if !self.args.force => return Err(self.in_the_way("symlink")),
                "directory" => {
                    let empty =
                        std::fs::read_dir(self.path).is_ok_and(|mut all| all.next().is_none());
                    if !empty {
                        let text = format!(
                            "the directory {} is not empty, refusing to convert it; remove it \
                             first (state: absent)",
                            self.path.display()
                        );
                        return Err(Failure::new(text).with("path", self.path.to_string_lossy()));
                    }
                    self.add(Step::Remove(self.path.to_owned()));
                }
                _ => {}
            }
            if let Some(current) = &current {
                let shown = |path: &Path| path.to_string_lossy().into_owned();
                self.properties.put("src", shown(current), shown(&target));
            }
            self.add(Step::Link {
                target: target.clone(),
                path: self.path.to_owned(),
            });
        }
        if !self.args.follow {
            match self.found.filter(|metadata| metadata.is_symlink()) {
                Some(metadata) if same => self.settle(self.path, metadata),
                _ if self.wanted.is_empty() => {}
                _ => self.add(Step::Settle(self.path.to_owned(), self.wanted.clone())),
            }
        } else if let Some(metadata) = self.look.stat(&behind)? {
            let real = std::fs::canonicalize(&behind).unwrap_or_else(|_| behind.clone());
            self.settle(&real, &metadata);
        } else if self.look.is_check() {
            self.warnings.push(format!(
                "the target {} does not exist yet",
                behind.display()
            ));
        } else {
            self.warnings.push(
                "Cannot set fs attributes on a non-existent symlink target. follow should be set \
                 to False to avoid this."
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn hard_link(&mut self) -> Result<(), Failure> {
        let dest = self.path.to_string_lossy().into_owned();
        let Some(target) = self.args.src.clone() else {
            return match self.found {
                Some(metadata) if self.was() == "hard" => {
                    self.settle(self.path, metadata);
                    Ok(())
                }
                _ => Err("src is required for creating new hardlinks".into()),
            };
        };
        let failed = |text: &str| {
            Failure::new(text)
                .with("dest", dest.as_str())
                .with("src", target.to_string_lossy())
        };
        let Some(source) = self.look.stat(&target)? else {
            if self.look.is_check() {
                self.add(Step::HardLink {
                    target,
                    path: self.path.to_owned(),
                });
                self.warnings.push("src does not exist yet".to_owned());
                return Ok(());
            }
            return Err(failed("src does not exist"));
        };
        let same = self
            .found
            .is_some_and(|found| found.ino() == source.ino() && found.dev() == source.dev());
        if !same {
            match self.was() {
                "absent" | "link" => {}
                "hard" | "directory" if !self.args.force => {
                    return Err(failed(
                        "Cannot link, different hard link exists at destination",
                    ));
                }
                "directory" => {
                    return Err(failed("Cannot link: a directory exists at destination"));
                }
                "file" if !self.args.force => {
                    return Err(failed("Cannot link, file exists at destination"));
                }
                _ => {}
            }
            self.add(Step::HardLink {
                target,
                path: self.path.to_owned(),
            });
        }
        // Both names have the same attributes: those of the source.
        if let Some(difference) = self.wanted.difference(self.look, self.path, &source) {
            let Properties { before, after } = &mut self.properties;
            difference.data(before, after);
            self.add(Step::Settle(self.path.to_owned(), self.wanted.clone()));
        }
        if same {
            self.set_times(self.path, Some(&source));
        }
        Ok(())
    }

    fn in_the_way(&self, wanted: &str) -> Failure {
        let text = format!(
            "refusing to convert from {} to {wanted} for {}; set force: true or remove it first \
             (state: absent)",
            self.was(),
            self.path.display()
        );
        Failure::new(text).with("path", self.path.to_string_lossy())
    }

    /// In check mode an earlier task may be about to create them.
    fn unknown_owners(&mut self) {
        for unknown in &self.wanted.unknown {
            let kind = unknown.split(' ').next().unwrap_or_default();
            self.warnings.push(format!(
                "failed to look up {unknown}. Create {kind} up to this point in real play"
            ));
        }
        let numeric = |name: &Option<String>| name.as_ref().and_then(|name| name.parse().ok());
        if let Some(uid) = numeric(&self.args.owner)
            && self.look.user_of(uid).is_none()
        {
            self.warnings.push(format!(
                "failed to look up user with uid {uid}. Create user up to this point in real play"
            ));
        }
        if let Some(gid) = numeric(&self.args.group)
            && self.look.group_of(gid).is_none()
        {
            self.warnings.push(format!(
                "failed to look up group with gid {gid}. Create group up to this point in real play"
            ));
        }
    }
}

/// Everything below a directory, for the diff of its removal.
fn contents(directory: &Path, directories: &mut Vec<Value>, files: &mut Vec<Value>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut below = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let shown = Value::from(path.to_string_lossy());
        if path.is_dir() {
            directories.push(shown);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below.push(path);
            }
        } else {
            files.push(shown);
        }
    }
    for path in below {
        contents(&path, directories, files);
    }
}
