//! A repository's content at one commit, read as objects.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A validated path inside a repository: relative, `/`-separated, UTF-8, no empty, `.` or `..` part, no `.git` part in any
/// spelling a filesystem could fold to it, no control characters, at most 4096 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(String);

/// Why a name in a tree is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {shown:?} {reason}")]
pub struct TreePathError {
    shown: String,
    reason: &'static str,
}

impl TreePath {
    /// Checks a path; see the type for the rules.
    ///
    /// # Errors
    /// The rule it breaks, with the path made printable.
    pub fn new(path: &str) -> Result<Self, TreePathError> {
        let refuse =
            |reason| TreePathError { shown: path.chars().filter(|c| !c.is_control()).take(200).collect(), reason };
        if path.is_empty() || path.len() > 4096 {
            return Err(refuse("is empty or longer than 4096 bytes"));
        }
        if path.chars().any(char::is_control) || path.contains('\\') {
            return Err(refuse("has a control character or a backslash"));
        }
        for part in path.split('/') {
            if matches!(part, "" | "." | "..") {
                return Err(refuse("is absolute or leaves the repository"));
            }
            if part.len() > 255 {
                return Err(refuse("has a part longer than 255 bytes"));
            }
            if folds_to_dot_git(part) {
                return Err(refuse("has a part that some filesystems take for .git"));
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Everything before the last part; empty at the top.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

/// `.git` as NTFS (`git~1`, trailing dots and spaces, streams) and HFS+ (ignorable characters) see it.
fn folds_to_dot_git(part: &str) -> bool {
    let visible: String = part
        .chars()
        .filter(
            |c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'),
        )
        .collect();
    let folded = visible.to_lowercase();
    let stem = folded.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    stem == ".git" || stem == "git~1"
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TreePath {
    type Error = TreePathError;

    fn try_from(path: String) -> Result<Self, TreePathError> {
        Self::new(&path)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0
    }
}

/// What a tree entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file, git mode 100644.
    File,
    /// A regular file with the executable bit, git mode 100755.
    Executable,
    /// A symbolic link, git mode 120000; its "content" is the target. Never followed.
    Symlink,
    /// A submodule that was not fetched, git mode 160000.
    Submodule,
}

impl EntryKind {
    /// Whether this is a regular file, the only kind that is ever parsed.
    #[must_use]
    pub const fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }
}

/// One entry. Directories exist through their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// Its size in bytes; zero for a submodule.
    pub size: u64,
}

/// Why an entry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No entry of that name.
    #[error("{0} does not exist")]
    Missing(String),
    /// A symlink or submodule where a regular file is needed. Its target is never quoted.
    #[error("{0} is a symbolic link or submodule, not a regular file")]
    NotAFile(String),
    /// Larger than the caller allows.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The entry.
        path: String,
        /// The caller's limit in bytes.
        limit: u64,
    },
    /// The object store failed.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The entry.
        path: String,
        /// What the object store said.
        reason: String,
    },
}

/// A repository's content at one commit. Calls may block on disk; call them where blocking is allowed.
///
/// Entries were counted and measured against the site's limits when the tree was made, so walking it is bounded.
pub trait Tree: Send + Sync {
    /// Every entry, sorted by path, each path once.
    fn entries(&self) -> &[TreeEntry];

    /// The content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`TreeError`]; a symlink is [`TreeError::NotAFile`], never its target.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError>;

    /// The target of a symbolic link, for writing it into a build context as a link. Never to be opened.
    ///
    /// # Errors
    /// [`TreeError`]; a target over 4096 bytes is [`TreeError::TooLarge`].
    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError>;

    /// The entry at `path`.
    fn entry(&self, path: &str) -> Option<&TreeEntry> {
        let entries = self.entries();
        entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok().and_then(|index| entries.get(index))
    }

    /// Whether anything exists below the directory `path`.
    fn has_directory(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let entries = self.entries();
        let index = entries.partition_point(|entry| entry.path.as_str() < prefix.as_str());
        entries.get(index).is_some_and(|entry| entry.path.as_str().starts_with(&prefix))
    }
}

/// A tree held in memory, for tests and small generated contexts.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    entries: Vec<TreeEntry>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// A tree of regular files.
    ///
    /// # Errors
    /// The first path that is not a [`TreePath`].
    pub fn new<P: AsRef<str>, C: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, C)>) -> Result<Self, TreePathError> {
        let mut tree = Self::default();
        for (path, content) in files {
            tree.insert(path.as_ref(), EntryKind::File, content.as_ref())?;
        }
        Ok(tree)
    }

    /// Adds or replaces an entry; for a symlink `content` is the target.
    ///
    /// # Errors
    /// `path` is not a [`TreePath`].
    pub fn insert(&mut self, path: &str, kind: EntryKind, content: &[u8]) -> Result<(), TreePathError> {
        let entry = TreeEntry { path: TreePath::new(path)?, kind, size: content.len() as u64 };
        self.contents.insert(path.to_owned(), content.to_vec());
        match self.entries.binary_search_by(|existing| existing.path.as_str().cmp(path)) {
            Ok(index) => {
                if let Some(slot) = self.entries.get_mut(index) {
                    *slot = entry;
                }
            }
            Err(index) => self.entries.insert(index, entry),
        }
        Ok(())
    }
}

impl Tree for MemoryTree {
    fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let entry = self.entry(path).ok_or_else(|| TreeError::Missing(path.to_owned()))?;
        if !entry.kind.is_file() {
            return Err(TreeError::NotAFile(path.to_owned()));
        }
        if entry.size > limit {
            return Err(TreeError::TooLarge { path: path.to_owned(), limit });
        }
        self.contents.get(path).cloned().ok_or_else(|| TreeError::Missing(path.to_owned()))
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        match self.entry(path) {
            Some(entry) if entry.kind == EntryKind::Symlink => Ok(self.contents.get(path).cloned().unwrap_or_default()),
            _ => Err(TreeError::Missing(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EntryKind, MemoryTree, Tree, TreeError, TreePath};

    #[test]
    fn paths_that_could_escape_or_be_taken_for_git_are_refused() {
        for path in [
            "",
            "/etc",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            ".git",
            "a/.GIT/config",
            ".git.",
            ".git ",
            "git~1",
            "GIT~1/x",
            ".g\u{200c}it",
            ".git::$INDEX_ALLOCATION",
            "a\\b",
            "a\nb",
            "a\0b",
        ] {
            assert!(TreePath::new(path).is_err(), "{path:?}");
        }
        assert!(TreePath::new(&"a/".repeat(3000)).is_err());
    }

    #[test]
    fn ordinary_paths_are_accepted() {
        for path in
            ["a", "a/b.txt", ".gitignore", ".github/workflows/x.yml", "données/é.csv", "a b/c", "..a", "a..b", "git"]
        {
            assert!(TreePath::new(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn a_symlink_is_never_read_as_a_file() {
        let mut tree = MemoryTree::default();
        tree.insert("apt.txt", EntryKind::Symlink, b"/proc/self/environ").unwrap();
        let error = tree.read("apt.txt", 1024).unwrap_err();
        assert!(matches!(error, TreeError::NotAFile(_)));
        assert!(!error.to_string().contains("environ"));
    }

    #[test]
    fn directories_exist_through_their_files() {
        let tree = MemoryTree::new([("binder/requirements.txt", "x"), ("binder-old", "y")]).unwrap();
        assert!(tree.has_directory("binder"));
        assert!(!tree.has_directory("binder-old"));
        assert!(!tree.has_directory("bin"));
    }
}
