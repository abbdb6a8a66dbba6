//! The tail of a link: what is parsed is shown in a form that parses to the same.
#![no_main]

use bindery_core::RepoSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|link: &str| {
    let Some((provider, raw)) = link.split_once('/') else { return };
    let Ok(spec) = RepoSpec::parse(provider, raw) else { return };
    let shown = spec.to_string();
    assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown}");
    let (provider, raw) = shown.split_once('/').expect("a link has a provider");
    assert_eq!(RepoSpec::parse(provider, raw).as_ref(), Ok(&spec), "{shown}");
    let stored = serde_json::to_string(&spec).expect("a spec can be stored");
    assert_eq!(serde_json::from_str::<RepoSpec>(&stored).ok(), Some(spec));
});
