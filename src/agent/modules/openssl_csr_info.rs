//! `openssl_csr_info`: what a request for a certificate says.

use std::path::PathBuf;

use super::{Module, Verdict};
use crate::crypto::certificate::Request;
use crate::crypto::extensions::{self, find};
use crate::crypto::{self, report};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// How international names are shown.
    pub(super) enum Encoding { Ignore = "ignore", Idna = "idna", Unicode = "unicode" }
}
ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}

ocplay_protocol::arguments! {
    /// Tells what a request for a certificate says, and whether its signature is right.
    pub(super) struct Args {
        /// File of the request.
        path: Option<PathBuf>,
        /// The request itself.
        content: Option<String>,
        /// How international names are shown; they are always as they stand in it.
        name_encoding: Encoding = Encoding::Ignore,
        /// Without effect: it is read here.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslCsrInfo;

impl Module for OpensslCsrInfo {
    const NAME: &'static str = "openssl_csr_info";
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    type Plan = ();

    fn check(args: &Args, look: &Look) -> Result<Verdict<()>, Failure> {
        let Some(request) = Request::given(look, args.path.as_deref(), args.content.as_deref())?
        else {
            return Err("one of the following is required: path, content".into());
        };
        crypto::need(look)?;
        if !request.signed.is_by(look, &request.public)? {
            return Err(
                Failure::new("CSR signature is invalid! (See signature_valid)")
                    .with("signature_valid", false),
            );
        }
        let result = Return::new()
            .with("signature_valid", true)
            .with("subject", report::name(&request.subject))
            .with("subject_ordered", report::ordered(&request.subject));
        let result = report::public(&request.public, result, "public_key_");
        let limits = find(&request.extensions, extensions::CONSTRAINTS);
        let (permitted, excluded) = limits
            .map(|one| extensions::show_constraints(&one.value))
            .unzip();
        let result = result
            .with("name_constraints_permitted", permitted)
            .with("name_constraints_excluded", excluded)
            .with(
                "name_constraints_critical",
                limits.is_some_and(|one| one.critical),
            );
        Ok(Verdict::Same(report::all(&request.extensions, result)))
    }

    fn describe((): &()) -> Vec<ocplay_protocol::Diff> {
        Vec::new()
    }

    fn apply((): (), _: &mut Touch) -> Result<Return, Failure> {
        Ok(Return::new())
    }
}
