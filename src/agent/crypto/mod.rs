//! Keys, requests and certificates. What they say is read and written here, as
//! DER; what needs a key or much arithmetic is the host's `openssl`. Secrets
//! reach it through files in memory that only this user can open, and its
//! environment; never on a command line.

pub(crate) mod certificate;
pub(crate) mod der;
pub(crate) mod extensions;
pub(crate) mod key;
pub(crate) mod names;
pub(crate) mod report;
pub(crate) mod time;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::host::{Command, Explain, Failure, Look, Output};

/// A file in memory, gone with its last reader.
pub(crate) struct Held {
    file: File,
}

impl Held {
    pub(crate) fn new(data: &[u8]) -> Result<Self, Failure> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let file = rustix::fs::memfd_create("ocplay", flags).explain("hold data in memory")?;
        let mut file = File::from(file);
        file.write_all(data).explain("hold data in memory")?;
        Ok(Self { file })
    }

    /// A program in memory, for others to start.
    pub(crate) fn script(text: &[u8]) -> Result<Self, Failure> {
        let held = Self::new(text)?;
        let bits = rustix::fs::Mode::from_raw_mode(0o700);
        rustix::fs::fchmod(&held.file, bits).explain("hold a program in memory")?;
        // A file that is open for writing cannot be started.
        let path = held.path();
        let file = File::open(&path).explain("hold a program in memory")?;
        Ok(Self { file })
    }

    /// A name under which programs that are started here can open it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// Variable that a passphrase is in.
const PASSPHRASE: &str = "OCPLAY_PASSPHRASE";
pub(crate) const PASS_IN: [&str; 2] = ["-passin", "env:OCPLAY_PASSPHRASE"];
pub(crate) const PASS_OUT: [&str; 2] = ["-passout", "env:OCPLAY_PASSPHRASE"];

/// A call of openssl, with the passphrase of the key that it reads or writes.
/// Without one it gets an empty text, so that it never asks a terminal.
pub(crate) fn openssl(words: &[&str], passphrase: Option<&str>) -> Command {
    let words = std::iter::once("openssl").chain(words.iter().copied());
    Command::new(words).env(PASSPHRASE, passphrase.unwrap_or_default())
}

pub(crate) fn need(look: &Look) -> Result<(), Failure> {
    match look.which("openssl") {
        Some(_) => Ok(()),
        None => Err(
            "the program 'openssl' is not on this host; install the package openssl first".into(),
        ),
    }
}

/// What openssl said, without its own bookkeeping.
pub(crate) fn complaint(output: &Output) -> String {
    let text = output.complaint();
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.unwrap_or(&text).to_owned()
}

/// The bytes of the first block of one of these kinds in a PEM text; of DER as
/// it is.
pub(crate) fn unwrapped(data: &[u8], kinds: &[&str]) -> Option<Vec<u8>> {
    if data.first() == Some(&der::SEQUENCE) {
        return Some(data.to_vec());
    }
    let text = String::from_utf8_lossy(data);
    for kind in kinds {
        let Some((_, rest)) = text.split_once(&format!("-----BEGIN {kind}-----")) else {
            continue;
        };
        let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
        let plain: String = body
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect();
        return STANDARD.decode(plain).ok();
    }
    None
}

/// A PEM text.
pub(crate) fn wrapped(kind: &str, data: &[u8]) -> String {
    let plain = STANDARD.encode(data);
    let mut text = format!("-----BEGIN {kind}-----\n");
    for line in plain.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {kind}-----\n")
}

pub(crate) fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// Bytes as hex with colons.
pub(crate) fn colons(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_there_and_back() {
        let text = wrapped("THING", &[9; 100]);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(
            unwrapped(text.as_bytes(), &["OTHER", "THING"]),
            Some(vec![9; 100])
        );
        assert_eq!(unwrapped(b"nothing", &["THING"]), None);
        assert_eq!(unwrapped(b"-----BEGIN THING-----\nx", &["THING"]), None);
    }

    #[test]
    fn what_is_held_can_be_opened_by_others() {
        let held = Held::new(b"secret").unwrap();
        assert_eq!(std::fs::read(held.path()).unwrap(), b"secret");
    }
}
