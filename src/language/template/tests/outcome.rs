//! What became of a task.

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::marker::Missing;
use crate::template::{Jinja, python};

pub(super) const ROWS: &[Row] = &[
    (&["failed", "failure"], "value", |_, args| failed(args)),
    (
        &["succeeded", "success", "successful"],
        "value",
        |_, args| failed(args).map(|failed| !failed),
    ),
    (&["changed", "change"], "value", |_, args| changed(args)),
    (&["skipped", "skip"], "value", |_, args| {
        flag(args, "skipped")
    }),
    (&["unreachable"], "value", |_, args| {
        flag(args, "unreachable")
    }),
    (&["reachable"], "value", |_, args| {
        flag(args, "unreachable").map(|lost| !lost)
    }),
    (&["started"], "value", |_, args| {
        // A task that never ran in the background was started all the same.
        Ok(member(args, "started")?.is_none_or(|value| value.is_true()))
    }),
    (&["finished"], "value", |_, args| {
        // A task that never ran in the background is finished.
        Ok(member(args, "finished")?.is_none_or(|value| value.is_true()))
    }),
    (&["timedout"], "value", |_, args| {
        Ok(member(args, "timedout")?.is_some_and(|value| value.is_true()))
    }),
];

fn member(args: &Args<'_>, name: &str) -> Result<Option<Jinja>, Error> {
    let value = args.need(0)?;
    if !python::is_map(value) {
        return Err(args.fail(format!(
            "the result of a task is needed, not {}",
            python::type_name(value)
        )));
    }
    let found = python::valid(value.get_item(&Jinja::from(name))?)?;
    Ok((!found.is_missing()).then_some(found))
}

fn flag(args: &Args<'_>, name: &str) -> Result<bool, Error> {
    Ok(member(args, name)?.is_some_and(|value| value.is_true()))
}

fn failed(args: &Args<'_>) -> Result<bool, Error> {
    flag(args, "failed")
}

fn changed(args: &Args<'_>) -> Result<bool, Error> {
    if let Some(value) = member(args, "changed")? {
        return Ok(value.is_true());
    }
    // A loop that says nothing about the whole: any of its items.
    if let Some(results) = member(args, "results")?
        && python::is_list(&results)
    {
        for item in python::items(&results)? {
            if python::is_map(&item)
                && python::valid(item.get_item(&Jinja::from("changed"))?)?.is_true()
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
