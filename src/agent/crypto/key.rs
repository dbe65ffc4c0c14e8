//! Keys: public ones are read here, private ones only by openssl.

use std::path::{Path, PathBuf};

use md5::Md5;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::der::{self, Der};
use super::{Held, PASS_IN, colons, complaint, openssl, wrapped};
use crate::host::{Failure, Look, Touch};

/// Identifier, the name that playbooks use, openssl's name.
const CURVES: [(&str, &str, &str); 19] = [
    ("1.3.132.0.33", "secp224r1", "secp224r1"),
    ("1.3.132.0.10", "secp256k1", "secp256k1"),
    ("1.2.840.10045.3.1.7", "secp256r1", "prime256v1"),
    ("1.3.132.0.34", "secp384r1", "secp384r1"),
    ("1.3.132.0.35", "secp521r1", "secp521r1"),
    ("1.2.840.10045.3.1.1", "secp192r1", "prime192v1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", "brainpoolP256r1"),
    (
        "1.3.36.3.3.2.8.1.1.11",
        "brainpoolP384r1",
        "brainpoolP384r1",
    ),
    (
        "1.3.36.3.3.2.8.1.1.13",
        "brainpoolP512r1",
        "brainpoolP512r1",
    ),
    ("1.3.132.0.1", "sect163k1", "sect163k1"),
    ("1.3.132.0.15", "sect163r2", "sect163r2"),
    ("1.3.132.0.26", "sect233k1", "sect233k1"),
    ("1.3.132.0.27", "sect233r1", "sect233r1"),
    ("1.3.132.0.16", "sect283k1", "sect283k1"),
    ("1.3.132.0.17", "sect283r1", "sect283r1"),
    ("1.3.132.0.36", "sect409k1", "sect409k1"),
    ("1.3.132.0.37", "sect409r1", "sect409r1"),
    ("1.3.132.0.38", "sect571k1", "sect571k1"),
    ("1.3.132.0.39", "sect571r1", "sect571r1"),
];

/// openssl's name of a curve.
pub(crate) fn openssl_curve(name: &str) -> &str {
    let known = CURVES.iter().find(|(_, known, _)| *known == name);
    known.map_or(name, |(.., other)| other)
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Public {
    /// With its algorithm (SubjectPublicKeyInfo).
    pub(crate) der: Vec<u8>,
    /// The name that playbooks use.
    pub(crate) kind: &'static str,
    pub(crate) curve: Option<String>,
    /// In bits.
    pub(crate) size: Option<usize>,
    /// Modulus and exponent.
    pub(crate) rsa: Option<(Vec<u8>, Vec<u8>)>,
    /// The bare key.
    pub(crate) bits: Vec<u8>,
}

fn bit_length(number: &[u8]) -> usize {
    let start = number.iter().position(|byte| *byte != 0);
    start.map_or(0, |start| {
        (number.len() - start) * 8 - number[start].leading_zeros() as usize
    })
}

fn positive(number: Der) -> Option<Vec<u8>> {
    let body = number.is(der::INTEGER)?.body;
    Some(body.strip_prefix(&[0]).unwrap_or(body).to_vec())
}

impl Public {
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let whole = der::parse(data)?.is(der::SEQUENCE)?;
        let parts = whole.children();
        let [algorithm, bits, ..] = parts.as_slice() else {
            return None;
        };
        let algorithm = algorithm.children();
        let bits = bits.bits()?.to_vec();
        let mut found = Self {
            der: whole.whole.to_vec(),
            kind: "",
            curve: None,
            size: None,
            rsa: None,
            bits,
        };
        let parameters = algorithm.get(1).copied();
        found.kind = match algorithm.first()?.oid()?.as_str() {
            "1.2.840.113549.1.1.1" => {
                let numbers = der::parse(&found.bits)?.children();
                let pair = (positive(*numbers.first()?)?, positive(*numbers.get(1)?)?);
                found.size = Some(bit_length(&pair.0));
                found.rsa = Some(pair);
                "RSA"
            }
            "1.2.840.10040.4.1" => {
                let numbers = parameters?.children();
                found.size = Some(bit_length(&positive(*numbers.first()?)?));
                "DSA"
            }
            "1.2.840.10045.2.1" => {
                let oid = parameters?.oid().unwrap_or_default();
                let known = CURVES.iter().find(|(known, ..)| *known == oid);
                found.curve = Some(known.map_or(oid.clone(), |(_, name, _)| (*name).to_owned()));
                "ECC"
            }
            "1.3.101.110" => "X25519",
            "1.3.101.111" => "X448",
            "1.3.101.112" => "Ed25519",
            "1.3.101.113" => "Ed448",
            _ => "unknown",
        };
        Some(found)
    }

    pub(crate) fn pem(&self) -> String {
        wrapped("PUBLIC KEY", &self.der)
    }

    /// The usual identifier of the key: SHA-1 of its bits.
    pub(crate) fn id(&self) -> Vec<u8> {
        Sha1::digest(&self.bits).to_vec()
    }

    /// What playbooks get of the numbers inside.
    pub(crate) fn data(&self) -> Value {
        let mut all = Map::new();
        if let Some((modulus, exponent)) = &self.rsa {
            all.insert("size".to_owned(), json!(self.size));
            all.insert("modulus".to_owned(), number(modulus));
            all.insert("exponent".to_owned(), number(exponent));
        } else if self.kind == "ECC" {
            all.insert("curve".to_owned(), json!(self.curve));
            // Four, then both numbers.
            if let Some((4, both)) = self.bits.split_first().map(|(first, rest)| (*first, rest)) {
                let (x, y) = both.split_at(both.len() / 2);
                all.insert("x".to_owned(), number(x));
                all.insert("y".to_owned(), number(y));
                let size = match self.curve.as_deref() {
                    Some("secp521r1") => 521,
                    _ => x.len() * 8,
                };
                all.insert("exponent_size".to_owned(), json!(size));
            }
        } else if let Some(size) = self.size {
            all.insert("size".to_owned(), json!(size));
        }
        Value::Object(all)
    }

    /// As OpenSSH writes it, without a comment. `None` where it has no form for it.
    pub(crate) fn openssh(&self) -> Option<String> {
        fn part(data: &[u8]) -> Vec<u8> {
            let length = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
            [&length, data].concat()
        }
        fn mpint(number: &[u8]) -> Vec<u8> {
            let sign: &[u8] = if number.first().is_some_and(|first| first & 0x80 != 0) {
                &[0]
            } else {
                &[]
            };
            part(&[sign, number].concat())
        }
        let (word, rest) = match (self.kind, self.curve.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = self.rsa.as_ref()?;
                ("ssh-rsa", [mpint(exponent), mpint(modulus)].concat())
            }
            ("Ed25519", _) => ("ssh-ed25519", part(&self.bits)),
            ("ECC", Some(curve)) => {
                let (word, short) = match curve {
                    "secp256r1" => ("ecdsa-sha2-nistp256", "nistp256"),
                    "secp384r1" => ("ecdsa-sha2-nistp384", "nistp384"),
                    "secp521r1" => ("ecdsa-sha2-nistp521", "nistp521"),
                    _ => return None,
                };
                (word, [part(short.as_bytes()), part(&self.bits)].concat())
            }
            _ => return None,
        };
        let blob = [part(word.as_bytes()), rest].concat();
        Some(format!("{word} {}", super::base64(&blob)))
    }
}

/// A number of any size: as text where it does not fit a JSON number here.
pub(crate) fn number(bytes: &[u8]) -> Value {
    let digits = der::decimal(bytes);
    match digits.parse::<u64>() {
        Ok(small) => json!(small),
        Err(_) => json!(digits),
    }
}

/// Digests of some bytes, by their names.
pub(crate) fn fingerprints(data: &[u8]) -> Value {
    json!({
        "md5": colons(&Md5::digest(data)),
        "sha1": colons(&Sha1::digest(data)),
        "sha224": colons(&Sha224::digest(data)),
        "sha256": colons(&Sha256::digest(data)),
        "sha384": colons(&Sha384::digest(data)),
        "sha512": colons(&Sha512::digest(data)),
    })
}

/// Where a private key is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Text(Vec<u8>),
}

/// A private key that only openssl reads.
#[derive(Debug, Clone)]
pub(crate) struct Private {
    pub(crate) place: Place,
    pub(crate) passphrase: Option<String>,
}

/// Why a private key could not be read.
pub(crate) enum Unread {
    Missing(PathBuf),
    /// With what openssl said.
    Refused(String),
}

impl Unread {
    pub(crate) fn failure(self, what: &str) -> Failure {
        match self {
            Self::Missing(path) => Failure::new(format!(
                "the {what} {} does not exist; make it first, with openssl_privatekey",
                path.display()
            )),
            Self::Refused(reason) => Failure::new(format!(
                "cannot read the {what}, or its passphrase is another one: {reason}"
            )),
        }
    }
}

impl Private {
    /// From an argument for a file and one for the content. Fails unless there is one of both.
    pub(crate) fn given(
        names: [&str; 2],
        path: Option<&Path>,
        content: Option<&str>,
        passphrase: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        let place = match (path, content) {
            (Some(_), Some(_)) => {
                return Err(Failure::new(format!(
                    "parameters are mutually exclusive: {}|{}",
                    names[0], names[1]
                )));
            }
            (Some(path), None) => Place::File(path.to_owned()),
            (None, Some(content)) => Place::Text(content.as_bytes().to_vec()),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self {
            place,
            passphrase: passphrase.map(str::to_owned),
        }))
    }

    /// A name for openssl, valid as long as the second lives.
    pub(crate) fn file(&self) -> Result<(String, Option<Held>), Failure> {
        match &self.place {
            Place::File(path) => Ok((path.to_string_lossy().into_owned(), None)),
            Place::Text(text) => {
                let held = Held::new(text)?;
                Ok((held.path(), Some(held)))
            }
        }
    }

    /// The path, as results show it.
    pub(crate) fn shown(&self) -> Option<String> {
        match &self.place {
            Place::File(path) => Some(path.to_string_lossy().into_owned()),
            Place::Text(_) => None,
        }
    }

    /// The public half.
    pub(crate) fn public(&self, look: &Look) -> Result<Result<Public, Unread>, Failure> {
        if let Place::File(path) = &self.place
            && look.stat(path)?.is_none()
        {
            return Ok(Err(Unread::Missing(path.clone())));
        }
        let (path, _held) = self.file()?;
        let mut words = vec!["pkey", "-in", &path, "-pubout", "-outform", "DER"];
        words.extend(PASS_IN);
        let output = look.ask(&openssl(&words, self.passphrase.as_deref()))?;
        if !output.ok() {
            return Ok(Err(Unread::Refused(complaint(&output))));
        }
        Ok(Public::parse(&output.stdout)
            .ok_or_else(|| Unread::Refused("openssl gave no public key".to_owned())))
    }

    /// Signs data, with a hash where the kind of key wants one.
    pub(crate) fn sign(
        &self,
        touch: &mut Touch,
        kind: &str,
        digest: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let (path, _held) = self.file()?;
        let data = Held::new(data)?;
        let data_path = data.path();
        let hash = format!("-{digest}");
        let mut words = if is_pure(kind) {
            vec![
                "pkeyutl", "-sign", "-rawin", "-inkey", &path, "-in", &data_path,
            ]
        } else {
            vec!["dgst", &hash, "-sign", &path]
        };
        words.extend(PASS_IN);
        if !is_pure(kind) {
            words.push(&data_path);
        }
        let output = touch.run(&openssl(&words, self.passphrase.as_deref()))?;
        if !output.ok() {
            return Err(output.failure(format!(
                "cannot sign with the private key: {}",
                complaint(&output)
            )));
        }
        Ok(output.stdout)
    }
}

/// Kinds of keys that hash for themselves.
fn is_pure(kind: &str) -> bool {
    matches!(kind, "Ed25519" | "Ed448")
}

/// Kind of key, hash, identifier.
const SIGNATURES: [(&str, &str, &str); 18] = [
    ("RSA", "md5", "1.2.840.113549.1.1.4"),
    ("RSA", "sha1", "1.2.840.113549.1.1.5"),
    ("RSA", "sha224", "1.2.840.113549.1.1.14"),
    ("RSA", "sha256", "1.2.840.113549.1.1.11"),
    ("RSA", "sha384", "1.2.840.113549.1.1.12"),
    ("RSA", "sha512", "1.2.840.113549.1.1.13"),
    ("ECC", "sha1", "1.2.840.10045.4.1"),
    ("ECC", "sha224", "1.2.840.10045.4.3.1"),
    ("ECC", "sha256", "1.2.840.10045.4.3.2"),
    ("ECC", "sha384", "1.2.840.10045.4.3.3"),
    ("ECC", "sha512", "1.2.840.10045.4.3.4"),
    ("DSA", "sha1", "1.2.840.10040.4.3"),
    ("DSA", "sha224", "2.16.840.1.101.3.4.3.1"),
    ("DSA", "sha256", "2.16.840.1.101.3.4.3.2"),
    ("DSA", "sha384", "2.16.840.1.101.3.4.3.3"),
    ("DSA", "sha512", "2.16.840.1.101.3.4.3.4"),
    ("Ed25519", "", "1.3.101.112"),
    ("Ed448", "", "1.3.101.113"),
];

/// The algorithm of a signature as DER.
pub(crate) fn algorithm(kind: &str, digest: &str) -> Result<Vec<u8>, Failure> {
    let wanted = digest.to_ascii_lowercase().replace('-', "");
    let found = SIGNATURES
        .iter()
        .find(|(known, hash, _)| *known == kind && (hash.is_empty() || *hash == wanted));
    let Some((_, _, oid)) = found else {
        return Err(Failure::new(if matches!(kind, "X25519" | "X448") {
            format!("a key of type {kind} cannot sign; use one of another type")
        } else {
            format!(
                "'{digest}' is no digest for keys of type {kind}; known are sha256, sha384, sha512, sha224 and sha1"
            )
        }));
    };
    let mut parts = vec![der::oid(oid).unwrap_or_default()];
    if kind == "RSA" {
        parts.push(der::value(der::NULL, &[]));
    }
    Ok(der::sequence(&parts))
}

/// Name of a signature's algorithm.
pub(crate) fn algorithm_name(oid: &str) -> String {
    match SIGNATURES.iter().find(|(.., known)| *known == oid) {
        Some(("RSA", hash, _)) => format!("{hash}WithRSAEncryption"),
        Some(("ECC", hash, _)) => format!("ecdsa-with-{}", hash.to_uppercase()),
        Some(("DSA", hash, _)) => format!("dsa-with-{hash}"),
        Some((kind, ..)) => (*kind).to_owned(),
        None => oid.to_owned(),
    }
}

/// Whether a signature is by this key. An unknown algorithm is a no.
pub(crate) fn verifies(
    look: &Look,
    by: &Public,
    algorithm: &str,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, Failure> {
    let Some((kind, hash, _)) = SIGNATURES.iter().find(|(.., known)| *known == algorithm) else {
        return Ok(false);
    };
    if by.kind != *kind {
        return Ok(false);
    }
    let (key, data, signature) = (
        Held::new(by.pem().as_bytes())?,
        Held::new(data)?,
        Held::new(signature)?,
    );
    let (key, data, signature) = (key.path_of(), data.path_of(), signature.path_of());
    let hash = format!("-{hash}");
    let words = if is_pure(kind) {
        vec![
            "pkeyutl",
            "-verify",
            "-rawin",
            "-pubin",
            "-inkey",
            &key.0,
            "-in",
            &data.0,
            "-sigfile",
            &signature.0,
        ]
    } else {
        vec![
            "dgst",
            &hash,
            "-verify",
            &key.0,
            "-signature",
            &signature.0,
            &data.0,
        ]
    };
    Ok(look.ask(&openssl(&words, None))?.ok())
}

impl Held {
    /// The path together with what keeps it alive.
    fn path_of(self) -> (String, Self) {
        (self.path(), self)
    }
}
