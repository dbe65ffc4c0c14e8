//! `patch`: a patch is applied to files.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::acts::{command, need};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Applies a patch with the patch program, or takes it back.
    pub(super) struct Args {
        /// The patch: a file of the controller, with remote_src one of the host.
        src: PathBuf ["patchfile"],
        /// The file to patch, if the patch does not say.
        dest: Option<PathBuf> ["originalfile"],
        /// Directory that the patch's names are below.
        basedir: Option<PathBuf>,
        /// Whether the patch shall be applied.
        state: State = State::Present,
        /// The patch is on the host already.
        remote_src: bool = false,
        /// How many leading parts of names are cut off.
        strip: i64 = 0,
        /// Keep numbered copies of the old files.
        backup: bool = false,
        /// Leave ends of lines as they are.
        binary: bool = false,
        /// Let blanks differ.
        ignore_whitespace: bool = false,
    }
}

pub(super) struct Patch;

fn line(args: &Args, patch: &Path, more: &[&str]) -> Command {
    let directory = match (&args.basedir, &args.dest) {
        (Some(directory), _) => directory.clone(),
        (None, Some(dest)) => crate::host::parent(dest).to_owned(),
        (None, None) => PathBuf::from("/"),
    };
    let mut words = vec![
        "patch".to_owned(),
        "--quiet".to_owned(),
        "--batch".to_owned(),
        "--reject-file=-".to_owned(),
        format!("--strip={}", args.strip),
        format!("--directory={}", directory.display()),
        format!("--input={}", patch.display()),
    ];
    words.extend(more.iter().map(|word| (*word).to_owned()));
    if args.binary {
        words.push("--binary".to_owned());
    }
    if args.ignore_whitespace {
        words.push("--ignore-whitespace".to_owned());
    }
    if let Some(dest) = &args.dest {
        words.push(dest.to_string_lossy().into_owned());
    }
    command(words)
}

impl Module for Patch {
    const NAME: &'static str = "patch";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    type Plan = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Args>, Failure> {
        if args.dest.is_none() && args.basedir.is_none() {
            return Err("one of the following is required: dest, basedir".into());
        }
        need(look, "patch", "patch")?;
        if args.remote_src && look.stat(&args.src)?.is_none() {
            return Err(Failure::new(format!(
                "src {} doesn't exist or not readable",
                args.src.display()
            )));
        }
        Ok(Verdict::Always(args.clone()))
    }

    fn describe(_: &Args) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(args: Args, touch: &mut Touch) -> Result<Return, Failure> {
        let mut staged = None;
        let patch = if args.remote_src {
            args.src.clone()
        } else {
            let mut file = touch.stage(&std::env::temp_dir())?;
            touch.fill(&mut file, 0)?;
            let path = file.path().to_owned();
            staged = Some(file);
            path
        };
        let (forward, back) = ("--forward", "--reverse");
        let (wanted, opposite) = match args.state {
            State::Present => (forward, back),
            State::Absent => (back, forward),
        };
        // What can be undone has been done.
        let force = if opposite == back {
            "--force"
        } else {
            "--batch"
        };
        let undone = touch.run(&line(&args, &patch, &["--dry-run", opposite, force]))?;
        let mut result = Return::new().changed(!undone.ok());
        if !undone.ok() {
            let dry = touch.run(&line(&args, &patch, &["--dry-run", wanted]))?;
            if !dry.ok() {
                return Err(dry.failure(dry.complaint()));
            }
            if touch.wants_diff() {
                let text = touch.read_text(&patch)?.unwrap_or_default();
                result.diffs = vec![Diff::prepared(text)];
            }
            if !touch.is_check() {
                let mut more = vec![wanted];
                if args.backup {
                    more.extend(["--backup", "--version-control=numbered"]);
                }
                touch.must(&line(&args, &patch, &more), "apply the patch")?;
            }
        }
        drop(staged);
        Ok(result)
    }
}
