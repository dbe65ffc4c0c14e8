//! `openssl_privatekey_info`: what a private key is.

use std::path::PathBuf;

use super::{Module, Verdict};
use crate::crypto::key::{Private, Public};
use crate::crypto::{self, PASS_IN, openssl, report};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}

ocplay_protocol::arguments! {
    /// Tells of a private key: its type, size and public half, with the program openssl of the host.
    pub(super) struct Args {
        /// File of the key.
        path: Option<PathBuf>,
        /// The key itself.
        content: Option<String>,
        /// Passphrase of the key.
        passphrase: Option<String>,
        /// Return the numbers of the private half. Not supported.
        return_private_key_data: bool = false,
        /// Let openssl check that the parts of the key fit together.
        check_consistency: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslPrivatekeyInfo;

fn consistent(look: &Look, private: &Private) -> Result<bool, Failure> {
    let (path, _held) = private.file()?;
    let mut words = vec!["pkey", "-in", &path, "-noout", "-check"];
    words.extend(PASS_IN);
    Ok(look
        .ask(&openssl(&words, private.passphrase.as_deref()))?
        .ok())
}

impl Module for OpensslPrivatekeyInfo {
    const NAME: &'static str = "openssl_privatekey_info";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    type Plan = ();

    fn check(args: &Args, look: &Look) -> Result<Verdict<()>, Failure> {
        crypto::need(look)?;
        if args.return_private_key_data {
            return Err("return_private_key_data is not supported: secrets stay in their files; use slurp for the whole key".into());
        }
        let given = Private::given(
            ["path", "content"],
            args.path.as_deref(),
            args.content.as_deref(),
            args.passphrase.as_deref(),
        )?;
        let Some(private) = given else {
            return Err("one of the following is required: path, content".into());
        };
        let public: Public = private.public(look)?.map_err(|unread| {
            unread
                .failure("private key")
                .with("can_load_key", true)
                .with("can_parse_key", false)
        })?;
        let mut result = Return::new()
            .with("can_load_key", true)
            .with("can_parse_key", true);
        result = report::public(&public, result, "");
        if let Some(data) = result.values.shift_remove("data") {
            result = result.with("public_data", data);
        }
        if args.check_consistency {
            let is = consistent(look, &private)?;
            if !is {
                return Err(
                    Failure::new("Private key is not consistent! (See key_is_consistent)")
                        .with("key_is_consistent", false),
                );
            }
            result = result.with("key_is_consistent", true);
        }
        Ok(Verdict::Same(result))
    }

    fn describe((): &()) -> Vec<ocplay_protocol::Diff> {
        Vec::new()
    }

    fn apply((): (), _: &mut Touch) -> Result<Return, Failure> {
        Ok(Return::new())
    }
}
