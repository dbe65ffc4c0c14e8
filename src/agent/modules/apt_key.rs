//! `apt_key`: keys that apt trusts for every source.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, state};
use super::openpgp::{self, Key};
use super::{Module, Verdict, http};
use crate::host::{Failure, Look, Return, Settled, Touch, glob};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Adds and removes keys that apt trusts for every source. New playbooks better name a key file
    /// for one source (deb822_repository, signed_by).
    pub(super) struct Args {
        /// The key's number or fingerprint.
        id: Option<String>,
        /// The key itself.
        data: Option<String>,
        /// A file on the host with the key.
        file: Option<PathBuf>,
        /// URL of the key.
        url: Option<String>,
        /// Server to ask for the key.
        keyserver: Option<String>,
        /// The keyring; /etc/apt/trusted.gpg by default.
        keyring: Option<PathBuf>,
        /// Whether the key shall be there.
        state: State = State::Present,
        /// Check the certificate of an https:// URL.
        validate_certs: bool = true,
    }
}

pub(super) struct AptKey;

const DEFAULT: &str = "/etc/apt/trusted.gpg";

/// The keys in a file, whether keyring or armored text.
fn keys_of(look: &Look, path: &Path) -> Result<Vec<Key>, Failure> {
    Ok(openpgp::keys(&look.read(path)?.unwrap_or_default()))
}

fn keyrings(args: &Args) -> Vec<PathBuf> {
    if let Some(keyring) = &args.keyring {
        return vec![keyring.clone()];
    }
    let mut all = vec![PathBuf::from(DEFAULT)];
    for pattern in [
        "/etc/apt/trusted.gpg.d/*.gpg",
        "/etc/apt/trusted.gpg.d/*.asc",
    ] {
        all.extend(glob::expand(pattern));
    }
    all
}

/// The number in the form of gpg: upper case, no 0x.
fn number(id: &str) -> Result<String, Failure> {
    let plain: String = id.split_whitespace().collect::<String>().to_uppercase();
    let plain = plain.strip_prefix("0X").unwrap_or(&plain).to_owned();
    if matches!(plain.len(), 8 | 16 | 40) && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(plain);
    }
    Err(Failure::new(format!(
        "Invalid key_id: {id}; it must have 8, 16 or 40 hexadecimal digits"
    )))
}

/// Downloads what the task names, or reads it.
fn key_data(args: &Args, look: &Look) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(data) = &args.data {
        return Ok(Some(data.clone().into_bytes()));
    }
    if let Some(file) = &args.file {
        return look
            .read(file)?
            .map(Some)
            .ok_or_else(|| Failure::new(format!("there is no file {}", file.display())));
    }
    if let Some(url) = &args.url {
        return http::small_file(look, url, args.validate_certs).map(Some);
    }
    Ok(None)
}

/// Asks a key server, in the way that all of them speak.
fn from_server(server: &str, id: &str, validate: bool, look: &Look) -> Result<Vec<u8>, Failure> {
    let (scheme, host) = server.split_once("://").unwrap_or(("hkp", server));
    let host = host.trim_end_matches('/');
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let base = match scheme {
        "hkps" | "https" => format!("https://{host}"),
        "http" => format!("http://{host}"),
        _ if has_port => format!("http://{host}"),
        _ => format!("http://{host}:11371"),
    };
    let url = format!("{base}/pks/lookup?op=get&options=mr&search=0x{id}");
    http::small_file(look, &url, validate)
}

impl Module for AptKey {
    const NAME: &'static str = "apt_key";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let given = [
            args.data.is_some(),
            args.file.is_some(),
            args.url.is_some(),
            args.keyserver.is_some(),
        ];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err("parameters are mutually exclusive: data|file|keyserver|url".into());
        }
        if args.keyserver.is_some() && args.id.is_none() {
            return Err("keyserver needs id".into());
        }
        let id = args.id.as_deref().map(number).transpose()?;
        let mut before = Vec::new();
        let mut places: Vec<(PathBuf, Key)> = Vec::new();
        for keyring in keyrings(args) {
            for key in keys_of(look, &keyring)? {
                before.push(key.print().to_owned());
                places.push((keyring.clone(), key));
            }
        }
        let data = match (args.state, &id) {
            (State::Present, _) => key_data(args, look)?,
            (State::Absent, None) => key_data(args, look)?,
            (State::Absent, Some(_)) => None,
        };
        let mut wanted: Vec<String> = Vec::new();
        let given = openpgp::keys(data.as_deref().unwrap_or_default());
        if data.is_some() {
            wanted = given.iter().map(|key| key.print().to_owned()).collect();
            if wanted.is_empty() {
                return Err("Unable to extract a key from what was given".into());
            }
        }
        if let Some(id) = &id {
            wanted = vec![id.clone()];
        }
        if wanted.is_empty() {
            return Err("missing a key_id, required with state=present without a key".into());
        }
        let there = |id: &str| places.iter().any(|(_, key)| key.is(id));
        let first = wanted[0].clone();
        let tail = |count: usize| first[first.len().saturating_sub(count)..].to_owned();
        let result = Return::new()
            .with("id", args.id.as_deref().unwrap_or(&first))
            .with("fp", first.as_str())
            .with("key_id", tail(16))
            .with("short_id", tail(8))
            .with("before", before.clone());
        let mut acts = Acts::new(result.with("after", before.clone()));
        let args = args.clone();
        if args.state == State::Present {
            if wanted.iter().all(|id| there(id)) {
                return Ok(acts.verdict());
            }
            acts.diff(state(
                "keys",
                &before.join("\n"),
                &format!("{}\n{}", before.join("\n"), wanted.join("\n")),
            ));
            let given = data.is_some().then_some(given);
            acts.body(move |touch| add(&args, touch, given, &first));
            return Ok(acts.verdict());
        }
        let affected: Vec<(PathBuf, String)> = places
            .iter()
            .filter(|(_, key)| wanted.iter().any(|id| key.is(id)))
            .map(|(path, key)| (path.clone(), key.print().to_owned()))
            .collect();
        if affected.is_empty() {
            return Ok(acts.verdict());
        }
        let left: Vec<String> = before
            .iter()
            .filter(|print| affected.iter().all(|(_, gone)| gone != *print))
            .cloned()
            .collect();
        acts.diff(state("keys", &before.join("\n"), &left.join("\n")));
        acts.body(move |touch| {
            for (path, print) in affected {
                remove(touch, &path, &print)?;
            }
            Ok(Return::new().with("after", left))
        });
        Ok(acts.verdict())
    }
}

/// Adds keys to a keyring.
fn add(
    args: &Args,
    touch: &mut Touch,
    given: Option<Vec<Key>>,
    id: &str,
) -> Result<Return, Failure> {
    let keys = match (given, &args.keyserver) {
        (Some(keys), _) => keys,
        (None, Some(server)) => {
            openpgp::keys(&from_server(server, id, args.validate_certs, touch)?)
        }
        (None, None) => {
            return Err("one of the following is required: data, file, keyserver, url".into());
        }
    };
    if !keys.iter().any(|key| key.is(id)) {
        return Err(Failure::new(format!(
            "the key {id} is not among those that were given; is it the right number?"
        )));
    }
    let keyring = args
        .keyring
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT));
    let old = touch.read(&keyring)?.unwrap_or_default();
    write(touch, &keyring, &openpgp::merged(&old, &keys))?;
    let mut after = Vec::new();
    for path in keyrings(args) {
        let keys = keys_of(touch, &path)?;
        after.extend(keys.iter().map(|key| key.print().to_owned()));
    }
    Ok(Return::new().with("after", after))
}

/// Writes a keyring in the form that apt expects by its name.
fn write(touch: &mut Touch, keyring: &Path, data: &[u8]) -> Result<(), Failure> {
    if data.is_empty() {
        return touch.remove(keyring);
    }
    let is_new = touch.stat(keyring)?.is_none();
    let wanted = Settled {
        mode: is_new.then_some(crate::host::Mode::Bits(0o644)),
        ..Settled::default()
    };
    if keyring.extension().is_some_and(|end| end == "asc") {
        return touch.write(keyring, openpgp::armored(data).as_bytes(), &wanted);
    }
    touch.write(keyring, data, &wanted)
}

fn remove(touch: &mut Touch, keyring: &Path, print: &str) -> Result<(), Failure> {
    let left: Vec<u8> = keys_of(touch, keyring)?
        .into_iter()
        .filter(|key| key.print() != print)
        .flat_map(|key| key.bytes)
        .collect();
    write(touch, keyring, &left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("0x00aabbccddeeff11").unwrap(), "00AABBCCDDEEFF11");
        assert!(number("xyz").is_err());
    }
}
