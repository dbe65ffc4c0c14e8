//! `htpasswd`: users and their passwords, in files for Apache and nginx.

mod hashes;

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::made::Made;
use super::{Module, Verdict};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};
use hashes::{Scheme, fits, hashed};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

file_arguments! {
    /// Manages users in a file of passwords for Apache and nginx. Needs no program on the host.
    pub(super) struct Args {
        /// The file.
        path: PathBuf ["dest", "destfile"],
        /// Name of the user.
        name: String ["username"],
        /// Password of the user.
        password: Option<String>,
        /// How a new password is hashed.
        hash_scheme: Scheme ["crypt_scheme"] = Scheme::Apr1,
        /// Wanted state.
        state: State = State::Present,
        /// Create the file if it is missing.
        create: bool = true,
    }
}

pub(super) struct Htpasswd;

/// The hash that a line keeps for a user.
fn kept<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (user, hash) = line.trim_end().split_once(':')?;
    (user == name).then_some(hash)
}

/// The text with another line for a user, or none.
fn edited(text: &str, name: &str, line: Option<&str>) -> String {
    let mut out = String::new();
    let mut line = line;
    for old in text.lines() {
        if kept(old, name).is_none() {
            out.push_str(old);
            out.push('\n');
        } else if let Some(new) = line.take() {
            out.push_str(&format!("{new}\n"));
        }
    }
    if let Some(new) = line {
        out.push_str(&format!("{new}\n"));
    }
    out
}

impl Module for Htpasswd {
    const NAME: &'static str = "htpasswd";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let name = args.name.as_str();
        if name.is_empty() || name.contains([':', '\n', '\r', '\0']) {
            return Err(Failure::new(format!(
                "name: '{name}' can be no user: no colon and no line break may be in it"
            )));
        }
        let made = Made {
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: false,
        };
        let before = look.read(&args.path)?;
        let text = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
        let is = text.lines().find_map(|line| kept(line, name));
        let mut acts = Acts::new(Return::new());
        let shown = args.path.to_string_lossy().into_owned();
        let (line, message) = match (args.state, &args.password, is) {
            (State::Absent, _, None) => (None, format!("{name} not present")),
            (State::Absent, _, Some(_)) => (None, format!("Remove {name}")),
            (State::Present, None, _) => {
                return Err(
                    "state is present but all of the following are missing: password".into(),
                );
            }
            (State::Present, Some(_), _) if before.is_none() && !args.create => {
                return Err(Failure::new(format!(
                    "Destination {shown} does not exist; set create, or make it first"
                )));
            }
            (State::Present, Some(password), Some(is)) if fits(password, is) => (
                Some(format!("{name}:{is}")),
                format!("{name} already present"),
            ),
            (State::Present, Some(password), _) => {
                if password.contains(['\n', '\r', '\0']) {
                    return Err("password: no line break may be in it".into());
                }
                let line = format!("{name}:{}", hashed(args.hash_scheme, password)?);
                let message = if before.is_none() {
                    format!("Created {shown} and added {name}")
                } else {
                    format!("Add/update {name}")
                };
                (Some(line), message)
            }
        };
        let changes = match (&line, is) {
            (None, None) => false,
            (Some(line), Some(is)) => *line != format!("{name}:{is}"),
            _ => true,
        };
        acts.result(|result| result.with("msg", message));
        if !changes {
            if let Some(before) = &before {
                acts.work(made.settle(look, before)?);
            }
            return Ok(acts.verdict());
        }
        let user = |there: bool| {
            if there {
                format!("{name}: ********")
            } else {
                String::new()
            }
        };
        let new = if is.is_some() && line.is_some() {
            format!("{} (new)", user(true))
        } else {
            user(line.is_some())
        };
        acts.diff(state_diff(&shown, &user(is.is_some()), &new));
        if look.stat(crate::host::parent(&args.path))?.is_none() {
            let holder = crate::host::parent(&args.path).to_owned();
            acts.step(super::steps::Step::Directories(
                holder,
                crate::host::Settled::default(),
            ));
        }
        let after = edited(&text, name, line.as_deref());
        acts.body(move |touch| made.write(touch, after.into_bytes()));
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_replaced_in_place() {
        let text = "# users\na:1\nb:2\nc:3\n";
        assert_eq!(edited(text, "b", Some("b:9")), "# users\na:1\nb:9\nc:3\n");
        assert_eq!(edited(text, "b", None), "# users\na:1\nc:3\n");
        assert_eq!(edited("a:1", "d", Some("d:4")), "a:1\nd:4\n");
    }
}
