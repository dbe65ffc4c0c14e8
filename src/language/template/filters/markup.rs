//! Text for web pages.

use std::sync::LazyLock;

use fancy_regex::Regex;
use minijinja::Error;

use super::Row;
use super::text::escape;
use crate::template::args::Args;
use crate::template::objects::entries_of;
use crate::template::run::Vm;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    ("xmlattr", "value autospace", xmlattr),
    (
        "urlize",
        "value trim_url_limit nofollow target rel extra_schemes",
        urlize,
    ),
];

fn xmlattr(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut parts = Vec::new();
    for (key, value) in entries_of(args.need(0)?)? {
        if value.is_none() {
            continue;
        }
        let key = python::text(&key)?;
        if key.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(args.fail(format!("Invalid character in attribute name: '{key}'")));
        }
        parts.push(format!(
            "{}=\"{}\"",
            escape(&key),
            escape(&python::text(&value)?)
        ));
    }
    let mut text = parts.join(" ");
    if args.flag(1, true)? && !text.is_empty() {
        text.insert(0, ' ');
    }
    Ok(Jinja::from(text))
}

static WEB: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(https?://|www\.)([\w-]+\.?)+[\w-]*(:\d+)?(/\S*)?$|^([\w-]+\.)+(com|net|int|edu|gov|org|info|mil)(/\S*)?$").ok()
});
static MAIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\S+@\w[\w.-]*\.\w+$").ok());

fn fits(pattern: &LazyLock<Option<Regex>>, word: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(word).unwrap_or(false))
}

fn urlize(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = escape(&args.text(0)?);
    let limit = match args.some(1) {
        Some(_) => usize::try_from(args.int(1, 0)?).ok(),
        None => None,
    };
    let mut rels: Vec<String> = args
        .text_or(4, "")?
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if args.flag(2, false)? {
        rels.push("nofollow".into());
    }
    rels.push("noopener".into());
    rels.sort();
    rels.dedup();
    let rel = format!(" rel=\"{}\"", escape(&rels.join(" ")));
    let target = match args.some(3) {
        Some(target) => format!(" target=\"{}\"", escape(&python::text(target)?)),
        None => String::new(),
    };
    let shown = |word: &str| match limit {
        Some(limit) if word.chars().count() > limit => {
            word.chars().take(limit).collect::<String>() + "..."
        }
        _ => word.to_owned(),
    };
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let space = rest
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(rest.len());
        out.push_str(&rest[..space]);
        rest = &rest[space..];
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let start = word.trim_start_matches(['(', '<']);
        let head = &word[..word.len() - start.len()];
        let middle = start.trim_end_matches(['.', ',', '\n', ')', '>']);
        let tail = &start[middle.len()..];
        out.push_str(head);
        if fits(&WEB, middle) {
            let address = if middle.starts_with("http://") || middle.starts_with("https://") {
                middle.to_owned()
            } else {
                format!("https://{middle}")
            };
            out.push_str(&format!(
                "<a href=\"{address}\"{rel}{target}>{}</a>",
                shown(middle)
            ));
        } else if let Some(mail) = middle
            .strip_prefix("mailto:")
            .filter(|mail| fits(&MAIL, mail))
        {
            out.push_str(&format!("<a href=\"{middle}\">{mail}</a>"));
        } else if middle.contains('@') && !middle.starts_with("www.") && fits(&MAIL, middle) {
            out.push_str(&format!("<a href=\"mailto:{middle}\">{middle}</a>"));
        } else {
            out.push_str(middle);
        }
        out.push_str(tail);
    }
    Ok(Jinja::from(out))
}
