//! `openssl_csr`: requests for certificates.

use std::path::PathBuf;

use ocplay_protocol::coerce;
use serde_json::{Map, Value, json};

use super::acts::{Acts, acting, state as state_diff};
use super::made::{self, Made};
use super::{Module, Verdict};
use crate::crypto;
use crate::crypto::certificate::{Request, sign};
use crate::crypto::extensions::{self, Extension, Point, find};
use crate::crypto::key::{Private, Public, Unread, algorithm};
use crate::crypto::names::{self, Field, attribute, parse_hex};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// Which library does the work.
    pub(super) enum Backend { Auto = "auto", Cryptography = "cryptography" }
}
ocplay_protocol::choices! {
    /// Why something was revoked.
    pub(super) enum Reason {
        Key = "key_compromise",
        Authority = "ca_compromise",
        Affiliation = "affiliation_changed",
        Superseded = "superseded",
        Cessation = "cessation_of_operation",
        Hold = "certificate_hold",
        Withdrawn = "privilege_withdrawn",
        Attribute = "aa_compromise",
    }
}

ocplay_protocol::arguments! {
    /// Where a list of what was revoked is.
    pub(super) struct CrlPoint {
        /// Its names, such as URI:http://ca.example.com/list.crl.
        full_name: Option<Vec<String>>,
        /// Its name relative to its issuer.
        relative_name: Option<Vec<String>>,
        /// Who issues it.
        crl_issuer: Option<Vec<String>>,
        /// What it is for.
        reasons: Option<Vec<Reason>>,
    }
}

file_arguments! {
    /// Makes requests for certificates. One that is there and says what is wanted stays.
    /// It is put together here; the program openssl of the host signs it.
    pub(super) struct Args {
        /// File of the request.
        path: PathBuf,
        /// Wanted state.
        state: State = State::Present,
        /// Hash that the signature is over.
        digest: String = "sha256".to_owned(),
        /// File of the private key.
        privatekey_path: Option<PathBuf>,
        /// The private key itself.
        privatekey_content: Option<String>,
        /// Passphrase of the private key.
        privatekey_passphrase: Option<String>,
        /// Version of the request; there is only this one.
        version: i64 = 1,
        /// Make it anew in any case.
        force: bool = false,
        /// Fields of the subject, after those with an argument of their own.
        subject: Option<Map<String, Value>>,
        /// Fields of the subject in order, each a mapping of one.
        subject_ordered: Option<Vec<Map<String, Value>>>,
        /// Country, two letters.
        country_name: Option<String> ["C", "countryName"],
        /// State or province.
        state_or_province_name: Option<String> ["ST", "stateOrProvinceName"],
        /// Locality.
        locality_name: Option<String> ["L", "localityName"],
        /// Organization.
        organization_name: Option<String> ["O", "organizationName"],
        /// Unit of the organization.
        organizational_unit_name: Option<String> ["OU", "organizationalUnitName"],
        /// Common name.
        common_name: Option<String> ["CN", "commonName"],
        /// Address for mail.
        email_address: Option<String> ["E", "emailAddress"],
        /// Further names: DNS:, IP:, URI:, email:, RID:, dirName: and otherName:.
        subject_alt_name: Option<Vec<String>> ["subjectAltName"],
        /// Who does not know further names must refuse the certificate.
        subject_alt_name_critical: bool ["subjectAltName_critical"] = false,
        /// Without further names the common name is one.
        use_common_name_for_san: bool ["useCommonNameForSAN"] = true,
        /// What the key is for, such as digitalSignature.
        key_usage: Option<Vec<String>> ["keyUsage"],
        /// Who does not know it must refuse the certificate.
        key_usage_critical: bool ["keyUsage_critical"] = false,
        /// What else the key is for, such as serverAuth.
        extended_key_usage: Option<Vec<String>> ["extKeyUsage", "extendedKeyUsage"],
        /// Who does not know it must refuse the certificate.
        extended_key_usage_critical: bool ["extKeyUsage_critical", "extendedKeyUsage_critical"] = false,
        /// Whether it is an authority, such as CA:TRUE and pathlen:0.
        basic_constraints: Option<Vec<String>> ["basicConstraints"],
        /// Who does not know it must refuse the certificate.
        basic_constraints_critical: bool ["basicConstraints_critical"] = false,
        /// The server must staple an answer of OCSP.
        ocsp_must_staple: bool ["ocspMustStaple"] = false,
        /// Who does not know it must refuse the certificate.
        ocsp_must_staple_critical: bool ["ocspMustStaple_critical"] = false,
        /// Names that the authority may sign for.
        name_constraints_permitted: Option<Vec<String>>,
        /// Names that it may not sign for.
        name_constraints_excluded: Option<Vec<String>>,
        /// Who does not know it must refuse the certificate.
        name_constraints_critical: bool = false,
        /// Identify the key by a digest of it.
        create_subject_key_identifier: bool = false,
        /// Identifier of the key, in hex with colons.
        subject_key_identifier: Option<String>,
        /// Identifier of the authority's key, in hex with colons.
        authority_key_identifier: Option<String>,
        /// Names of the authority.
        authority_cert_issuer: Option<Vec<String>>,
        /// Serial number of the authority's certificate.
        authority_cert_serial_number: Option<i64>,
        /// Where lists of what was revoked are.
        crl_distribution_points: Option<Vec<CrlPoint>>,
        /// Return the request itself.
        return_content: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Without effect: it is always the host's openssl.
        select_crypto_backend: Backend = Backend::Auto,
    }
}

pub(super) struct OpensslCsr;

/// Values of one field: a text, or a list of them.
fn field_values(name: &str, value: &Value) -> Result<Vec<String>, Failure> {
    let one = |value: &Value| {
        coerce::text(value).map_err(|reason| Failure::new(format!("subject: {name}: {reason}")))
    };
    match value {
        Value::Array(all) => all.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

fn hex(name: &str, text: &str) -> Result<Vec<u8>, Failure> {
    parse_hex(text).ok_or_else(|| {
        Failure::new(format!(
            "{name}: '{text}' is not pairs of hex digits with colons between"
        ))
    })
}

impl Args {
    /// Fields as they were named, with their texts.
    fn fields(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut all = Vec::new();
        for (name, value) in [
            ("C", &self.country_name),
            ("ST", &self.state_or_province_name),
            ("L", &self.locality_name),
            ("O", &self.organization_name),
            ("OU", &self.organizational_unit_name),
            ("CN", &self.common_name),
            ("emailAddress", &self.email_address),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                all.push((name.to_owned(), value.clone()));
            }
        }
        let mut add = |map: &Map<String, Value>| -> Result<(), Failure> {
            for (name, value) in map {
                for text in field_values(name, value)? {
                    all.push((name.clone(), text));
                }
            }
            Ok(())
        };
        if let Some(subject) = &self.subject {
            add(subject)?;
        }
        if let Some(ordered) = &self.subject_ordered {
            if self.subject.is_some() {
                return Err("parameters are mutually exclusive: subject|subject_ordered".into());
            }
            for map in ordered {
                add(map)?;
            }
            let own = self.fields_of_their_own();
            if own {
                return Err("subject_ordered cannot be combined with any other subject field; put them into its list".into());
            }
        }
        Ok(all)
    }

    fn fields_of_their_own(&self) -> bool {
        [
            &self.country_name,
            &self.state_or_province_name,
            &self.locality_name,
            &self.organization_name,
            &self.organizational_unit_name,
            &self.common_name,
            &self.email_address,
        ]
        .into_iter()
        .any(Option::is_some)
    }

    fn alt_names(&self, fields: &[(String, String)]) -> Vec<String> {
        let given = self.subject_alt_name.clone().unwrap_or_default();
        if !given.is_empty() || !self.use_common_name_for_san {
            return given;
        }
        let common = fields
            .iter()
            .find(|(name, _)| name == "CN" || name == "commonName");
        common
            .map(|(_, text)| format!("DNS:{text}"))
            .into_iter()
            .collect()
    }

    fn extensions(&self, names: &[String], public: &Public) -> Result<Vec<Extension>, Failure> {
        let mut all = Vec::new();
        let mut add = |oid: &str, critical: bool, value: Vec<u8>| {
            all.push(Extension::new(oid, critical, value));
        };
        if !names.is_empty() {
            let value = extensions::alt_names(names)?;
            add(extensions::ALT_NAME, self.subject_alt_name_critical, value);
        }
        let filled = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
        if let Some(words) = filled(&self.key_usage) {
            add(
                extensions::KEY_USAGE,
                self.key_usage_critical,
                extensions::key_usage(&words)?,
            );
        }
        if let Some(words) = filled(&self.extended_key_usage) {
            let value = extensions::extended_usage(&words)?;
            add(
                extensions::EXTENDED_USAGE,
                self.extended_key_usage_critical,
                value,
            );
        }
        if let Some(words) = filled(&self.basic_constraints) {
            add(
                extensions::BASIC,
                self.basic_constraints_critical,
                extensions::basic(&words)?,
            );
        }
        if self.ocsp_must_staple {
            let value = extensions::MUST_STAPLE.to_vec();
            add(extensions::FEATURES, self.ocsp_must_staple_critical, value);
        }
        let permitted = self
            .name_constraints_permitted
            .as_deref()
            .unwrap_or_default();
        let excluded = self
            .name_constraints_excluded
            .as_deref()
            .unwrap_or_default();
        if !permitted.is_empty() || !excluded.is_empty() {
            let value = extensions::constraints(permitted, excluded)?;
            add(
                extensions::CONSTRAINTS,
                self.name_constraints_critical,
                value,
            );
        }
        match (
            &self.subject_key_identifier,
            self.create_subject_key_identifier,
        ) {
            (Some(_), true) => {
                return Err("subject_key_identifier cannot be specified if create_subject_key_identifier is true".into());
            }
            (Some(id), false) => {
                let id = hex("subject_key_identifier", id)?;
                add(extensions::KEY_ID, false, extensions::key_id(&id));
            }
            (None, true) => add(extensions::KEY_ID, false, extensions::key_id(&public.id())),
            (None, false) => {}
        }
        let issuer = self.authority_cert_issuer.as_deref().unwrap_or_default();
        let id = self.authority_key_identifier.as_ref();
        let serial = self.authority_cert_serial_number;
        if issuer.is_empty() == serial.is_some() {
            return Err("parameters are required together: authority_cert_issuer, authority_cert_serial_number".into());
        }
        if id.is_some() || !issuer.is_empty() {
            let id = id
                .map(|id| hex("authority_key_identifier", id))
                .transpose()?;
            let value = extensions::authority_id(id.as_deref(), issuer, serial)?;
            add(extensions::AUTHORITY_ID, false, value);
        }
        if let Some(points) = self
            .crl_distribution_points
            .as_ref()
            .filter(|points| !points.is_empty())
        {
            add(extensions::CRL_POINTS, false, crl_points(points)?);
        }
        Ok(all)
    }
}

fn crl_points(points: &[CrlPoint]) -> Result<Vec<u8>, Failure> {
    let mut relatives = Vec::new();
    for point in points {
        if point.full_name.is_some() && point.relative_name.is_some() {
            return Err("crl_distribution_points: parameters are mutually exclusive: full_name|relative_name".into());
        }
        if point.full_name.is_none() && point.relative_name.is_none() && point.crl_issuer.is_none()
        {
            return Err("crl_distribution_points: one of the following is required: full_name, relative_name, crl_issuer".into());
        }
        let mut fields: Vec<Field> = Vec::new();
        for text in point.relative_name.iter().flatten() {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Failure::new(format!("relative_name: '{text}' is not NAME=VALUE"))
            })?;
            fields.push((attribute(name.trim())?, value.trim().to_owned()));
        }
        let reasons = point.reasons.iter().flatten().map(|reason| reason.word());
        relatives.push((fields, reasons.collect::<Vec<_>>()));
    }
    let points: Vec<Point> = points
        .iter()
        .zip(&relatives)
        .map(|(point, (relative, reasons))| Point {
            full_name: point.full_name.as_deref().unwrap_or_default(),
            relative,
            issuer: point.crl_issuer.as_deref().unwrap_or_default(),
            reasons,
        })
        .collect();
    extensions::crl_points(&points)
}

/// Extensions that this module knows and therefore compares.
const COMPARED: [&str; 9] = [
    extensions::ALT_NAME,
    extensions::KEY_USAGE,
    extensions::EXTENDED_USAGE,
    extensions::BASIC,
    extensions::FEATURES,
    extensions::CONSTRAINTS,
    extensions::KEY_ID,
    extensions::AUTHORITY_ID,
    extensions::CRL_POINTS,
];

/// What a request says, in lines.
fn summary(subject: &[Field], all: &[Extension]) -> String {
    let mut text = String::new();
    for (oid, value) in subject {
        text.push_str(&format!("{}: {value}\n", names::long_name(oid)));
    }
    let report = crypto::report::all(all, Return::new());
    for (name, value) in report.values {
        let silent = value.is_null() || value == json!(false) || name == "extensions_by_oid";
        if !silent {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text
}

impl Module for OpensslCsr {
    const NAME: &'static str = "openssl_csr";
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
        if args.version != 1 {
            return Err(Failure::new(format!(
                "version: there is no version {} of requests, only 1",
                args.version
            )));
        }
        let named = args.fields()?;
        let mut subject: Vec<Field> = Vec::new();
        for (name, text) in &named {
            subject.push((attribute(name)?, text.clone()));
        }
        let subject_der = names::encode(&subject)?;
        let alt_names = args.alt_names(&named);
        let private = Private::given(
            ["privatekey_path", "privatekey_content"],
            args.privatekey_path.as_deref(),
            args.privatekey_content.as_deref(),
            args.privatekey_passphrase.as_deref(),
        )?;
        let Some(private) = private else {
            return Err("state is present but any of the following are missing: privatekey_path, privatekey_content".into());
        };
        acts.result(|result| {
            let list = |list: &Option<Vec<String>>| json!(list);
            let empty = |list: &Option<Vec<String>>| json!(list.as_deref().unwrap_or_default());
            result
                .with("privatekey", private.shown())
                .with("subject", json!(named))
                .with(
                    "subjectAltName",
                    if alt_names.is_empty() {
                        Value::Null
                    } else {
                        json!(alt_names)
                    },
                )
                .with("keyUsage", list(&args.key_usage))
                .with("extendedKeyUsage", list(&args.extended_key_usage))
                .with("basicConstraints", list(&args.basic_constraints))
                .with("ocspMustStaple", args.ocsp_must_staple)
                .with(
                    "name_constraints_permitted",
                    empty(&args.name_constraints_permitted),
                )
                .with(
                    "name_constraints_excluded",
                    empty(&args.name_constraints_excluded),
                )
        });
        let public = match private.public(look)? {
            Ok(public) => public,
            Err(Unread::Missing(path)) if look.is_check() => {
                // An earlier task may be about to make it.
                acts.diff(state_diff(
                    &args.path.to_string_lossy(),
                    "",
                    &summary(&subject, &[]),
                ));
                let text = format!("the private key {} does not exist yet", path.display());
                acts.result(|result| result.warn(text));
                acts.body(|_| Ok(Return::new()));
                return Ok(acts.verdict());
            }
            Err(unread) => return Err(unread.failure("private key")),
        };
        algorithm(public.kind, &args.digest)?;
        let wanted = args.extensions(&alt_names, &public)?;
        let there = before.as_deref().and_then(Request::parse);
        let content = args.return_content;
        if let (Some(request), Some(data)) = (&there, &before)
            && !args.force
            && same_subject(args, &request.subject, &subject)
            && request.public == public
            && COMPARED.iter().all(|oid| {
                match (find(&request.extensions, oid), find(&wanted, oid)) {
                    (None, None) => true,
                    (Some(is), Some(wanted)) => is.same_as(wanted),
                    _ => false,
                }
            })
            && request.signed.is_by(look, &public)?
        {
            let text = String::from_utf8_lossy(data).into_owned();
            acts.result(|result| result.maybe("csr", content.then_some(text)));
            acts.work(made.settle(look, data)?);
            return Ok(acts.verdict());
        }
        let is = there.map(|request| summary(&request.subject, &request.extensions));
        acts.diff(state_diff(
            &args.path.to_string_lossy(),
            &is.unwrap_or_default(),
            &summary(&subject, &wanted),
        ));
        let digest = args.digest.to_ascii_lowercase();
        acts.body(move |touch| {
            let body = Request::body(&subject_der, &public, &wanted);
            let text = Request::pem(&sign(touch, &private, public.kind, &digest, &body)?);
            let result = made.write(touch, text.clone().into_bytes())?;
            Ok(result.maybe("csr", content.then_some(text)))
        });
        Ok(acts.verdict())
    }
}

/// Whether subjects are the same; the order counts only where it was given.
fn same_subject(args: &Args, is: &[Field], wanted: &[Field]) -> bool {
    if args.subject_ordered.is_some() {
        return is == wanted;
    }
    let sorted = |fields: &[Field]| {
        let mut fields = fields.to_vec();
        fields.sort();
        fields
    };
    sorted(is) == sorted(wanted)
}
