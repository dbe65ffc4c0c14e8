//! Certificates and requests for them.

use super::der::{self, Der};
use super::extensions::{self, Extension};
use super::key::{self, Private, Public};
use super::names::{self, Field};
use super::time::{self, Seconds};
use super::{unwrapped, wrapped};
use crate::host::{Explain, Failure, Look, Touch};

/// A signature, and what it is over.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) body: Vec<u8>,
    /// Identifier of the algorithm.
    pub(crate) algorithm: String,
    pub(crate) signature: Vec<u8>,
}

impl Signed {
    fn parse(whole: Der) -> Option<Self> {
        let parts = whole.is(der::SEQUENCE)?.children();
        let [body, algorithm, signature, ..] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            body: body.whole.to_vec(),
            algorithm: algorithm.children().first()?.oid()?,
            signature: signature.bits()?.to_vec(),
        })
    }

    pub(crate) fn is_by(&self, look: &Look, key: &Public) -> Result<bool, Failure> {
        key::verifies(look, key, &self.algorithm, &self.body, &self.signature)
    }
}

/// Signs a body; gives the whole as DER.
pub(crate) fn sign(
    touch: &mut Touch,
    by: &Private,
    kind: &str,
    digest: &str,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let algorithm = key::algorithm(kind, digest)?;
    let signature = by.sign(touch, kind, digest, body)?;
    let bits = [&[0][..], &signature].concat();
    Ok(der::sequence(&[
        body,
        algorithm.as_slice(),
        der::value(der::BITS, &bits).as_slice(),
    ]))
}

/// A request for a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) signed: Signed,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) subject: Vec<Field>,
    pub(crate) public: Public,
    pub(crate) extensions: Vec<Extension>,
}

/// Identifier of a request's extensions.
const EXTENSIONS: &str = "1.2.840.113549.1.9.14";

impl Request {
    /// From PEM or DER.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let data = unwrapped(data, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])?;
        let signed = Signed::parse(der::parse(&data)?)?;
        let body = der::parse(&signed.body)?.children();
        let [_, subject, public, rest @ ..] = body.as_slice() else {
            return None;
        };
        let attributes = rest.first().map(|all| all.children()).unwrap_or_default();
        let wanted = attributes
            .iter()
            .map(|one| one.children())
            .find(|pair| pair.first().and_then(|kind| kind.oid()).as_deref() == Some(EXTENSIONS));
        let list = wanted.and_then(|pair| der::parse(pair.get(1)?.body));
        Some(Self {
            subject_der: subject.whole.to_vec(),
            subject: names::decode(*subject),
            public: Public::parse(public.whole)?,
            extensions: list.map(extensions::decode_all).unwrap_or_default(),
            signed: signed.clone(),
        })
    }

    /// What is to be signed.
    pub(crate) fn body(subject: &[u8], public: &Public, all: &[Extension]) -> Vec<u8> {
        let mut attributes = Vec::new();
        if !all.is_empty() {
            let list: Vec<Vec<u8>> = all.iter().map(Extension::encode).collect();
            let set = der::value(der::SET, &der::sequence(&list));
            let kind = der::oid(EXTENSIONS).unwrap_or_default();
            attributes = der::sequence(&[kind, set]);
        }
        der::sequence(&[
            der::unsigned(&[]).as_slice(),
            subject,
            &public.der,
            &der::value(0xa0, &attributes),
        ])
    }

    pub(crate) fn pem(der: &[u8]) -> String {
        wrapped("CERTIFICATE REQUEST", der)
    }

    /// Reads one that must be there, from an argument for a file or one for the
    /// content.
    pub(crate) fn given(
        look: &Look,
        path: Option<&std::path::Path>,
        content: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        let (data, what) = match (path, content) {
            (Some(_), Some(_)) => {
                return Err("parameters are mutually exclusive: csr_path|csr_content".into());
            }
            (None, None) => return Ok(None),
            (None, Some(content)) => (content.as_bytes().to_vec(), "csr_content".to_owned()),
            (Some(path), None) => {
                let data = look.read(path)?.ok_or_else(|| {
                    Failure::new(format!(
                        "The certificate signing request file {} does not exist; make it first, with openssl_csr",
                        path.display()
                    ))
                })?;
                (data, path.display().to_string())
            }
        };
        let request = Self::parse(&data)
            .ok_or_else(|| Failure::new(format!("{what} is no certificate signing request")))?;
        Ok(Some(request))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) signed: Signed,
    pub(crate) der: Vec<u8>,
    pub(crate) version: u8,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) issuer: Vec<Field>,
    pub(crate) not_before: Seconds,
    pub(crate) not_after: Seconds,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) subject: Vec<Field>,
    pub(crate) public: Public,
    pub(crate) extensions: Vec<Extension>,
}

/// What a new certificate says.
pub(crate) struct Content<'a> {
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: Seconds,
    pub(crate) not_after: Seconds,
    pub(crate) public: &'a Public,
    pub(crate) extensions: &'a [Extension],
    /// Kind of the key that signs.
    pub(crate) signer: &'a str,
    pub(crate) digest: &'a str,
}

impl Certificate {
    /// From PEM or DER; the first of several.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let data = unwrapped(
            data,
            &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"],
        )?;
        let whole = der::parse(&data)?;
        let signed = Signed::parse(whole)?;
        let body = signed.body.clone();
        let mut rest = der::parse(&body)?.body;
        let version = der::take_tag(&mut rest, 0xa0)
            .and_then(|version| der::parse(version.body))
            .and_then(|number| number.body.last().copied());
        let serial = der::take_tag(&mut rest, der::INTEGER)?.body;
        der::take(&mut rest)?;
        let issuer = der::take(&mut rest)?;
        let times = der::take(&mut rest)?.children();
        let subject = der::take(&mut rest)?;
        let public = Public::parse(der::take(&mut rest)?.whole)?;
        let mut all = Vec::new();
        while let Some(part) = der::take(&mut rest) {
            if part.tag == 0xa3 {
                all = extensions::decode_all(der::parse(part.body)?);
            }
        }
        Some(Self {
            der: whole.whole.to_vec(),
            version: version.unwrap_or(0) + 1,
            serial: serial.strip_prefix(&[0]).unwrap_or(serial).to_vec(),
            issuer_der: issuer.whole.to_vec(),
            issuer: names::decode(issuer),
            not_before: time::decode(*times.first()?)?,
            not_after: time::decode(*times.get(1)?)?,
            subject_der: subject.whole.to_vec(),
            subject: names::decode(subject),
            public,
            extensions: all,
            signed,
        })
    }

    /// What is to be signed, with a serial number that nobody has.
    pub(crate) fn body(content: &Content) -> Result<Vec<u8>, Failure> {
        let mut serial = [0; 20];
        rustix::rand::getrandom(&mut serial, rustix::rand::GetRandomFlags::empty())
            .explain("get random bytes")?;
        // Positive, and twenty bytes long at most.
        serial[0] = serial[0] & 0x7f | 0x40;
        let list: Vec<Vec<u8>> = content.extensions.iter().map(Extension::encode).collect();
        let times = [
            time::encode(content.not_before),
            time::encode(content.not_after),
        ];
        let mut parts = vec![
            der::value(0xa0, &der::unsigned(&[2])),
            der::unsigned(&serial),
            key::algorithm(content.signer, content.digest)?,
            content.issuer.to_vec(),
            der::sequence(&times),
            content.subject.to_vec(),
            content.public.der.clone(),
        ];
        if !list.is_empty() {
            parts.push(der::value(0xa3, &der::sequence(&list)));
        }
        Ok(der::sequence(&parts))
    }

    pub(crate) fn pem(der: &[u8]) -> String {
        wrapped("CERTIFICATE", der)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_no_panic() {
        for bytes in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x06\x30\x00\x30\x00\x03\x00",
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        ] {
            assert!(Certificate::parse(bytes).is_none());
            assert!(Request::parse(bytes).is_none());
            assert!(Public::parse(bytes).is_none());
        }
    }
}
