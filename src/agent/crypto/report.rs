//! What keys and certificates say, as playbooks get it.

use serde_json::{Map, Value, json};

use super::extensions::{self, Extension, find};
use super::key::{self, Public};
use super::names::{self, Field, long_name};
use super::{base64, colons, der};
use crate::host::Return;

/// Fields by their names; of several of one name the last.
pub(crate) fn name(fields: &[Field]) -> Value {
    let all = fields
        .iter()
        .map(|(oid, text)| (long_name(oid).to_owned(), json!(text)));
    Value::Object(all.collect())
}

pub(crate) fn ordered(fields: &[Field]) -> Value {
    fields
        .iter()
        .map(|(oid, text)| json!([long_name(oid), text]))
        .collect()
}

/// All that is said of a public key, with a word before each name.
pub(crate) fn public(key: &Public, result: Return, before: &str) -> Return {
    result
        .with(&format!("{before}type"), key.kind)
        .with(&format!("{before}data"), key.data())
        .with("public_key", key.pem())
        .with("public_key_fingerprints", key::fingerprints(&key.der))
}

/// All that is said of extensions.
pub(crate) fn all(list: &[Extension], mut result: Return) -> Return {
    let get = |oid: &str| find(list, oid);
    let critical = |oid: &str| get(oid).is_some_and(|one| one.critical);
    let value = |oid: &str| get(oid).map(|one| one.value.as_slice());
    let features = value(extensions::FEATURES);
    let (id, issuer, serial) = value(extensions::AUTHORITY_ID)
        .map(extensions::show_authority_id)
        .unwrap_or_default();
    let subject_id = value(extensions::KEY_ID)
        .and_then(der::parse)
        .map(|id| colons(id.body));
    let alt_names = value(extensions::ALT_NAME)
        .and_then(der::parse)
        .map(extensions::show_names);
    let by_oid: Map<String, Value> = list
        .iter()
        .map(|one| {
            let shown = json!({"critical": one.critical, "value": base64(&one.value)});
            (one.oid.clone(), shown)
        })
        .collect();
    for (name, shown) in [
        (
            "basic_constraints",
            value(extensions::BASIC).map(|value| json!(extensions::show_basic(value))),
        ),
        (
            "basic_constraints_critical",
            Some(json!(critical(extensions::BASIC))),
        ),
        (
            "key_usage",
            value(extensions::KEY_USAGE).map(|value| json!(extensions::show_key_usage(value))),
        ),
        (
            "key_usage_critical",
            Some(json!(critical(extensions::KEY_USAGE))),
        ),
        (
            "extended_key_usage",
            value(extensions::EXTENDED_USAGE)
                .map(|value| json!(extensions::show_extended_usage(value))),
        ),
        (
            "extended_key_usage_critical",
            Some(json!(critical(extensions::EXTENDED_USAGE))),
        ),
        ("subject_alt_name", alt_names.map(Value::from)),
        (
            "subject_alt_name_critical",
            Some(json!(critical(extensions::ALT_NAME))),
        ),
        (
            "ocsp_must_staple",
            Some(json!(features == Some(&extensions::MUST_STAPLE[..]))),
        ),
        (
            "ocsp_must_staple_critical",
            Some(json!(critical(extensions::FEATURES))),
        ),
        ("subject_key_identifier", subject_id.map(Value::from)),
        ("authority_key_identifier", id.map(|id| json!(colons(&id)))),
        ("authority_cert_issuer", issuer.map(Value::from)),
        (
            "authority_cert_serial_number",
            serial.map(|serial| key::number(&serial)),
        ),
        ("extensions_by_oid", Some(Value::Object(by_oid))),
    ] {
        result = result.with(name, shown.unwrap_or(Value::Null));
    }
    result
}

/// Where to ask whether a certificate still holds, and for its issuer's own.
pub(crate) fn access(list: &[Extension]) -> (Option<String>, Option<String>) {
    let value = find(list, extensions::AUTHORITY_ACCESS).and_then(|one| der::parse(&one.value));
    let entries = value.map(der::Der::children).unwrap_or_default();
    let place = |wanted: &str| {
        entries
            .iter()
            .find_map(|entry| match entry.children().as_slice() {
                [kind, place, ..] if kind.oid().as_deref() == Some(wanted) => {
                    names::show_general(*place)
                        .strip_prefix("URI:")
                        .map(str::to_owned)
                }
                _ => None,
            })
    };
    (place("1.3.6.1.5.5.7.48.1"), place("1.3.6.1.5.5.7.48.2"))
}
