//! `x509_certificate`: certificates that sign themselves, or that an authority
//! of one's own signs.

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::made::{self, Made};
use super::{Module, Verdict};
use crate::crypto::certificate::{Certificate, Content, Request, sign};
use crate::crypto::extensions::{self, Extension, find};
use crate::crypto::key::{Private, Public, algorithm, number};
use crate::crypto::time::{self, Seconds};
use crate::crypto::{self, names};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// Who signs.
    pub(super) enum Provider {
        Acme = "acme",
        Ownca = "ownca",
        Selfsigned = "selfsigned",
        Entrust = "entrust",
        Assertonly = "assertonly",
    }
}
ocplay_protocol::choices! {
    /// When the certificate identifies its key.
    pub(super) enum Identify {
        IfNotProvided = "create_if_not_provided",
        Always = "always_create",
        Never = "never_create",
    }
}
ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}

file_arguments! {
    /// Makes certificates from requests, signed by their own key or by an authority of one's own. One that is there and
    /// says what is wanted stays. It is put together here; the program openssl of the host signs it.
    pub(super) struct Args {
        /// File of the certificate.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Who signs; acme, entrust and assertonly are not supported.
        provider: Option<Provider>,
        /// Make it anew in any case.
        force: bool = false,
        /// File of the request.
        csr_path: Option<PathBuf>,
        /// The request itself.
        csr_content: Option<String>,
        /// File of the private key.
        privatekey_path: Option<PathBuf>,
        /// The private key itself.
        privatekey_content: Option<String>,
        /// Passphrase of the private key.
        privatekey_passphrase: Option<String>,
        /// A certificate with other times stays.
        ignore_timestamps: bool = true,
        /// Version; there is only this one.
        selfsigned_version: i64 = 3,
        /// Hash that the signature is over.
        selfsigned_digest: String = "sha256".to_owned(),
        /// Since when it holds: YYYYMMDDHHMMSSZ, or a distance from now such as -1d.
        selfsigned_not_before: String ["selfsigned_notBefore"] = "+0s".to_owned(),
        /// Until when it holds.
        selfsigned_not_after: String ["selfsigned_notAfter"] = "+3650d".to_owned(),
        /// When it identifies its key by a digest of it.
        selfsigned_create_subject_key_identifier: Identify = Identify::IfNotProvided,
        /// File of the authority's certificate.
        ownca_path: Option<PathBuf>,
        /// The authority's certificate itself.
        ownca_content: Option<String>,
        /// File of the authority's private key.
        ownca_privatekey_path: Option<PathBuf>,
        /// The authority's private key itself.
        ownca_privatekey_content: Option<String>,
        /// Passphrase of the authority's private key.
        ownca_privatekey_passphrase: Option<String>,
        /// Hash that the authority's signature is over.
        ownca_digest: String = "sha256".to_owned(),
        /// Version; there is only this one.
        ownca_version: i64 = 3,
        /// Since when it holds: YYYYMMDDHHMMSSZ, or a distance from now such as -1d.
        ownca_not_before: String = "+0s".to_owned(),
        /// Until when it holds.
        ownca_not_after: String = "+3650d".to_owned(),
        /// When it identifies its key by a digest of it.
        ownca_create_subject_key_identifier: Identify = Identify::IfNotProvided,
        /// Whether it identifies the authority's key.
        ownca_create_authority_key_identifier: bool = true,
        /// For acme. Not supported.
        acme_accountkey_path: Option<PathBuf>,
        /// For acme. Not supported.
        acme_challenge_path: Option<PathBuf>,
        /// For acme. Not supported.
        acme_chain: bool = false,
        /// For acme. Not supported.
        acme_directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        /// Return the certificate itself.
        return_content: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct X509Certificate;

/// Everything that a certificate is made from.
struct Making {
    signer: Private,
    signer_public: Public,
    digest: String,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    public: Public,
    extensions: Vec<Extension>,
    not_before: Seconds,
    not_after: Seconds,
}

impl Args {
    fn consistent(&self) -> Result<Provider, Failure> {
        let Some(provider) = self.provider else {
            return Err("state is present but all of the following are missing: provider; it is selfsigned or ownca".into());
        };
        let refused = match provider {
            Provider::Acme => {
                "acme is not supported: run certbot or acme-tiny with the module command, with creates"
            }
            Provider::Entrust => "entrust is not supported: it asks a service for money",
            Provider::Assertonly => {
                "assertonly is not supported, as in new versions of community.crypto: use x509_certificate_info and assert"
            }
            _ => "",
        };
        if !refused.is_empty() {
            return Err(Failure::new(format!("provider {refused}")));
        }
        if self.selfsigned_version != 3 || self.ownca_version != 3 {
            return Err("version: only certificates of version 3 are made".into());
        }
        Ok(provider)
    }

    fn private(&self) -> Result<Option<Private>, Failure> {
        Private::given(
            ["privatekey_path", "privatekey_content"],
            self.privatekey_path.as_deref(),
            self.privatekey_content.as_deref(),
            self.privatekey_passphrase.as_deref(),
        )
    }

    /// The authority's certificate and its key.
    fn authority(&self, look: &Look) -> Result<(Certificate, Private, Public), Failure> {
        let (data, what) = match (&self.ownca_path, &self.ownca_content) {
            (Some(_), Some(_)) => {
                return Err("parameters are mutually exclusive: ownca_path|ownca_content".into());
            }
            (None, None) => return Err("provider ownca needs ownca_path or ownca_content".into()),
            (None, Some(content)) => (content.as_bytes().to_vec(), "ownca_content".to_owned()),
            (Some(path), None) => {
                let data = look.read(path)?.ok_or_else(|| {
                    Failure::new(format!(
                        "The CA certificate {} does not exist; make it first",
                        path.display()
                    ))
                })?;
                (data, path.display().to_string())
            }
        };
        let certificate = Certificate::parse(&data)
            .ok_or_else(|| Failure::new(format!("{what} is no certificate")))?;
        let private = Private::given(
            ["ownca_privatekey_path", "ownca_privatekey_content"],
            self.ownca_privatekey_path.as_deref(),
            self.ownca_privatekey_content.as_deref(),
            self.ownca_privatekey_passphrase.as_deref(),
        )?;
        let Some(private) = private else {
            return Err(
                "provider ownca needs ownca_privatekey_path or ownca_privatekey_content".into(),
            );
        };
        let public = private
            .public(look)?
            .map_err(|unread| unread.failure("CA private key"))?;
        if public != certificate.public {
            return Err("The CA private key does not belong to the CA certificate".into());
        }
        Ok((certificate, private, public))
    }

    fn times(&self, provider: Provider) -> Result<(Seconds, Seconds), Failure> {
        let (before, after, name) = if provider == Provider::Ownca {
            (&self.ownca_not_before, &self.ownca_not_after, "ownca_not")
        } else {
            (
                &self.selfsigned_not_before,
                &self.selfsigned_not_after,
                "selfsigned_not",
            )
        };
        let pair = (
            time::parse(before, &format!("{name}_before"))?,
            time::parse(after, &format!("{name}_after"))?,
        );
        if pair.1 < pair.0 {
            return Err(Failure::new(format!(
                "{name}_after is before {name}_before"
            )));
        }
        Ok(pair)
    }

    fn making(&self, look: &Look, provider: Provider) -> Result<Making, Failure> {
        let (not_before, not_after) = self.times(provider)?;
        let request = Request::given(look, self.csr_path.as_deref(), self.csr_content.as_deref())?;
        let own = match self.private()? {
            Some(private) => {
                let public = private
                    .public(look)?
                    .map_err(|unread| unread.failure("private key"))?;
                Some((private, public))
            }
            None => None,
        };
        if let Some(request) = &request {
            if !request.signed.is_by(look, &request.public)? {
                return Err("Invalid signature of the certificate signing request".into());
            }
            if own
                .as_ref()
                .is_some_and(|(_, public)| *public != request.public)
            {
                return Err(
                    "The private key does not belong to the certificate signing request".into(),
                );
            }
        }
        let mut making = if provider == Provider::Ownca {
            let request = request.ok_or("provider ownca needs csr_path or csr_content")?;
            let (certificate, signer, signer_public) = self.authority(look)?;
            let mut all = identified(&request, self.ownca_create_subject_key_identifier);
            if self.ownca_create_authority_key_identifier {
                all.retain(|one| one.oid != extensions::AUTHORITY_ID);
                let own = find(&certificate.extensions, extensions::KEY_ID);
                let id = own
                    .and_then(|one| crypto::der::parse(&one.value))
                    .map(|id| id.body.to_vec());
                let id = id.unwrap_or_else(|| signer_public.id());
                let value = extensions::authority_id(Some(&id), &[], None)?;
                all.push(Extension::new(extensions::AUTHORITY_ID, false, value));
            }
            Making {
                digest: self.ownca_digest.clone(),
                issuer: certificate.subject_der,
                subject: request.subject_der,
                public: request.public,
                extensions: all,
                signer,
                signer_public,
                not_before,
                not_after,
            }
        } else {
            let (signer, public) =
                own.ok_or("provider selfsigned needs privatekey_path or privatekey_content")?;
            let empty = names::encode(&[])?;
            let (subject, mut all) = match &request {
                Some(request) => (
                    request.subject_der.clone(),
                    identified(request, self.selfsigned_create_subject_key_identifier),
                ),
                None => (empty, Vec::new()),
            };
            if request.is_none() && self.selfsigned_create_subject_key_identifier != Identify::Never
            {
                all.push(Extension::new(
                    extensions::KEY_ID,
                    false,
                    extensions::key_id(&public.id()),
                ));
            }
            Making {
                digest: self.selfsigned_digest.clone(),
                issuer: subject.clone(),
                subject,
                public: public.clone(),
                extensions: all,
                signer,
                signer_public: public,
                not_before,
                not_after,
            }
        };
        making.digest = making.digest.to_ascii_lowercase();
        algorithm(making.signer_public.kind, &making.digest)?;
        Ok(making)
    }
}

/// The request's extensions, with an identifier of the key where it is wanted.
fn identified(request: &Request, identify: Identify) -> Vec<Extension> {
    let mut all = request.extensions.clone();
    if identify == Identify::Always {
        all.retain(|one| one.oid != extensions::KEY_ID);
    }
    if identify != Identify::Never && find(&all, extensions::KEY_ID).is_none() {
        let value = extensions::key_id(&request.public.id());
        all.push(Extension::new(extensions::KEY_ID, false, value));
    }
    all
}

/// Why a certificate is not the wanted one; `None` if it is.
fn mismatch(
    args: &Args,
    look: &Look,
    is: &Certificate,
    making: &Making,
) -> Result<Option<&'static str>, Failure> {
    if is.public != making.public {
        return Ok(Some("it is of another key"));
    }
    let fields = |der: &[u8]| crypto::der::parse(der).map(names::decode);
    if Some(&is.subject) != fields(&making.subject).as_ref() {
        return Ok(Some("it has another subject"));
    }
    if is.issuer_der != making.issuer {
        return Ok(Some("it has another issuer"));
    }
    let same = |one: &Extension, others: &[Extension]| {
        find(others, &one.oid).is_some_and(|other| one.same_as(other))
    };
    let all = is
        .extensions
        .iter()
        .all(|one| same(one, &making.extensions))
        && making
            .extensions
            .iter()
            .all(|one| same(one, &is.extensions));
    if !all {
        return Ok(Some("it says something else than the request"));
    }
    if !args.ignore_timestamps
        && (is.not_before, is.not_after) != (making.not_before, making.not_after)
    {
        return Ok(Some("it holds at another time"));
    }
    if !is.signed.is_by(look, &making.signer_public)? {
        return Ok(Some("another key signed it"));
    }
    Ok(None)
}

fn summary(subject: &[names::Field], issuer: &[names::Field], extensions: &[Extension]) -> String {
    let mut text = String::new();
    for (what, fields) in [("subject", subject), ("issuer", issuer)] {
        for (oid, value) in fields {
            text.push_str(&format!("{what} {}: {value}\n", names::long_name(oid)));
        }
    }
    let report = crypto::report::all(extensions, Return::new());
    for (name, value) in report.values {
        if !value.is_null() && value != serde_json::json!(false) && name != "extensions_by_oid" {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text
}

fn report(result: Return, certificate: &Certificate, content: Option<String>) -> Return {
    result
        .with("notBefore", time::show(certificate.not_before))
        .with("notAfter", time::show(certificate.not_after))
        .with("serial_number", number(&certificate.serial))
        .maybe("certificate", content)
}

impl Module for X509Certificate {
    const NAME: &'static str = "x509_certificate";
    const ALIASES: &'static [&'static str] = &["openssl_certificate"];
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
        let provider = args.consistent()?;
        crypto::need(look)?;
        made.check(look)?;
        acts.result(|result| {
            let path = |path: &Option<PathBuf>| {
                path.as_ref()
                    .map(|path| path.to_string_lossy().into_owned())
            };
            let result = result
                .with("privatekey", path(&args.privatekey_path))
                .with("csr", path(&args.csr_path));
            if provider != Provider::Ownca {
                return result;
            }
            result
                .with("ca_cert", path(&args.ownca_path))
                .with("ca_privatekey", path(&args.ownca_privatekey_path))
        });
        if look.is_check()
            && let Some(missing) = missing(args, look)?
        {
            // An earlier task may be about to make it.
            acts.diff(state_diff(&args.path.to_string_lossy(), "", "(new)"));
            acts.result(|result| result.warn(format!("{} does not exist yet", missing.display())));
            acts.body(|_| Ok(Return::new()));
            return Ok(acts.verdict());
        }
        let making = args.making(look, provider)?;
        let there = before.as_deref().and_then(Certificate::parse);
        let content = args.return_content;
        if let (Some(certificate), Some(data)) = (&there, &before)
            && !args.force
            && mismatch(args, look, certificate, &making)?.is_none()
        {
            let text = content.then(|| String::from_utf8_lossy(data).into_owned());
            acts.result(|result| report(result, certificate, text));
            acts.work(made.settle(look, data)?);
            return Ok(acts.verdict());
        }
        let is = there
            .as_ref()
            .map(|one| summary(&one.subject, &one.issuer, &one.extensions));
        let fields = |der: &[u8]| {
            crypto::der::parse(der)
                .map(names::decode)
                .unwrap_or_default()
        };
        let (subject, issuer) = (fields(&making.subject), fields(&making.issuer));
        acts.diff(state_diff(
            &args.path.to_string_lossy(),
            &is.unwrap_or_default(),
            &format!("{}(new)\n", summary(&subject, &issuer, &making.extensions)),
        ));
        acts.body(move |touch| {
            let body = Certificate::body(&Content {
                issuer: &making.issuer,
                subject: &making.subject,
                not_before: making.not_before,
                not_after: making.not_after,
                public: &making.public,
                extensions: &making.extensions,
                signer: making.signer_public.kind,
                digest: &making.digest,
            })?;
            let der = sign(
                touch,
                &making.signer,
                making.signer_public.kind,
                &making.digest,
                &body,
            )?;
            let certificate = Certificate::parse(&der)
                .ok_or("the certificate that was made cannot be read; this is a bug of ocplay")?;
            let text = Certificate::pem(&der);
            let result = made.write(touch, text.clone().into_bytes())?;
            Ok(report(result, &certificate, content.then_some(text)))
        });
        Ok(acts.verdict())
    }
}

/// A file that is needed and not there.
fn missing(args: &Args, look: &Look) -> Result<Option<PathBuf>, Failure> {
    let needed = [
        &args.csr_path,
        &args.privatekey_path,
        &args.ownca_path,
        &args.ownca_privatekey_path,
    ];
    for path in needed.into_iter().flatten() {
        if look.stat(path)?.is_none() {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}
