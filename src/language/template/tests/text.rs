//! Text: patterns, versions, letters, addresses.

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::filters::{Flags, compile};
use crate::template::{python, version};

pub(super) const ROWS: &[Row] = &[
    (
        &["match"],
        "value pattern ignorecase multiline",
        |_, args| pattern(args, "match"),
    ),
    (
        &["search"],
        "value pattern ignorecase multiline",
        |_, args| pattern(args, "search"),
    ),
    (
        &["regex"],
        "value pattern ignorecase multiline match_type",
        |_, args| {
            let how = args.text_or(4, "search")?;
            pattern(args, &how)
        },
    ),
    (
        &["version", "version_compare"],
        "value version operator strict version_type",
        |_, args| {
            let operator = args.text_or(2, "eq")?;
            let kind = match args.some(4) {
                Some(kind) => python::text(kind)?,
                None if args.flag(3, false)? => "strict".to_owned(),
                None => "loose".to_owned(),
            };
            version::compare(&args.text(0)?, &args.text(1)?, &operator, &kind)
        },
    ),
    (&["lower"], "value", |_, args| {
        cased(args, char::is_uppercase)
    }),
    (&["upper"], "value", |_, args| {
        cased(args, char::is_lowercase)
    }),
    (&["url", "uri"], "value schemes", |_, args| {
        address(args, true)
    }),
    (&["urn"], "value", |_, args| {
        Ok(args.text(0)?.to_lowercase().starts_with("urn:"))
    }),
    (&["vault_encrypted"], "value", |_, args| {
        Ok(args.text(0)?.starts_with("$ANSIBLE_VAULT;"))
    }),
];

fn pattern(args: &Args<'_>, how: &str) -> Result<bool, Error> {
    let flags = Flags {
        ignore_case: args.flag(2, false)?,
        multi_line: args.flag(3, false)?,
    };
    let wanted = args.text(1)?;
    let wanted = match how {
        "match" => format!("\\A(?:{wanted})"),
        "fullmatch" => format!("\\A(?:{wanted})\\z"),
        "search" => wanted,
        other => return Err(args.fail(format!("unknown match_type '{other}'"))),
    };
    compile(&wanted, flags)?
        .is_match(&args.text(0)?)
        .map_err(|error| args.fail(error))
}

fn cased(args: &Args<'_>, against: fn(char) -> bool) -> Result<bool, Error> {
    let text = args.text(0)?;
    Ok(text.chars().any(char::is_alphabetic) && !text.chars().any(against))
}

fn address(args: &Args<'_>, needs_host: bool) -> Result<bool, Error> {
    let text = args.text(0)?;
    let Some((scheme, rest)) = text.split_once(':') else {
        return Ok(false);
    };
    let known = match args.some(1) {
        Some(schemes) => python::items(schemes)?
            .iter()
            .any(|known| known.as_str() == Some(scheme)),
        None => true,
    };
    let host = rest.strip_prefix("//").unwrap_or_default();
    Ok(known
        && !scheme.is_empty()
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && (!needs_host || !host.is_empty()))
}
