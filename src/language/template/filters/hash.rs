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
            .ok_or_else(|| args.fail(format!("unsupported hash type {kind}")))
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
        "sha3_224" => hex::<sha3::Sha3_224>(bytes),
        "sha3_256" => hex::<sha3::Sha3_256>(bytes),
        "sha3_384" => hex::<sha3::Sha3_384>(bytes),
        "sha3_512" => hex::<sha3::Sha3_512>(bytes),
        "blake2b" => hex::<blake2::Blake2b512>(bytes),
        "blake2s" => hex::<blake2::Blake2s256>(bytes),
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
        .ok_or_else(|| {
            args.fail(format!(
                "Invalid value '{namespace}' for 'namespace': it is no UUID"
            ))
        })?;
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
    let size = match args.some(3) {
        Some(size) => Some(
            python::whole(size)
                .and_then(|size| usize::try_from(size).ok())
                .ok_or_else(|| args.fail("salt_size must be an integer"))?,
        ),
        None => None,
    };
    let rounds = match args.some(4) {
        Some(_) => Some(u32::try_from(args.int(4, 0)?).map_err(|_| args.fail("too many rounds"))?),
        None => None,
    };
    let ident = args.some(5).map(python::text).transpose()?;
    crypt(
        &password,
        &kind,
        &Salting {
            salt: salt.as_deref(),
            size,
            rounds,
            ident: ident.as_deref(),
        },
    )
    .map(Jinja::from)
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SALT: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";

/// How a password is made hard to guess.
#[derive(Default)]
pub(in crate::template) struct Salting<'a> {
    pub(in crate::template) salt: Option<&'a str>,
    pub(in crate::template) size: Option<usize>,
    pub(in crate::template) rounds: Option<u32>,
    pub(in crate::template) ident: Option<&'a str>,
}

impl Salting<'_> {
    /// The salt, made where none is given.
    fn salt(&self, longest: usize) -> Result<String, Error> {
        let salt = match self.salt {
            Some(salt) => salt.to_owned(),
            None => random_text(self.size.unwrap_or(longest), SALT)?,
        };
        if salt.is_empty() || !salt.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(python::fail(
                "Could not hash the secret: invalid characters in salt",
            ));
        }
        if salt.len() > longest {
            return Err(python::fail(format!(
                "Could not hash the secret: salt too large, {longest} characters at most"
            )));
        }
        Ok(salt)
    }

    fn rounds(&self, usual: u32, least: u32, most: u32) -> Result<u32, Error> {
        let rounds = self.rounds.unwrap_or(usual);
        if !(least..=most).contains(&rounds) {
            return Err(python::fail(format!(
                "Could not hash the secret: rounds must be from {least} to {most}"
            )));
        }
        Ok(rounds)
    }
}

/// The name of a way to hash passwords, without the word that says so.
fn scheme(kind: &str) -> &str {
    match kind {
        "blowfish" => "bcrypt",
        other => other.strip_suffix("_crypt").unwrap_or(other),
    }
}

/// A salt that fits a way to hash passwords.
pub(in crate::template) fn new_salt(kind: &str) -> Result<String, Error> {
    let length = match scheme(kind) {
        "bcrypt" => 22,
        "md5" => 8,
        _ => 16,
    };
    random_text(length, SALT)
}

/// A password as `crypt(3)` keeps it, with the rounds that are usual today.
pub(in crate::template) fn crypt(
    password: &str,
    kind: &str,
    salting: &Salting<'_>,
) -> Result<String, Error> {
    let rounds_shown = |rounds: u32| {
        if rounds == 5000 {
            String::new()
        } else {
            format!("rounds={rounds}$")
        }
    };
    let params = |rounds: u32| {
        sha_crypt::Params::new(rounds)
            .map_err(|error| python::fail(format!("Could not hash the secret: {error}")))
    };
    match scheme(kind) {
        "sha512" => {
            let salt = salting.salt(16)?;
            let rounds = salting.rounds(656_000, 1000, 999_999_999)?;
            let digest =
                sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), params(rounds)?);
            let text = encode(&digest, &ORDER_512, &[63]);
            Ok(format!("$6${}{salt}${text}", rounds_shown(rounds)))
        }
        "sha256" => {
            let salt = salting.salt(16)?;
            let rounds = salting.rounds(535_000, 1000, 999_999_999)?;
            let digest =
                sha_crypt::sha256_crypt(password.as_bytes(), salt.as_bytes(), params(rounds)?);
            let text = encode(&digest, &ORDER_256, &[31, 30]);
            Ok(format!("$5${}{salt}${text}", rounds_shown(rounds)))
        }
        "md5" => Ok(md5_crypt(password, &salting.salt(8)?)),
        "bcrypt" => bcrypt_of(password, salting),
        other => Err(python::fail(format!(
            "{other} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512"
        ))),
    }
}

fn bcrypt_of(password: &str, salting: &Salting<'_>) -> Result<String, Error> {
    let salt = salting.salt(22)?;
    if salt.len() < 22 {
        return Err(python::fail(
            "Could not hash the secret: salt too small, exactly 22 characters are needed",
        ));
    }
    let cost = salting.rounds(12, 4, 31)?;
    // The alphabet of bcrypt has the dot and slash in front, and only 128
    // bits count.
    let mut bytes = [0u8; 16];
    let mut bits = 0u32;
    let mut count = 0;
    let mut at = 0;
    const OWN: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for c in salt.bytes() {
        let value = OWN.iter().position(|known| *known == c).unwrap_or(0) as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            if let Some(slot) = bytes.get_mut(at) {
                *slot = (bits >> count) as u8;
            }
            at += 1;
        }
    }
    let version = match salting.ident.unwrap_or("2b") {
        "2" | "2a" => bcrypt::Version::TwoA,
        "2y" => bcrypt::Version::TwoY,
        "2b" => bcrypt::Version::TwoB,
        other => {
            return Err(python::fail(format!(
                "Could not hash the secret: '{other}' is no ident of bcrypt"
            )));
        }
    };
    bcrypt::hash_with_salt(password, cost, bytes)
        .map(|parts| parts.format_for_version(version))
        .map_err(|error| python::fail(format!("Could not hash the secret: {error}")))
}

/// The oldest of them, for devices that know no other.
fn md5_crypt(password: &str, salt: &str) -> String {
    let (password, salt_bytes) = (password.as_bytes(), salt.as_bytes());
    let inner = Md5::new()
        .chain_update(password)
        .chain_update(salt_bytes)
        .chain_update(password)
        .finalize();
    let mut hash = Md5::new()
        .chain_update(password)
        .chain_update(b"$1$")
        .chain_update(salt_bytes);
    for chunk in password.chunks(16) {
        hash.update(&inner[..chunk.len()]);
    }
    let mut left = password.len();
    while left > 0 {
        hash.update(if left & 1 == 1 {
            &[0][..]
        } else {
            &password[..1]
        });
        left >>= 1;
    }
    let mut digest = hash.finalize();
    for round in 0..1000 {
        let mut hash = Md5::new();
        if round & 1 == 1 {
            hash.update(password);
        } else {
            hash.update(digest);
        }
        if round % 3 != 0 {
            hash.update(salt_bytes);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        if round & 1 == 1 {
            hash.update(digest);
        } else {
            hash.update(password);
        }
        digest = hash.finalize();
    }
    const ORDER: [[u8; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    format!("$1${salt}${}", encode(&digest, &ORDER, &[11]))
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
