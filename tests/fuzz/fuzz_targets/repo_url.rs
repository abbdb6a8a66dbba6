//! A repository's address: its canonical form is its own, and carries no user, option or second line.
#![no_main]

use bindery_core::RepoUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(url) = text.parse::<RepoUrl>() else { return };
    assert_eq!(url.as_str().parse::<RepoUrl>().as_ref(), Ok(&url), "{url}");
    assert!(["https://", "http://", "git://"].iter().any(|scheme| url.as_str().starts_with(scheme)), "{url}");
    assert!(!url.host().is_empty() && url.as_url().username().is_empty() && url.as_url().password().is_none());
    assert!(!url.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
    assert!(!url.short_name().is_empty());
    let stored = serde_json::to_string(&url).expect("an address can be stored");
    assert_eq!(serde_json::from_str::<RepoUrl>(&stored).ok(), Some(url));
});
