//! Asking a host for its refs: rarely, and not too fast.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use url::Url;

use crate::ref_cache::RefCache;
use crate::remote::{Found, Remotes, host_of};
use crate::throttle::Throttle;
use crate::{Config, Error, task};

/// Questions going on at once; each is a thread waiting for a host.
const CONCURRENT: usize = 8;

/// Answers questions about refs.
pub(crate) struct Refs {
    remotes: Remotes,
    cache: RefCache,
    throttle: Throttle,
    seats: Arc<Semaphore>,
    limit: Duration,
}

impl Refs {
    pub(crate) fn new(config: &Config, remotes: Remotes) -> Self {
        Self {
            remotes,
            cache: RefCache::new(Duration::from_secs(config.ref_cache_seconds)),
            throttle: Throttle::new(config.host_burst, config.host_per_second),
            seats: Arc::new(Semaphore::new(CONCURRENT)),
            limit: config.resolve_time(),
        }
    }

    /// The refs of `repository`, known under one of `spellings`; at most half a minute old.
    pub(crate) async fn of(&self, repository: &str, spellings: Vec<Url>) -> Result<Arc<Found>, Error> {
        self.cache.get(repository, || self.ask(spellings)).await
    }

    /// Where `repository` was found to be lately, after redirects; without asking.
    pub(crate) fn whereabouts(&self, repository: &str) -> Option<Url> {
        self.cache.peek(repository).map(|found| found.base.clone())
    }

    async fn ask(&self, spellings: Vec<Url>) -> Result<Found, Error> {
        let host = spellings.first().map(host_of).unwrap_or_default();
        let wait = self.throttle.take(&host, self.limit).ok_or_else(|| Error::HostBusy(host.clone()))?;
        tokio::time::sleep(wait).await;
        let remotes = self.remotes.clone();
        task::run(&self.seats, self.limit, &host, move |task| remotes.session(task).refs(&spellings)).await
    }
}
