//! DER, the encoding of keys and certificates: values with a tag and a length.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BITS: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const PRINTABLE: u8 = 0x13;
pub(crate) const IA5: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Der<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
    /// With tag and length.
    pub(crate) whole: &'a [u8],
}

/// Takes the first value off; `None` if there is none, or it is cut short.
pub(crate) fn take<'a>(data: &mut &'a [u8]) -> Option<Der<'a>> {
    let all = *data;
    let (&tag, rest) = all.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // Tags of more than one byte are in none of the things read here.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let sum = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (sum, rest)
        }
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    *data = rest;
    Some(Der {
        tag,
        body,
        whole: &all[..all.len() - rest.len()],
    })
}

/// The first value.
pub(crate) fn parse(mut data: &[u8]) -> Option<Der<'_>> {
    take(&mut data)
}

/// Takes a value of this tag off; nothing is taken if the next is another.
pub(crate) fn take_tag<'a>(data: &mut &'a [u8], tag: u8) -> Option<Der<'a>> {
    let mut ahead = *data;
    let found = take(&mut ahead).filter(|found| found.tag == tag)?;
    *data = ahead;
    Some(found)
}

impl<'a> Der<'a> {
    pub(crate) fn is(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }

    /// All values inside.
    pub(crate) fn children(self) -> Vec<Self> {
        let mut rest = self.body;
        std::iter::from_fn(|| take(&mut rest)).collect()
    }

    /// The content of a string of bits that is whole bytes.
    pub(crate) fn bits(self) -> Option<&'a [u8]> {
        self.is(BITS)?.body.split_first().map(|(_, rest)| rest)
    }

    /// An object identifier with dots.
    pub(crate) fn oid(self) -> Option<String> {
        oid_of(self.is(OID)?.body)
    }

    pub(crate) fn text(self) -> String {
        match self.tag {
            // BMPString: two bytes each.
            0x1e => {
                let units = self.body.chunks_exact(2);
                let units: Vec<u16> = units
                    .map(|two| u16::from_be_bytes([two[0], two[1]]))
                    .collect();
                String::from_utf16_lossy(&units)
            }
            // T61String: Latin-1, as everybody reads it.
            0x14 => self.body.iter().map(|byte| char::from(*byte)).collect(),
            _ => String::from_utf8_lossy(self.body).into_owned(),
        }
    }
}

/// The dotted form of an object identifier's bytes.
pub(crate) fn oid_of(body: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in body {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let first = *numbers.first()?;
    let (one, two) = match first {
        0..40 => (0, first),
        40..80 => (1, first - 40),
        _ => (2, first - 80),
    };
    let rest = numbers[1..].iter().map(|number| format!(".{number}"));
    Some(format!("{one}.{two}{}", rest.collect::<String>()))
}

/// A value with any content.
pub(crate) fn value(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = body.len();
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
        out.push(0x80 | u8::try_from(bytes.len() - first).unwrap_or(8));
        out.extend(&bytes[first..]);
    }
    out.extend(body);
    out
}

pub(crate) fn sequence<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    joined(SEQUENCE, parts)
}

/// Values one after the other inside of one.
pub(crate) fn joined<T: AsRef<[u8]>>(tag: u8, parts: &[T]) -> Vec<u8> {
    let body: Vec<u8> = parts
        .iter()
        .flat_map(|part| part.as_ref())
        .copied()
        .collect();
    value(tag, &body)
}

/// An object identifier from its dotted form; `None` if it is none.
pub(crate) fn oid(dotted: &str) -> Option<Vec<u8>> {
    Some(value(OID, &oid_body(dotted)?))
}

pub(crate) fn oid_body(dotted: &str) -> Option<Vec<u8>> {
    let numbers = dotted.split('.').map(|part| part.parse::<u64>().ok());
    let numbers = numbers.collect::<Option<Vec<u64>>>()?;
    let [one, two, rest @ ..] = numbers.as_slice() else {
        return None;
    };
    if *one > 2 || (*one < 2 && *two >= 40) {
        return None;
    }
    let mut body = Vec::new();
    for number in std::iter::once((one * 40).checked_add(*two)?).chain(rest.iter().copied()) {
        let mut digits = vec![u8::try_from(number & 0x7f).unwrap_or(0)];
        let mut left = number >> 7;
        while left > 0 {
            digits.push(0x80 | u8::try_from(left & 0x7f).unwrap_or(0));
            left >>= 7;
        }
        body.extend(digits.iter().rev());
    }
    Some(body)
}

/// A whole number that is not negative, from its bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let mut body = bytes[start..].to_vec();
    if body.first().is_none_or(|first| first & 0x80 != 0) {
        body.insert(0, 0);
    }
    value(INTEGER, &body)
}

/// Digits of a number of any size.
pub(crate) fn decimal(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = vec![0];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let sum = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(sum % 10).unwrap_or(0);
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

/// Bits from the first, as DER wants flags: without those at the end that are
/// not set.
pub(crate) fn flags(set: &[bool]) -> Vec<u8> {
    let count = set.iter().rposition(|bit| *bit).map_or(0, |last| last + 1);
    let mut body = vec![u8::try_from((8 - count % 8) % 8).unwrap_or(0)];
    for chunk in set[..count].chunks(8) {
        let byte = chunk.iter().enumerate();
        body.push(byte.fold(0, |sum, (at, bit)| sum | u8::from(*bit) << (7 - at)));
    }
    body
}

/// The reverse of [`flags`].
pub(crate) fn is_set(body: &[u8], bit: usize) -> bool {
    body.get(1 + bit / 8)
        .is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_there_and_back() {
        for dotted in [
            "1.2.840.113549.1.1.11",
            "2.5.4.3",
            "0.9.2342.19200300.100.1.1",
            "2.999.1",
        ] {
            let bytes = oid(dotted).unwrap();
            assert_eq!(parse(&bytes).unwrap().oid().unwrap(), dotted);
        }
        assert_eq!(oid("1.40"), None);
        assert_eq!(oid("1"), None);
        assert_eq!(oid("3.1.x"), None);
    }

    #[test]
    fn lengths_and_numbers() {
        let long = value(OCTETS, &[7; 300]);
        assert_eq!(long[..4], [OCTETS, 0x82, 1, 44]);
        assert_eq!(parse(&long).unwrap().body.len(), 300);
        assert_eq!(parse(&long[..200]), None);
        assert_eq!(unsigned(&[0, 0x80]), [INTEGER, 2, 0, 0x80]);
        assert_eq!(unsigned(&[]), [INTEGER, 1, 0]);
        assert_eq!(decimal(&[0x30, 0x39]), "12345");
        assert_eq!(decimal(&[0xff; 9]), "4722366482869645213695");
    }

    #[test]
    fn flags_are_minimal() {
        let mut set = [false; 9];
        (set[0], set[5], set[6]) = (true, true, true);
        assert_eq!(flags(&set), [1, 0x86]);
        assert!(is_set(&[1, 0x86], 5) && !is_set(&[1, 0x86], 7) && !is_set(&[1, 0x86], 8));
        set[8] = true;
        assert_eq!(flags(&set), [7, 0x86, 0x80]);
    }
}
