//! `deb822_repository`: a source of packages in apt's newer form.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, Step, edit};
use super::{Module, Verdict, http};
use crate::host::{Failure, Look, Mode, Return, Settled};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::choices! {
    /// Kinds of packages.
    pub(super) enum Kind { Deb = "deb", Source = "deb-src" }
}

ocplay_protocol::arguments! {
    /// Adds and removes sources of packages in the form of Debian control files (.sources).
    pub(super) struct Args {
        /// Name of the source; its file is named after it.
        name: String,
        /// Whether it shall be there.
        state: State = State::Present,
        /// Kinds of packages.
        types: Vec<Kind> = vec![Kind::Deb],
        /// Addresses.
        uris: Option<Vec<String>>,
        /// Suites, or a path that ends in a slash.
        suites: Option<Vec<String>>,
        /// Components of the suites.
        components: Option<Vec<String>>,
        /// Architectures.
        architectures: Option<Vec<String>>,
        /// Whether apt uses it.
        enabled: Option<bool>,
        /// Keys: a URL, a file, fingerprints, or an armored key.
        signed_by: Option<String>,
        /// Languages of translations to download.
        languages: Option<Vec<String>>,
        /// Kinds of files to download.
        targets: Option<Vec<String>>,
        /// Trust it without a signature.
        trusted: Option<bool>,
        /// Accept a source that is not signed any more.
        allow_downgrade_to_insecure: Option<bool>,
        /// Accept a source that is not signed.
        allow_insecure: Option<bool>,
        /// Accept weak signatures.
        allow_weak: Option<bool>,
        /// Fetch files by their checksum.
        by_hash: Option<bool>,
        /// Compare the source's date with the clock.
        check_date: Option<bool>,
        /// Refuse old lists.
        check_valid_until: Option<bool>,
        /// Seconds that the source may be in the future.
        date_max_future: Option<i64>,
        /// Path of the InRelease file.
        inrelease_path: Option<String>,
        /// Download only differences of lists.
        pdiffs: Option<bool>,
        /// Mode of the file.
        mode: Mode = Mode::Bits(0o644),
    }
}

pub(super) struct Deb822Repository;

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";

/// The name as a part of file names.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            '_' | ' ' | '\t' | '\n' if !out.ends_with('-') => out.push('-'),
            'a'..='z' | '0'..='9' | '-' => out.push(c),
            _ => {}
        }
    }
    out
}

/// A value of several lines, each behind blanks, an empty one as a dot.
fn lines(value: &str) -> String {
    if !value.contains('\n') {
        return value.to_owned();
    }
    value
        .trim()
        .lines()
        .map(|line| match line.trim() {
            "" => "\n    .".to_owned(),
            line => format!("\n    {line}"),
        })
        .collect()
}

fn render(args: &Args, signed_by: Option<String>) -> String {
    let flag = |value: Option<bool>| value.map(|on| if on { "yes" } else { "no" }.to_owned());
    let list = |value: &Option<Vec<String>>| value.as_ref().map(|all| all.join(" "));
    let types: Vec<&str> = args.types.iter().map(|kind| kind.word()).collect();
    let fields = [
        (
            "Allow-Downgrade-To-Insecure",
            flag(args.allow_downgrade_to_insecure),
        ),
        ("Allow-Insecure", flag(args.allow_insecure)),
        ("Allow-Weak", flag(args.allow_weak)),
        ("Architectures", list(&args.architectures)),
        ("By-Hash", flag(args.by_hash)),
        ("Check-Date", flag(args.check_date)),
        ("Check-Valid-Until", flag(args.check_valid_until)),
        ("Components", list(&args.components)),
        (
            "Date-Max-Future",
            args.date_max_future.map(|seconds| seconds.to_string()),
        ),
        ("Enabled", flag(args.enabled)),
        ("Inrelease-Path", args.inrelease_path.clone()),
        ("Languages", list(&args.languages)),
        ("X-Repolib-Name", Some(args.name.clone())),
        ("Pdiffs", flag(args.pdiffs)),
        ("Signed-By", signed_by),
        ("Suites", list(&args.suites)),
        ("Targets", list(&args.targets)),
        ("Trusted", flag(args.trusted)),
        ("Types", Some(types.join(" "))),
        ("URIs", list(&args.uris)),
    ];
    let mut out = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            let value = lines(&value);
            let blank = if value.is_empty() || value.starts_with('\n') {
                ""
            } else {
                " "
            };
            out.push_str(&format!("{name}:{blank}{value}\n"));
        }
    }
    out
}

fn armored(key: &[u8]) -> bool {
    key.starts_with(b"-----BEGIN PGP")
}

impl Module for Deb822Repository {
    const NAME: &'static str = "deb822_repository";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let slug = slug(&args.name);
        if slug.is_empty() {
            return Err(Failure::new(format!(
                "name {:?} has no letters that a file can be named after",
                args.name
            )));
        }
        let dest = Path::new(SOURCES).join(format!("{slug}.sources"));
        let key_file = |kind: &str| Path::new(KEYRINGS).join(format!("{slug}.{kind}"));
        let result = Return::new().with("dest", dest.to_string_lossy());
        if args.state == State::Absent {
            let last = key_file("gpg");
            let mut acts = Acts::new(
                result
                    .with("repo", serde_json::Value::Null)
                    .with("key_filename", last.to_string_lossy()),
            );
            for path in [dest, key_file("asc"), last] {
                if look.lstat(&path)?.is_some() {
                    let text = look.read_text(&path)?.unwrap_or_default();
                    acts.diff(super::steps::content_diff(&path, text.as_bytes(), b""));
                    acts.step(Step::Remove(path));
                }
            }
            return Ok(acts.verdict());
        }
        let mut key: Option<(PathBuf, Vec<u8>)> = None;
        let mut signed_by = args.signed_by.clone();
        if let Some(given) = &args.signed_by
            && given.contains("://")
            && !given.contains('\n')
        {
            let data = http::small_file(look, given, true).map_err(|failure| {
                Failure::new(format!(
                    "Could not fetch signed_by key: {}",
                    failure.message
                ))
            })?;
            let path = key_file(if armored(&data) { "asc" } else { "gpg" });
            signed_by = Some(path.to_string_lossy().into_owned());
            key = Some((path, data));
        }
        let key_filename = match (&key, &args.signed_by) {
            (Some((path, _)), _) => Some(path.to_string_lossy().into_owned()),
            (None, Some(given)) if given.starts_with('/') => Some(given.clone()),
            _ => None,
        };
        let repo = render(args, signed_by);
        let mut acts = Acts::new(
            result
                .with("repo", repo.as_str())
                .with("key_filename", key_filename),
        );
        let mut place = |path: PathBuf, content: Vec<u8>, mode: Mode| -> Result<(), Failure> {
            let placement = Placement {
                body: Body::Bytes(Vec::new()),
                wanted: Settled {
                    mode: Some(mode),
                    ..Settled::default()
                },
                path,
                backup: false,
                validate: None,
            };
            let before = look.read(&placement.path)?;
            acts.work(edit(look, before.as_deref(), content, placement)?);
            Ok(())
        };
        if let Some((path, data)) = key {
            place(path, data, Mode::Bits(0o644))?;
        }
        place(dest, repo.into_bytes(), args.mode.clone())?;
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_protocol::Arguments;
    use serde_json::json;

    #[test]
    fn the_file() {
        assert_eq!(slug("My  Repo_x!"), "my-repo-x");
        let given = json!({
            "name": "a", "types": ["deb", "deb-src"], "uris": "http://x", "suites": ["s"],
            "enabled": true, "signed_by": "-----BEGIN PGP\n\nabc\n",
        });
        let args = <Args as Arguments>::read(given.as_object().unwrap().clone()).unwrap();
        assert_eq!(
            render(&args, args.signed_by.clone()),
            "Enabled: yes\nX-Repolib-Name: a\nSigned-By:\n    -----BEGIN PGP\n    .\n    abc\n\
             Suites: s\nTypes: deb deb-src\nURIs: http://x\n"
        );
    }
}
