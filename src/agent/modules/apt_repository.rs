//! `apt_repository`: one line of apt's sources.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::acts::{Acts, acting};
use super::{Module, Verdict, apt, http};
use crate::host::{Failure, Look, Mode, Return, Settled, glob};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds and removes lines of apt's sources, also those of a PPA with its key.
    pub(super) struct Args {
        /// The line (deb …), or ppa:owner/name.
        repo: String,
        /// Whether it shall be there.
        state: State = State::Present,
        /// Mode of a new file.
        mode: Option<Mode>,
        /// Update the package lists when something changed.
        update_cache: bool ["update-cache"] = true,
        /// How often an update is tried again.
        update_cache_retries: i64 = 5,
        /// Most seconds between the attempts.
        update_cache_retry_max_delay: i64 = 12,
        /// Name of the file in sources.list.d, without .list.
        filename: Option<String>,
        /// Release to use for a PPA.
        codename: Option<String>,
        /// Accepted for old playbooks; nothing has to be installed for this module.
        install_python_apt: bool = true,
        /// Check the certificate of the PPA's site.
        validate_certs: bool = true,
    }
}

pub(super) struct AptRepository;

const FOLDER: &str = "/etc/apt/sources.list.d";
const LIST: &str = "/etc/apt/sources.list";
const KEYS: &str = "/etc/apt/trusted.gpg.d";

/// A line of a file of sources.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    enabled: bool,
    /// With single blanks, without comment.
    text: String,
    comment: String,
}

fn parse(line: &str) -> Option<Source> {
    let line = line.trim();
    let (enabled, line) = match line.strip_prefix('#') {
        Some(rest) => (false, rest),
        None => (true, line),
    };
    let (text, comment) = match line.find('#') {
        Some(at) if at > 0 => (&line[..at], line[at + 1..].trim()),
        _ => (line, ""),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words.first(), Some(&("deb" | "deb-src"))).then(|| Source {
        enabled,
        text: words.join(" "),
        comment: comment.to_owned(),
    })
}

/// The name of a file for a line, made of its address.
fn file_name(line: &str) -> String {
    let mut rest = line.to_owned();
    while let (Some(open), Some(close)) = (rest.find('['), rest.find(']')) {
        if close < open {
            break;
        }
        rest.replace_range(open..=close, "");
    }
    let address = rest
        .split_whitespace()
        .find(|word| !matches!(*word, "deb" | "deb-src"))
        .unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
    let words: Vec<&str> = address
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join("_")
}

/// A file of sources with the line in it, or without it.
fn edited(text: &str, wanted: &str, present: bool) -> Option<String> {
    let mut out = String::new();
    let mut changed = false;
    for line in text.split_inclusive('\n') {
        match parse(line).filter(|source| source.text == wanted) {
            Some(source) if present && !source.enabled => {
                out.push_str(&source.text);
                if !source.comment.is_empty() {
                    out.push_str(&format!(" # {}", source.comment));
                }
                out.push('\n');
                changed = true;
            }
            Some(source) if !present && source.enabled => changed = true,
            _ => out.push_str(line),
        }
    }
    changed.then_some(out)
}

/// A file, its old and its new content; no new content is no file.
type Change = (PathBuf, String, Option<String>);

struct Ppa {
    owner: String,
    name: String,
}

fn ppa(args: &Args, look: &Look, text: &str) -> Result<(String, Ppa), Failure> {
    let (owner, name) = text.split_once('/').unwrap_or((text, "ppa"));
    let release = look
        .read_text(Path::new("/etc/os-release"))?
        .unwrap_or_default();
    let codename = args
        .codename
        .clone()
        .or_else(|| {
            release
                .lines()
                .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
                .map(|name| name.trim_matches('"').to_owned())
        })
        .ok_or("the host's release has no codename; give one in codename")?;
    let line = format!("deb http://ppa.launchpad.net/{owner}/{name}/ubuntu {codename} main");
    let (owner, name) = (owner.to_owned(), name.to_owned());
    Ok((line, Ppa { owner, name }))
}

/// The key that a PPA is signed with: where it goes, and its text.
fn ppa_key(args: &Args, look: &Look, ppa: &Ppa) -> Result<(PathBuf, Vec<u8>), Failure> {
    let api = format!(
        "https://api.launchpad.net/1.0/~{}/+archive/{}",
        ppa.owner, ppa.name
    );
    let about = http::small_file(look, &api, args.validate_certs).map_err(|failure| {
        Failure::new(format!(
            "failed to fetch PPA information, error was: {}",
            failure.message
        ))
    })?;
    let about: serde_json::Value = serde_json::from_slice(&about).unwrap_or_default();
    let print = about["signing_key_fingerprint"]
        .as_str()
        .ok_or("the PPA does not say which key it is signed with")?;
    let url = format!("https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x{print}");
    let key = http::small_file(look, &url, args.validate_certs)?;
    let path = Path::new(KEYS).join(format!("{}-ubuntu-{}.asc", ppa.owner, ppa.name));
    Ok((path, key))
}

impl Module for AptRepository {
    const NAME: &'static str = "apt_repository";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        super::acts::need(look, "apt-get", "apt")?;
        let repo = args.repo.trim();
        if repo.is_empty() {
            return Err("Please set argument 'repo' to a non-empty value".into());
        }
        let (line, ppa) = match repo.strip_prefix("ppa:") {
            Some(text) => {
                let (line, ppa) = ppa(args, look, text)?;
                (line, Some(ppa))
            }
            None => (repo.to_owned(), None),
        };
        let wanted = parse(&line)
            .filter(|source| source.enabled)
            .ok_or_else(|| Failure::new(format!("Invalid repository string: {repo}")))?;
        let present = args.state == State::Present;
        let mut files = vec![PathBuf::from(LIST)];
        files.extend(glob::expand(&format!("{FOLDER}/*.list")));
        let mut there = false;
        let mut changes: Vec<Change> = Vec::new();
        for path in files {
            let Some(text) = look.read_text(&path)? else {
                continue;
            };
            there |= text
                .lines()
                .filter_map(parse)
                .any(|source| source.text == wanted.text);
            if let Some(after) = edited(&text, &wanted.text, present) {
                let keep = !after.trim().is_empty() || path == Path::new(LIST);
                changes.push((path, text, keep.then_some(after)));
            }
        }
        if present && !there {
            let name = match (&args.filename, &ppa) {
                (Some(name), _) => name.clone(),
                (None, Some(ppa)) => {
                    let release = wanted.text.split(' ').nth(2).unwrap_or_default();
                    file_name(&format!("{}:{}/{}_{release}", "ppa", ppa.owner, ppa.name))
                }
                (None, None) => file_name(&wanted.text),
            };
            let path = if name.contains('/') {
                PathBuf::from(format!("{name}.list"))
            } else {
                Path::new(FOLDER).join(format!("{name}.list"))
            };
            let text = look.read_text(&path)?.unwrap_or_default();
            let mut after = text.clone();
            if !after.is_empty() && !after.ends_with('\n') {
                after.push('\n');
            }
            after.push_str(&wanted.text);
            after.push('\n');
            changes.push((path, text, Some(after)));
        }
        let names = |test: fn(&Change) -> bool| -> Vec<String> {
            changes
                .iter()
                .filter(|change| test(change))
                .map(|(path, ..)| path.to_string_lossy().into_owned())
                .collect()
        };
        let added = names(|(path, before, _)| before.is_empty() && !path.exists());
        let removed = names(|(_, _, after)| after.is_none());
        let result = Return::new()
            .with("repo", args.repo.as_str())
            .with("state", args.state.word())
            .with("sources_added", added)
            .with("sources_removed", removed);
        let mut acts = Acts::new(result);
        if changes.is_empty() {
            return Ok(acts.verdict());
        }
        for (path, before, after) in &changes {
            let after = after.clone().unwrap_or_default();
            acts.diff(Diff::text(
                &path.display().to_string(),
                before.as_str(),
                after,
            ));
        }
        let args = args.clone();
        acts.body(move |touch| {
            if let (true, Some(ppa)) = (present, &ppa) {
                let (path, key) = ppa_key(&args, touch, ppa)?;
                touch.write(&path, &key, &Settled::default())?;
            }
            for (path, before, after) in &changes {
                let wanted = Settled {
                    mode: args.mode.clone().filter(|_| before.is_empty()),
                    ..Settled::default()
                };
                match after {
                    Some(after) => {
                        touch.make_directories(crate::host::parent(path), &Settled::default())?;
                        touch.write(path, after.as_bytes(), &wanted)?;
                    }
                    None => touch.remove(path)?,
                }
            }
            if !args.update_cache {
                return Ok(Return::new());
            }
            let (retries, delay) = (args.update_cache_retries, args.update_cache_retry_max_delay);
            if let Err(failure) = apt::refresh(retries, delay, touch) {
                // A source that cannot be had would spoil every later update.
                for (path, before, _) in &changes {
                    if before.is_empty() {
                        touch.remove(path)?;
                    } else {
                        touch.write(path, before.as_bytes(), &Settled::default())?;
                    }
                }
                return Err(failure);
            }
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        assert_eq!(
            file_name(
                "deb [arch=amd64 signed-by=/x] https://u:p@dl.google.com/linux/deb/ stable main"
            ),
            "dl_google_com_linux_deb"
        );
        assert_eq!(file_name("deb http://a-b.c/d x"), "a_b_c_d");
    }

    #[test]
    fn lines_are_switched_on_and_off() {
        let text = "# deb http://a x  # why\ndeb http://b x\n";
        assert_eq!(
            edited(text, "deb http://a x", true).as_deref(),
            Some("deb http://a x # why\ndeb http://b x\n")
        );
        assert_eq!(edited(text, "deb http://b x", true), None);
        assert_eq!(
            edited(text, "deb http://b x", false).as_deref(),
            Some("# deb http://a x  # why\n")
        );
        assert_eq!(edited(text, "deb http://a x", false), None);
    }
}
