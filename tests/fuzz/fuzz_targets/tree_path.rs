//! A path in a tree: what is accepted stays below the folder it is joined to.
#![no_main]

use std::path::{Component, Path};

use bindery_core::TreePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(path) = TreePath::new(text) else { return };
    assert_eq!(path.as_str(), text);
    let parts: Vec<_> = Path::new(text).components().collect();
    assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))), "{text}");
    assert!(parts.iter().all(|part| !part.as_os_str().eq_ignore_ascii_case(".git")), "{text}");
    let joined = match path.parent() {
        "" => path.file_name().to_owned(),
        parent => format!("{parent}/{}", path.file_name()),
    };
    assert_eq!(joined, text);
});
