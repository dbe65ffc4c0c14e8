//! The secrets of a run, and what they opened so far.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Envelope, VaultError};

/// A password with its label. `Debug` shows the label only.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultSecret {
    label: String,
    password: Vec<u8>,
}

impl VaultSecret {
    #[must_use]
    pub fn new(label: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self {
            label: label.into(),
            password: password.into(),
        }
    }

    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for VaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultSecret({}, ********)", self.label)
    }
}

/// Every known secret, in the order in which they were given.
#[derive(Default)]
pub struct Keyring {
    secrets: Vec<VaultSecret>,
    /// Try only secrets whose label is the envelope's.
    strict: bool,
    /// Values that were opened, by their encrypted text: deriving keys is
    /// slow on purpose.
    opened: Mutex<HashMap<Arc<str>, Arc<str>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.secrets).finish()
    }
}

impl Keyring {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    #[must_use]
    pub fn new(secrets: Vec<VaultSecret>, strict: bool) -> Self {
        Self {
            secrets,
            strict,
            opened: Mutex::default(),
        }
    }

    /// A keyring without any secret.
    #[must_use]
    pub fn empty() -> &'static Self {
        static EMPTY: std::sync::LazyLock<Keyring> = std::sync::LazyLock::new(Keyring::default);
        &EMPTY
    }

    pub fn add(&mut self, secret: VaultSecret) {
        self.secrets.push(secret);
    }

    #[must_use]
    pub fn secrets(&self) -> &[VaultSecret] {
        &self.secrets
    }

    /// Opens an envelope and says which secret did it. Secrets with the
    /// envelope's label are tried first, then all others.
    ///
    /// # Errors
    /// The text is no envelope, or no secret fits.
    pub fn open(&self, text: &str) -> Result<(Vec<u8>, &VaultSecret), VaultError> {
        let envelope = Envelope::parse(text)?;
        if self.secrets.is_empty() {
            return Err(VaultError::NoSecrets);
        }
        let named = |secret: &&VaultSecret| envelope.label() == Some(secret.label());
        let first = self.secrets.iter().filter(named);
        let others = self
            .secrets
            .iter()
            .filter(|secret| !named(secret) && (!self.strict || envelope.label().is_none()));
        first
            .chain(others)
            .find_map(|secret| Some((envelope.open(secret)?, secret)))
            .ok_or(VaultError::NoneFits)
    }

    /// Opens an encrypted value; each once.
    ///
    /// # Errors
    /// As [`Self::open`], and for what is not text.
    pub fn text(&self, encrypted: &Arc<str>) -> Result<Arc<str>, VaultError> {
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(encrypted) {
            return Ok(Arc::clone(known));
        }
        let (plain, _) = self.open(encrypted)?;
        let text = String::from_utf8(plain).map_err(|_| VaultError::NotText)?;
        let text: Arc<str> = text.into();
        lock().insert(Arc::clone(encrypted), Arc::clone(&text));
        Ok(text)
    }

    /// Every value that was opened so far, so that records can mask it.
    #[must_use]
    pub fn opened(&self) -> Vec<Arc<str>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.values().cloned().collect()
    }
}
