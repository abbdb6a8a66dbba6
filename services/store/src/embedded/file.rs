//! The open file, which can be closed and, after a failure of the disk, opened anew.

use bindery_core::seams::StoreError;
use parking_lot::RwLock;
use redb::{Database, DatabaseError};

pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) struct File {
    database: RwLock<Option<Database>>,
    opener: Opener,
}

impl File {
    pub(super) fn open(opener: Opener) -> Result<Self, DatabaseError> {
        let database = RwLock::new(Some(opener()?));
        Ok(Self { database, opener })
    }

    /// `None` once closed.
    pub(super) fn with<R>(&self, use_it: impl FnOnce(&Database) -> R) -> Option<R> {
        self.database.read().as_ref().map(use_it)
    }

    /// Waits for readers, then lets go of the file and its lock.
    pub(super) fn close(&self) {
        self.database.write().take();
    }

    /// redb refuses everything after an I/O error until the file is opened again, which also repairs it. Whether it is open.
    pub(super) fn reopen(&self) -> bool {
        let mut database = self.database.write();
        database.take();
        match (self.opener)() {
            Ok(opened) => *database = Some(opened),
            Err(error) => tracing::error!(%error, "the store's file cannot be opened again"),
        }
        database.is_some()
    }
}

/// For a record that must exist because another one says so.
pub(super) fn dangling(key: &str) -> StoreError {
    crate::error::unreadable(key, "it is missing, though another record names it")
}
