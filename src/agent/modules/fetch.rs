//! `fetch`: a file of the host to the controller.
//!
//! The controller says what it has already (`known`); the bytes are sent only
//! if the host's file differs. Where they end up is the controller's affair.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Copies a file from the host to the controller.
    pub(super) struct Args {
        /// The file on the host.
        src: PathBuf,
        /// Directory on the controller; below it `<host>/<src>`.
        dest: Option<String>,
        /// dest is the file itself.
        flat: bool = false,
        /// Fail if the file does not exist.
        fail_on_missing: bool = true,
        /// Compare the SHA-1 of what arrived.
        validate_checksum: bool = true,
        /// SHA-1 of the file that the controller has; set by the controller.
        known: Option<String>,
    }
}

pub(super) struct Fetch;

pub(super) struct Plan {
    path: PathBuf,
    result: Return,
    checksum: String,
}

impl Module for Fetch {
    const NAME: &'static str = "fetch";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let shown = args.src.display();
        let gone = |text: String| {
            if args.fail_on_missing && !look.is_check() {
                return Err(Failure::new(format!(
                    "{text}; set fail_on_missing: false if that is fine"
                )));
            }
            let text = format!("{text}, ignored");
            Ok(Verdict::Same(
                Return::new()
                    .with("msg", text)
                    .with("file", args.src.to_string_lossy()),
            ))
        };
        let Some(metadata) = look.stat(&args.src)? else {
            return gone(format!(
                "the remote file does not exist, not transferring: {shown}"
            ));
        };
        if metadata.is_dir() {
            return gone(format!(
                "remote file is a directory, fetch cannot work on directories: {shown}"
            ));
        }
        let checksum = look.sha1(&args.src)?;
        let result = Return::new()
            .with("checksum", checksum.as_str())
            .with("size", metadata.len())
            .with("file", args.src.to_string_lossy());
        if args.known.as_deref() == Some(checksum.as_str()) {
            return Ok(Verdict::Same(result));
        }
        let foreseen = result.clone();
        let plan = Plan {
            path: args.src.clone(),
            result,
            checksum,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::prepared(format!(
            "fetch {} (sha1 {})\n",
            plan.path.display(),
            plan.checksum
        ))]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        touch.send_file(&plan.path)?;
        Ok(plan.result)
    }
}
