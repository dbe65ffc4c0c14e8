//! Mistakes that can be found before a run, without any variables.

use std::sync::Arc;

use super::engine::{Inner, Mode, Place};
use super::options::FileOptions;
use super::syntax::At;
use super::syntax::ast::Name;
use super::{error, filters, syntax, tests};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::Template;

pub(super) fn template(inner: &Inner, template: &Template) -> Result<(), Diagnostic> {
    let place = Place::Scalar(template.span.clone(), template.offset);
    let options = FileOptions::scalar();
    text(inner, &template.text, &place, &options, Mode::Template)
}

pub(super) fn file(inner: &Inner, source: &Arc<Source>) -> Result<(), Diagnostic> {
    let mut options = FileOptions::default();
    let whole = Span::new(source, 0..source.text().len());
    let skip = options
        .header(source.text())
        .map_err(|message| Diagnostic::error("template-header", message).at(&whole))?;
    let place = Place::Scalar(whole, u32::try_from(skip).ok());
    let body = source.text().get(skip..).unwrap_or_default();
    text(inner, body, &place, &options, Mode::File)
}

pub(super) fn expression(
    inner: &Inner,
    source: &str,
    span: &Span,
    offset: Option<u32>,
) -> Result<(), Diagnostic> {
    let place = Place::Scalar(span.clone(), offset);
    let options = FileOptions::scalar();
    text(inner, source, &place, &options, Mode::Expression)
}

fn text(
    inner: &Inner,
    source: &str,
    place: &Place,
    options: &FileOptions,
    mode: Mode,
) -> Result<(), Diagnostic> {
    let tree = syntax::parse(source, options, mode, mode == Mode::Template)
        .map_err(|mistake| error::syntax(&mistake, place, mode, source).diagnostic())?;
    let mut missing = None;
    let mut unknown = |kind: &str, code, names: &[(Name, At)], known: &[&'static str]| {
        for (name, at) in names {
            let short = name.rsplit('.').next().unwrap_or(name);
            let own = inner
                .plugins()
                .is_some_and(|plugins| plugins.has(kind, name));
            if own || known.contains(&short) {
                continue;
            }
            let span = place.part(Some(at.range()));
            if let Some(collection) = collection_of(name) {
                missing.get_or_insert_with(|| {
                    Diagnostic::warning(code, format!("no {kind} named '{name}'"))
                        .at(&span)
                        .help(format!(
                            "the collection {collection} is not here; what needs the {kind} will \
                             fail when it is reached"
                        ))
                });
                continue;
            }
            return Err(Diagnostic::error(code, format!("no {kind} named '{name}'"))
                .at(&span)
                .suggest(short, known.iter().copied()));
        }
        Ok(())
    };
    unknown("filter", "unknown-filter", &tree.filters, filters::names())?;
    unknown("test", "unknown-test", &tree.tests, tests::names())?;
    missing.map_or(Ok(()), Err)
}

/// The collection that a dotted name belongs to, if it is none of ansible-core's.
fn collection_of(name: &str) -> Option<&str> {
    let (collection, _) = name.rsplit_once('.')?;
    (!matches!(collection, "ansible.builtin" | "ansible.legacy") && collection.contains('.'))
        .then_some(collection)
}
