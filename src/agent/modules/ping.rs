//! `ping`: answers.

use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Answers `pong`: the host can be reached and the agent runs on it.
    pub(super) struct Args {
        /// What to answer; `crash` fails on purpose.
        data: String = "pong".to_owned(),
    }
}

pub(super) struct Ping;

impl Module for Ping {
    const NAME: &'static str = "ping";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, _: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        if args.data == "crash" {
            return Err("Task failed: Module failed: boom".into());
        }
        Ok(Verdict::Same(
            Return::new().with("ping", args.data.as_str()),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}
