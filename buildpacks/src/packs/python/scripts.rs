//! Scripts that carry a list of what they need in a comment of their own (PEP 723). It holds for the script alone, so it is named and
//! not used.

use super::super::Draft;
use crate::plan::IgnoredFile;
use crate::repo::Repo;

/// The most scripts that are looked into, and the most bytes of one.
const SCRIPTS: usize = 100;
const BYTES: u64 = 256 * 1024;

/// Names the scripts at the top, or in the configuration directory, that have such a comment.
pub(super) fn name(repo: &Repo<'_>, draft: &mut Draft) {
    let here = repo.config_dir.unwrap_or_default();
    let entries = repo.tree.entries();
    let scripts = entries
        .iter()
        .filter(|entry| entry.kind.is_file() && entry.path.parent() == here && entry.path.file_name().ends_with(".py"));
    for entry in scripts.take(SCRIPTS) {
        let path = entry.path.as_str();
        // One that cannot be read is no environment file, and so no reason to stop.
        let Ok(bytes) = repo.tree.read(path, BYTES) else { continue };
        let has_header = bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == b"# /// script");
        if has_header && !draft.used.iter().any(|used| used.file == path) {
            let reason =
                "the comment in it lists what that script alone needs; requirements.txt can list it for notebooks";
            draft.ignored.push(IgnoredFile { file: path.to_owned(), reason: reason.to_owned() });
        }
    }
}
