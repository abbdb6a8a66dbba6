//! Asking a host for its refs, or for a record: rarely, and not too fast.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::{RepoSpec, ResolvedRef};
use tokio::sync::Semaphore;
use url::Url;

use crate::archive::Archives;
use crate::ref_cache::{RefCache, Weighed};
use crate::remote::{Found, Remotes, host_of};
use crate::throttle::Throttle;
use crate::{Config, Error, task};

/// Questions going on at once; each is a thread waiting for a host.
const CONCURRENT: usize = 8;

/// Answers questions about refs and records.
pub(crate) struct Refs {
    remotes: Remotes,
    cache: RefCache<Found>,
    records: RefCache<ResolvedRef>,
    throttle: Throttle,
    seats: Arc<Semaphore>,
    limit: Duration,
}

impl Refs {
    pub(crate) fn new(config: &Config, remotes: Remotes) -> Self {
        Self {
            remotes,
            cache: RefCache::new(Duration::from_secs(config.ref_cache_seconds)),
            records: RefCache::new(Duration::from_secs(config.ref_cache_seconds)),
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

    /// The version that `spec`, of an archive, stands for; as old as refs may be.
    pub(crate) async fn record(&self, archives: &Arc<Archives>, spec: &RepoSpec) -> Result<ResolvedRef, Error> {
        let found = self.records.get(&spec.to_string(), || self.ask_archive(archives, spec)).await?;
        Ok(ResolvedRef::clone(&found))
    }

    async fn ask_archive(&self, archives: &Arc<Archives>, spec: &RepoSpec) -> Result<ResolvedRef, Error> {
        let host = archives.host(spec);
        self.wait(&host).await?;
        let (remotes, archives, spec) = (self.remotes.clone(), Arc::clone(archives), spec.clone());
        task::run(&self.seats, self.limit, &host, move |task| archives.resolve(&mut remotes.session(task), &spec)).await
    }

    /// For this host's turn.
    async fn wait(&self, host: &str) -> Result<(), Error> {
        let wait = self.throttle.take(host, self.limit).ok_or_else(|| Error::HostBusy(host.to_owned()))?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn ask(&self, spellings: Vec<Url>) -> Result<Found, Error> {
        let host = spellings.first().map(host_of).unwrap_or_default();
        self.wait(&host).await?;
        let remotes = self.remotes.clone();
        task::run(&self.seats, self.limit, &host, move |task| remotes.session(task).refs_or_private(&spellings)).await
    }
}

impl Weighed for Found {
    fn weight(&self) -> usize {
        self.refs.refs.len()
    }
}

impl Weighed for ResolvedRef {
    fn weight(&self) -> usize {
        1
    }
}
