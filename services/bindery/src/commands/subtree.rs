//! A directory of a tree, taken for the whole.

use std::sync::Arc;

use bindery_core::{Fault, Tree, TreeEntry, TreeError, TreePath};

struct Subtree {
    whole: Arc<dyn Tree>,
    prefix: String,
    entries: Vec<TreeEntry>,
}

/// What lies below `directory` of `whole`, as a tree of its own.
pub(super) fn subtree(whole: Arc<dyn Tree>, directory: &str) -> Result<Arc<dyn Tree>, Fault> {
    let wrong = |message: String| Fault::user("bad-subdir", message).hint("Name a directory of the repository.");
    let directory = directory.trim_matches('/');
    let directory = TreePath::new(directory.strip_prefix("./").unwrap_or(directory))
        .map_err(|error| wrong(format!("--subdir: {error}.")))?;
    let prefix = format!("{directory}/");
    let below = |entry: &TreeEntry| {
        let path = entry.path.as_str().strip_prefix(&prefix)?;
        Some(TreeEntry { path: TreePath::new(path).ok()?, ..entry.clone() })
    };
    let entries: Vec<TreeEntry> = whole.entries().iter().filter_map(below).collect();
    if entries.is_empty() {
        return Err(wrong(format!("The repository has no directory {directory}.")));
    }
    Ok(Arc::new(Subtree { whole, prefix, entries }))
}

impl Tree for Subtree {
    // A common prefix taken off leaves the order as it was.
    fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        self.whole.read(&format!("{}{path}", self.prefix), limit)
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.whole.link_target(&format!("{}{path}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bindery_core::{MemoryTree, Tree};

    use super::subtree;

    #[test]
    fn only_what_lies_below_is_seen() {
        let files = [("a/requirements.txt", "inner"), ("a/b/c", "x"), ("ab", "y"), ("requirements.txt", "outer")];
        let whole: Arc<dyn Tree> = Arc::new(MemoryTree::new(files).unwrap());
        let inner = subtree(Arc::clone(&whole), "./a/").unwrap();
        let paths: Vec<_> = inner.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["b/c", "requirements.txt"]);
        assert_eq!(inner.read("requirements.txt", 10).unwrap(), b"inner");
        assert!(inner.has_directory("b") && inner.entry("ab").is_none());
        for directory in ["c", "", "..", "a/../..", "/"] {
            assert!(subtree(Arc::clone(&whole), directory).is_err(), "{directory:?}");
        }
    }
}
