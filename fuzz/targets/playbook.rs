//! Playbooks to plans, and everything that is checked before a run.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ocplay_fuzz::Shelf;
use ocplay_language::catalogue::Catalogue;
use ocplay_language::plan::{Resolver, Strictness, check};
use ocplay_language::template::Templar;

fuzz_target!(|text: &str| {
    let loader = Shelf::with("site.yml", text.as_bytes());
    let resolver = Resolver::new(
        Arc::new(Catalogue::default()),
        Arc::clone(&loader),
        Templar::new(loader),
        Vec::new(),
        Arc::default(),
    );
    let strictness = Strictness {
        handlers: true,
        listing: false,
        lenient: false,
    };
    match resolver.load(&["site.yml".into()]) {
        Ok(plan) => drop(check(&plan, &resolver, strictness)),
        Err(problems) => drop(problems.iter().map(ToString::to_string).collect::<String>()),
    }
});
