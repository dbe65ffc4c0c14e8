//! Hashes.

use crate::template::run::Vm;
use md5::Md5;
use minijinja::Error;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::Row;
use crate::template::args::Args;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    ("hash", "value hashtype", |_, args| {
        let kind = args.text_or(1, "sha1")?;
        digest(&kind, args.text(0)?.as_bytes())
            .map(Jinja::from)
            .ok_or_else(|| args.fail(format!("unknown hash type '{kind}'")))
    }),
    ("md5", "value", |_, args| {
        Ok(Jinja::from(hex::<Md5>(args.text(0)?.as_bytes())))
    }),
    ("sha1", "value", |_, args| {
        Ok(Jinja::from(hex::<Sha1>(args.text(0)?.as_bytes())))
    }),
    ("checksum", "value", |_, args| {
        Ok(Jinja::from(hex::<Sha1>(args.text(0)?.as_bytes())))
    }),
    ("to_uuid", "value namespace", to_uuid),
    (
        "password_hash",
        "value hashtype salt salt_size rounds ident",
        password_hash,
    ),
];

fn hex<D: Digest>(bytes: &[u8]) -> String {
    D::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn digest(kind: &str, bytes: &[u8]) -> Option<String> {
    Some(match kind {
        "md5" => hex::<Md5>(bytes),
        "sha1" => hex::<Sha1>(bytes),
        "sha224" => hex::<Sha224>(bytes),
        "sha256" => hex::<Sha256>(bytes),
        "sha384" => hex::<Sha384>(bytes),
        "sha512" => hex::<Sha512>(bytes),
        _ => return None,
    })
}

/// The namespace that names in playbooks belong to.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

/// A version 5 UUID.
fn to_uuid(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let namespace = args.text_or(1, NAMESPACE)?;
    let digits: String = namespace.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)
        .ok_or_else(|| args.fail(format!("'{namespace}' is no UUID")))?;
    let hash = Sha1::new()
        .chain_update(number.to_be_bytes())
        .chain_update(args.text(0)?)
        .finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Jinja::from(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )))
}

fn password_hash(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let password = args.text(0)?;
    let kind = args.text_or(1, "sha512")?;
    let salt = args.some(2).map(python::text).transpose()?;
    let rounds = match args.some(4) {
        Some(_) => Some(
            u32::try_from(args.int(4, 5000)?)
                .ok()
                .filter(|rounds| (1000..=999_999_999).contains(rounds))
                .ok_or_else(|| args.fail("rounds must be from 1000 to 999999999"))?,
        ),
        None => None,
    };
    crypt(&password, &kind, salt.as_deref(), rounds).map(Jinja::from)
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A password as `crypt(3)` keeps it.
pub(in crate::template) fn crypt(
    password: &str,
    kind: &str,
    salt: Option<&str>,
    rounds: Option<u32>,
) -> Result<String, Error> {
    let salt = match salt {
        Some(salt) => salt.to_owned(),
        None => random_text(
            16,
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./",
        )?,
    };
    if salt.len() > 16 || !salt.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return Err(python::fail(
            "password_hash: the salt must be at most 16 characters of a-z, A-Z, 0-9, . and /",
        ));
    }
    let params = sha_crypt::Params::new(rounds.unwrap_or(5000))
        .map_err(|error| python::fail(format!("password_hash: rounds: {error}")))?;
    let shown = rounds
        .filter(|rounds| *rounds != 5000)
        .map_or_else(String::new, |rounds| format!("rounds={rounds}$"));
    match kind {
        "sha512" | "sha512_crypt" => {
            let digest = sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), params);
            let text = encode(&digest, &ORDER_512, &[63]);
            Ok(format!("$6${shown}{salt}${text}"))
        }
        "sha256" | "sha256_crypt" => {
            let digest = sha_crypt::sha256_crypt(password.as_bytes(), salt.as_bytes(), params);
            let text = encode(&digest, &ORDER_256, &[31, 30]);
            Ok(format!("$5${shown}{salt}${text}"))
        }
        other => Err(python::fail(format!(
            "password_hash: '{other}' is not available here, use sha512 or sha256"
        ))),
    }
}

/// Characters chosen by the operating system's generator.
pub(in crate::template) fn random_text(length: usize, alphabet: &str) -> Result<String, Error> {
    use std::io::Read;
    let alphabet: Vec<char> = alphabet.chars().collect();
    if alphabet.is_empty() {
        return Err(python::fail("no characters to choose from"));
    }
    let mut source = std::fs::File::open("/dev/urandom")
        .map_err(|error| python::fail(format!("/dev/urandom: {error}")))?;
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 8];
    for _ in 0..length {
        source
            .read_exact(&mut bytes)
            .map_err(|error| python::fail(format!("/dev/urandom: {error}")))?;
        // The bias of 64 bits over so few characters is far below notice.
        let at = u64::from_be_bytes(bytes) % alphabet.len() as u64;
        text.push(alphabet[at as usize]);
    }
    Ok(text)
}

const ORDER_512: [[u8; 3]; 21] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
];

const ORDER_256: [[u8; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];

/// Writes a digest in the order and alphabet of `crypt(3)`.
fn encode(digest: &[u8], order: &[[u8; 3]], last: &[u8]) -> String {
    let mut encoded = String::new();
    let mut put = |bytes: &[u8], count: usize| {
        let mut bits = bytes.iter().fold(0u32, |bits, at| {
            bits << 8 | digest.get(usize::from(*at)).copied().map_or(0, u32::from)
        });
        for _ in 0..count {
            encoded.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    };
    for bytes in order {
        put(bytes, 4);
    }
    put(last, last.len() + 1);
    encoded
}
