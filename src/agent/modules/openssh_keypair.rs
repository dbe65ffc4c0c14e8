//! `openssh_keypair`: pairs of keys for SSH, made by the host's ssh-keygen.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::acts::{Acts, acting, need, state as state_diff};
use super::made::Made;
use super::steps::{Body, Placement, Step, edit};
use super::{Module, Verdict};
use crate::crypto::Held;
use crate::host::attributes::file_arguments;
use crate::host::{Command, Failure, Look, Mode, Return, Settled, Touch, hex, parent};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// Kinds of keys.
    pub(super) enum Kind {
        Rsa = "rsa",
        Dsa = "dsa",
        Rsa1 = "rsa1",
        Ecdsa = "ecdsa",
        Ed25519 = "ed25519",
    }
}
ocplay_protocol::choices! {
    /// When a key that is there is made anew.
    pub(super) enum Regenerate {
        Never = "never",
        Fail = "fail",
        Partial = "partial_idempotence",
        Full = "full_idempotence",
        Always = "always",
    }
}
ocplay_protocol::choices! {
    /// How a new private key is written down.
    pub(super) enum Format {
        Auto = "auto",
        Pkcs1 = "pkcs1",
        Pkcs8 = "pkcs8",
        Ssh = "ssh",
    }
}
ocplay_protocol::choices! {
    /// What does the work.
    pub(super) enum Backend {
        Auto = "auto",
        Cryptography = "cryptography",
        Program = "opensshbin",
    }
}

file_arguments! {
    /// Makes pairs of keys for SSH, with the program ssh-keygen of the host. A pair that is there and as wanted stays.
    pub(super) struct Args {
        /// File of the private key; the public one is beside it, with .pub behind its name.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Size in bits; by default 4096 for RSA, 256 for ECDSA and 1024 for DSA.
        size: Option<i64>,
        /// Kind of key; rsa1 is no more.
        kind as "type": Kind = Kind::Rsa,
        /// Make a new pair in any case.
        force: bool = false,
        /// Comment of the public key.
        comment: Option<String>,
        /// Passphrase that protects the private key.
        passphrase: Option<String>,
        /// How a new private key is written down; auto is as ssh-keygen does.
        private_key_format: Format = Format::Auto,
        /// When a pair that is there is made anew.
        regenerate: Regenerate = Regenerate::Partial,
        /// Without effect: it is always the host's ssh-keygen.
        backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensshKeypair;

/// A public key as OpenSSH writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Public {
    /// Without the comment.
    line: String,
    kind: &'static str,
    size: usize,
    fingerprint: String,
}

/// Takes a part with its length before it off.
fn part<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = data.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let (found, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *data = rest;
    Some(found)
}

impl Public {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (word, code) = (words.next()?, words.next()?);
        let blob = STANDARD.decode(code).ok()?;
        let mut rest = blob.as_slice();
        (part(&mut rest)? == word.as_bytes()).then_some(())?;
        let bits = |number: &[u8]| {
            let start = number.iter().position(|byte| *byte != 0);
            start.map_or(0, |start| {
                (number.len() - start) * 8 - number[start].leading_zeros() as usize
            })
        };
        let (kind, size) = match word {
            "ssh-rsa" => {
                part(&mut rest)?;
                ("rsa", bits(part(&mut rest)?))
            }
            "ssh-dss" => ("dsa", bits(part(&mut rest)?)),
            "ssh-ed25519" => ("ed25519", 256),
            "ecdsa-sha2-nistp256" => ("ecdsa", 256),
            "ecdsa-sha2-nistp384" => ("ecdsa", 384),
            "ecdsa-sha2-nistp521" => ("ecdsa", 521),
            _ => return None,
        };
        Some(Self {
            line: format!("{word} {code}"),
            kind,
            size,
            fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))),
        })
    }

    fn shown(&self, comment: &str) -> String {
        format!(
            "type: {}\nsize: {}\nfingerprint: {}\ncomment: {comment}\n",
            self.kind, self.size, self.fingerprint
        )
    }
}

/// Variable that the passphrase is in while ssh-keygen asks for it.
const PASSPHRASE: &str = "OCPLAY_PASSPHRASE";
const ANSWER: &[u8] = b"#!/bin/sh\nprintf '%s\\n' \"$OCPLAY_PASSPHRASE\"\n";

/// A call of ssh-keygen that never asks a terminal. What it asks is answered by a script in memory.
fn keygen<S: Into<OsString>>(words: Vec<S>, passphrase: Option<&str>, answer: &Held) -> Command {
    let mut all: Vec<OsString> = vec!["ssh-keygen".into()];
    all.extend(words.into_iter().map(Into::into));
    Command::new(all)
        .env("SSH_ASKPASS", answer.path())
        .env("SSH_ASKPASS_REQUIRE", "force")
        // What older versions want to see.
        .env("DISPLAY", "none")
        .env(PASSPHRASE, passphrase.unwrap_or_default())
        .stdin(Vec::new())
}

impl Args {
    fn bits(&self) -> i64 {
        self.size.unwrap_or(match self.kind {
            Kind::Rsa | Kind::Rsa1 => 4096,
            Kind::Dsa => 1024,
            Kind::Ecdsa | Kind::Ed25519 => 256,
        })
    }

    fn consistent(&self) -> Result<(), Failure> {
        let bits = self.bits();
        match self.kind {
            Kind::Rsa1 => {
                Err("rsa1 keys are no more: no version of OpenSSH makes or takes them".into())
            }
            Kind::Rsa if bits < 1024 => Err(Failure::new(format!(
                "size: RSA keys have 1024 bits at least, not {bits}"
            ))),
            Kind::Dsa if bits != 1024 => Err("size: DSA keys have 1024 bits".into()),
            Kind::Ecdsa if ![256, 384, 521].contains(&bits) => {
                Err("size: ECDSA keys have 256, 384 or 521 bits".into())
            }
            _ if self
                .comment
                .as_ref()
                .is_some_and(|text| text.contains(['\n', '\r', '\0'])) =>
            {
                Err("comment: no line break may be in it".into())
            }
            _ => Ok(()),
        }
    }

    /// The public half of the key that is there, or why it cannot be read.
    fn there(&self, look: &Look, answer: &Held) -> Result<Result<Public, String>, Failure> {
        let words: Vec<OsString> = vec!["-y".into(), "-f".into(), self.path.clone().into()];
        let output = look.ask(&keygen(words, self.passphrase.as_deref(), answer))?;
        if !output.ok() {
            return Ok(Err(output.complaint()));
        }
        if self
            .passphrase
            .as_ref()
            .is_some_and(|text| !text.is_empty())
        {
            // A key without a passphrase is opened by any.
            let words: Vec<OsString> = vec![
                "-y".into(),
                "-P".into(),
                "".into(),
                "-f".into(),
                self.path.clone().into(),
            ];
            if look.ask(&keygen(words, None, answer))?.ok() {
                return Ok(Err("it has no passphrase, but one is given".to_owned()));
            }
        }
        Ok(Public::parse(&output.out()).ok_or_else(|| "its kind is not known".to_owned()))
    }

    /// Whether a new pair is to be made.
    fn is_new(&self, found: Result<&Public, &str>) -> Result<bool, Failure> {
        if self.force || self.regenerate == Regenerate::Always {
            return Ok(true);
        }
        let path = self.path.display();
        let advice = "it is not replaced; to make a new one, set regenerate to full_idempotence or always, or force";
        match found {
            Err(_) if self.regenerate == Regenerate::Full => Ok(true),
            Err(reason) => Err(Failure::new(format!(
                "Unable to read the key {path}: {reason}. It may have another passphrase; {advice}"
            ))),
            Ok(key) => {
                let fits = key.kind == self.kind.word()
                    && (key.kind == "ed25519" || i64::try_from(key.size) == Ok(self.bits()));
                match self.regenerate {
                    _ if fits => Ok(false),
                    Regenerate::Never => Ok(false),
                    Regenerate::Fail => Err(Failure::new(format!(
                        "Key {path} has another type or size than wanted; {advice}"
                    ))),
                    _ => Ok(true),
                }
            }
        }
    }

    /// Makes a pair in a folder that only this user can enter; gives the private key and the line of the public one.
    fn generate(&self, touch: &mut Touch, answer: &Held) -> Result<(Vec<u8>, String), Failure> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Failure::new(format!("cannot get random bytes: {error}")))?;
        let folder = parent(&self.path).join(format!(".ocplay-{}", hex(&random)));
        touch.make_directory(&folder)?;
        let made = self.generate_in(touch, answer, &folder);
        touch.remove(&folder)?;
        made
    }

    fn generate_in(
        &self,
        touch: &mut Touch,
        answer: &Held,
        folder: &Path,
    ) -> Result<(Vec<u8>, String), Failure> {
        let own = Settled {
            mode: Some(Mode::Bits(0o700)),
            ..Settled::default()
        };
        touch.settle(folder, &own)?;
        let file = folder.join("key");
        let mut words: Vec<OsString> = ["-q", "-t", self.kind.word(), "-b"]
            .map(Into::into)
            .to_vec();
        words.push(self.bits().to_string().into());
        words.extend(["-C".into(), self.comment.clone().unwrap_or_default().into()]);
        match self.private_key_format {
            Format::Pkcs1 => words.extend(["-m".into(), "PEM".into()]),
            Format::Pkcs8 => words.extend(["-m".into(), "PKCS8".into()]),
            Format::Auto | Format::Ssh => {}
        }
        let secret = self.passphrase.as_deref().filter(|text| !text.is_empty());
        if secret.is_none() {
            words.extend(["-N".into(), "".into()]);
        }
        words.extend(["-f".into(), file.clone().into()]);
        touch.must(&keygen(words, secret, answer), "make the keys")?;
        let private = touch.read(&file)?.unwrap_or_default();
        let public = touch
            .read_text(&folder.join("key.pub"))?
            .unwrap_or_default();
        Ok((private, public))
    }
}

/// The public key's file.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn comment_of(line: &str) -> String {
    let mut words = line.trim_end().splitn(3, ' ');
    words.nth(2).unwrap_or_default().to_owned()
}

fn report(result: Return, key: &Public, comment: &str) -> Return {
    result
        .with("size", key.size)
        .with("type", key.kind)
        .with("fingerprint", key.fingerprint.as_str())
        .with("public_key", key.line.as_str())
        .with("comment", comment)
}

impl Module for OpensshKeypair {
    const NAME: &'static str = "openssh_keypair";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let mut attributes = args.attributes();
        attributes.mode.get_or_insert(Mode::Bits(0o600));
        let made = Made {
            path: args.path.clone(),
            wanted: attributes.settle(look)?,
            backup: false,
        };
        let public_path = beside(&args.path);
        let before = look.read(&args.path)?;
        let line = look.read_text(&public_path)?;
        let shown = args.path.to_string_lossy().into_owned();
        let mut acts = Acts::new(Return::new().with("filename", shown.as_str()));
        if args.state == State::Absent {
            for (path, there) in [
                (&args.path, before.is_some()),
                (&public_path, line.is_some()),
            ] {
                if there {
                    acts.step(Step::Remove(path.clone()));
                    acts.diff(super::steps::state_diff(path, "present", "absent"));
                }
            }
            return Ok(acts.verdict());
        }
        args.consistent()?;
        need(look, "ssh-keygen", "openssh-client")?;
        made.check(look)?;
        let answer = Held::script(ANSWER)?;
        let found = match &before {
            Some(_) => Some(args.there(look, &answer)?),
            None => None,
        };
        let is_new = match &found {
            Some(found) => args.is_new(found.as_ref().map_err(String::as_str))?,
            None => true,
        };
        let old_comment = line.as_deref().map(comment_of).unwrap_or_default();
        let comment = args.comment.clone().unwrap_or_else(|| {
            if is_new {
                String::new()
            } else {
                old_comment.clone()
            }
        });
        let there = found.and_then(Result::ok);
        // The owner is that of the private key; everybody may read it.
        let public_wanted = Settled {
            mode: line.is_none().then_some(Mode::Bits(0o644)),
            ..made.wanted.clone()
        };
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: public_path.clone(),
            wanted: public_wanted.clone(),
            backup: false,
            validate: None,
        };
        if let (false, Some(key), Some(data)) = (is_new, &there, &before) {
            acts.result(|result| report(result, key, &comment));
            acts.work(made.settle(look, data)?);
            let fits = line
                .as_deref()
                .and_then(Public::parse)
                .is_some_and(|known| known == *key && comment == old_comment);
            if !fits {
                let text = format!("{} {comment}", key.line).trim_end().to_owned() + "\n";
                let inside =
                    String::from_utf8_lossy(data).contains("-----BEGIN OPENSSH PRIVATE KEY-----");
                if inside && args.comment.is_some() {
                    let words: Vec<OsString> = vec![
                        "-q".into(),
                        "-c".into(),
                        "-C".into(),
                        comment.into(),
                        "-f".into(),
                        args.path.clone().into(),
                    ];
                    let command = keygen(words, args.passphrase.as_deref(), &answer);
                    acts.run(command, "set the comment");
                    // The script must live until then.
                    acts.after(move |_, _, result| {
                        drop(answer);
                        Ok(result)
                    });
                }
                acts.work(edit(
                    look,
                    line.as_deref().map(str::as_bytes),
                    text.into_bytes(),
                    placement,
                )?);
            }
            return Ok(acts.verdict());
        }
        let size = args.bits();
        let kind = args.kind.word();
        acts.result(|result| {
            result
                .with("size", size)
                .with("type", kind)
                .with("comment", comment.as_str())
        });
        acts.diff(state_diff(
            &shown,
            &there.map(|key| key.shown(&old_comment)).unwrap_or_default(),
            &format!("type: {kind}\nsize: {size}\nfingerprint: (new)\ncomment: {comment}\n"),
        ));
        let args = args.clone();
        acts.body(move |touch| {
            let (private, text) = args.generate(touch, &answer)?;
            let key = Public::parse(&text).ok_or("ssh-keygen made no public key")?;
            made.write(touch, private)?;
            let text = text.trim_end().to_owned() + "\n";
            touch.write(&public_path, text.as_bytes(), &public_wanted)?;
            Ok(report(Return::new(), &key, &comment))
        });
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_read() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB4neVfDBqSiGOrvdmK8WB6BQ8svEaGPcjaqKUGzXglM me and you";
        let key = Public::parse(line).unwrap();
        assert_eq!((key.kind, key.size), ("ed25519", 256));
        assert_eq!(
            key.fingerprint,
            "SHA256:ZgNzZiLUNenxkOeUB85xsaMXLEFMSCPL1rCI1BFVOHQ"
        );
        assert_eq!(comment_of(line), "me and you");
        for text in [
            "",
            "ssh-rsa",
            "ssh-rsa AAAA",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5",
        ] {
            assert_eq!(Public::parse(text), None);
        }
    }
}
