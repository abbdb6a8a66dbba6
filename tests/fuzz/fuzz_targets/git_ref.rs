//! A ref: what is accepted is kept as it is, and no git would take it for an option or a range.
#![no_main]

use bindery_core::GitRef;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<GitRef>() else { return };
    assert_eq!(reference.as_str(), text);
    assert!(!text.starts_with(['-', '/', '.']), "{text}");
    assert!(!text.contains("..") && !text.contains("@{") && !text.contains("//"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c)), "{text}");
    assert!(!text.ends_with(['/', '.']) && !text.ends_with(".lock"), "{text}");
});
