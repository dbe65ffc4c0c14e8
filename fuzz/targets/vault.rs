//! Encrypted texts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocplay_language::vault::{Envelope, Keyring, VaultSecret};

fuzz_target!(|text: &str| {
    if Envelope::parse(text).is_ok() {
        let secret = VaultSecret::new("default", "password");
        drop(Keyring::new(vec![secret], false).open(text));
    }
});
