//! `setup`: facts about the host.

use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::Value;

use super::{Module, Verdict};
use crate::facts;
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Gathers facts about the host.
    pub(super) struct Args {
        /// Families to gather: all, min, network, hardware, virtual…, or `!` and a family to leave out.
        gather_subset: Vec<String> = vec!["all".to_owned()],
        /// Patterns of fact names to return.
        filter: Vec<String> = Vec::new(),
        /// Seconds that a single slow fact may take.
        gather_timeout: i64 = 10,
        /// Directory with the host's own facts.
        fact_path: PathBuf = PathBuf::from("/etc/ansible/facts.d"),
    }
}

pub(super) struct Setup;

impl Module for Setup {
    const NAME: &'static str = "setup";
    const ALIASES: &'static [&'static str] = &["gather_facts"];
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let gathered = facts::gather(
            look,
            &args.gather_subset,
            &args.filter,
            &args.fact_path,
            args.gather_timeout,
        )?;
        Ok(Verdict::Same(
            Return::new().with("ansible_facts", Value::Object(gathered)),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}
