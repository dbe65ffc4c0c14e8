//! Template files and expressions, evaluated.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use ocplay_fuzz::{Shelf, scope};
use ocplay_language::source::{Source, Span};
use ocplay_language::template::{FileOptions, Templar};
use ocplay_language::vars::scope::Scope;

static SCOPE: LazyLock<Scope> = LazyLock::new(scope);

fuzz_target!(|text: &str| {
    let loader = Shelf::with(
        "other.j2",
        b"{% macro m(x) %}{{ x }}{% endmacro %}{{ text }}",
    );
    let templar = Templar::new(Arc::clone(&loader));
    let source = Source::new("input.j2", text);
    drop(templar.check_file(&source));
    drop(templar.render_file(&source, &FileOptions::default(), &SCOPE));
    drop(templar.expression(text, &Span::nowhere(), &SCOPE));
});
