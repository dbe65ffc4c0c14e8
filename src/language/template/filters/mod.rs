//! Filters, one family per file.

use std::collections::HashMap;
use std::sync::LazyLock;

use minijinja::Error;

use super::Jinja;
use super::args::{Args, Spec};
use super::run::Vm;

mod community;
mod dice;
mod dict;
mod encoding;
mod general;
mod hash;
mod ip;
mod list;
mod markup;
mod path;
mod query;
mod regex;
mod select;
mod text;
pub(super) mod time;
mod trust;
mod vault;

pub(super) use dice::Dice;
pub(super) use general::truth;
pub(super) use hash::{Salting, crypt, new_salt, random_text};
pub(super) use list::{flat, pairs_below};
pub(super) use path::normpath;
pub(super) use regex::{Flags, compile};
pub(super) use select::Pair;

/// A filter's work on its bound arguments.
type Work = fn(&mut Vm<'_>, &Args<'_>) -> Result<Jinja, Error>;

/// Name, names of the arguments, work.
type Row = (&'static str, &'static str, Work);

pub(super) struct Filter {
    pub(super) name: &'static str,
    pub(super) spec: &'static Spec,
    pub(super) work: Work,
    /// Why it should not be used any more.
    pub(super) old: Option<&'static str>,
    collection: &'static str,
}

const BUILTIN: &str = "ansible.builtin";
const GENERAL: &str = "community.general";
const UTILS: &str = "ansible.utils";
const INTERNAL: &str = "ansible._protomatter";

const FAMILIES: &[(&str, &[Row])] = &[
    (BUILTIN, general::ROWS),
    (BUILTIN, text::ROWS),
    (BUILTIN, markup::ROWS),
    (BUILTIN, regex::ROWS),
    (BUILTIN, list::ROWS),
    (BUILTIN, select::ROWS),
    (BUILTIN, dict::ROWS),
    (BUILTIN, encoding::ROWS),
    (BUILTIN, path::ROWS),
    (BUILTIN, time::ROWS),
    (BUILTIN, hash::ROWS),
    (BUILTIN, vault::ROWS),
    (UTILS, ip::ROWS),
    (GENERAL, query::ROWS),
    (GENERAL, community::ROWS),
    (INTERNAL, trust::ROWS),
];

static FILTERS: LazyLock<HashMap<&'static str, Filter>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for (name, spec, test) in super::tests::as_filters() {
        all.insert(
            name,
            Filter {
                name,
                spec,
                work: test,
                old: Some(
                    "tests written as filters, as in `result | success`, are old; write `result is success`",
                ),
                collection: BUILTIN,
            },
        );
    }
    for (collection, rows) in FAMILIES {
        for &(name, spec, work) in *rows {
            all.insert(
                name,
                Filter {
                    name,
                    spec: Box::leak(Box::new(Spec::new(spec))),
                    work,
                    old: None,
                    collection,
                },
            );
        }
    }
    all
});

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| FILTERS.keys().copied().collect());

/// A filter by the last part of its name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.get(name)
}

pub(super) fn names() -> &'static [&'static str] {
    &NAMES
}

/// The name with its collection.
pub(super) fn full_name(name: &str) -> String {
    let collection = find(name).map_or(BUILTIN, |filter| filter.collection);
    format!("{collection}.{name}")
}
