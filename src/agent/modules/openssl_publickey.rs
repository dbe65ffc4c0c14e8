//! `openssl_publickey`: the public half of a private key, in a file.

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::made::{self, Made};
use super::{Module, Verdict};
use crate::crypto;
use crate::crypto::key::{Private, Public, Unread, fingerprints};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// How the key is written down.
    pub(super) enum Format { OpenSsh = "OpenSSH", Pem = "PEM" }
}
ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}

file_arguments! {
    /// Keeps the public half of a private key in a file, with the program openssl of the host.
    pub(super) struct Args {
        /// File of the public key.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Write it in any case.
        force: bool = false,
        /// How the key is written down.
        format: Format = Format::Pem,
        /// File of the private key.
        privatekey_path: Option<PathBuf>,
        /// The private key itself.
        privatekey_content: Option<String>,
        /// Passphrase of the private key.
        privatekey_passphrase: Option<String>,
        /// Return the key itself.
        return_content: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslPublickey;

/// Whether a file holds this key, in this format.
fn holds(data: &[u8], key: &Public, format: Format) -> bool {
    let text = String::from_utf8_lossy(data);
    match format {
        Format::Pem => {
            crypto::unwrapped(data, &["PUBLIC KEY"]).is_some_and(|found| found == key.der)
        }
        Format::OpenSsh => {
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            key.openssh()
                .is_some_and(|wanted| wanted == words.join(" "))
        }
    }
}

impl Module for OpensslPublickey {
    const NAME: &'static str = "openssl_publickey";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let made = Made {
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
        };
        let before = look.read(&args.path)?;
        let mut acts = Acts::new(Return::new().with("filename", args.path.to_string_lossy()));
        if args.state == State::Absent {
            made::absent(&made, before.is_some(), &mut acts);
            return Ok(acts.verdict());
        }
        crypto::need(look)?;
        made.check(look)?;
        let private = Private::given(
            ["privatekey_path", "privatekey_content"],
            args.privatekey_path.as_deref(),
            args.privatekey_content.as_deref(),
            args.privatekey_passphrase.as_deref(),
        )?;
        let Some(private) = private else {
            return Err("state is present but any of the following are missing: privatekey_path, privatekey_content".into());
        };
        let key = match private.public(look)? {
            Ok(key) => key,
            Err(Unread::Missing(path)) if look.is_check() => {
                // An earlier task may be about to make it.
                let text = format!("the private key {} does not exist yet", path.display());
                acts.result(|result| result.warn(text));
                acts.diff(state_diff(&args.path.to_string_lossy(), "", "(new)"));
                acts.body(|_| Ok(Return::new()));
                return Ok(acts.verdict());
            }
            Err(unread) => return Err(unread.failure("private key")),
        };
        let text = match args.format {
            Format::Pem => key.pem(),
            Format::OpenSsh => key.openssh().ok_or_else(|| {
                Failure::new(format!(
                    "OpenSSH has no form for this key of type {}",
                    key.kind
                ))
            })?,
        };
        acts.result(|result| {
            result
                .with("format", args.format.word())
                .with("privatekey", private.shown())
                .with("fingerprint", fingerprints(&key.der))
                .maybe("publickey", args.return_content.then(|| text.clone()))
        });
        if let Some(data) = &before
            && !args.force
            && holds(data, &key, args.format)
        {
            acts.work(made.settle(look, data)?);
            return Ok(acts.verdict());
        }
        let shown = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
        acts.diff(state_diff(&args.path.to_string_lossy(), &shown, &text));
        acts.body(move |touch| made.write(touch, text.into_bytes()));
        Ok(acts.verdict())
    }
}
