//! Tests: `x is name(...)`, and their old form as filters.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::Jinja;
use super::args::Args;

mod outcome;
mod place;
mod text;
mod value;

/// A test's work on its bound arguments.
type Test = fn(&mut State<'_, '_>, &Args<'_>) -> Result<bool, Error>;

/// Names, names of the arguments, work.
type Row = (&'static [&'static str], &'static str, Test);

const FAMILIES: &[&[Row]] = &[value::ROWS, outcome::ROWS, text::ROWS, place::ROWS];

/// Tests that old content writes as filters.
const ALSO_FILTERS: &[&str] = &[
    "success",
    "succeeded",
    "failed",
    "failure",
    "changed",
    "change",
    "skipped",
    "skip",
    "unreachable",
    "started",
    "finished",
    "version_compare",
    "version",
    "match",
    "search",
    "issubset",
    "issuperset",
    "subset",
    "superset",
    "is_file",
    "is_dir",
];

fn rows() -> impl Iterator<Item = (&'static str, &'static str, Test)> {
    FAMILIES
        .iter()
        .copied()
        .flatten()
        .flat_map(|&(names, spec, work)| names.iter().map(move |name| (*name, spec, work)))
}

/// Adds every test and returns their names.
pub(super) fn install(environment: &mut Environment<'static>) -> Vec<&'static str> {
    rows()
        .map(|(name, spec, work)| {
            environment.add_test(
                name,
                move |state: &mut State<'_, '_>,
                      args: Rest<ValueOrKwargs>|
                      -> Result<bool, Error> {
                    let args = Args::bind(name, spec, &args.into_values())?;
                    work(state, &args)
                },
            );
            name
        })
        .collect()
}

/// Adds the tests that are also filters and returns their names.
pub(super) fn as_filters(environment: &mut Environment<'static>) -> Vec<&'static str> {
    rows()
        .filter(|(name, ..)| ALSO_FILTERS.contains(name))
        .map(|(name, spec, work)| {
            environment.add_filter(
                name,
                move |state: &mut State<'_, '_>,
                      args: Rest<ValueOrKwargs>|
                      -> Result<Jinja, Error> {
                    let args = Args::bind(name, spec, &args.into_values())?;
                    work(state, &args).map(Jinja::from)
                },
            );
            name
        })
        .collect()
}
