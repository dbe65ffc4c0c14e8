//! `dpkg_divert`: keeps packages from writing a file of their own.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::acts::{Acts, acting, command, need};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds and removes diversions: packages then put their version of a file elsewhere.
    pub(super) struct Args {
        /// The file.
        path: PathBuf,
        /// Whether there shall be a diversion.
        state: State = State::Present,
        /// Package whose own file is not diverted, or LOCAL for none.
        holder: Option<String>,
        /// Where packages put their file instead; path with .distrib behind it by default.
        divert: Option<PathBuf>,
        /// Move the file that is there, too.
        rename: bool = false,
        /// With rename: also if a file is at the other place already, which is lost then.
        force: bool = false,
    }
}

pub(super) struct DpkgDivert;

const DATABASE: &str = "/var/lib/dpkg/diversions";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Diversion {
    divert: String,
    holder: String,
}

/// The diversion of a file: three lines each, a colon for no package.
fn diversion(text: &str, path: &str) -> Option<Diversion> {
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks_exact(3).find_map(|entry| {
        (entry[0] == path).then(|| Diversion {
            divert: entry[1].to_owned(),
            holder: match entry[2] {
                ":" => "LOCAL".to_owned(),
                package => package.to_owned(),
            },
        })
    })
}

impl Module for DpkgDivert {
    const NAME: &'static str = "dpkg_divert";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "dpkg-divert", "dpkg")?;
        let path = args.path.to_string_lossy().into_owned();
        if !args.path.is_absolute() {
            return Err(Failure::new(format!("path {path} must be absolute")));
        }
        let text = look.read_text(Path::new(DATABASE))?.unwrap_or_default();
        let is = diversion(&text, &path);
        let describe = |diversion: Option<&Diversion>| match diversion {
            Some(found) => json!({
                "divert": found.divert, "holder": found.holder, "path": path, "state": "present",
            }),
            None => json!({"divert": null, "holder": null, "path": path, "state": "absent"}),
        };
        let wanted = (args.state == State::Present).then(|| Diversion {
            divert: match (&args.divert, &is) {
                (Some(divert), _) => divert.to_string_lossy().into_owned(),
                (None, Some(is)) => is.divert.clone(),
                (None, None) => format!("{path}.distrib"),
            },
            holder: match (&args.holder, &is) {
                (Some(holder), _) => holder.clone(),
                (None, Some(is)) => is.holder.clone(),
                (None, None) => "LOCAL".to_owned(),
            },
        });
        let mut acts = Acts::new(
            Return::new()
                .with("diversion", describe(wanted.as_ref()))
                .with("commands", json!([]))
                .with("messages", json!([])),
        );
        if is == wanted {
            return Ok(acts.verdict());
        }
        let rename = if args.rename {
            "--rename"
        } else {
            "--no-rename"
        };
        let mut lines = Vec::new();
        let options = |diversion: &Diversion| {
            let mut words = vec!["--divert".to_owned(), diversion.divert.clone()];
            match diversion.holder.as_str() {
                "LOCAL" => words.push("--local".to_owned()),
                package => words.extend(["--package".to_owned(), package.to_owned()]),
            }
            words
        };
        if let Some(is) = &is {
            let mut words = vec!["dpkg-divert".to_owned(), "--remove".into(), rename.into()];
            words.extend(options(is));
            words.push(path.clone());
            lines.push(words);
        }
        if let Some(wanted) = &wanted {
            let mut words = vec!["dpkg-divert".to_owned(), "--add".into(), rename.into()];
            words.extend(options(wanted));
            words.push(path.clone());
            lines.push(words);
        }
        if args.rename
            && let (Some(from), Some(to)) = match (&is, &wanted) {
                (None, Some(wanted)) => {
                    (Some(args.path.clone()), Some(PathBuf::from(&wanted.divert)))
                }
                (Some(is), None) => (Some(PathBuf::from(&is.divert)), Some(args.path.clone())),
                _ => (None, None),
            }
            && look.lstat(&from)?.is_some()
            && look.lstat(&to)?.is_some()
        {
            if !args.force {
                return Err(Failure::new(format!(
                    "{} cannot be moved to {}, where a file is already; set force: true to lose it",
                    from.display(),
                    to.display()
                )));
            }
            acts.step(super::steps::Step::Remove(to));
        }
        acts.diff(ocplay_protocol::Diff::data(
            &describe(is.as_ref()),
            &describe(wanted.as_ref()),
        ));
        let shown: Vec<String> = lines
            .iter()
            .map(|words| crate::host::words::join(words))
            .collect();
        for words in lines {
            acts.run(command(words), format!("divert {path}"));
        }
        acts.result(|result| result.with("commands", shown));
        acts.after(|_, outputs, result| {
            let said: Vec<String> = outputs
                .iter()
                .map(|output| output.out().trim_end().to_owned())
                .collect();
            Ok(result.with("messages", said))
        });
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database() {
        let text = "/a\n/a.distrib\ndash\n/b\n/b.x\n:\n";
        assert_eq!(
            diversion(text, "/b"),
            Some(Diversion {
                divert: "/b.x".to_owned(),
                holder: "LOCAL".to_owned()
            })
        );
        assert_eq!(diversion(text, "/a.distrib"), None);
    }
}
