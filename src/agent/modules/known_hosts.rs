//! `known_hosts`: keys of hosts that SSH clients shall trust.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ocplay_protocol::Diff;
use sha1::{Digest, Sha1};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled, Touch, glob};

ocplay_protocol::choices! {
    /// Wanted state of the key.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds a host's key to a known_hosts file, or removes it.
    pub(super) struct Args {
        /// The host, as SSH looks it up: `name`, or `[name]:port`.
        name: String ["host"],
        /// The whole line: host, type and key.
        key: Option<String>,
        /// The file.
        path: PathBuf = PathBuf::from("~/.ssh/known_hosts"),
        /// Write the host's name hashed.
        hash_host: bool = false,
        /// Whether the key shall be there; absent without a key removes all of the host's.
        state: State = State::Present,
    }
}

pub(super) struct KnownHosts;

pub(super) struct Plan {
    path: PathBuf,
    before: Option<String>,
    after: String,
    result: Return,
}

/// One line of the file, or the given key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    marker: Option<String>,
    host: String,
    kind: String,
    key: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        Some(Self {
            marker: marker.map(str::to_owned),
            host: words
                .next()
                .filter(|word| !word.starts_with('#'))?
                .to_owned(),
            kind: words.next()?.to_owned(),
            key: words.next()?.to_owned(),
        })
    }
}

impl Module for KnownHosts {
    const NAME: &'static str = "known_hosts";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let host = args.name.to_lowercase();
        let given = args.key.as_deref().filter(|key| !key.trim().is_empty());
        if given.is_none() && args.state == State::Present {
            return Err("No key specified when adding a host".into());
        }
        let mut key = match given {
            Some(text) => Some(key(&host, text)?),
            None => None,
        };
        if let (Some(key), true) = (&mut key, args.hash_host) {
            // Any hash of it will do.
            "|1|".clone_into(&mut key.host);
        }
        let path = PathBuf::from(look.expand(&args.path.to_string_lossy()));
        let before = look.read_text(&path)?;
        let text = before.clone().unwrap_or_default();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let hits: Vec<(usize, Entry)> = lines
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((index, Entry::parse(line)?)))
            .filter(|(_, entry)| names(&entry.host, &host))
            .collect();
        match (&key, args.state) {
            (None, _) => {
                let mut index = 0;
                lines.retain(|_| {
                    index += 1;
                    !hits.iter().any(|(hit, _)| *hit == index - 1)
                });
            }
            (Some(key), state) => match (find(&hits, key), state) {
                (Found::Same(_), State::Present) | (Found::Nothing, State::Absent) => {}
                (Found::Same(at) | Found::Other(at), State::Absent) => {
                    lines.remove(at);
                }
                (found, State::Present) => {
                    if let Found::Other(at) = found {
                        lines.remove(at);
                    }
                    if let Some(last) = lines.last_mut()
                        && !last.ends_with('\n')
                    {
                        last.push('\n');
                    }
                    let text = given.unwrap_or_default().trim_end();
                    lines.push(if args.hash_host {
                        hashed(text, &host)?
                    } else {
                        format!("{text}\n")
                    });
                }
            },
        }
        let after = lines.concat();
        let mut result = Return::new()
            .with("name", args.name.as_str())
            .with("key", args.key.clone())
            .with("path", path.to_string_lossy())
            .with("hash_host", args.hash_host)
            .with("state", args.state.word());
        let header = match before {
            Some(_) => path.to_string_lossy().into_owned(),
            None => "/dev/null".to_owned(),
        };
        result = result.with(
            "diff",
            serde_json::json!({
                "before_header": header,
                "before": text,
                "after_header": path,
                "after": after,
            }),
        );
        if after == text {
            return Ok(Verdict::Same(result));
        }
        let foreseen = result.clone();
        let plan = Plan {
            path,
            before,
            after,
            result,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let mut diff = Diff::text(
            &plan.path.display().to_string(),
            plan.before.clone().unwrap_or_default(),
            plan.after.as_str(),
        );
        if plan.before.is_none() {
            "/dev/null".clone_into(&mut diff.before_header);
        }
        vec![diff]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        touch.write(&plan.path, plan.after.as_bytes(), &Settled::default())?;
        Ok(plan.result)
    }
}

/// The key that was given, if it is one for the host.
fn key(host: &str, text: &str) -> Result<Entry, Failure> {
    if host
        .split_once(',')
        .is_some_and(|(before, _)| !before.trim().is_empty())
    {
        return Err(
            "Comma separated list of names is not supported. Please pass a single name to lookup \
             in the known_hosts file."
                .into(),
        );
    }
    let entry = Entry::parse(text).filter(|entry| names(&entry.host, host));
    entry.ok_or_else(|| "Host parameter does not match hashed host field in supplied key".into())
}

enum Found {
    /// This very key, on this line.
    Same(usize),
    /// Another key of the same type.
    Other(usize),
    Nothing,
}

fn find(hits: &[(usize, Entry)], key: &Entry) -> Found {
    let mut key = key.clone();
    for (at, entry) in hits {
        if entry.marker.is_none() && key.host.starts_with("|1|") && entry.host.starts_with("|1|") {
            // A hash that is there already stays.
            key.host.clone_from(&entry.host);
        }
        if *entry == key {
            return Found::Same(*at);
        }
        if entry.marker.is_none() && entry.kind == key.kind {
            return Found::Other(*at);
        }
    }
    Found::Nothing
}

/// Whether the host field of a line means the host.
fn names(field: &str, host: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        let Some((salt, hash)) = rest.split_once('|') else {
            return false;
        };
        return STANDARD
            .decode(salt)
            .is_ok_and(|salt| STANDARD.encode(hmac(&salt, host.as_bytes())) == hash);
    }
    let mut hit = false;
    for pattern in field.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        // Brackets stand for themselves here, unlike in a glob.
        let pattern = pattern.to_lowercase().replace('[', "[[]");
        if glob::matches(&pattern, host) {
            if negated {
                return false;
            }
            hit = true;
        }
    }
    hit
}

/// The line with its host field hashed.
fn hashed(line: &str, host: &str) -> Result<String, Failure> {
    let mut salt = [0; 20];
    rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::new(format!("cannot make a salt: {error}")))?;
    let field = format!(
        "|1|{}|{}",
        STANDARD.encode(salt),
        STANDARD.encode(hmac(&salt, host.as_bytes()))
    );
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let at = usize::from(line.trim_start().starts_with('@'));
    if let Some(word) = words.get_mut(at) {
        *word = &field;
    }
    Ok(format!("{}\n", words.join(" ")))
}

/// HMAC-SHA1, by which known_hosts hides names.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha1::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::hex;

    #[test]
    fn hmac_of_the_standard() {
        assert_eq!(
            hex(&hmac(&[0x0b; 20], b"Hi There")),
            "b617318655057264e28bc0b6fb378c8ef146be00"
        );
    }

    #[test]
    fn names_in_all_forms() {
        assert!(names("a.example,10.0.0.1", "10.0.0.1"));
        assert!(names("*.example,!b.example", "a.example"));
        assert!(!names("*.example,!b.example", "b.example"));
        assert!(names("[a]:2222", "[a]:2222"));
        let line = hashed("a ssh-rsa AAAA", "a").unwrap();
        let entry = Entry::parse(&line).unwrap();
        assert!(names(&entry.host, "a") && !names(&entry.host, "b"));
        let key = Entry::parse("|1| ssh-rsa AAAA").unwrap();
        assert!(matches!(find(&[(0, entry)], &key), Found::Same(0)));
    }
}
