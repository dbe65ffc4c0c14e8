//! Text in other encodings than UTF-8.

use encoding_rs::Encoding;
use minijinja::Error;

use super::python;

enum Charset {
    Utf8,
    /// Whether the low byte comes first, and whether a mark says so.
    Utf16(bool, bool),
    Ascii,
    Latin1,
    Other(&'static Encoding),
}

fn find(name: &str) -> Result<Charset, Error> {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c == '_' || c == ' ' { '-' } else { c })
        .collect();
    Ok(match plain.as_str() {
        "utf-8" | "utf8" | "u8" | "utf-8-sig" => Charset::Utf8,
        "utf-16" | "utf16" => Charset::Utf16(true, true),
        "utf-16-le" | "utf-16le" => Charset::Utf16(true, false),
        "utf-16-be" | "utf-16be" => Charset::Utf16(false, false),
        "ascii" | "us-ascii" => Charset::Ascii,
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "8859" => Charset::Latin1,
        other => {
            let label = match other.strip_prefix("cp") {
                Some(number) if number.starts_with("125") => format!("windows-{number}"),
                _ => other.replace("iso8859", "iso-8859"),
            };
            Charset::Other(
                Encoding::for_label(label.as_bytes())
                    .ok_or_else(|| python::fail(format!("unknown encoding: {name}")))?,
            )
        }
    })
}

pub(super) fn encode(text: &str, name: &str) -> Result<Vec<u8>, Error> {
    let refuse = || python::fail(format!("'{name}' has no code for all of the text"));
    let narrow = |limit: u32| {
        text.chars()
            .map(|c| {
                u8::try_from(u32::from(c))
                    .ok()
                    .filter(|_| u32::from(c) < limit)
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(refuse)
    };
    match find(name)? {
        Charset::Utf8 => Ok(text.as_bytes().to_vec()),
        Charset::Ascii => narrow(128),
        Charset::Latin1 => narrow(256),
        Charset::Utf16(little, mark) => Ok(mark
            .then_some(0xfeff)
            .into_iter()
            .chain(text.encode_utf16())
            .flat_map(|unit: u16| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()),
        Charset::Other(encoding) => {
            let (bytes, _, lossy) = encoding.encode(text);
            if lossy {
                Err(refuse())
            } else {
                Ok(bytes.into_owned())
            }
        }
    }
}

/// Text of bytes; what has no meaning becomes a replacement character.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<String, Error> {
    Ok(match find(name)? {
        Charset::Utf8 => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            String::from_utf8_lossy(bytes).into_owned()
        }
        Charset::Ascii => String::from_utf8_lossy(bytes).into_owned(),
        Charset::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Charset::Utf16(mut little, mark) => {
            let mut bytes = bytes;
            if mark {
                if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
                    (little, bytes) = (false, rest);
                } else {
                    bytes = bytes.strip_prefix(b"\xff\xfe").unwrap_or(bytes);
                }
            }
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| {
                    let pair = [pair[0], pair[1]];
                    if little {
                        u16::from_le_bytes(pair)
                    } else {
                        u16::from_be_bytes(pair)
                    }
                })
                .collect();
            String::from_utf16_lossy(&units)
        }
        Charset::Other(encoding) => encoding.decode(bytes).0.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn there_and_back() {
        for name in [
            "utf-8",
            "utf-16",
            "utf-16-be",
            "iso-8859-15",
            "cp1252",
            "latin-1",
        ] {
            let bytes = encode("été", name).unwrap();
            assert_eq!(decode(&bytes, name).unwrap(), "été", "{name}");
        }
        assert!(encode("€", "ascii").is_err());
        assert_eq!(encode("€", "iso8859-15").unwrap(), [0xa4]);
        assert!(encode("x", "klingon").is_err());
    }
}
