//! Names in certificates: of people and things, and the kinds of other names.

use std::net::IpAddr;

use super::der::{self, Der};
use crate::host::Failure;

/// Object identifier, the short name, the long one.
const ATTRIBUTES: [(&str, &str, &str); 27] = [
    ("2.5.4.3", "CN", "commonName"),
    ("2.5.4.4", "SN", "surname"),
    ("2.5.4.5", "serialNumber", "serialNumber"),
    ("2.5.4.6", "C", "countryName"),
    ("2.5.4.7", "L", "localityName"),
    ("2.5.4.8", "ST", "stateOrProvinceName"),
    ("2.5.4.9", "street", "streetAddress"),
    ("2.5.4.10", "O", "organizationName"),
    ("2.5.4.11", "OU", "organizationalUnitName"),
    ("2.5.4.12", "title", "title"),
    ("2.5.4.13", "description", "description"),
    ("2.5.4.15", "businessCategory", "businessCategory"),
    ("2.5.4.16", "postalAddress", "postalAddress"),
    ("2.5.4.17", "postalCode", "postalCode"),
    ("2.5.4.41", "name", "name"),
    ("2.5.4.42", "GN", "givenName"),
    ("2.5.4.43", "initials", "initials"),
    ("2.5.4.44", "generationQualifier", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier", "dnQualifier"),
    ("2.5.4.65", "pseudonym", "pseudonym"),
    (
        "2.5.4.97",
        "organizationIdentifier",
        "organizationIdentifier",
    ),
    ("0.9.2342.19200300.100.1.1", "UID", "userId"),
    ("0.9.2342.19200300.100.1.25", "DC", "domainComponent"),
    ("1.2.840.113549.1.9.1", "emailAddress", "emailAddress"),
    (
        "1.3.6.1.4.1.311.60.2.1.2",
        "jurisdictionST",
        "jurisdictionStateOrProvinceName",
    ),
    (
        "1.3.6.1.4.1.311.60.2.1.3",
        "jurisdictionC",
        "jurisdictionCountryName",
    ),
];

/// The identifier of an attribute by one of its names.
pub(crate) fn attribute(name: &str) -> Result<String, Failure> {
    // What others write for the same.
    let name = match name {
        "E" | "email" => "emailAddress",
        "S" | "SP" => "ST",
        "STREET" => "street",
        "userid" => "UID",
        other => other,
    };
    let known = ATTRIBUTES.iter().find(|(_, short, long)| {
        short.eq_ignore_ascii_case(name) || long.eq_ignore_ascii_case(name)
    });
    match known {
        Some((oid, ..)) => Ok((*oid).to_owned()),
        None if der::oid_body(name).is_some() => Ok(name.to_owned()),
        None => Err(Failure::new(format!(
            "'{name}' is no field of a subject; give a name such as commonName or O, or an object identifier"
        ))),
    }
}

/// The long name of an attribute, or its number.
pub(crate) fn long_name(oid: &str) -> &str {
    let known = ATTRIBUTES.iter().find(|(known, ..)| *known == oid);
    known.map_or(oid, |(.., long)| long)
}

fn short_name(oid: &str) -> &str {
    let known = ATTRIBUTES.iter().find(|(known, ..)| *known == oid);
    known.map_or(oid, |(_, short, _)| short)
}

/// One field of a distinguished name: identifier and text.
pub(crate) type Field = (String, String);

/// A distinguished name as DER, one field after the other.
pub(crate) fn encode(fields: &[Field]) -> Result<Vec<u8>, Failure> {
    let mut sets = Vec::new();
    for (oid, text) in fields {
        let tag = match oid.as_str() {
            "2.5.4.5" | "2.5.4.6" | "2.5.4.46" | "1.3.6.1.4.1.311.60.2.1.3" => der::PRINTABLE,
            "1.2.840.113549.1.9.1" | "0.9.2342.19200300.100.1.25" => der::IA5,
            _ => der::UTF8,
        };
        if oid == "2.5.4.6" && text.len() != 2 {
            return Err(Failure::new(format!(
                "the country must be two letters, not '{text}'"
            )));
        }
        if tag != der::UTF8 && !text.is_ascii() {
            return Err(Failure::new(format!(
                "{} takes plain ASCII only, not '{text}'",
                long_name(oid)
            )));
        }
        let kind = der::oid(oid).ok_or_else(|| Failure::new(format!("{oid} is no identifier")))?;
        let pair = der::sequence(&[kind, der::value(tag, text.as_bytes())]);
        sets.push(der::value(der::SET, &pair));
    }
    Ok(der::sequence(&sets))
}

/// The fields of a distinguished name.
pub(crate) fn decode(name: Der) -> Vec<Field> {
    let sets = name.children();
    let pairs = sets.iter().flat_map(|set| set.children());
    pairs
        .filter_map(|pair| match pair.children().as_slice() {
            [kind, text, ..] => Some((kind.oid()?, text.text())),
            _ => None,
        })
        .collect()
}

/// `CN = a, O = b` or `/CN=a/O=b`. The last field written is the first in DER.
fn parse_directory(text: &str) -> Result<Vec<u8>, Failure> {
    let (separator, text) = match text.strip_prefix('/') {
        Some(rest) => ('/', rest),
        None => (',', text),
    };
    let mut fields = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '\\' => fields[last].extend(letters.next()),
            letter if letter == separator => fields.push(String::new()),
            letter => fields[last].push(letter),
        }
    }
    let mut name = Vec::new();
    for field in fields.iter().rev().filter(|field| !field.trim().is_empty()) {
        let (kind, value) = field.split_once('=').ok_or_else(|| {
            Failure::new(format!("'{field}' in a directory name is not NAME=VALUE"))
        })?;
        name.push((attribute(kind.trim())?, value.trim().to_owned()));
    }
    encode(&name)
}

fn show_directory(name: Der) -> String {
    let fields = decode(name);
    let shown = fields.iter().rev().map(|(oid, text)| {
        let mut escaped = String::new();
        for letter in text.chars() {
            if matches!(letter, ',' | '\\' | '"' | '+' | '<' | '>' | ';' | '=') {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        format!("{}={escaped}", short_name(oid))
    });
    shown.collect::<Vec<_>>().join(",")
}

fn colons(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(":")
}

/// Bytes in hex, with or without colons.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|letter| *letter != ':').collect();
    if !plain.len().is_multiple_of(2) || !plain.is_ascii() {
        return None;
    }
    let pairs = (0..plain.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&plain[at..at + 2], 16).ok())
        .collect()
}

fn address(text: &str, masked: bool) -> Option<Vec<u8>> {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    if !masked {
        return text.parse().ok().map(bytes);
    }
    let (start, length) = text.split_once('/').unwrap_or((text, ""));
    let mut all = bytes(start.parse().ok()?);
    let most = all.len() * 8;
    let mask: Vec<u8> = match length.parse::<IpAddr>() {
        Ok(mask) => bytes(mask),
        Err(_) => {
            let length = if length.is_empty() {
                most
            } else {
                length.parse().ok()?
            };
            let set = |bit: usize| u8::from(bit < length) << (7 - bit % 8);
            (length <= most).then(|| {
                (0..most / 8)
                    .map(|byte| (0..8).map(|bit| set(byte * 8 + bit)).sum())
                    .collect()
            })?
        }
    };
    if mask.len() != all.len() {
        return None;
    }
    all.extend(mask);
    Some(all)
}

/// One name as `KIND:VALUE`. `masked`: addresses are networks, as constraints want them.
pub(crate) fn general(text: &str, masked: bool) -> Result<Vec<u8>, Failure> {
    let wrong = |reason: &str| Failure::new(format!("the name '{text}' {reason}"));
    let (kind, rest) = text.split_once(':').ok_or_else(|| {
        wrong("has no kind; write DNS:, IP:, URI:, email:, RID:, dirName: or otherName: before it")
    })?;
    let ascii = |tag: u8| {
        if !rest.is_ascii() {
            return Err(wrong(
                "must be plain ASCII; write an international name in its xn-- form",
            ));
        }
        Ok(der::value(tag, rest.as_bytes()))
    };
    match kind {
        "DNS" => ascii(0x82),
        "email" => ascii(0x81),
        "URI" => ascii(0x86),
        "IP" | "IP Address" => address(rest, masked)
            .map(|bytes| der::value(0x87, &bytes))
            .ok_or_else(|| {
                wrong(if masked {
                    "is no network"
                } else {
                    "is no address"
                })
            }),
        "RID" => der::oid_body(rest)
            .map(|body| der::value(0x88, &body))
            .ok_or_else(|| wrong("is no object identifier")),
        "dirName" => Ok(der::value(0xa4, &parse_directory(rest)?)),
        "otherName" => {
            let (oid, value) = rest
                .split_once(';')
                .ok_or_else(|| wrong("is not otherName:IDENTIFIER;VALUE"))?;
            let oid = der::oid(oid).ok_or_else(|| wrong("has no object identifier"))?;
            let value = match value.strip_prefix("UTF8:") {
                Some(text) => der::value(der::UTF8, text.as_bytes()),
                None => parse_hex(value)
                    .ok_or_else(|| wrong("has a value that is neither UTF8:TEXT nor hex bytes"))?,
            };
            Ok(der::joined(0xa0, &[oid, der::value(0xa0, &value)]))
        }
        _ => Err(wrong(
            "is of no known kind; known are DNS:, IP:, URI:, email:, RID:, dirName: and otherName:",
        )),
    }
}

/// The reverse of [`general`].
pub(crate) fn show_general(name: Der) -> String {
    let text = || String::from_utf8_lossy(name.body).into_owned();
    match name.tag {
        0x81 => format!("email:{}", text()),
        0x82 => format!("DNS:{}", text()),
        0x86 => format!("URI:{}", text()),
        0x87 => {
            let one = |bytes: &[u8]| -> Option<IpAddr> {
                <[u8; 4]>::try_from(bytes)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
                    .ok()
            };
            let (start, mask) = name.body.split_at(name.body.len() / 2);
            match (one(name.body), one(start)) {
                (None, Some(start)) => {
                    let length: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
                    format!("IP:{start}/{length}")
                }
                (Some(address), _) => format!("IP:{address}"),
                _ => format!("IP:{}", colons(name.body)),
            }
        }
        0x88 => format!("RID:{}", der::oid_of(name.body).unwrap_or_default()),
        0xa4 => format!(
            "dirName:{}",
            der::parse(name.body)
                .map(show_directory)
                .unwrap_or_default()
        ),
        0xa0 => match name.children().as_slice() {
            [oid, value] => format!(
                "otherName:{};{}",
                oid.oid().unwrap_or_default(),
                colons(value.body)
            ),
            _ => format!("otherName:{}", colons(name.body)),
        },
        _ => format!("unknown:{}", colons(name.whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str, masked: bool) -> String {
        let bytes = general(text, masked).unwrap();
        show_general(der::parse(&bytes).unwrap())
    }

    #[test]
    fn names_there_and_back() {
        for text in [
            "DNS:a.example",
            "IP:1.2.3.4",
            "IP:fe80::1",
            "email:a@b.c",
            "URI:http://x/",
            "RID:1.2.3.4",
            "otherName:1.2.3;0c:01:62",
        ] {
            assert_eq!(there_and_back(text, false), text);
        }
        assert_eq!(
            there_and_back("dirName:CN = a\\, b, O = c", false),
            "dirName:CN=a\\, b,O=c"
        );
        assert_eq!(
            there_and_back("dirName:/CN=x/O=y", false),
            "dirName:CN=x,O=y"
        );
        for text in ["IP:10.0.0.0/8", "IP:2001:db8::/32", "DNS:example.com"] {
            assert_eq!(there_and_back(text, true), text);
        }
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "a.example",
            "IP:1.2.3",
            "XX:1",
            "RID:x",
            "DNS:\u{fc}.example",
            "dirName:x",
        ] {
            assert!(general(text, false).is_err(), "{text}");
        }
        assert!(general("IP:10.0.0.0/40", true).is_err());
        assert!(attribute("nonsense").is_err());
        assert!(encode(&[("2.5.4.6".to_owned(), "DEU".to_owned())]).is_err());
    }
}
