//! Inventories as INI, YAML, TOML, and lists of hosts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocplay_fuzz::Shelf;
use ocplay_language::inventory::{Options, load};

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let name = ["hosts.ini", "hosts.yml", "hosts.toml", "hosts"][usize::from(kind % 4)];
    let loader = Shelf::with(name, text.as_bytes());
    drop(load(&[name.to_owned()], &Options::default(), &loader));
    if kind > 200 && text.contains(',') {
        drop(load(&[text.to_owned()], &Options::default(), &loader));
    }
});
