//! Public keys of OpenPGP: their fingerprints, and keyrings, which are just
//! keys one after the other. No gpg is needed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::host::hex;

/// One key with its subkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Fingerprints, the main key's first; upper case.
    pub(super) prints: Vec<String>,
    /// All its packets.
    pub(super) bytes: Vec<u8>,
}

impl Key {
    /// Whether a number or fingerprint means this key or a subkey of it.
    pub(super) fn is(&self, id: &str) -> bool {
        self.prints.iter().any(|print| print.ends_with(id))
    }

    pub(super) fn print(&self) -> &str {
        self.prints.first().map_or("", String::as_str)
    }
}

/// The bytes of an armored key, or of one that is bytes already.
fn plain(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(data);
    let mut out = Vec::new();
    let mut body: Option<String> = None;
    let mut head = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----BEGIN PGP PUBLIC KEY") {
            body = Some(String::new());
            head = true;
        } else if line.starts_with("-----END PGP") {
            if let Some(text) = body.take() {
                out.extend(STANDARD.decode(text).unwrap_or_default());
            }
        } else if let Some(text) = &mut body {
            if head && (line.is_empty() || line.contains(':')) {
                head = !line.is_empty();
            } else if !line.starts_with('=') {
                head = false;
                text.push_str(line);
            }
        }
    }
    if out.is_empty() { data.to_vec() } else { out }
}

/// Kind and length of the packet, and where its body starts.
fn packet(data: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *data.first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |at: usize, count: usize| -> Option<usize> {
        let bytes = data.get(at..at + count)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    };
    if first & 0x40 == 0 {
        let count = 1usize << (first & 3);
        return (count < 8)
            .then_some(())
            .and_then(|()| Some(((first >> 2) & 15, number(1, count)?, 1 + count)));
    }
    let kind = first & 0x3f;
    match *data.get(1)? {
        length @ 0..=191 => Some((kind, usize::from(length), 2)),
        high @ 192..=223 => {
            let low = usize::from(*data.get(2)?);
            Some((kind, (usize::from(high) - 192) * 256 + low + 192, 3))
        }
        255 => Some((kind, number(2, 4)?, 6)),
        _ => None,
    }
}

fn fingerprint(body: &[u8]) -> Option<String> {
    let length = body.len() as u32;
    let print = match *body.first()? {
        4 => {
            let head = [&[0x99][..], &length.to_be_bytes()[2..]].concat();
            hex(&Sha1::new().chain_update(head).chain_update(body).finalize())
        }
        6 => {
            let head = [&[0x9b][..], &length.to_be_bytes()].concat();
            hex(&Sha256::new()
                .chain_update(head)
                .chain_update(body)
                .finalize())
        }
        _ => return None,
    };
    Some(print.to_uppercase())
}

/// All keys in a keyring, or in text that holds keys.
pub(super) fn keys(data: &[u8]) -> Vec<Key> {
    let data = plain(data);
    let mut rest = &data[..];
    let mut all: Vec<Key> = Vec::new();
    while let Some((kind, length, start)) = packet(rest) {
        let Some(body) = rest.get(start..start + length) else {
            break;
        };
        let whole = &rest[..start + length];
        match kind {
            // The main key begins a new one.
            6 => all.push(Key {
                prints: fingerprint(body).into_iter().collect(),
                bytes: whole.to_vec(),
            }),
            // Marks of gpg's own; they are of no use elsewhere.
            12 => {}
            kind => {
                if let Some(key) = all.last_mut() {
                    if kind == 14 {
                        key.prints.extend(fingerprint(body));
                    }
                    key.bytes.extend(whole);
                }
            }
        }
        rest = &rest[start + length..];
    }
    all.retain(|key| !key.prints.is_empty());
    all
}

/// A keyring with the keys added; of keys that are there already, the new ones count.
pub(super) fn merged(ring: &[u8], new: &[Key]) -> Vec<u8> {
    let kept = keys(ring)
        .into_iter()
        .filter(|old| new.iter().all(|key| key.print() != old.print()));
    kept.chain(new.iter().cloned())
        .flat_map(|key| key.bytes)
        .collect()
}

/// Armored text, for files that apt takes as such by their name.
pub(super) fn armored(data: &[u8]) -> String {
    let body = STANDARD.encode(data);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A main key of version 4 with a user's name behind it, in the old form.
    fn ring() -> Vec<u8> {
        let body = [&[4, 0, 0, 0, 1, 22][..], &[7; 20]].concat();
        let mut data = vec![0x98, body.len() as u8];
        data.extend(body);
        data.extend([0xb4, 3, b'a', b'b', b'c']);
        data
    }

    #[test]
    fn keys_of_a_ring() {
        let found = keys(&ring());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].print().len(), 40);
        assert_eq!(found[0].bytes, ring());
        let text = armored(&ring());
        assert_eq!(keys(text.as_bytes()), found);
        assert_eq!(keys(b"nothing"), []);
        assert_eq!(merged(&ring(), &found), ring());
        assert_eq!(keys(&[0x98, 200, 4]), []);
    }
}
