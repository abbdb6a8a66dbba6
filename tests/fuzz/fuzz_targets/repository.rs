//! A repository of any small files is refused or planned. Written as `path`, a line end, content, a line of `---`, and so on; a path
//! that ends in `*` is executable, in `@` a link, in `/` a submodule.
#![no_main]

use bindery_core::{EntryKind, MemoryTree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut tree = MemoryTree::default();
    for part in input.split_inclusive(|byte| *byte == b'\n').collect::<Vec<_>>().split(|line| *line == b"---\n") {
        let Some((path, lines)) = part.split_first() else { continue };
        let Ok(path) = std::str::from_utf8(path) else { continue };
        let path = path.trim_end_matches('\n');
        let (path, kind) = match path.chars().next_back() {
            Some('*') => (path.trim_end_matches('*'), EntryKind::Executable),
            Some('@') => (path.trim_end_matches('@'), EntryKind::Symlink),
            Some('/') => (path.trim_end_matches('/'), EntryKind::Submodule),
            _ => (path, EntryKind::File),
        };
        // A path no repository can have is not in one.
        let _ = tree.insert(path, kind, &lines.concat());
    }
    bindery_fuzz::any_repository(&tree);
});
