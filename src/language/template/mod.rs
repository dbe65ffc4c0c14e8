//! Templates: evaluation of lazy values, conditions, expressions and files.
//!
//! The engine is minijinja. [`rewrite`] bends its language to Python's,
//! [`objects`] brings variables in lazily, [`convert`] takes values out.

mod args;
mod check;
mod context;
mod convert;
mod engine;
mod error;
mod filters;
mod functions;
mod json;
mod literals;
mod lookups;
mod methods;
mod notes;
mod objects;
mod operators;
mod options;
mod percent;
mod python;
mod rewrite;
mod templar;
mod tests;
mod version;
mod walk;
mod yaml_text;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod trials;

pub(crate) use minijinja::value::Value as Jinja;

pub use error::{Link, TemplateError};
pub use options::FileOptions;
pub use templar::Templar;
