//! Mistakes that can be found before a run, without any variables.

use std::sync::Arc;

use minijinja::machinery::ast;
use minijinja::machinery::{parse, parse_expr};

use super::engine::{Inner, Place};
use super::options::FileOptions;
use super::walk::{self, Name};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::value::Template;

pub(super) fn template(inner: &Inner, template: &Template) -> Result<(), Diagnostic> {
    let place = Place::Scalar(template.span.clone(), template.offset);
    text(inner, &template.text, &place, &FileOptions::scalar())
}

pub(super) fn file(inner: &Inner, source: &Arc<Source>) -> Result<(), Diagnostic> {
    let mut options = FileOptions::default();
    let whole = Span::new(source, 0..source.text().len());
    let skip = options
        .header(source.text())
        .map_err(|message| Diagnostic::error("template-header", message).at(&whole))?;
    let place = Place::Scalar(whole, u32::try_from(skip).ok());
    let body = source.text().get(skip..).unwrap_or_default();
    text(inner, body, &place, &options)
}

fn text(inner: &Inner, text: &str, place: &Place, options: &FileOptions) -> Result<(), Diagnostic> {
    let tree = parse(text, "", options.syntax()).map_err(|error| syntax(&error, place))?;
    names(inner, text, &tree, place)
}

pub(super) fn expression(
    inner: &Inner,
    text: &str,
    span: &Span,
    offset: Option<u32>,
) -> Result<(), Diagnostic> {
    let place = Place::Scalar(span.clone(), offset);
    let expr = parse_expr(text).map_err(|error| syntax(&error, &place))?;
    let tree = ast::Stmt::EmitExpr(ast::Spanned::new(
        ast::EmitExpr { expr },
        minijinja::machinery::Span::default(),
    ));
    names(inner, text, &tree, &place)
}

fn syntax(error: &minijinja::Error, place: &Place) -> Diagnostic {
    Diagnostic::error(
        "template-syntax",
        format!(
            "template syntax: {}",
            error.detail().unwrap_or("not readable")
        ),
    )
    .at(&place.part(error.range()))
}

/// Looks for filters and tests that do not exist.
fn names(inner: &Inner, text: &str, tree: &ast::Stmt<'_>, place: &Place) -> Result<(), Diagnostic> {
    let mut found = Ok(());
    walk::names(tree, &mut |name| {
        if found.is_err() {
            return;
        }
        let (what, code, word, known) = match name {
            Name::Filter(word) => ("filter", "unknown-filter", word, &inner.filters),
            Name::Test(word) => ("test", "unknown-test", word, &inner.tests),
        };
        let short = word.rsplit('.').next().unwrap_or(word).trim();
        if known.contains(&short) {
            return;
        }
        let at = (word.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let range =
            (text.get(at..at.wrapping_add(word.len())) == Some(word)).then(|| at..at + word.len());
        found = Err(Diagnostic::error(code, format!("no {what} named '{word}'"))
            .at(&place.part(range))
            .suggest(short, known.iter().copied()));
    });
    found
}
