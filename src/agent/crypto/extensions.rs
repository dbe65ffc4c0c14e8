//! What certificates and requests say besides names and keys.

use super::der::{self, Der};
use super::names;
use crate::host::Failure;

pub(crate) const KEY_ID: &str = "2.5.29.14";
pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const ALT_NAME: &str = "2.5.29.17";
pub(crate) const BASIC: &str = "2.5.29.19";
pub(crate) const CONSTRAINTS: &str = "2.5.29.30";
pub(crate) const CRL_POINTS: &str = "2.5.29.31";
pub(crate) const AUTHORITY_ID: &str = "2.5.29.35";
pub(crate) const EXTENDED_USAGE: &str = "2.5.29.37";
pub(crate) const AUTHORITY_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
pub(crate) const FEATURES: &str = "1.3.6.1.5.5.7.1.24";

/// The value of [`FEATURES`] that demands a stapled answer.
pub(crate) const MUST_STAPLE: [u8; 5] = [0x30, 3, 2, 1, 5];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

impl Extension {
    pub(crate) fn new(oid: &str, critical: bool, value: Vec<u8>) -> Self {
        Self {
            oid: oid.to_owned(),
            critical,
            value,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut parts = vec![der::oid(&self.oid).unwrap_or_default()];
        if self.critical {
            parts.push(der::value(der::BOOLEAN, &[0xff]));
        }
        parts.push(der::value(der::OCTETS, &self.value));
        der::sequence(&parts)
    }

    fn decode(one: Der) -> Option<Self> {
        let mut rest = one.body;
        let oid = der::take(&mut rest)?.oid()?;
        let critical = der::take_tag(&mut rest, der::BOOLEAN);
        let value = der::take_tag(&mut rest, der::OCTETS)?.body.to_vec();
        Some(Self {
            oid,
            critical: critical.is_some_and(|flag| flag.body != [0]),
            value,
        })
    }

    /// Equal when the order of what is a set makes no difference.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let sorted = |one: &Self| {
            let mut items = der::parse(&one.value)
                .map(Der::children)
                .unwrap_or_default();
            items.sort_by_key(|item| item.whole);
            items.dedup();
            items
                .iter()
                .map(|item| item.whole.to_vec())
                .collect::<Vec<_>>()
        };
        let networks = |one: &Self| {
            let parts = der::parse(&one.value)
                .map(Der::children)
                .unwrap_or_default();
            let mut all: Vec<(u8, Vec<u8>)> = parts
                .iter()
                .flat_map(|part| {
                    let children = part.children();
                    children
                        .iter()
                        .map(|child| (part.tag, child.whole.to_vec()))
                        .collect::<Vec<_>>()
                })
                .collect();
            all.sort();
            all
        };
        self.oid == other.oid
            && self.critical == other.critical
            && match self.oid.as_str() {
                ALT_NAME | EXTENDED_USAGE => sorted(self) == sorted(other),
                CONSTRAINTS => networks(self) == networks(other),
                _ => self.value == other.value,
            }
    }
}

/// All extensions of a sequence of them.
pub(crate) fn decode_all(list: Der) -> Vec<Extension> {
    let all = list.children();
    all.into_iter().filter_map(Extension::decode).collect()
}

pub(crate) fn find<'a>(all: &'a [Extension], oid: &str) -> Option<&'a Extension> {
    all.iter().find(|one| one.oid == oid)
}

/// Short name, long name; in the order of the bits.
const USAGES: [(&str, &str); 9] = [
    ("digitalSignature", "Digital Signature"),
    ("nonRepudiation", "Non Repudiation"),
    ("keyEncipherment", "Key Encipherment"),
    ("dataEncipherment", "Data Encipherment"),
    ("keyAgreement", "Key Agreement"),
    ("keyCertSign", "Certificate Sign"),
    ("cRLSign", "CRL Sign"),
    ("encipherOnly", "Encipher Only"),
    ("decipherOnly", "Decipher Only"),
];

pub(crate) fn key_usage(words: &[String]) -> Result<Vec<u8>, Failure> {
    let mut set = [false; 9];
    for word in words {
        let wanted = match word.trim() {
            "contentCommitment" | "Content Commitment" => "nonRepudiation",
            other => other,
        };
        let at = USAGES
            .iter()
            .position(|(short, long)| {
                short.eq_ignore_ascii_case(wanted) || long.eq_ignore_ascii_case(wanted)
            })
            .ok_or_else(|| {
                let known: Vec<&str> = USAGES.iter().map(|(short, _)| *short).collect();
                Failure::new(format!(
                    "'{word}' is no use of a key; known are {}",
                    known.join(", ")
                ))
            })?;
        set[at] = true;
    }
    Ok(der::value(der::BITS, &der::flags(&set)))
}

pub(crate) fn show_key_usage(value: &[u8]) -> Vec<String> {
    let body = der::parse(value)
        .and_then(|bits| bits.is(der::BITS))
        .map(|bits| bits.body);
    let body = body.unwrap_or_default();
    let set = USAGES
        .iter()
        .enumerate()
        .filter(|(at, _)| der::is_set(body, *at));
    let mut words: Vec<String> = set.map(|(_, (_, long))| (*long).to_owned()).collect();
    words.sort();
    words
}

const EXTENDED: [(&str, &str, &str); 15] = [
    (
        "2.5.29.37.0",
        "anyExtendedKeyUsage",
        "Any Extended Key Usage",
    ),
    (
        "1.3.6.1.5.5.7.3.1",
        "serverAuth",
        "TLS Web Server Authentication",
    ),
    (
        "1.3.6.1.5.5.7.3.2",
        "clientAuth",
        "TLS Web Client Authentication",
    ),
    ("1.3.6.1.5.5.7.3.3", "codeSigning", "Code Signing"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection", "E-mail Protection"),
    ("1.3.6.1.5.5.7.3.5", "ipsecEndSystem", "IPSec End System"),
    ("1.3.6.1.5.5.7.3.6", "ipsecTunnel", "IPSec Tunnel"),
    ("1.3.6.1.5.5.7.3.7", "ipsecUser", "IPSec User"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping", "Time Stamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning", "OCSP Signing"),
    ("1.3.6.1.5.5.7.3.10", "DVCS", "dvcs"),
    (
        "1.3.6.1.5.5.7.3.17",
        "ipsecIKE",
        "ipsec Internet Key Exchange",
    ),
    ("1.3.6.1.5.5.7.1.2", "biometricInfo", "Biometric Info"),
    (
        "1.3.6.1.4.1.311.10.3.3",
        "msSGC",
        "Microsoft Server Gated Crypto",
    ),
    (
        "1.3.6.1.4.1.311.20.2.2",
        "msSmartcardLogin",
        "Microsoft Smartcard Login",
    ),
];

pub(crate) fn extended_usage(words: &[String]) -> Result<Vec<u8>, Failure> {
    let mut oids = Vec::new();
    for word in words {
        let word = word.trim();
        let known = EXTENDED.iter().find(|(_, short, long)| {
            short.eq_ignore_ascii_case(word) || long.eq_ignore_ascii_case(word)
        });
        let oid = der::oid(known.map_or(word, |(oid, ..)| oid)).ok_or_else(|| {
            Failure::new(format!(
                "'{word}' is no extended use of a key; give a name such as serverAuth, or an object identifier"
            ))
        })?;
        if !oids.contains(&oid) {
            oids.push(oid);
        }
    }
    Ok(der::sequence(&oids))
}

pub(crate) fn show_extended_usage(value: &[u8]) -> Vec<String> {
    let items = der::parse(value).map(Der::children).unwrap_or_default();
    let mut words: Vec<String> = items
        .iter()
        .filter_map(|item| item.oid())
        .map(|oid| {
            let known = EXTENDED.iter().find(|(known, ..)| *known == oid);
            known.map_or(oid, |(.., long)| (*long).to_owned())
        })
        .collect();
    words.sort();
    words
}

pub(crate) fn basic(words: &[String]) -> Result<Vec<u8>, Failure> {
    let (mut authority, mut most) = (false, None);
    for word in words {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let wrong = || {
            Failure::new(format!(
                "'{word}' is no basic constraint; write CA:TRUE, CA:FALSE or pathlen:NUMBER"
            ))
        };
        match name.trim() {
            "CA" => match value.trim() {
                "TRUE" | "true" | "True" => authority = true,
                "FALSE" | "false" | "False" => {}
                _ => return Err(wrong()),
            },
            "pathlen" | "pathLenConstraint" => {
                most = Some(value.trim().parse::<u32>().map_err(|_| wrong())?);
            }
            _ => return Err(wrong()),
        }
    }
    let mut parts = Vec::new();
    if authority {
        parts.push(der::value(der::BOOLEAN, &[0xff]));
    }
    if let Some(most) = most {
        if !authority {
            return Err("pathlen is for authorities only: it needs CA:TRUE beside it".into());
        }
        parts.push(der::unsigned(&most.to_be_bytes()));
    }
    Ok(der::sequence(&parts))
}

pub(crate) fn show_basic(value: &[u8]) -> Vec<String> {
    let mut rest = der::parse(value).map(|all| all.body).unwrap_or_default();
    let authority = der::take_tag(&mut rest, der::BOOLEAN).is_some_and(|flag| flag.body != [0]);
    let mut words = vec![format!("CA:{}", if authority { "TRUE" } else { "FALSE" })];
    if let Some(most) = der::take_tag(&mut rest, der::INTEGER) {
        words.push(format!("pathlen:{}", der::decimal(most.body)));
    }
    words
}

fn generals(texts: &[String], masked: bool) -> Result<Vec<Vec<u8>>, Failure> {
    texts
        .iter()
        .map(|text| names::general(text, masked))
        .collect()
}

pub(crate) fn alt_names(texts: &[String]) -> Result<Vec<u8>, Failure> {
    Ok(der::sequence(&generals(texts, false)?))
}

pub(crate) fn show_names(list: Der) -> Vec<String> {
    list.children()
        .into_iter()
        .map(names::show_general)
        .collect()
}

pub(crate) fn constraints(permitted: &[String], excluded: &[String]) -> Result<Vec<u8>, Failure> {
    let mut parts = Vec::new();
    for (tag, texts) in [(0xa0, permitted), (0xa1, excluded)] {
        if !texts.is_empty() {
            let trees = generals(texts, true)?;
            let trees: Vec<_> = trees
                .iter()
                .map(|name| der::value(der::SEQUENCE, name))
                .collect();
            parts.push(der::joined(tag, &trees));
        }
    }
    Ok(der::sequence(&parts))
}

/// What is permitted, what is excluded.
pub(crate) fn show_constraints(value: &[u8]) -> (Vec<String>, Vec<String>) {
    let parts = der::parse(value).map(Der::children).unwrap_or_default();
    let list = |tag: u8| {
        let trees = parts.iter().filter(|part| part.tag == tag);
        trees
            .flat_map(|part| part.children())
            .filter_map(|tree| der::parse(tree.body).map(names::show_general))
            .collect()
    };
    (list(0xa0), list(0xa1))
}

pub(crate) fn key_id(id: &[u8]) -> Vec<u8> {
    der::value(der::OCTETS, id)
}

pub(crate) fn authority_id(
    id: Option<&[u8]>,
    issuer: &[String],
    serial: Option<i64>,
) -> Result<Vec<u8>, Failure> {
    let mut parts = Vec::new();
    if let Some(id) = id {
        parts.push(der::value(0x80, id));
    }
    if !issuer.is_empty() {
        parts.push(der::joined(0xa1, &generals(issuer, false)?));
    }
    if let Some(serial) = serial {
        let mut number = der::unsigned(&serial.to_be_bytes());
        number[0] = 0x82;
        parts.push(number);
    }
    Ok(der::sequence(&parts))
}

/// Identifier, issuer, serial number of an authority's key.
type AuthorityId = (Option<Vec<u8>>, Option<Vec<String>>, Option<Vec<u8>>);

pub(crate) fn show_authority_id(value: &[u8]) -> AuthorityId {
    let parts = der::parse(value).map(Der::children).unwrap_or_default();
    let part = |tag: u8| parts.iter().find(|part| part.tag == tag).copied();
    (
        part(0x80).map(|id| id.body.to_vec()),
        part(0xa1).map(show_names),
        part(0x82).map(|serial| serial.body.to_vec()),
    )
}

const REASONS: [&str; 9] = [
    "",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "certificate_hold",
    "privilege_withdrawn",
    "aa_compromise",
];

/// Where a list of what was revoked is.
pub(crate) struct Point<'a> {
    pub(crate) full_name: &'a [String],
    /// One relative name, as fields.
    pub(crate) relative: &'a [names::Field],
    pub(crate) issuer: &'a [String],
    pub(crate) reasons: &'a [&'a str],
}

pub(crate) fn crl_points(points: &[Point]) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    for point in points {
        let mut parts = Vec::new();
        if !point.full_name.is_empty() {
            let name = der::joined(0xa0, &generals(point.full_name, false)?);
            parts.push(der::value(0xa0, &name));
        } else if !point.relative.is_empty() {
            let name = names::encode(point.relative)?;
            let sets = der::parse(&name).map(Der::children).unwrap_or_default();
            let pairs: Vec<&[u8]> = sets.iter().map(|set| set.body).collect();
            parts.push(der::value(0xa0, &der::joined(0xa1, &pairs)));
        }
        if !point.reasons.is_empty() {
            let mut set = [false; 9];
            for reason in point.reasons {
                if let Some(at) = REASONS.iter().position(|known| known == reason) {
                    set[at] = true;
                }
            }
            parts.push(der::value(0x81, &der::flags(&set)));
        }
        if !point.issuer.is_empty() {
            parts.push(der::joined(0xa2, &generals(point.issuer, false)?));
        }
        all.push(der::sequence(&parts));
    }
    Ok(der::sequence(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn values_as_others_encode_them() {
        let usage = words(&["keyCertSign", "cRLSign", "Digital Signature"]);
        assert_eq!(key_usage(&usage).unwrap(), [3, 2, 1, 0x86]);
        assert_eq!(
            show_key_usage(&[3, 2, 1, 0x86]),
            ["CRL Sign", "Certificate Sign", "Digital Signature"]
        );
        assert!(key_usage(&words(&["keySign"])).is_err());
        let basic_value = basic(&words(&["CA:TRUE", "pathlen:1"])).unwrap();
        assert_eq!(basic_value, [0x30, 6, 1, 1, 0xff, 2, 1, 1]);
        assert_eq!(show_basic(&basic_value), ["CA:TRUE", "pathlen:1"]);
        assert_eq!(show_basic(&[0x30, 0]), ["CA:FALSE"]);
        assert!(basic(&words(&["pathlen:1"])).is_err());
    }

    #[test]
    fn sets_are_compared_as_sets() {
        let names = |all: &[&str]| Extension::new(ALT_NAME, false, alt_names(&words(all)).unwrap());
        assert!(names(&["DNS:a", "DNS:b"]).same_as(&names(&["DNS:b", "DNS:a"])));
        assert!(!names(&["DNS:a"]).same_as(&names(&["DNS:a", "DNS:b"])));
        let networks = |permitted: &[&str], excluded: &[&str]| {
            let value = constraints(&words(permitted), &words(excluded)).unwrap();
            Extension::new(CONSTRAINTS, false, value)
        };
        assert!(networks(&["DNS:a", "DNS:b"], &[]).same_as(&networks(&["DNS:b", "DNS:a"], &[])));
        assert!(!networks(&["DNS:a"], &[]).same_as(&networks(&[], &["DNS:a"])));
    }

    #[test]
    fn hostile_bytes_are_no_panic() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 2, 0x30, 9],
        ] {
            show_key_usage(bytes);
            show_basic(bytes);
            show_extended_usage(bytes);
            show_constraints(bytes);
            show_authority_id(bytes);
        }
    }
}
