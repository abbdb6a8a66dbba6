//! Why a store did not open.

use std::path::PathBuf;

use bindery_core::Fault;
use bindery_core::seams::StoreError;

/// Why a store did not open. Once open, the seams speak of [`StoreError`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of range.
    #[error("store.{field}: {reason}")]
    Config {
        /// The field of [`crate::Config`].
        field: &'static str,
        /// What it may be.
        reason: &'static str,
    },
    /// Another process has the file open.
    #[error("the store {path} is in use by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened, created or read.
    #[error("the store {path} cannot be opened: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The Redis address makes no sense. It may hold a password, so it is not repeated here.
    #[error("the Redis address cannot be understood: {0}")]
    Address(String),
    /// Redis does not answer, or refuses us.
    #[error("the Redis server cannot be used: {0}")]
    Redis(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::Config { .. } | Error::Address(_) => "Correct the setting.",
            Error::InUse { .. } => "Stop the other process, or give this one its own data directory.",
            Error::File { .. } => "Check that the directory exists, is writable and has free space.",
            Error::Redis(_) => "Check that the server runs and that address and password are right.",
        };
        Self::us("store-not-opened", error.to_string()).hint(hint)
    }
}

/// The failure of the medium under a store, as the seams report it.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A record that cannot be understood.
pub(crate) fn unreadable(key: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { key: key.to_owned(), reason: error.to_string() }
}
