//! A commit's content, read from the object store when asked for.

use bindery_core::{EntryKind, Tree, TreeEntry, TreeError};
use git2::Oid;

use crate::Error;
use crate::lfs::Large;
use crate::store::ObjectStore;
use crate::walk::Walked;

/// The longest target of a link.
const MAX_LINK: u64 = 4096;

/// Entries in memory, contents on disk; the disk space is given back when this is dropped.
pub(crate) struct GitTree {
    entries: Vec<TreeEntry>,
    ids: Vec<Oid>,
    /// Files whose content is not in the store.
    large: Large,
    store: ObjectStore,
}

impl GitTree {
    /// `walked` is sorted by path.
    pub(crate) fn new(walked: Vec<Walked>, large: Large, store: ObjectStore) -> Self {
        let (entries, ids) = walked.into_iter().unzip();
        Self { entries, ids, large, store }
    }

    fn find(&self, path: &str) -> Result<(&TreeEntry, Oid), TreeError> {
        let missing = || TreeError::Missing(path.to_owned());
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).map_err(|_| missing())?;
        self.entries.get(index).zip(self.ids.get(index).copied()).ok_or_else(missing)
    }

    fn content(&self, path: &str, id: Oid, size: u64, limit: u64) -> Result<Vec<u8>, TreeError> {
        if size > limit {
            return Err(TreeError::TooLarge { path: path.to_owned(), limit });
        }
        if let Some(file) = self.large.get(&id) {
            let unreadable =
                |error: std::io::Error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() };
            return std::fs::read(file).map_err(unreadable);
        }
        self.store
            .blob(id, limit)
            .map_err(|error: Error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() })
    }
}

impl Tree for GitTree {
    fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let (entry, id) = self.find(path)?;
        if !entry.kind.is_file() {
            return Err(TreeError::NotAFile(path.to_owned()));
        }
        self.content(path, id, entry.size, limit)
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let (entry, id) = self.find(path)?;
        if entry.kind != EntryKind::Symlink {
            return Err(TreeError::Missing(path.to_owned()));
        }
        self.content(path, id, entry.size, MAX_LINK)
    }
}
