//! What a hostile host can send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocplay_protocol::{FromAgent, Hello, ToAgent, read_frame};

fuzz_target!(|bytes: &[u8]| {
    let mut input = bytes;
    while let Ok(reply) = read_frame::<FromAgent>(&mut input) {
        drop(reply);
    }
    // And what the agent reads.
    drop(read_frame::<ToAgent>(&mut &bytes[..]));
    drop(read_frame::<Hello>(&mut &bytes[..]));
});
