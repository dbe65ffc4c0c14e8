//! `file`: what a path is, and its attributes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ocplay_protocol::Diff;

use super::steps::{Step, Work, state_diff};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments, state_of};
use crate::host::{
    Explain, Failure, Look, Return, Settled, Touch, clock, missing_directories, parent,
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
    }
}

pub(super) struct FileModule;

pub(super) struct Plan {
    work: Work,
    path: PathBuf,
    result: Return,
}

impl Module for FileModule {
    const NAME: &'static str = "file";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let mut path = args.path.clone();
        let mut found = look.lstat(&path)?;
        let state = args.state.unwrap_or_else(|| default_state(args, &found));
        if args.recurse && state != State::Directory {
            return Err("recurse works only with state: directory".into());
        }
        if args.src.is_some() && !matches!(state, State::Link | State::Hard) {
            return Err(Failure::new(format!(
                "src is the target of a link and means nothing with state: {}; use state: link, \
                 or the copy module to copy a file",
                state.word()
            )));
        }
        // Ansible follows links for everything but links and removal.
        if args.follow
            && found.as_ref().is_some_and(Metadata::is_symlink)
            && !matches!(state, State::Absent | State::Link | State::Hard)
            && let Ok(real) = std::fs::canonicalize(&path)
        {
            path = real;
            found = look.lstat(&path)?;
        }
        let wanted = args.attributes().settle(look)?;
        let mut work = Work::default();
        let mut job = Job {
            args,
            look,
            path: &path,
            found: found.as_ref(),
            wanted: &wanted,
            work: &mut work,
        };
        let warning = match state {
            State::Absent => job.absent(),
            State::Directory => job.directory()?,
            State::File => job.file()?,
            State::Touch => job.touch()?,
            State::Link => job.link()?,
            State::Hard => job.hard_link()?,
        };
        let name = match state {
            State::Touch | State::Link | State::Hard => "dest",
            _ => "path",
        };
        let mut result = Return::new().with(name, path.to_string_lossy());
        if matches!(state, State::Link | State::Hard)
            && let Some(src) = &args.src
        {
            result = result.with("src", src.to_string_lossy());
        }
        if let Some(warning) = warning {
            result = result.warn(warning);
        }
        if work.is_empty() {
            return Ok(Verdict::Same(describe(look, &path, result)));
        }
        let foreseen = result.clone().with("state", state.word());
        let plan = Plan { work, path, result };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        plan.work.run(touch)?;
        Ok(describe(touch, &plan.path, plan.result))
    }
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

/// Finding the steps for one state.
struct Job<'a> {
    args: &'a Args,
    look: &'a Look,
    path: &'a Path,
    found: Option<&'a Metadata>,
    wanted: &'a Settled,
    work: &'a mut Work,
}

/// Something to tell the user besides the steps.
type Warning = Option<String>;

impl Job<'_> {
    fn was(&self) -> &'static str {
        self.found.map_or("absent", state_of)
    }

    /// Adds a step for the attributes if they differ.
    fn settle(&mut self, path: &Path, metadata: &Metadata) {
        if let Some(difference) = self.wanted.difference(self.look, path, metadata) {
            let step = Step::Settle(path.to_owned(), self.wanted.clone());
            self.work.add(step, difference.diff(path));
        }
    }

    fn absent(&mut self) -> Warning {
        if self.found.is_some() {
            let diff = state_diff(self.path, self.was(), "absent");
            self.work.add(Step::Remove(self.path.to_owned()), diff);
        }
        None
    }

    fn directory(&mut self) -> Result<Warning, Failure> {
        match self.found {
            Some(metadata) if metadata.is_dir() => {
                let metadata = metadata.clone();
                self.settle(self.path, &metadata);
                if self.args.recurse && !self.wanted.is_empty() {
                    self.below(self.path, 0)?;
                }
            }
            Some(_) => {
                return Err(Failure::new(format!(
                    "{} is there and is a {}, not a directory; remove it first (state: absent)",
                    self.path.display(),
                    self.was()
                )));
            }
            None => {
                missing_directories(self.look, self.path)?;
                let step = Step::Directories(self.path.to_owned(), self.wanted.clone());
                let diff = state_diff(self.path, "absent", "directory");
                self.work.add(step, diff);
            }
        }
        Ok(None)
    }

    /// Attributes of everything in a directory.
    fn below(&mut self, directory: &Path, depth: usize) -> Result<(), Failure> {
        if depth > 200 {
            return Err(Failure::new(format!(
                "{} is nested too deeply to recurse",
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
            if metadata.is_symlink() {
                if self.args.follow
                    && let Ok(real) = std::fs::canonicalize(&path)
                    && let Some(behind) = self.look.lstat(&real)?
                {
                    self.settle(&real, &behind);
                } else {
                    self.settle(&path, &metadata);
                }
                continue;
            }
            self.settle(&path, &metadata);
            if metadata.is_dir() {
                self.below(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    fn file(&mut self) -> Result<Warning, Failure> {
        let Some(metadata) = self.found else {
            let text = format!(
                "{} is not there; state: file only sets attributes, use state: touch or the copy \
                 module to create it",
                self.path.display()
            );
            if self.look.is_check() {
                let step = Step::Settle(self.path.to_owned(), self.wanted.clone());
                self.work.add(step, state_diff(self.path, "absent", "file"));
                return Ok(Some(format!("{text}; an earlier task may do so")));
            }
            return Err(text.into());
        };
        if metadata.is_dir() {
            return Err(Failure::new(format!(
                "{} is a directory, not a file; use state: directory",
                self.path.display()
            )));
        }
        let metadata = metadata.clone();
        self.settle(self.path, &metadata);
        Ok(None)
    }

    fn touch(&mut self) -> Result<Warning, Failure> {
        let time = |given: &Option<String>, format: &str| match given.as_deref() {
            None if self.found.is_none() => Ok(None),
            None | Some("now") => Ok(Some(SystemTime::now())),
            Some("preserve") => Ok(None),
            Some(text) => clock::parse(text, format).map(Some).ok_or_else(|| {
                Failure::new(format!(
                    "'{text}' is no time of the form {format} (nor now, nor preserve)"
                ))
            }),
        };
        let access = time(&self.args.access_time, &self.args.access_time_format)?;
        let modification = time(
            &self.args.modification_time,
            &self.args.modification_time_format,
        )?;
        if self.found.is_none() {
            let step = Step::Create(self.path.to_owned());
            self.work
                .add(step, state_diff(self.path, "absent", "touch"));
        }
        // A time that was given and is there already is no change.
        let same = |wanted: Option<SystemTime>, seconds: i64| {
            wanted
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
                .is_none_or(|since| since.as_secs() as i64 == seconds && since.subsec_nanos() == 0)
        };
        let times_same = self.found.is_some_and(|metadata| {
            same(access, metadata.atime()) && same(modification, metadata.mtime())
        });
        if (access.is_some() || modification.is_some()) && !times_same {
            let step = Step::Times {
                path: self.path.to_owned(),
                access,
                modification,
                follow: self.args.follow,
            };
            let diff = Diff::text(
                &self.path.display().to_string(),
                "times: as they are\n",
                "times: set anew\n",
            );
            self.work.add(step, diff);
        }
        match self.found.cloned() {
            Some(metadata) => self.settle(self.path, &metadata),
            None if !self.wanted.is_empty() => self
                .work
                .steps
                .push(Step::Settle(self.path.to_owned(), self.wanted.clone())),
            None => {}
        }
        Ok(None)
    }

    fn link(&mut self) -> Result<Warning, Failure> {
        let current = match self.found {
            Some(metadata) if metadata.is_symlink() => std::fs::read_link(self.path).ok(),
            _ => None,
        };
        let Some(target) = self.args.src.clone().or_else(|| current.clone()) else {
            return Err("src is required: the path that the link shall point to".into());
        };
        let behind = parent(self.path).join(&target);
        let exists = self.look.stat(&behind)?.is_some();
        if !exists && !self.args.force && current.as_ref() != Some(&target) && !self.look.is_check()
        {
            return Err(Failure::new(format!(
                "the target {} does not exist; create it first, or set force: true to make the \
                 link all the same",
                behind.display()
            )));
        }
        if current.as_ref() != Some(&target) {
            match self.was() {
                "absent" | "link" => {}
                "directory" if !self.args.force => return Err(self.in_the_way("link")),
                "directory" => {
                    let empty =
                        std::fs::read_dir(self.path).is_ok_and(|mut all| all.next().is_none());
                    if !empty {
                        return Err(Failure::new(format!(
                            "{} is a directory with something in it and is not replaced by a \
                             link; remove it first (state: absent)",
                            self.path.display()
                        )));
                    }
                    self.work.steps.push(Step::Remove(self.path.to_owned()));
                }
                _ if !self.args.force => return Err(self.in_the_way("link")),
                _ => {}
            }
            let shown = |target: &Path| format!("link to {}\n", target.display());
            let before = match &current {
                Some(target) => shown(target),
                None if self.found.is_some() => format!("{}\n", self.was()),
                None => String::new(),
            };
            let diff = Diff::text(&self.path.display().to_string(), before, shown(&target));
            let step = Step::Link {
                target: target.clone(),
                path: self.path.to_owned(),
            };
            self.work.add(step, diff);
        }
        if self.args.follow {
            if let Some(metadata) = self.look.stat(&behind)? {
                let real = std::fs::canonicalize(&behind).unwrap_or_else(|_| behind.clone());
                self.settle(&real, &metadata);
            }
        } else if self.wanted.uid.is_some() || self.wanted.gid.is_some() {
            match self.found.filter(|metadata| metadata.is_symlink()).cloned() {
                Some(metadata) if current.as_ref() == Some(&target) => {
                    self.settle(self.path, &metadata);
                }
                _ => self
                    .work
                    .steps
                    .push(Step::Settle(self.path.to_owned(), self.wanted.clone())),
            }
        }
        let warning = (!exists && self.look.is_check())
            .then(|| format!("the target {} does not exist yet", behind.display()));
        Ok(warning)
    }

    fn hard_link(&mut self) -> Result<Warning, Failure> {
        let Some(target) = self.args.src.clone() else {
            return match self.found.cloned() {
                Some(metadata) if !metadata.is_dir() => {
                    self.settle(self.path, &metadata);
                    Ok(None)
                }
                _ => Err("src is required: the file that shall be linked to".into()),
            };
        };
        let Some(source) = self.look.stat(&target)? else {
            if self.look.is_check() {
                let step = Step::HardLink {
                    target,
                    path: self.path.to_owned(),
                };
                self.work
                    .add(step, state_diff(self.path, self.was(), "hard"));
                return Ok(Some("src does not exist yet".to_owned()));
            }
            return Err(Failure::new(format!(
                "src {} does not exist; a hard link needs an existing file",
                target.display()
            )));
        };
        let same = self
            .found
            .is_some_and(|found| found.ino() == source.ino() && found.dev() == source.dev());
        if !same {
            match self.was() {
                "absent" | "link" => {}
                "directory" => return Err(self.in_the_way("hard link")),
                _ if !self.args.force => return Err(self.in_the_way("hard link")),
                _ => {}
            }
            let step = Step::HardLink {
                target,
                path: self.path.to_owned(),
            };
            self.work
                .add(step, state_diff(self.path, self.was(), "hard"));
        }
        // Both names have the same attributes: those of the source.
        self.settle(self.path, &source);
        Ok(None)
    }

    fn in_the_way(&self, wanted: &str) -> Failure {
        Failure::new(format!(
            "{} is there and is a {}, which is not replaced by a {wanted}; set force: true or \
             remove it first (state: absent)",
            self.path.display(),
            self.was()
        ))
    }
}
