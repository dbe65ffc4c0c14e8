//! Templates: evaluation of lazy values, conditions, expressions and files.
//!
//! [`syntax`] reads a text into a tree, [`run`] runs the tree. Values inside
//! are minijinja's; [`objects`] brings variables in lazily, [`convert`] takes
//! values out.

mod args;
mod braces;
mod charset;
mod check;
mod context;
mod convert;
mod csv;
mod engine;
mod error;
mod filters;
mod functions;
mod json;
mod lookups;
mod marker;
mod methods;
mod objects;
mod operators;
mod options;
mod percent;
mod plugins;
mod python;
mod run;
mod syntax;
mod templar;
mod tests;
mod text_methods;
mod trust;
mod version;
mod yaml_text;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod trials;

pub(crate) use minijinja::value::Value as Jinja;

pub use error::{Link, TemplateError};
pub use options::FileOptions;
pub use plugins::Plugins;
pub use templar::{DELIMITED, Templar, is_delimited};

/// A value as YAML in block style, keys sorted where that is asked for.
/// Nothing is given for what is nested too deeply.
#[must_use]
pub fn block_yaml(value: &crate::value::Value, sort_keys: bool) -> Option<String> {
    let layout = yaml_text::Layout {
        indent: 2,
        width: 80,
        flow: Some(false),
        sort_keys,
        unicode: true,
        explicit_start: false,
        explicit_end: false,
    };
    yaml_text::write(value, &layout).ok()
}

/// Names of all filters, with their collection.
pub(crate) fn filter_names() -> impl Iterator<Item = String> {
    filters::names().iter().map(|name| filters::full_name(name))
}

/// Names of all tests.
pub(crate) fn test_names() -> impl Iterator<Item = &'static str> {
    tests::names().iter().copied()
}

/// Names of all lookups.
pub(crate) fn lookup_names() -> impl Iterator<Item = &'static str> {
    lookups::names()
}
