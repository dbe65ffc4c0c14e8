//! Host keys on file, by OpenSSH's rules (sshd(8), "SSH_KNOWN_HOSTS FILE
//! FORMAT"): several files, comma lists, wildcards, negation, hashed names,
//! ports in brackets, `@revoked`, `@cert-authority`.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{Algorithm, PublicKey};
use sha1::Sha1;

/// What the files say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyVerdict {
    Known,
    Unknown,
    /// Another key of this kind is on file, at this place.
    Changed {
        file: PathBuf,
        line: usize,
    },
    Revoked {
        file: PathBuf,
        line: usize,
    },
}

struct Line {
    revoked: bool,
    /// The key of an authority that vouches for hosts' keys.
    authority: bool,
    key: PublicKey,
    file: PathBuf,
    number: usize,
}

/// The name under which a host stands in the files.
pub(super) fn host_name(address: &str, port: u16) -> String {
    if port == 22 {
        address.to_owned()
    } else {
        format!("[{address}]:{port}")
    }
}

/// Looks a key up in all files.
pub(super) fn verify(files: &[PathBuf], name: &str, key: &PublicKey) -> KeyVerdict {
    let lines = lines_for(files, name);
    if let Some(line) = lines
        .iter()
        .find(|line| line.revoked && line.key.key_data() == key.key_data())
    {
        return KeyVerdict::Revoked {
            file: line.file.clone(),
            line: line.number,
        };
    }
    let mut others = lines.iter().filter(|line| !line.revoked && !line.authority);
    if others
        .clone()
        .any(|line| line.key.key_data() == key.key_data())
    {
        return KeyVerdict::Known;
    }
    match others.next() {
        Some(line) => KeyVerdict::Changed {
            file: line.file.clone(),
            line: line.number,
        },
        None => KeyVerdict::Unknown,
    }
}

/// Kinds of key on file for a host: these are asked for first, so that a host
/// with another key besides is not taken for a changed one.
pub(super) fn algorithms(files: &[PathBuf], name: &str) -> Vec<Algorithm> {
    let mut out = Vec::new();
    for line in lines_for(files, name) {
        let algorithm = line.key.algorithm();
        if !line.revoked && !line.authority && !out.contains(&algorithm) {
            out.push(algorithm);
        }
    }
    out
}

/// Keys of the authorities that vouch for a host.
pub(super) fn authorities(files: &[PathBuf], name: &str) -> Vec<PublicKey> {
    let lines = lines_for(files, name);
    let revoked: Vec<_> = lines
        .iter()
        .filter(|line| line.revoked)
        .map(|line| line.key.key_data().clone())
        .collect();
    lines
        .into_iter()
        .filter(|line| line.authority && !revoked.contains(line.key.key_data()))
        .map(|line| line.key)
        .collect()
}

/// Adds a key to a file.
///
/// # Errors
/// The operating system's.
pub(super) fn learn(file: &Path, name: &str, key: &PublicKey) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = key.to_openssh().map_err(std::io::Error::other)?;
    let mut parts = text.split_whitespace();
    let (kind, body) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    // One write, so that lines of several hosts do not mix.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(format!("{name} {kind} {body}\n").as_bytes())
}

fn lines_for(files: &[PathBuf], name: &str) -> Vec<Line> {
    let mut out = Vec::new();
    for file in files {
        let Ok(bytes) = std::fs::read(file) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(mut names) = words.next() else {
                continue;
            };
            let (mut revoked, mut authority) = (false, false);
            match names {
                "@revoked" | "@cert-authority" => {
                    revoked = names == "@revoked";
                    authority = !revoked;
                    names = words.next().unwrap_or_default();
                }
                _ if names.starts_with(['@', '#']) => continue,
                _ => {}
            }
            if !matches(names, name) {
                continue;
            }
            let (Some(_kind), Some(body)) = (words.next(), words.next()) else {
                continue;
            };
            if let Ok(key) = russh::keys::parse_public_key_base64(body) {
                out.push(Line {
                    revoked,
                    authority,
                    key,
                    file: file.clone(),
                    number: index + 1,
                });
            }
        }
    }
    out
}

fn matches(names: &str, host: &str) -> bool {
    if let Some(hashed) = names.strip_prefix("|1|") {
        return matches_hash(hashed, host).unwrap_or(false);
    }
    let mut found = false;
    for pattern in names.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard(pattern, host) => return false,
            Some(_) => {}
            None => found |= wildcard(pattern, host),
        }
    }
    found
}

fn matches_hash(hashed: &str, host: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(host.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` and `?` as in ssh_config(5), letters in any case.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIIG3RhUqLZPPFLEEPEUsk8wVxZJZ5kAPnYJDwEpFpMrk";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIBZ3YHMzSmhJ7pFHSXkpDgHZfEfDOzZ6mA6yfQNuk1O9";

    fn check(content: &str, name: &str, key: &str) -> KeyVerdict {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, content).unwrap();
        let key = russh::keys::parse_public_key_base64(key).unwrap();
        match verify(&[file], name, &key) {
            KeyVerdict::Changed { line, .. } => KeyVerdict::Changed {
                file: PathBuf::new(),
                line,
            },
            KeyVerdict::Revoked { line, .. } => KeyVerdict::Revoked {
                file: PathBuf::new(),
                line,
            },
            other => other,
        }
    }

    #[test]
    fn known_unknown_changed() {
        let file = format!("# remark\nh1,h2 ssh-ed25519 {A} me@x\n");
        assert_eq!(check(&file, "h1", A), KeyVerdict::Known);
        assert_eq!(check(&file, "H2", A), KeyVerdict::Known);
        assert_eq!(check(&file, "h3", A), KeyVerdict::Unknown);
        let changed = KeyVerdict::Changed {
            file: PathBuf::new(),
            line: 2,
        };
        assert_eq!(check(&file, "h1", B), changed);
        assert_eq!(check("", "h1", A), KeyVerdict::Unknown);
    }

    #[test]
    fn wildcards_ports_markers() {
        assert_eq!(
            check(&format!("*.lab,!bad.lab ssh-ed25519 {A}"), "x.lab", A),
            KeyVerdict::Known
        );
        assert_eq!(
            check(&format!("*.lab,!bad.lab ssh-ed25519 {A}"), "bad.lab", A),
            KeyVerdict::Unknown
        );
        assert_eq!(
            check(
                &format!("[h]:2222 ssh-ed25519 {A}"),
                &host_name("h", 2222),
                A
            ),
            KeyVerdict::Known
        );
        let revoked = format!("h ssh-ed25519 {A}\n@revoked * ssh-ed25519 {A}");
        assert_eq!(
            check(&revoked, "h", A),
            KeyVerdict::Revoked {
                file: PathBuf::new(),
                line: 2
            }
        );
        assert_eq!(
            check(&format!("@cert-authority * ssh-ed25519 {A}"), "h", A),
            KeyVerdict::Unknown
        );
    }

    #[test]
    fn hashed_names() {
        let salt = b"01234567890123456789";
        let mut mac = Hmac::<Sha1>::new_from_slice(salt).unwrap();
        mac.update(b"h1");
        let line = format!(
            "|1|{}|{} ssh-ed25519 {A}",
            STANDARD.encode(salt),
            STANDARD.encode(mac.finalize().into_bytes())
        );
        assert_eq!(check(&line, "h1", A), KeyVerdict::Known);
        assert_eq!(check(&line, "h2", A), KeyVerdict::Unknown);
    }

    #[test]
    fn learnt_keys_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/known_hosts");
        let key = russh::keys::parse_public_key_base64(A).unwrap();
        learn(&file, "[h]:22022", &key).unwrap();
        assert_eq!(verify(&[file], "[h]:22022", &key), KeyVerdict::Known);
    }

    #[test]
    fn broken_lines_are_skipped() {
        for line in [
            "h",
            "h ssh-ed25519",
            "h ssh-ed25519 !!!",
            "@revoked",
            "|1|x h y",
            "|1|a|b ssh-rsa c",
        ] {
            assert_eq!(check(line, "h", A), KeyVerdict::Unknown, "{line}");
        }
    }
}
