//! `pacman`: packages of Arch Linux.

use super::package::{Wish, decide, one_manager, state_of};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::arguments! {
    /// Packages of Arch Linux.
    pub(super) struct Args {
        /// Packages.
        name: Vec<String> ["pkg", "package"] = Vec::new(),
        /// present, absent or latest.
        state: String = "present".to_owned(),
        /// Fetch the lists of packages first.
        update_cache: bool = false,
        /// Upgrade everything.
        upgrade: bool = false,
        /// Overwrite files, remove without looking at dependencies.
        force: bool = false,
        /// Remove what only the removed packages needed.
        recurse: bool = false,
        /// Remove configuration files without keeping copies.
        remove_nosave: bool = false,
    }
}

pub(super) struct Pacman;

impl Module for Pacman {
    const NAME: &'static str = "pacman";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut options = Vec::new();
        for (word, wanted) in [
            ("--nodeps", args.force && args.state == "absent"),
            ("--overwrite=*", args.force && args.state != "absent"),
            ("--recursive", args.recurse && args.state == "absent"),
            ("--nosave", args.remove_nosave && args.state == "absent"),
        ] {
            if wanted {
                options.push(word.to_owned());
            }
        }
        let wish = Wish {
            global: Vec::new(),
            manager: "pacman",
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
