//! A `postBuild` or `start` of any bytes is refused or planned.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    bindery_fuzz::environment_file("postBuild", content);
    bindery_fuzz::environment_file("start", content);
});
