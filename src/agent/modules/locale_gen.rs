//! `locale_gen`: locales that the host has.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, command, need, state};
use super::steps::{Body, Placement, Step};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Makes locales, or does away with them.
    pub(super) struct Args {
        /// Names with encodings, such as de_CH.UTF-8.
        name: Vec<String>,
        /// Whether they shall be there.
        state: State = State::Present,
    }
}

pub(super) struct LocaleGen;

const LIST: &str = "/etc/locale.gen";
const KNOWN: [&str; 2] = [LIST, "/usr/share/i18n/SUPPORTED"];
const LEGACY: &str = "/var/lib/locales/supported.d";

/// The name as `locale -a` prints it.
fn plain(name: &str) -> String {
    match name.split_once('.') {
        Some((language, encoding)) => {
            let (encoding, modifier) = match encoding.split_once('@') {
                Some((encoding, modifier)) => (encoding, format!("@{modifier}")),
                None => (encoding, String::new()),
            };
            let encoding: String = encoding
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            format!("{language}.{encoding}{modifier}")
        }
        None => name.to_owned(),
    }
}

/// The entry of a list, whether commented out, and its encoding.
fn entry<'a>(line: &'a str, name: &str) -> Option<(bool, &'a str)> {
    let line = line.trim();
    let (active, rest) = match line.strip_prefix('#') {
        Some(rest) => (false, rest.trim_start()),
        None => (true, line),
    };
    let mut words = rest.split_whitespace();
    (words.next()? == name).then_some(())?;
    let encoding = words.next()?;
    Some((active, encoding))
}

/// The list with the names in it or commented out.
fn edited(text: &str, names: &[String], present: bool, known: &str) -> String {
    let mut out = String::new();
    let mut found = vec![false; names.len()];
    for line in text.split_inclusive('\n') {
        let hit = names
            .iter()
            .enumerate()
            .find_map(|(index, name)| entry(line, name).map(|entry| (index, name, entry)));
        match hit {
            Some((index, name, (active, encoding))) => {
                found[index] = true;
                match (present, active) {
                    (true, false) => out.push_str(&format!("{name} {encoding}\n")),
                    (false, true) => out.push_str(&format!("# {name} {encoding}\n")),
                    _ => out.push_str(line),
                }
            }
            None => out.push_str(line),
        }
    }
    for (name, found) in names.iter().zip(found) {
        let encoding = known
            .lines()
            .find_map(|line| entry(line, name))
            .map(|(_, encoding)| encoding);
        if let (true, false, Some(encoding)) = (present, found, encoding) {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&format!("{name} {encoding}\n"));
        }
    }
    out
}

impl Module for LocaleGen {
    const NAME: &'static str = "locale_gen";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "locale-gen", "locales")?;
        let legacy = Path::new(LEGACY).is_dir();
        let mechanism = if legacy { "ubuntu_legacy" } else { "debian" };
        let mut known = String::new();
        for file in KNOWN {
            known.push_str(&look.read_text(Path::new(file))?.unwrap_or_default());
        }
        let missing: Vec<&str> = args
            .name
            .iter()
            .filter(|name| known.lines().all(|line| entry(line, name).is_none()))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Failure::new(format!(
                "The following locales are not available on your system: {}",
                missing.join(", ")
            )));
        }
        let output = look.query(["locale", "-a"])?;
        let there = output.out();
        let is_there = |name: &str| there.lines().any(|line| plain(line) == plain(name));
        let present = args.state == State::Present;
        let mut acts = Acts::new(Return::new().with("mechanism", mechanism));
        let to_do: Vec<String> = args
            .name
            .iter()
            .filter(|name| is_there(name) != present)
            .cloned()
            .collect();
        if to_do.is_empty() {
            return Ok(acts.verdict());
        }
        let names = to_do.join("\n");
        acts.diff(if present {
            state("locales", "", &names)
        } else {
            state("locales", &names, "")
        });
        let file = if legacy {
            PathBuf::from(LEGACY).join("local")
        } else {
            PathBuf::from(LIST)
        };
        let text = look.read_text(&file)?.unwrap_or_default();
        let after = edited(&text, &to_do, present, &known);
        if after != text {
            acts.step(Step::Place(Placement {
                body: Body::Bytes(after.into_bytes()),
                path: file,
                wanted: Settled::default(),
                backup: false,
                validate: None,
            }));
        }
        acts.run(command(["locale-gen"]), "make the locales");
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists() {
        assert_eq!(plain("de_CH.UTF-8"), "de_CH.utf8");
        assert_eq!(plain("ca_ES.UTF-8@valencia"), "ca_ES.utf8@valencia");
        assert_eq!(plain("C.utf8"), "C.utf8");
        let text = "# a comment\n# de_CH.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n";
        let names = ["de_CH.UTF-8".to_owned()];
        let with = edited(text, &names, true, text);
        assert!(with.contains("\nde_CH.UTF-8 UTF-8\n"), "{with}");
        assert_eq!(edited(&with, &names, false, text), text);
        assert_eq!(
            edited("", &names, true, "de_CH.UTF-8 UTF-8"),
            "de_CH.UTF-8 UTF-8\n"
        );
    }
}
