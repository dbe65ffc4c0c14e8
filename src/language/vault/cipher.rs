//! AES-256 in counter mode, authenticated by HMAC-SHA256; keys by
//! PBKDF2-SHA256.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::VaultError;

const ROUNDS: u32 = 10_000;
const KEY: usize = 32;
const BLOCK: usize = 16;
pub(super) const SALT: usize = 32;

/// The three parts that a password and a salt give.
struct Keys {
    cipher: [u8; KEY],
    mac: [u8; KEY],
    start: [u8; BLOCK],
}

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut bytes = [0; 2 * KEY + BLOCK];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut bytes);
        let mut keys = Self {
            cipher: [0; KEY],
            mac: [0; KEY],
            start: [0; BLOCK],
        };
        keys.cipher.copy_from_slice(&bytes[..KEY]);
        keys.mac.copy_from_slice(&bytes[KEY..2 * KEY]);
        keys.start.copy_from_slice(&bytes[2 * KEY..]);
        keys
    }

    fn apply(&self, data: &mut [u8]) {
        Ctr128BE::<Aes256>::new(&self.cipher.into(), &self.start.into()).apply_keystream(data);
    }

    fn mac(&self) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Hmac::<Sha256>::new_from_slice(&self.mac).expect("a key of any length")
    }
}

/// What an envelope holds, still encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) salt: Vec<u8>,
    pub(super) mac: Vec<u8>,
    pub(super) data: Vec<u8>,
}

impl Sealed {
    /// The content, or nothing where the password does not fit.
    pub(super) fn open(&self, password: &[u8]) -> Option<Vec<u8>> {
        let keys = Keys::derive(password, &self.salt);
        let mut mac = keys.mac();
        mac.update(&self.data);
        mac.verify_slice(&self.mac).ok()?;
        let mut data = self.data.clone();
        keys.apply(&mut data);
        // Counter mode needs no padding, the format has it all the same.
        let padding = usize::from(*data.last()?);
        let length = data.len().checked_sub(padding)?;
        data.truncate(length);
        Some(data)
    }

    pub(super) fn seal(plain: &[u8], password: &[u8], salt: Vec<u8>) -> Self {
        let keys = Keys::derive(password, &salt);
        let padding = BLOCK - plain.len() % BLOCK;
        let mut data = plain.to_vec();
        data.resize(plain.len() + padding, u8::try_from(padding).unwrap_or(0));
        keys.apply(&mut data);
        let mut mac = keys.mac();
        mac.update(&data);
        Self {
            salt,
            mac: mac.finalize().into_bytes().to_vec(),
            data,
        }
    }
}

pub(super) fn salt() -> Result<Vec<u8>, VaultError> {
    let mut salt = vec![0; SALT];
    getrandom::fill(&mut salt).map_err(|error| VaultError::Random(error.to_string()))?;
    Ok(salt)
}
