//! The text form: a header line, then hexadecimal lines of 80.

use super::cipher::{Sealed, salt};
use super::{DEFAULT_LABEL, VaultError, VaultSecret};

const MARK: &str = "$ANSIBLE_VAULT";
const CIPHER: &str = "AES256";
const WIDTH: usize = 80;

/// Whether a file or a value is encrypted.
#[must_use]
pub fn is_vault(content: &[u8]) -> bool {
    content.starts_with(MARK.as_bytes()) && content.is_ascii()
}

/// Encrypted content with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Which secret is meant; a hint only.
    label: Option<String>,
    sealed: Sealed,
}

impl Envelope {
    /// # Errors
    /// The text is no envelope, or one of a kind that is not known.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default().trim();
        let mut fields = header.split(';').map(str::trim);
        if fields.next() != Some(MARK) {
            return Err(VaultError::NotEncrypted);
        }
        let version = fields.next().unwrap_or_default();
        let cipher = fields.next().unwrap_or_default();
        let label = fields.next().filter(|label| !label.is_empty());
        match version {
            "1.1" | "1.2" => {}
            other => return Err(VaultError::Version(other.to_owned())),
        }
        if cipher != CIPHER {
            return Err(VaultError::Cipher(cipher.to_owned()));
        }
        let body: String = lines.map(str::trim).collect();
        let inner = unhex(body.as_bytes())?;
        let mut parts = inner.splitn(3, |byte| *byte == b'\n');
        let mut part = || {
            unhex(
                parts
                    .next()
                    .ok_or(VaultError::Malformed("a part is missing"))?,
            )
        };
        let sealed = Sealed {
            salt: part()?,
            mac: part()?,
            data: part()?,
        };
        Ok(Self {
            label: label.filter(|_| version == "1.2").map(str::to_owned),
            sealed,
        })
    }

    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    pub(super) fn open(&self, secret: &VaultSecret) -> Option<Vec<u8>> {
        self.sealed.open(secret.password())
    }

    /// Encrypts. A label other than the default one makes format 1.2.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(
        plain: &[u8],
        secret: &VaultSecret,
        label: Option<&str>,
        fixed_salt: Option<&[u8]>,
    ) -> Result<String, VaultError> {
        let salt = match fixed_salt {
            Some(given) => given.to_vec(),
            None => salt()?,
        };
        let sealed = Sealed::seal(plain, secret.password(), salt);
        let inner = [&sealed.salt, &sealed.mac, &sealed.data].map(|part| hex(part));
        let body = hex(inner.join("\n").as_bytes());
        let mut out = match label.filter(|label| *label != DEFAULT_LABEL && !label.is_empty()) {
            Some(label) => format!("{MARK};1.2;{CIPHER};{label}\n"),
            None => format!("{MARK};1.1;{CIPHER}\n"),
        };
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(WIDTH.min(rest.len()));
            out.push_str(line);
            out.push('\n');
            rest = after;
        }
        Ok(out)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn unhex(text: &[u8]) -> Result<Vec<u8>, VaultError> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return Err(VaultError::Malformed("Odd-length string"));
    }
    text.chunks_exact(2)
        .map(|pair| {
            let (high, low) = (digit(pair[0])?, digit(pair[1])?);
            u8::try_from(high * 16 + low).ok()
        })
        .collect::<Option<_>>()
        .ok_or(VaultError::Malformed("Non-hexadecimal digit found"))
}
