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
            let strict = args.some(3);
            let kind = match args.some(4) {
                Some(kind) => python::text(kind)?,
                None if args.flag(3, false)? => "strict".to_owned(),
                None => "loose".to_owned(),
            };
            let (own, other) = (args.text(0)?, args.text(1)?);
            if own.is_empty() || other.is_empty() {
                return Err(args.fail(if own.is_empty() {
                    "Input version value cannot be empty"
                } else {
                    "Version parameter to compare against cannot be empty"
                }));
            }
            if strict.is_some() && args.some(4).is_some() {
                return Err(args.fail("Cannot specify both 'strict' and 'version_type'"));
            }
            version::compare(&own, &other, &operator, &kind)
        },
    ),
    (&["lower"], "value", |_, args| {
        cased(args, char::is_uppercase)
    }),
    (&["upper"], "value", |_, args| {
        cased(args, char::is_lowercase)
    }),
    (&["uri"], "value schemes", |_, args| Ok(address(args)?.0)),
    (&["url"], "value schemes", |_, args| {
        let (fits, scheme, host) = address(args)?;
        Ok(fits && !scheme.is_empty() && host)
    }),
    (&["urn"], "value", |_, args| Ok(address(args)?.1 == "urn")),
    (&["vaulted_file"], "value", |_, args| {
        let path = std::path::PathBuf::from(args.text(0)?);
        let content = std::fs::read(&path)
            .map_err(|error| args.fail(format!("{}: {error}", path.display())))?;
        Ok(crate::vault::is_vault(&content))
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

/// Whether the scheme is one of those wanted, the scheme, and whether there is
/// a host.
fn address(args: &Args<'_>) -> Result<(bool, String, bool), Error> {
    let text = args.text(0)?;
    let scheme = text
        .split_once(':')
        .map(|(scheme, _)| scheme)
        .filter(|scheme| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
    let rest = scheme.map_or(text.as_str(), |scheme| &text[scheme.len() + 1..]);
    let host = rest
        .strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let scheme = scheme.unwrap_or_default().to_lowercase();
    let fits = match args.some(1) {
        Some(schemes) => python::items(schemes)?
            .iter()
            .any(|known| known.as_str() == Some(&scheme)),
        None => true,
    };
    Ok((fits, scheme, host))
}
