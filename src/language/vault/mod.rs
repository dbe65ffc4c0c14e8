//! Vault: encrypted files and values, in the format of `ansible-vault`.
//!
//! One way: text → [`Envelope`] → [`Keyring`] → plain bytes. What was
//! decrypted never goes back into a template: it is data.

mod cipher;
mod envelope;
mod keyring;
mod unlocked;

pub use envelope::{Envelope, is_vault};
pub use keyring::{Keyring, VaultSecret};
pub use unlocked::Unlocked;

/// The label of secrets that were given without one.
pub const DEFAULT_LABEL: &str = "default";

/// Why something encrypted stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("Attempting to decrypt but no vault secrets found.")]
    NoSecrets,
    #[error("Decryption failed (no vault secrets were found that could decrypt).")]
    NoneFits,
    #[error("input is not vault encrypted data")]
    NotEncrypted,
    #[error("Vault format unhexlify error: {0}")]
    Malformed(&'static str),
    #[error("unsupported vault format version '{0}'")]
    Version(String),
    #[error("Cipher '{0}' could not be found.")]
    Cipher(String),
    #[error("what was decrypted is not UTF-8 text")]
    NotText,
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

#[cfg(test)]
mod tests;
