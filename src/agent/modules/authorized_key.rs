//! `authorized_key`: keys that may log in as a user.

use std::path::PathBuf;

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, Step, content_diff};
use super::{Module, Verdict, http};
use crate::host::{Failure, Look, Mode, Return, Settled, missing_directories, parent, real_path};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds and removes SSH keys that may log in as a user.
    pub(super) struct Args {
        /// The user.
        user: String,
        /// One or more public keys, one a line; or a URL (https://, file://) where they are.
        key: String,
        /// The file, if it is not .ssh/authorized_keys in the user's home.
        path: Option<PathBuf>,
        /// Create the file's directory, with the right owner and mode.
        manage_dir: bool = true,
        /// Whether the keys shall be there.
        state: State = State::Present,
        /// Options that stand before the key, in place of those in key.
        key_options: Option<String>,
        /// Remove all other keys.
        exclusive: bool = false,
        /// Comment of the key, in place of that in key.
        comment: Option<String>,
        /// Write behind a symbolic link instead of replacing it.
        follow: bool = false,
        /// Check the certificate of an https:// URL.
        validate_certs: bool = true,
    }
}

pub(super) struct AuthorizedKey;

const KINDS: &[&str] = &["ssh-", "ecdsa-sha2-", "sk-", "webauthn-sk-", "rsa-sha2-"];

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Key(Key),
    /// A comment, or something that is no key.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    options: Vec<(String, Option<String>)>,
    kind: String,
    data: String,
    comment: String,
}

/// Splits at a separator outside of quotes.
fn split_outside(text: &str, is_separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut parts, mut start, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"') => quote = Some(c),
            (None, c) if is_separator(c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

fn options(text: &str) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for part in split_outside(text, |c| c == ',') {
        let entry = match part.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (part.to_owned(), None),
        };
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all
}

fn key(line: &str) -> Option<Key> {
    let words = split_outside(line.trim(), char::is_whitespace);
    if words.first().is_some_and(|word| word.starts_with('#')) {
        return None;
    }
    let at = words.iter().position(|word| {
        KINDS.iter().any(|kind| word.starts_with(kind)) && !word.contains(['=', '"', ','])
    })?;
    let data = words.get(at + 1)?;
    Some(Key {
        options: options(&words[..at].join(" ")),
        kind: words[at].to_owned(),
        data: (*data).to_owned(),
        comment: words[at + 2..].join(" "),
    })
}

impl Line {
    fn read(text: &str) -> Self {
        key(text).map_or_else(|| Self::Other(text.to_owned()), Self::Key)
    }

    fn show(&self) -> String {
        match self {
            Self::Other(text) => format!("{text}\n"),
            Self::Key(key) => {
                let mut options = key
                    .options
                    .iter()
                    .map(|(name, value)| match value {
                        Some(value) => format!("{name}={value}"),
                        None => name.clone(),
                    })
                    .collect::<Vec<_>>()
                    .join(",");
                if !options.is_empty() {
                    options.push(' ');
                }
                let line = format!("{options}{} {} {}", key.kind, key.data, key.comment);
                format!("{}\n", line.trim_end())
            }
        }
    }
}

fn wanted(args: &Args, look: &Look) -> Result<Vec<Key>, Failure> {
    let text = if args.key.starts_with("http://") || args.key.starts_with("https://") {
        let data = http::small_file(look, &args.key, args.validate_certs).map_err(|failure| {
            Failure::new(format!(
                "Error getting key from: {} ({})",
                args.key, failure.message
            ))
        })?;
        String::from_utf8_lossy(&data).into_owned()
    } else if let Some(path) = args.key.strip_prefix("file://") {
        look.read_text(path.as_ref())?
            .ok_or_else(|| Failure::new(format!("Path to a key file not found: {path}")))?
    } else {
        args.key.clone()
    };
    let mut keys = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut key =
            key(line).ok_or_else(|| Failure::new(format!("invalid key specified: {line}")))?;
        if let Some(text) = &args.key_options {
            key.options = options(text);
        }
        if let Some(comment) = &args.comment {
            key.comment.clone_from(comment);
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The file's lines with the keys added or removed.
fn edited(args: &Args, wanted: &[Key], mut lines: Vec<Line>) -> Vec<Line> {
    let same = |line: &Line, key: &Key| matches!(line, Line::Key(found) if found.data == key.data);
    for key in wanted {
        let at = lines.iter().position(|line| same(line, key));
        match (args.state, at) {
            (State::Absent, _) => lines.retain(|line| !same(line, key)),
            (State::Present, Some(at)) => {
                if lines[at] != Line::Key(key.clone()) {
                    lines[at] = Line::Key(key.clone());
                }
            }
            (State::Present, None) => lines.push(Line::Key(key.clone())),
        }
    }
    if args.state == State::Present && args.exclusive {
        lines.retain(|line| wanted.iter().any(|key| same(line, key)));
    }
    lines
}

impl Module for AuthorizedKey {
    const NAME: &'static str = "authorized_key";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let keys = wanted(args, look)?;
        let user = look.user(&args.user);
        let path = match (&args.path, &user) {
            (Some(path), _) => path.clone(),
            (None, Some(user)) => PathBuf::from(&user.home).join(".ssh/authorized_keys"),
            (None, None) if look.is_check() => {
                return Err(
                    "Either user must exist or you must provide full path to key file in \
                            check mode"
                        .into(),
                );
            }
            (None, None) => PathBuf::new(),
        };
        if user.is_none() && !look.is_check() {
            return Err(Failure::new(format!(
                "Failed to lookup user {}: there is no such user",
                args.user
            )));
        }
        let path = if args.follow { real_path(&path) } else { path };
        let before = look.read_text(&path)?;
        let text = before.clone().unwrap_or_default();
        let lines: Vec<Line> = text.lines().map(Line::read).collect();
        let after = edited(args, &keys, lines.clone());
        let shown = path.to_string_lossy().into_owned();
        let result = Return::new()
            .with("user", args.user.as_str())
            .with("key", args.key.as_str())
            .with(
                "path",
                args.path.as_ref().map(|path| path.to_string_lossy()),
            )
            .with("keyfile", shown)
            .with("manage_dir", args.manage_dir)
            .with("state", args.state.word())
            .with("key_options", args.key_options.as_deref())
            .with("exclusive", args.exclusive)
            .with("comment", args.comment.as_deref())
            .with("follow", args.follow)
            .with("validate_certs", args.validate_certs);
        let mut acts = Acts::new(result);
        if lines == after {
            return Ok(acts.verdict());
        }
        let content: String = after.iter().map(Line::show).collect();
        acts.diff(content_diff(&path, text.as_bytes(), content.as_bytes()));
        let own = Settled {
            uid: user.as_ref().map(|user| user.uid),
            gid: user.as_ref().map(|user| user.gid),
            ..Settled::default()
        };
        let folder = parent(&path).to_owned();
        let folder_wanted = Settled {
            mode: Some(Mode::Bits(0o700)),
            ..own.clone()
        };
        if args.manage_dir {
            if !missing_directories(look, &folder)?.is_empty() {
                acts.step(Step::Directories(folder.clone(), folder_wanted.clone()));
            }
            acts.step(Step::Settle(folder, folder_wanted));
        } else if look.stat(&folder)?.is_none() {
            acts.step(Step::Directories(folder, Settled::default()));
        }
        acts.step(Step::Place(Placement {
            body: Body::Bytes(content.into_bytes()),
            path,
            wanted: Settled {
                mode: Some(Mode::Bits(0o600)),
                ..own
            },
            backup: false,
            validate: None,
        }));
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file() {
        let text = "from=\"a b,c\",no-pty ssh-ed25519 AAAA me at home";
        let Line::Key(key) = Line::read(text) else {
            panic!("no key")
        };
        assert_eq!(key.options[0].1.as_deref(), Some("\"a b,c\""));
        assert_eq!(key.options[1], ("no-pty".to_owned(), None));
        assert_eq!(
            (key.data.as_str(), key.comment.as_str()),
            ("AAAA", "me at home")
        );
        assert_eq!(Line::Key(key).show(), format!("{text}\n"));
        assert_eq!(
            Line::read("# ssh-rsa AAAA"),
            Line::Other("# ssh-rsa AAAA".to_owned())
        );
        assert!(key_of("nothing").is_none());
    }

    fn key_of(text: &str) -> Option<Key> {
        key(text)
    }
}
