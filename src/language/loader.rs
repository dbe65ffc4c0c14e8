//! The language's only door to the world outside: files, environment and
//! child processes of the controller.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::vault::Keyring;

/// What the language may ask of the machine it runs on.
pub trait Loader: Send + Sync {
    /// A file's content, decrypted where it is encrypted and the loader has
    /// secrets.
    ///
    /// # Errors
    /// The operating system's, and that no secret fits.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file's content as it is.
    ///
    /// # Errors
    /// The operating system's.
    fn read_raw(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }
    fn is_file(&self, path: &Path) -> bool;
    fn is_dir(&self, path: &Path) -> bool;
    fn exists(&self, path: &Path) -> bool {
        self.is_file(path) || self.is_dir(path)
    }
    /// Whether a file may be run.
    fn is_executable(&self, _: &Path) -> bool {
        false
    }
    /// Runs a program: exit code, standard output, standard error.
    ///
    /// # Errors
    /// The operating system's.
    fn run(&self, _: &Path, _: &[&str]) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Entries of a folder, sorted by name.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    fn env(&self, name: &str) -> Option<String>;
    /// A setting by the name of its environment variable; it may also stand
    /// in the configuration file.
    fn setting(&self, name: &str) -> Option<String> {
        self.env(name)
    }
    /// Runs a command line in a shell for the `pipe` lookup and inventory
    /// scripts: exit code, standard output, standard error.
    ///
    /// # Errors
    /// The operating system's.
    fn shell(&self, line: &str, folder: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)>;
    /// Writes a file of the controller with mode 0600 (the `password` lookup).
    ///
    /// # Errors
    /// The operating system's.
    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()>;
    /// Whether there is any secret that could open a file.
    fn has_secrets(&self) -> bool {
        !self.keyring().is_empty()
    }
    /// The secrets that open encrypted values.
    fn keyring(&self) -> &Keyring {
        Keyring::empty()
    }
}

/// The real machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct Machine;

impl Loader for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_executable(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    }

    fn run(&self, program: &Path, args: &[&str]) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        let output = Command::new(program)
            .args(args)
            .stdin(Stdio::inherit())
            .output()?;
        let code = output.status.code().unwrap_or(-1);
        Ok((code, output.stdout, output.stderr))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        Ok(entries)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn shell(&self, line: &str, folder: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(line)
            .current_dir(folder)
            .output()?;
        let code = output.status.code().unwrap_or(-1);
        Ok((code, output.stdout, output.stderr))
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        if let Some(folder) = path.parent() {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let staged = PathBuf::from(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&staged)?
            .write_all(content)?;
        std::fs::rename(&staged, path)
    }
}
