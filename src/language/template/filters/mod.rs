//! Filters, one family per file.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::Jinja;
use super::args::Args;

mod dict;
mod encoding;
mod general;
mod hash;
mod ip;
mod list;
mod path;
mod query;
mod regex;
mod select;
mod text;
pub(super) mod time;

pub(super) use general::truth;
pub(super) use hash::{crypt, random_text};
pub(super) use list::{Dice, flat, pairs_below};
pub(super) use regex::{Flags, compile};

/// A filter's work on its bound arguments.
type Filter = fn(&mut State<'_, '_>, &Args<'_>) -> Result<Jinja, Error>;

/// Name, names of the arguments, work.
type Row = (&'static str, &'static str, Filter);

const FAMILIES: &[&[Row]] = &[
    general::ROWS,
    text::ROWS,
    regex::ROWS,
    list::ROWS,
    select::ROWS,
    dict::ROWS,
    encoding::ROWS,
    path::ROWS,
    time::ROWS,
    hash::ROWS,
    ip::ROWS,
    query::ROWS,
];

/// Adds every filter and returns their names.
pub(super) fn install(environment: &mut Environment<'static>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for &(name, spec, work) in FAMILIES.iter().copied().flatten() {
        names.push(name);
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| -> Result<Jinja, Error> {
                let args = Args::bind(name, spec, &args.into_values())?;
                work(state, &args)
            },
        );
    }
    names.extend(super::tests::as_filters(environment));
    names
}
