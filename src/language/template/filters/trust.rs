//! Filters that look at what stands behind a value: trust, and errors.

use minijinja::Error;

use super::Row;
use crate::inventory::python_literal;
use crate::source::Span;
use crate::template::args::Args;
use crate::template::marker::Marker;
use crate::template::{Jinja, python, trust};

pub(super) const ROWS: &[Row] = &[
    ("apply_trust", "value", |_, args| {
        let value = args.need(0)?;
        Ok(match value.to_str() {
            Some(text) => trust::trusted(&text),
            None => value.clone(),
        })
    }),
    ("python_literal_eval", "value ignore_errors", |_, args| {
        literal(args)
    }),
    ("dump_object", "?value", |_, args| {
        let Some(value) = args.raw(0) else {
            return args.need(0).cloned();
        };
        // What failed becomes its message; what is undefined stays that.
        match Marker::of(value) {
            Some(error) if !error.undefined => {
                let message =
                    python::dict([(Jinja::from("message"), Jinja::from(error.message.as_str()))]);
                Ok(python::dict([(Jinja::from("exception"), message)]))
            }
            _ => Ok(value.clone()),
        }
    }),
];

fn literal(args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let found = match value.as_str() {
        Some(text) => python_literal(text, &Span::nowhere())
            .ok_or_else(|| args.fail(format!("malformed Python literal: '{text}'")))
            .and_then(|value| super::encoding::inside(&value)),
        None => Err(args.fail("The `value` to eval must be a string.")),
    };
    match found {
        Err(_) if args.flag(1, false)? => Ok(value.clone()),
        found => found,
    }
}
