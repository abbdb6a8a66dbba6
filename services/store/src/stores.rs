//! The five seams together, opened one way or the other.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::Secret;
use bindery_core::seams::{EventLog, Leases, Provenances, Queue, SessionStore, StoreError};

use crate::{Config, Error, embedded, redis};

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Stores {
    /// Builds waiting, running and done.
    pub queue: Arc<dyn Queue>,
    /// The log of each build and launch.
    pub events: Arc<dyn EventLog>,
    /// What images were made of.
    pub provenances: Arc<dyn Provenances>,
    /// Single flight across processes.
    pub leases: Arc<dyn Leases>,
    /// Session records.
    pub sessions: Arc<dyn SessionStore>,
    medium: Arc<dyn Medium>,
}

/// What is under the seams.
#[async_trait]
pub(crate) trait Medium: Send + Sync {
    async fn reachable(&self) -> Result<(), StoreError>;
    async fn close(&self);
}

impl Stores {
    pub(crate) fn new<S>(store: S) -> Self
    where
        S: Queue + EventLog + Provenances + Leases + SessionStore + Medium + Clone + 'static,
    {
        let store = Arc::new(store);
        Self {
            queue: Arc::clone(&store) as _,
            events: Arc::clone(&store) as _,
            provenances: Arc::clone(&store) as _,
            leases: Arc::clone(&store) as _,
            sessions: Arc::clone(&store) as _,
            medium: store,
        }
    }

    /// Whether the store can be read and written now. Answers within three seconds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        self.medium.reachable().await
    }

    /// Writes out what still waits in memory, ends all streams and lets go of the file or the server. Every call after it
    /// fails as unavailable. A store that is dropped without it loses nothing either, but nobody can wait for that.
    pub async fn close(&self) {
        self.medium.close().await;
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Opens, or makes, the store in one file; for one process. Builds that were running when the last process ended can be claimed
/// at once, with the lost worker named. Call it on a Tokio runtime.
///
/// # Errors
/// [`Error::InUse`] while another process has the file open; [`Error::File`]; [`Error::Config`].
pub async fn open_embedded(path: &Path, config: &Config) -> Result<Stores, Error> {
    config.check()?;
    embedded::open(path, config).await.map(Stores::new)
}

/// Opens the store in a Redis server (7 or newer); for any number of processes. All keys share one hash tag, so a cluster keeps
/// them on one shard. Call it on a Tokio runtime.
///
/// # Errors
/// [`Error::Address`], [`Error::Redis`], [`Error::Config`].
pub async fn open_redis(url: &Secret, config: &Config) -> Result<Stores, Error> {
    config.check()?;
    redis::open(url, config).await.map(Stores::new)
}
