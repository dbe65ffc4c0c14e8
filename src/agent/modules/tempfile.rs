//! `tempfile`: a fresh temporary file or directory.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::attributes::describe;
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// What to create.
    pub(super) enum State { File = "file", Directory = "directory" }
}

ocplay_protocol::arguments! {
    /// Creates a temporary file or directory, readable by its owner only.
    pub(super) struct Args {
        /// What to create.
        state: State = State::File,
        /// Where; default is the host's directory for temporary files.
        path: Option<PathBuf>,
        /// Start of the name.
        prefix: String = "ansible.".to_owned(),
        /// End of the name.
        suffix: String = String::new(),
    }
}

pub(super) struct TempFile;

impl Module for TempFile {
    const NAME: &'static str = "tempfile";
    type Args = Args;
    type Plan = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Args>, Failure> {
        for (name, part) in [("prefix", &args.prefix), ("suffix", &args.suffix)] {
            if part.contains(['/', '\0']) {
                return Err(Failure::new(format!(
                    "{name} must be a valid file name component, got '{part}'"
                )));
            }
        }
        let mut plan = args.clone();
        let directory = args
            .path
            .clone()
            .or_else(|| look.variable("TMPDIR").map(PathBuf::from));
        plan.path = Some(directory.unwrap_or_else(|| PathBuf::from("/tmp")));
        Ok(Verdict::MustRun(plan))
    }

    fn describe(plan: &Args) -> Vec<Diff> {
        let directory = plan.path.clone().unwrap_or_default();
        vec![Diff::prepared(format!(
            "create a {} in {}\n",
            plan.state.word(),
            directory.display()
        ))]
    }

    fn apply(plan: Args, touch: &mut Touch) -> Result<Return, Failure> {
        let directory = plan.path.unwrap_or_default();
        let path = touch.temporary(
            &directory,
            &plan.prefix,
            &plan.suffix,
            plan.state == State::Directory,
        )?;
        let result = Return::new().with("path", path.to_string_lossy());
        Ok(describe(touch, &path, result))
    }
}
