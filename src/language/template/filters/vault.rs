//! `vault` and `unvault`: text encrypted with a secret that is a variable.

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::{Jinja, python};
use crate::vault::{Envelope, Keyring, VaultSecret, is_vault};

/// The label that `vault` writes.
const LABEL: &str = "filter_default";

pub(super) const ROWS: &[Row] = &[
    (
        "vault",
        "value secret salt vault_id wrap_object",
        |_, args| {
            let secret = secret(args)?;
            let text = plain(args, "Can only vault strings, instead we got")?;
            let label = args.text_or(3, LABEL)?;
            let salt = match args.some(2) {
                Some(_) => Some(args.text(2)?.into_bytes()),
                None => None,
            };
            Envelope::seal(text.as_bytes(), &secret, Some(&label), salt.as_deref())
                .map(Jinja::from)
                .map_err(|error| args.fail(format!("Unable to encrypt: {error}")))
        },
    ),
    ("unvault", "value secret vault_id", |_, args| {
        let secret = secret(args)?;
        let text = plain(
            args,
            "Vault should be in the form of a string, instead we got",
        )?;
        if !is_vault(text.as_bytes()) {
            return Ok(Jinja::from(text));
        }
        let opened = Keyring::new(vec![secret], false)
            .open(&text)
            .map(|(plain, _)| plain)
            .map_err(|error| args.fail(format!("Unable to decrypt: {error}")))?;
        Ok(Jinja::from(String::from_utf8_lossy(&opened).into_owned()))
    }),
];

fn secret(args: &Args<'_>) -> Result<VaultSecret, Error> {
    let given = args.need(1)?;
    match given.as_str() {
        Some(text) => Ok(VaultSecret::new(LABEL, text)),
        None => Err(args.fail(format!(
            "Secret passed is required to be a string, instead we got: {}",
            python::type_name(given)
        ))),
    }
}

fn plain(args: &Args<'_>, wrong: &str) -> Result<String, Error> {
    let given = args.need(0)?;
    match given.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(args.fail(format!("{wrong}: {}", python::type_name(given)))),
    }
}
