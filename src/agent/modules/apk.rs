//! `apk`: packages of Alpine Linux.

use super::package::{Wish, decide, one_manager, state_of};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::arguments! {
    /// Packages of Alpine Linux.
    pub(super) struct Args {
        /// Packages.
        name: Vec<String> ["pkg", "package"] = Vec::new(),
        /// present, absent or latest.
        state: String = "present".to_owned(),
        /// Fetch the lists of packages first.
        update_cache: bool = false,
        /// Upgrade everything.
        upgrade: bool = false,
        /// Use what is at hand, without the network.
        no_cache: bool = false,
        /// Prefer versions that can be had to those that are there.
        available: bool = false,
    }
}

pub(super) struct Apk;

impl Module for Apk {
    const NAME: &'static str = "apk";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut options = Vec::new();
        for (word, wanted) in [
            ("--no-cache", args.no_cache),
            ("--available", args.available && args.upgrade),
        ] {
            if wanted {
                options.push(word.to_owned());
            }
        }
        let wish = Wish {
            global: Vec::new(),
            manager: "apk",
            names: &args.name,
            state: state_of(&args.state)?,
            options,
            refresh: args.update_cache,
            everything: args.upgrade,
        };
        decide(&wish, look)
    }

    one_manager!();
}
