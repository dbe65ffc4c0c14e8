//! Patterns of hosts.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ocplay_fuzz::Shelf;
use ocplay_language::inventory::{Inventory, Options, load, select};

static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
    let text = "[web]\nweb[1:20]\n[db]\ndb-[a:c]\n[site:children]\nweb\ndb\n";
    let loader = Shelf::with("hosts", text.as_bytes());
    let loaded = load(&["hosts".to_owned()], &Options::default(), &loader);
    loaded.map(|(inventory, _)| inventory).unwrap_or_default()
});

fuzz_target!(|text: &str| {
    drop(select(text, &INVENTORY, &Shelf::default()));
});
