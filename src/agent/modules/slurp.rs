//! `slurp`: the content of a file as a value.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

/// A frame must hold the content in base64.
const MOST: u64 = 40 << 20;

ocplay_protocol::arguments! {
    /// Returns the content of a file on the host, in base64.
    pub(super) struct Args {
        /// The file.
        src: PathBuf ["path"],
    }
}

pub(super) struct Slurp;

impl Module for Slurp {
    const NAME: &'static str = "slurp";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let shown = args.src.display();
        match args.src.metadata().ok() {
            Some(found) if found.is_dir() => {
                return Err(Failure::new(format!(
                    "Source is a directory and must be a file: {shown}"
                )));
            }
            Some(found) if found.len() > MOST => {
                return Err(Failure::new(format!(
                    "{shown} has {} bytes, more than a value should; use the fetch module",
                    found.len()
                )));
            }
            _ => {}
        }
        let readable = rustix::fs::access(&args.src, rustix::fs::Access::READ_OK);
        if readable == Err(rustix::io::Errno::ACCESS) {
            return Err(Failure::new(format!("File is not readable: {shown}")));
        }
        if readable == Err(rustix::io::Errno::NOTDIR) {
            return Err(Failure::new(format!("Unable to slurp file: {shown}")));
        }
        let Some(data) = look.read(&args.src)? else {
            return Err(Failure::new(format!("File not found: {shown}")));
        };
        Ok(Verdict::Same(
            Return::new()
                .with("content", STANDARD.encode(data))
                .with("source", args.src.to_string_lossy())
                .with("encoding", "base64"),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}
