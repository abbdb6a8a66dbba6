//! The store in one file, for one process.
//!
//! `writer.rs` is the one thread that changes the file `file.rs`; `tables.rs` says what is in it; `hot.rs` holds the logs that are
//! being written, `sessions.rs` every session. Leases live in memory: the file's lock proves that no earlier process still holds one.

#[cfg(test)]
mod broken_disk;
mod events;
mod file;
mod hot;
mod leases;
mod provenances;
mod prune;
mod queue;
mod sessions;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::StoreError;
use redb::DatabaseError;
use tokio_util::sync::CancellationToken;

use self::file::{File, Opener};
use self::hot::Hot;
use self::sessions::Sessions;
use self::writer::{Memory, Writer};
use crate::error::unavailable;
use crate::stores::Medium;
use crate::tail::{Source, Tails};
use crate::{Config, Error};

/// How long a health check may take.
const HEALTH_BOUND: Duration = Duration::from_secs(3);

/// What the file's pages may take in memory; the library's own default is a gigabyte.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The store. Clones share it.
#[derive(Clone)]
pub(crate) struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    writer: Writer,
    hot: Arc<Hot>,
    tails: Arc<Tails>,
    source: Arc<dyn Source>,
    builds: queue::Running,
    leases: leases::Held,
    sessions: Arc<Sessions>,
    closed: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
        self.tails.close();
    }
}

/// Opens or makes the file.
pub(crate) async fn open(path: &Path, config: &Config) -> Result<Embedded, Error> {
    let to_open = path.to_owned();
    let opener = move || redb::Builder::new().set_cache_size(CACHE_BYTES).create(&to_open);
    start(path, Box::new(opener), config).await
}

async fn start(path: &Path, opener: Opener, config: &Config) -> Result<Embedded, Error> {
    let at = path.to_owned();
    let flush = config.flush();
    let hot = Arc::new(Hot::default());
    let for_writer = Arc::clone(&hot);
    let opened = tokio::task::spawn_blocking(move || {
        let refused = |reason: String| Error::File { path: at.clone(), reason };
        let file = File::open(opener).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: at.clone() },
            error => refused(error.to_string()),
        })?;
        file.with(tables::create).unwrap_or(Ok(())).map_err(|error| refused(error.to_string()))?;
        let sessions = Arc::new(Sessions::load(&file).map_err(|error| refused(error.to_string()))?);
        let memory = Memory { hot: for_writer, sessions: Arc::clone(&sessions) };
        let writer = Writer::start(Arc::new(file), memory, flush).map_err(|error| refused(error.to_string()))?;
        Ok((writer, sessions))
    });
    let (writer, sessions) =
        opened.await.map_err(|error| Error::File { path: path.to_owned(), reason: error.to_string() })??;
    let source = Arc::new(events::Reader { writer: writer.clone(), hot: Arc::clone(&hot) });
    let store = Embedded {
        inner: Arc::new(Inner {
            config: config.clone(),
            writer,
            hot,
            tails: Arc::default(),
            source,
            builds: queue::Running::default(),
            leases: leases::Held::default(),
            sessions,
            closed: CancellationToken::new(),
        }),
    };
    tokio::spawn(prune::run(Arc::downgrade(&store.inner), store.inner.closed.clone()));
    Ok(store)
}

#[async_trait]
impl Medium for Embedded {
    async fn reachable(&self) -> Result<(), StoreError> {
        let write = self.inner.writer.run(|tx| tx.count("health"));
        tokio::time::timeout(HEALTH_BOUND, write).await.map_err(|_| unavailable("the disk does not answer"))??;
        Ok(())
    }

    async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.closed.cancel();
        self.inner.tails.close();
    }
}
