//! Tests: `x is name(...)`, and their old form as filters.

use std::collections::HashMap;
use std::sync::LazyLock;

use minijinja::Error;

use super::Jinja;
use super::args::{Args, Spec};
use super::run::Vm;

mod outcome;
mod place;
mod text;
mod trust;
mod value;

/// A test's work on its bound arguments.
type Work = fn(&mut Vm<'_>, &Args<'_>) -> Result<bool, Error>;

/// Names, names of the arguments, work.
type Row = (&'static [&'static str], &'static str, Work);

pub(super) struct Test {
    pub(super) name: &'static str,
    pub(super) spec: &'static Spec,
    pub(super) work: Work,
}

const FAMILIES: &[&[Row]] = &[
    value::ROWS,
    outcome::ROWS,
    text::ROWS,
    place::ROWS,
    trust::ROWS,
];

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

static TESTS: LazyLock<HashMap<&'static str, Test>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for (names, spec, work) in FAMILIES.iter().copied().flatten() {
        let spec: &'static Spec = Box::leak(Box::new(Spec::new(spec)));
        for name in *names {
            all.insert(
                *name,
                Test {
                    name,
                    spec,
                    work: *work,
                },
            );
        }
    }
    all
});

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| TESTS.keys().copied().collect());

/// A test by the last part of its name.
pub(super) fn find(name: &str) -> Option<&'static Test> {
    TESTS.get(name)
}

pub(super) fn names() -> &'static [&'static str] {
    &NAMES
}

/// A test as a filter of the same name.
fn filtered(vm: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    match find(args.of()) {
        Some(test) => (test.work)(vm, args).map(Jinja::from),
        None => Err(args.fail("no such test")),
    }
}

/// A test's work as a filter.
type AsFilter = fn(&mut Vm<'_>, &Args<'_>) -> Result<Jinja, Error>;

/// The tests that old content writes as filters.
pub(super) fn as_filters() -> impl Iterator<Item = (&'static str, &'static Spec, AsFilter)> {
    ALSO_FILTERS
        .iter()
        .filter_map(|name| find(name))
        .map(|test| (test.name, test.spec, filtered as AsFilter))
}
