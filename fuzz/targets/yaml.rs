//! YAML text to nodes and values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocplay_language::source::Source;
use ocplay_language::yaml;

fuzz_target!(|text: &str| {
    let source = Source::new("input.yml", text);
    match yaml::parse_one(&source) {
        Ok((node, _)) => {
            let value = node.value();
            drop(ocplay_language::template::block_yaml(&value, false));
        }
        Err(problem) => drop(problem.to_string()),
    }
});
