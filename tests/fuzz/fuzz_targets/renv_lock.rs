//! A `renv.lock` of any bytes is refused or planned.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| bindery_fuzz::repository(&[("renv.lock", content)]));
