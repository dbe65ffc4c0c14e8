//! `openssl_privatekey`: private keys, made by the host's openssl.

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::made::{self, Made};
use super::{Module, Verdict};
use crate::crypto::der;
use crate::crypto::key::{Place, Private, Public, fingerprints, openssl_curve};
use crate::crypto::{self, Held, PASS_IN, PASS_OUT, complaint, openssl, unwrapped, wrapped};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Mode, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// Kinds of keys.
    pub(super) enum Kind {
        Dsa = "DSA",
        Ecc = "ECC",
        Ed25519 = "Ed25519",
        Ed448 = "Ed448",
        Rsa = "RSA",
        X25519 = "X25519",
        X448 = "X448",
    }
}
ocplay_protocol::choices! {
    /// Curves.
    pub(super) enum Curve {
        Secp224r1 = "secp224r1",
        Secp256k1 = "secp256k1",
        Secp256r1 = "secp256r1",
        Secp384r1 = "secp384r1",
        Secp521r1 = "secp521r1",
        Secp192r1 = "secp192r1",
        Brainpool256 = "brainpoolP256r1",
        Brainpool384 = "brainpoolP384r1",
        Brainpool512 = "brainpoolP512r1",
        Sect163k1 = "sect163k1",
        Sect163r2 = "sect163r2",
        Sect233k1 = "sect233k1",
        Sect233r1 = "sect233r1",
        Sect283k1 = "sect283k1",
        Sect283r1 = "sect283r1",
        Sect409k1 = "sect409k1",
        Sect409r1 = "sect409r1",
        Sect571k1 = "sect571k1",
        Sect571r1 = "sect571r1",
    }
}
ocplay_protocol::choices! {
    /// How the key is written down.
    pub(super) enum Format {
        Pkcs1 = "pkcs1",
        Pkcs8 = "pkcs8",
        Raw = "raw",
        Auto = "auto",
        AutoIgnore = "auto_ignore",
    }
}
ocplay_protocol::choices! {
    /// What happens to a key in another format.
    pub(super) enum Mismatch { Regenerate = "regenerate", Convert = "convert" }
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
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}

file_arguments! {
    /// Makes private keys, with the program openssl of the host. A key that is there and as wanted stays.
    pub(super) struct Args {
        /// File of the key.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Size in bits of RSA and DSA keys.
        size: i64 = 4096,
        /// Kind of key.
        kind as "type": Kind = Kind::Rsa,
        /// Curve of ECC keys.
        curve: Option<Curve>,
        /// Make a new key in any case.
        force: bool = false,
        /// Passphrase that protects the key.
        passphrase: Option<String>,
        /// Cipher that it protects the key with, as openssl calls it; auto is AES with 256 bits.
        cipher: String = "auto".to_owned(),
        /// How the key is written down; auto is pkcs1 where the kind of key has it, and pkcs8 otherwise.
        format: Format = Format::AutoIgnore,
        /// Whether a key in another format is made anew or written in the wanted one.
        format_mismatch: Mismatch = Mismatch::Regenerate,
        /// When a key that is there is made anew.
        regenerate: Regenerate = Regenerate::Full,
        /// Return the key itself.
        return_content: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslPrivatekey;

/// How a key in a file is written down.
fn format_of(data: &[u8]) -> Format {
    let text = String::from_utf8_lossy(data);
    if text.contains("-----BEGIN PRIVATE KEY-----")
        || text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    {
        Format::Pkcs8
    } else if text.contains(" PRIVATE KEY-----") {
        Format::Pkcs1
    } else {
        Format::Raw
    }
}

fn is_encrypted(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Kinds that can be written as bare bytes, with identifier and length.
fn raw_form(kind: Kind) -> Option<(&'static str, usize)> {
    match kind {
        Kind::X25519 => Some(("1.3.101.110", 32)),
        Kind::X448 => Some(("1.3.101.111", 56)),
        Kind::Ed25519 => Some(("1.3.101.112", 32)),
        Kind::Ed448 => Some(("1.3.101.113", 57)),
        _ => None,
    }
}

/// Bare bytes as a key that openssl reads.
fn from_raw(kind: Kind, data: &[u8]) -> Option<Vec<u8>> {
    let (oid, length) = raw_form(kind)?;
    if data.len() != length {
        return None;
    }
    let inner = der::value(der::OCTETS, data);
    let whole = der::sequence(&[
        der::unsigned(&[]),
        der::sequence(&[der::oid(oid)?]),
        der::value(der::OCTETS, &inner),
    ]);
    Some(wrapped("PRIVATE KEY", &whole).into_bytes())
}

fn to_raw(pem: &[u8]) -> Option<Vec<u8>> {
    let data = unwrapped(pem, &["PRIVATE KEY"])?;
    let parts = der::parse(&data)?.children();
    let inner = parts.get(2)?.is(der::OCTETS)?;
    Some(der::parse(inner.body)?.is(der::OCTETS)?.body.to_vec())
}

impl Args {
    /// The format that is written.
    fn written(&self) -> Format {
        match self.format {
            Format::Auto | Format::AutoIgnore => match self.kind {
                Kind::Rsa | Kind::Dsa | Kind::Ecc => Format::Pkcs1,
                _ => Format::Pkcs8,
            },
            given => given,
        }
    }

    fn consistent(&self) -> Result<(), Failure> {
        let wrong = |text: String| Err(Failure::new(text));
        if self.state == State::Absent {
            return Ok(());
        }
        if self.kind == Kind::Ecc && self.curve.is_none() {
            return wrong("type is ECC but all of the following are missing: curve".to_owned());
        }
        if !(512..=65_536).contains(&self.size) {
            return wrong(format!(
                "size: {} is no size of a key; 2048 and more are safe",
                self.size
            ));
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if !self.cipher.chars().all(plain) || self.cipher.is_empty() {
            return wrong(format!("cipher: '{}' is no cipher of openssl", self.cipher));
        }
        match self.written() {
            Format::Raw if raw_form(self.kind).is_none() => wrong(format!(
                "format raw is not for keys of type {}",
                self.kind.word()
            )),
            Format::Raw if self.passphrase.is_some() => {
                wrong("format raw cannot be protected by a passphrase".to_owned())
            }
            Format::Pkcs1 if !matches!(self.kind, Kind::Rsa | Kind::Dsa | Kind::Ecc) => wrong(
                format!("format pkcs1 is not for keys of type {}", self.kind.word()),
            ),
            _ => Ok(()),
        }
    }

    /// The key that is there, as openssl can read it.
    fn there(&self, data: &[u8]) -> Private {
        let raw = (format_of(data) == Format::Raw)
            .then(|| from_raw(self.kind, data))
            .flatten();
        Private {
            place: raw.map_or_else(|| Place::File(self.path.clone()), Place::Text),
            passphrase: self.passphrase.clone(),
        }
    }

    fn fits(&self, key: &Public) -> bool {
        key.kind == self.kind.word()
            && match self.kind {
                Kind::Rsa | Kind::Dsa => key
                    .size
                    .is_some_and(|size| i64::try_from(size) == Ok(self.size)),
                Kind::Ecc => key.curve.as_deref() == self.curve.map(Curve::word),
                _ => true,
            }
    }

    /// Makes a new key; gives it as PEM without protection.
    fn generate(&self, touch: &mut Touch) -> Result<Vec<u8>, Failure> {
        let mut made = |words: &[&str]| -> Result<Vec<u8>, Failure> {
            let output = touch.run(&openssl(words, None))?;
            if !output.ok() {
                let message = format!("cannot make the key: {}", complaint(&output));
                return Err(output.failure(message));
            }
            Ok(output.stdout)
        };
        let size = self.size.to_string();
        match self.kind {
            Kind::Rsa => {
                let bits = format!("rsa_keygen_bits:{size}");
                made(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits])
            }
            Kind::Dsa => {
                let bits = format!("dsa_paramgen_bits:{size}");
                let parameters = made(&[
                    "genpkey",
                    "-genparam",
                    "-algorithm",
                    "DSA",
                    "-pkeyopt",
                    &bits,
                ])?;
                let held = Held::new(&parameters)?;
                made(&["genpkey", "-paramfile", &held.path()])
            }
            Kind::Ecc => {
                let curve = self.curve.map(Curve::word).unwrap_or_default();
                let curve = format!("ec_paramgen_curve:{}", openssl_curve(curve));
                let named = "ec_param_enc:named_curve";
                made(&[
                    "genpkey",
                    "-algorithm",
                    "EC",
                    "-pkeyopt",
                    &curve,
                    "-pkeyopt",
                    named,
                ])
            }
            other => made(&["genpkey", "-algorithm", other.word()]),
        }
    }

    /// A key as it is to be written.
    fn export(&self, touch: &mut Touch, key: &Private) -> Result<Vec<u8>, Failure> {
        let (path, _held) = key.file()?;
        let cipher = match self.cipher.as_str() {
            "auto" => "-aes256".to_owned(),
            other => format!("-{other}"),
        };
        let mut words = vec!["pkey", "-in", &path];
        words.extend(PASS_IN);
        if self.written() == Format::Pkcs1 {
            words.push("-traditional");
        }
        if self.passphrase.is_some() {
            words.push(&cipher);
            words.extend(PASS_OUT);
        }
        let output = touch.run(&openssl(&words, self.passphrase.as_deref()))?;
        if !output.ok() {
            return Err(Failure::new(format!(
                "cannot write the key: {}",
                complaint(&output)
            )));
        }
        if self.written() != Format::Raw {
            return Ok(output.stdout);
        }
        to_raw(&output.stdout).ok_or_else(|| "cannot write the key as raw bytes".into())
    }
}

/// What there is to do about the key.
enum Todo {
    Nothing,
    Generate,
    Convert,
}

fn decide(args: &Args, data: &[u8], found: Result<&Public, &str>) -> Result<Todo, Failure> {
    if args.force || args.regenerate == Regenerate::Always {
        return Ok(Todo::Generate);
    }
    let unreadable = match (found, args.passphrase.is_some(), is_encrypted(data)) {
        (Err(reason), ..) => Some(reason),
        (Ok(_), true, false) => Some("it has no passphrase, but one is given"),
        (Ok(_), false, true) => Some("it has a passphrase, but none is given"),
        _ => None,
    };
    if let Some(reason) = unreadable {
        return match args.regenerate {
            Regenerate::Full => Ok(Todo::Generate),
            _ => Err(Failure::new(format!(
                "Unable to read the key {}: {reason}. It is not replaced; to make a new one, set regenerate to \
                 full_idempotence or always, or force",
                args.path.display()
            ))),
        };
    }
    let differs = |what: &str, todo: Todo| match args.regenerate {
        Regenerate::Never => Ok(Todo::Nothing),
        Regenerate::Fail => Err(Failure::new(format!(
            "Key {} has another {what} than wanted. It is not replaced; to make a new one, set regenerate to \
             partial_idempotence, full_idempotence or always, or force",
            args.path.display()
        ))),
        _ => Ok(todo),
    };
    if found.is_ok_and(|key| !args.fits(key)) {
        return differs("type, size or curve", Todo::Generate);
    }
    if args.format != Format::AutoIgnore && format_of(data) != args.written() {
        if args.format_mismatch == Mismatch::Convert {
            return Ok(Todo::Convert);
        }
        return differs("format", Todo::Generate);
    }
    Ok(Todo::Nothing)
}

fn summary(key: Option<&Public>) -> String {
    let Some(key) = key else {
        return String::new();
    };
    let size = key
        .size
        .map(|size| format!("size: {size}\n"))
        .unwrap_or_default();
    let curve = key
        .curve
        .as_ref()
        .map(|curve| format!("curve: {curve}\n"))
        .unwrap_or_default();
    let print = fingerprints(&key.der);
    let print = print["sha256"].as_str().unwrap_or_default();
    format!("type: {}\n{size}{curve}public key: {print}\n", key.kind)
}

impl Module for OpensslPrivatekey {
    const NAME: &'static str = "openssl_privatekey";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        args.consistent()?;
        let mut attributes = args.attributes();
        attributes.mode.get_or_insert(Mode::Bits(0o600));
        let made = Made {
            path: args.path.clone(),
            wanted: attributes.settle(look)?,
            backup: args.backup,
        };
        let before = look.read(&args.path)?;
        let result = Return::new().with("filename", args.path.to_string_lossy());
        let mut acts = Acts::new(result);
        if args.state == State::Absent {
            made::absent(&made, before.is_some(), &mut acts);
            return Ok(acts.verdict());
        }
        crypto::need(look)?;
        made.check(look)?;
        acts.result(|result| {
            let curve = (args.kind == Kind::Ecc)
                .then(|| args.curve.map(Curve::word))
                .flatten();
            result
                .with("size", args.size)
                .with("type", args.kind.word())
                .maybe("curve", curve)
        });
        let found = match &before {
            Some(data) => Some(
                args.there(data)
                    .public(look)?
                    .map_err(|unread| unread.failure("key").message),
            ),
            None => None,
        };
        let there = found.as_ref().and_then(|found| found.as_ref().ok());
        let todo = match (&before, &found) {
            (Some(data), Some(found)) => {
                decide(args, data, found.as_ref().map_err(String::as_str))?
            }
            _ => Todo::Generate,
        };
        let content = args.return_content;
        let report = move |result: Return, key: &Public, data: &[u8]| {
            let shown = || {
                if format_of(data) == Format::Raw {
                    return crypto::base64(data);
                }
                String::from_utf8_lossy(data).into_owned()
            };
            result
                .with("fingerprint", fingerprints(&key.der))
                .maybe("privatekey", content.then(shown))
        };
        if let (Todo::Nothing, Some(data)) = (&todo, &before) {
            if let Some(key) = there {
                acts.result(|result| report(result, key, data));
            }
            acts.work(made.settle(look, data)?);
            return Ok(acts.verdict());
        }
        let convert = matches!(todo, Todo::Convert);
        let wanted = if convert {
            format!("{}format: {}\n", summary(there), args.written().word())
        } else {
            let more = match args.kind {
                Kind::Rsa | Kind::Dsa => format!("size: {}\n", args.size),
                Kind::Ecc => format!(
                    "curve: {}\n",
                    args.curve.map(Curve::word).unwrap_or_default()
                ),
                _ => String::new(),
            };
            format!("type: {}\n{more}public key: (new)\n", args.kind.word())
        };
        acts.diff(state_diff(
            &args.path.to_string_lossy(),
            &summary(there),
            &wanted,
        ));
        let args = args.clone();
        acts.body(move |touch| {
            let key = match (&before, convert) {
                (Some(data), true) => args.there(data),
                _ => Private {
                    place: Place::Text(args.generate(touch)?),
                    passphrase: None,
                },
            };
            let data = args.export(touch, &key)?;
            let public = key
                .public(touch)?
                .map_err(|unread| unread.failure("new key"))?;
            let result = made.write(touch, data.clone())?;
            Ok(report(result, &public, &data))
        });
        Ok(acts.verdict())
    }
}
