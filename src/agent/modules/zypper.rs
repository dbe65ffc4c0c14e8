//! `zypper`: packages of the SUSE family.

use super::package::{Wish, decide, one_manager, state_of};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::arguments! {
    /// Packages of the SUSE family.
    pub(super) struct Args {
        /// Packages.
        name: Vec<String> ["pkg", "package"] = Vec::new(),
        /// present, absent or latest.
        state: String = "present".to_owned(),
        /// Do not check signatures.
        disable_gpg_check: bool = false,
        /// Do not install recommended packages.
        disable_recommends: bool = true,
        /// Overwrite files of other packages.
        force: bool = false,
        /// Let zypper find solutions of its own.
        force_resolution: bool = false,
        /// Replace files of other packages.
        replacefiles: bool = false,
        /// Fetch the lists of packages first.
        update_cache: bool ["refresh"] = false,
        /// Allow an older version to replace a newer one.
        oldpackage: bool = false,
        /// Take in new signing keys without asking.
        auto_import_keys: bool = false,
        /// Remove what nothing needs any more.
        clean_deps: bool = false,
    }
}

pub(super) struct Zypper;

impl Module for Zypper {
    const NAME: &'static str = "zypper";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut options = Vec::new();
        for (word, wanted) in [
            (
                "--no-recommends",
                args.disable_recommends && args.state != "absent",
            ),
            ("--force", args.force && args.state != "absent"),
            ("--force-resolution", args.force_resolution),
            (
                "--replacefiles",
                args.replacefiles && args.state != "absent",
            ),
            ("--oldpackage", args.oldpackage && args.state != "absent"),
            ("--clean-deps", args.clean_deps && args.state == "absent"),
        ] {
            if wanted {
                options.push(word.to_owned());
            }
        }
        let wish = Wish {
            global: [
                ("--no-gpg-checks", args.disable_gpg_check),
                ("--gpg-auto-import-keys", args.auto_import_keys),
            ]
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(word, _)| word.to_owned())
            .collect(),
            manager: "zypper",
            names: &args.name,
            state: state_of(&args.state)?,
            options,
            refresh: args.update_cache,
            everything: false,
        };
        decide(&wish, look)
    }

    one_manager!();
}
