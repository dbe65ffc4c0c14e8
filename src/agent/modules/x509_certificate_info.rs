//! `x509_certificate_info`: what a certificate says.

use std::path::PathBuf;

use ocplay_protocol::coerce;
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::crypto::certificate::Certificate;
use crate::crypto::key::{algorithm_name, fingerprints, number};
use crate::crypto::{report, time};
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
    /// Tells what a certificate says, and whether it holds at given times. Needs no program on the host.
    pub(super) struct Args {
        /// File of the certificate.
        path: Option<PathBuf>,
        /// The certificate itself.
        content: Option<String>,
        /// Times by names of one's own: YYYYMMDDHHMMSSZ, or a distance from now such as +10d.
        valid_at: Option<Map<String, Value>>,
        /// How international names are shown; they are always as they stand in it.
        name_encoding: Encoding = Encoding::Ignore,
        /// Without effect: it is read here.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct X509CertificateInfo;

impl Module for X509CertificateInfo {
    const NAME: &'static str = "x509_certificate_info";
    const ALIASES: &'static [&'static str] = &["openssl_certificate_info"];
    const COLLECTION: &'static str = "community.crypto";
    type Args = Args;
    type Plan = ();

    fn check(args: &Args, look: &Look) -> Result<Verdict<()>, Failure> {
        let (data, what) = match (&args.path, &args.content) {
            (Some(_), Some(_)) => {
                return Err("parameters are mutually exclusive: path|content".into());
            }
            (None, None) => return Err("one of the following is required: path, content".into()),
            (None, Some(content)) => (content.as_bytes().to_vec(), "content".to_owned()),
            (Some(path), None) => {
                let data = look.read(path)?.ok_or_else(|| {
                    Failure::new(format!("The certificate {} does not exist", path.display()))
                })?;
                (data, path.display().to_string())
            }
        };
        let certificate = Certificate::parse(&data)
            .ok_or_else(|| Failure::new(format!("{what} is no certificate")))?;
        let mut valid = Map::new();
        for (name, text) in args.valid_at.iter().flatten() {
            let at = time::parse(&coerce::text(text)?, &format!("valid_at: {name}"))?;
            let holds = (certificate.not_before..=certificate.not_after).contains(&at);
            valid.insert(name.clone(), json!(holds));
        }
        let (ocsp, issuer) = report::access(&certificate.extensions);
        let result = Return::new()
            .with("expired", certificate.not_after < time::now())
            .with("not_before", time::show(certificate.not_before))
            .with("not_after", time::show(certificate.not_after))
            .with("valid_at", valid)
            .with("subject", report::name(&certificate.subject))
            .with("subject_ordered", report::ordered(&certificate.subject))
            .with("issuer", report::name(&certificate.issuer))
            .with("issuer_ordered", report::ordered(&certificate.issuer))
            .with("serial_number", number(&certificate.serial))
            .with("version", certificate.version)
            .with(
                "signature_algorithm",
                algorithm_name(&certificate.signed.algorithm),
            )
            .with("fingerprints", fingerprints(&certificate.der))
            .with("ocsp_uri", ocsp)
            .with("issuer_uri", issuer);
        let result = report::public(&certificate.public, result, "public_key_");
        Ok(Verdict::Same(report::all(&certificate.extensions, result)))
    }

    fn describe((): &()) -> Vec<ocplay_protocol::Diff> {
        Vec::new()
    }

    fn apply((): (), _: &mut Touch) -> Result<Return, Failure> {
        Ok(Return::new())
    }
}
