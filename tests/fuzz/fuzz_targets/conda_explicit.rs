//! A `spec-file.txt` of any bytes is refused or planned.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| bindery_fuzz::environment_file("spec-file.txt", content));
