//! A loader that hands out encrypted files decrypted.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Keyring, is_vault};
use crate::loader::{Loader, Machine};

/// The real machine with a keyring in hand.
#[derive(Debug, Clone, Default)]
pub struct Unlocked {
    keyring: Arc<Keyring>,
    /// What the configuration file says, by names of the environment.
    settings: Arc<HashMap<String, String>>,
    /// What the command line says; it wins over the environment.
    said: Arc<HashMap<String, String>>,
}

impl Unlocked {
    #[must_use]
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            settings: Arc::default(),
            said: Arc::default(),
        }
    }

    /// With folders in front of those that a setting names.
    #[must_use]
    pub fn with_paths_before(self, name: &str, paths: &str) -> Self {
        let known = self.setting(name).filter(|known| !known.is_empty());
        let all = match known {
            Some(known) => format!("{paths}:{known}"),
            None => paths.to_owned(),
        };
        let mut said = HashMap::clone(&self.said);
        said.insert(name.to_owned(), all);
        Self {
            said: Arc::new(said),
            ..self
        }
    }

    /// With what the configuration file says.
    #[must_use]
    pub fn with_settings(self, settings: HashMap<String, String>) -> Self {
        Self {
            settings: Arc::new(settings),
            ..self
        }
    }

    /// The secrets, for those who must not write down what they open.
    #[must_use]
    pub fn secrets(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }
}

/// Decrypts content where it is encrypted.
pub(super) fn open(content: Vec<u8>, keyring: &Keyring, path: &Path) -> io::Result<Vec<u8>> {
    if !is_vault(&content) {
        return Ok(content);
    }
    // An envelope is ASCII, or it would not be one.
    let text = String::from_utf8(content).map_err(io::Error::other)?;
    let opened = keyring.open(&text).map_err(|error| {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{error} ({})", path.display()),
        )
    })?;
    Ok(opened.0)
}

impl Loader for Unlocked {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        open(Machine.read(path)?, &self.keyring, path)
    }

    fn read_raw(&self, path: &Path) -> io::Result<Vec<u8>> {
        Machine.read(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        Machine.is_file(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        Machine.is_dir(path)
    }

    fn exists(&self, path: &Path) -> bool {
        Machine.exists(path)
    }

    fn is_executable(&self, path: &Path) -> bool {
        Machine.is_executable(path)
    }

    fn run(&self, program: &Path, args: &[&str]) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Machine.run(program, args)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Machine.list(path)
    }

    fn env(&self, name: &str) -> Option<String> {
        Machine.env(name)
    }

    fn setting(&self, name: &str) -> Option<String> {
        let said = self.said.get(name).cloned();
        said.or_else(|| Machine.env(name))
            .or_else(|| self.settings.get(name).cloned())
    }

    fn shell(&self, line: &str, folder: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Machine.shell(line, folder)
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        Machine.write_private(path, content)
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }
}
