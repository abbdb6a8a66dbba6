//! Builds waiting, running and done. One record per image key, so a duplicate build is impossible by construction.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{BuildId, BuildLease, BuildOutcome, BuildRecord, BuildRequest, EventBody, Fault, ImageKey, WorkerId};

/// A claimed build, and whether a worker was lost with it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The right to go on.
    pub lease: BuildLease,
    /// The worker whose lease on this build expired, if that is why it is claimed now.
    pub lost_worker: Option<WorkerId>,
}

/// The build queue.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Joins the build with the request's key if one is queued, running or built; otherwise makes a new one with a new id,
    /// appends `first` to its log and queues it. One atomic step.
    ///
    /// # Errors
    /// The store cannot be used; nothing was queued.
    async fn submit(&self, request: &BuildRequest, first: EventBody) -> Result<BuildRecord, StoreError>;

    /// The latest build with that key.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn find(&self, key: &ImageKey) -> Result<Option<BuildRecord>, StoreError>;

    /// The build with that id.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn get(&self, id: BuildId) -> Result<Option<BuildRecord>, StoreError>;

    /// Takes the next queued build, or one whose worker's lease has expired, waiting up to `wait` for one. A build whose workers
    /// were lost too often is not handed out again: it ends as failed, with a `failed` event.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn claim(&self, worker: &WorkerId, wait: Duration) -> Result<Option<Claimed>, StoreError>;

    /// Extends the lease by the store's lease time. Call it at most a third of that apart.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the build was taken over.
    async fn renew(&self, lease: &BuildLease) -> Result<(), StoreError>;

    /// Records how the build ended and appends `last` to its log, in one atomic step, and gives the lease up.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the build was taken over; nothing was written.
    async fn finish(&self, lease: &BuildLease, outcome: BuildOutcome, last: EventBody) -> Result<(), StoreError>;

    /// Hands the build back unharmed, e.g. at shutdown: it is queued again at once and the attempt does not count.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the build was taken over.
    async fn release(&self, lease: &BuildLease) -> Result<(), StoreError>;

    /// Ends a build that is queued or running as failed and appends `last` to its log, in one atomic step; `false`, and nothing
    /// written, for any other. A worker that has it loses its lease.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn cancel(&self, id: BuildId, fault: Fault, last: EventBody) -> Result<bool, StoreError>;

    /// Forgets a finished build, because its image is gone from the engine. A build that is not finished is left alone.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn forget(&self, key: &ImageKey) -> Result<(), StoreError>;

    /// The builds that wait for a worker, in the order in which they will be taken up.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn waiting(&self) -> Result<Vec<BuildId>, StoreError>;

    /// How many builds are queued and how many running.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn depth(&self) -> Result<(u64, u64), StoreError>;

    /// The most recently submitted builds, newest first.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn recent(&self, limit: usize) -> Result<Vec<BuildRecord>, StoreError>;

    /// The builds of one repository, most recently submitted first, at most `limit`: those whose request has this among its
    /// [`BuildRequest::repository_names`]. Builds that are no longer remembered are left out.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn of_repository(&self, name: &str, limit: usize) -> Result<Vec<BuildRecord>, StoreError>;
}
