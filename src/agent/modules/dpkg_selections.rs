//! `dpkg_selections`: what dpkg shall do with a package.

use super::acts::{Acts, acting, command, need, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// What shall be done with a package.
    pub(super) enum Selection {
        Install = "install",
        Hold = "hold",
        Deinstall = "deinstall",
        Purge = "purge",
    }
}

ocplay_protocol::arguments! {
    /// Sets what dpkg shall do with a package: above all, keep it as it is (hold).
    pub(super) struct Args {
        /// The package.
        name: String,
        /// What shall be done with it.
        selection: Selection,
    }
}

pub(super) struct DpkgSelections;

fn selection(look: &Look, name: &str) -> Result<Option<String>, Failure> {
    let output = look.query(["dpkg-query", "-W", "-f", "${db:Status-Want}\n", "--", name])?;
    let word = output.out().lines().next().unwrap_or_default().to_owned();
    Ok((output.ok() && word != "unknown" && !word.is_empty()).then_some(word))
}

impl Module for DpkgSelections {
    const NAME: &'static str = "dpkg_selections";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "dpkg", "dpkg")?;
        let wanted = args.selection.word();
        let is = selection(look, &args.name)?;
        let shown = is.as_deref().unwrap_or("not present");
        let result = Return::new().with("before", shown).with("after", wanted);
        let mut acts = Acts::new(result);
        if shown == wanted {
            return Ok(acts.verdict());
        }
        acts.diff(state(&args.name, shown, wanted));
        acts.run(
            command(["dpkg", "--set-selections"]).stdin(format!("{} {wanted}\n", args.name)),
            format!("select {} for {wanted}", args.name),
        );
        let name = args.name.clone();
        acts.after(move |touch, _, result| {
            Ok(match selection(touch, &name)? {
                Some(_) => result,
                None => result.warn(format!(
                    "dpkg knows no package {name} and took no note of the selection"
                )),
            })
        });
        Ok(acts.verdict())
    }
}
