//! The build queue in the file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{Claimed, Queue, StoreError};
use bindery_core::{
    BuildId, BuildLease, BuildOutcome, BuildRecord, BuildRequest, BuildState, EventBody, Fault, Fence, ImageKey,
    Timestamp, Topic, WorkerId,
};
use parking_lot::Mutex;
use redb::ReadableTable as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::file::dangling;
use super::hot::Hot;
use super::tables::{self, BUILDS, KEYS, OPEN, REPOSITORIES, StoredBuild};
use super::writer::Tx;
use super::{Embedded, Inner};
use crate::error::unavailable;

/// The leases of running builds, in memory. A build that is running in the file but not here has lost its worker.
#[derive(Default)]
pub(super) struct Running {
    held: Mutex<HashMap<BuildId, (Fence, Instant)>>,
    /// There may be a build to claim.
    waiting: Notify,
}

impl Running {
    fn is_live(&self, id: BuildId, now: Instant) -> bool {
        self.held.lock().get(&id).is_some_and(|(_, until)| *until > now)
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.held.lock().values().map(|(_, until)| *until).min()
    }

    fn hold(&self, id: BuildId, fence: Fence, until: Instant) {
        self.held.lock().insert(id, (fence, until));
    }

    fn drop_lease(&self, id: BuildId) {
        self.held.lock().remove(&id);
    }
}

#[async_trait]
impl Queue for Embedded {
    async fn submit(&self, request: &BuildRequest, first: EventBody) -> Result<BuildRecord, StoreError> {
        if let Some(record) = self.find(&request.key).await?
            && record.state.is_joinable()
        {
            return Ok(record);
        }
        let inner = Arc::clone(&self.inner);
        let request = request.clone();
        self.inner.writer.run(move |tx| submit(&inner, tx, request, first)).await
    }

    async fn find(&self, key: &ImageKey) -> Result<Option<BuildRecord>, StoreError> {
        self.inner.writer.look(|txn| {
            let keys = txn.open_table(KEYS).map_err(unavailable)?;
            let Some(id) = tables::read::<BuildId>(&keys, key.as_str())? else { return Ok(None) };
            let builds = txn.open_table(BUILDS).map_err(unavailable)?;
            Ok(tables::read::<StoredBuild>(&builds, &id.to_string())?.map(|build| build.record))
        })
    }

    async fn get(&self, id: BuildId) -> Result<Option<BuildRecord>, StoreError> {
        self.inner.writer.look(|txn| {
            let builds = txn.open_table(BUILDS).map_err(unavailable)?;
            Ok(tables::read::<StoredBuild>(&builds, &id.to_string())?.map(|build| build.record))
        })
    }

    async fn claim(&self, worker: &WorkerId, wait: Duration) -> Result<Option<Claimed>, StoreError> {
        let deadline = Instant::now() + wait;
        loop {
            let waiting = self.inner.builds.waiting.notified();
            tokio::pin!(waiting);
            // Before looking, so that a build queued in between is not missed.
            waiting.as_mut().enable();
            let (inner, worker, now) = (Arc::clone(&self.inner), worker.clone(), Instant::now());
            if let Some(claimed) = self.inner.writer.run(move |tx| claim(&inner, tx, &worker, now)).await? {
                // There may be more than one; the next waiter looks.
                self.inner.builds.waiting.notify_one();
                return Ok(Some(claimed));
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let until = self.inner.builds.next_expiry().map_or(deadline, |expiry| expiry.min(deadline));
            tokio::select! {
                () = &mut waiting => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.inner.closed.cancelled() => return Err(unavailable("the store is closed")),
            }
        }
    }

    async fn renew(&self, lease: &BuildLease) -> Result<(), StoreError> {
        let mut held = self.inner.builds.held.lock();
        match held.get_mut(&lease.record.id) {
            Some((fence, until)) if *fence == lease.fence => {
                *until = Instant::now() + self.inner.config.lease();
                Ok(())
            }
            _ => Err(StoreError::LeaseLost),
        }
    }

    async fn finish(&self, lease: &BuildLease, outcome: BuildOutcome, last: EventBody) -> Result<(), StoreError> {
        let (inner, lease) = (Arc::clone(&self.inner), lease.clone());
        let at = Timestamp::now();
        let state = match outcome {
            BuildOutcome::Built { image, environment } => BuildState::Built { image, environment, at },
            BuildOutcome::Failed(fault) => BuildState::Failed { fault, at },
        };
        self.inner
            .writer
            .run(move |tx| {
                let build = match held(tx, &lease) {
                    // The holder repeating itself has lost nothing: what it said first stands.
                    Err(StoreError::LeaseLost) if is_over(tx, &lease)? => return Ok(()),
                    build => build?,
                };
                end(&inner, tx, build, state, &last)
            })
            .await
    }

    async fn release(&self, lease: &BuildLease) -> Result<(), StoreError> {
        let (inner, lease) = (Arc::clone(&self.inner), lease.clone());
        self.inner
            .writer
            .run(move |tx| {
                let mut build = held(tx, &lease)?;
                let id = build.record.id;
                build.record.attempt = build.record.attempt.saturating_sub(1);
                build.record.state = BuildState::Queued;
                tx.put(BUILDS, &id.to_string(), &build)?;
                inner.hot.set_fence(Topic::Build(id), None);
                tx.after(move || {
                    inner.builds.drop_lease(id);
                    inner.builds.waiting.notify_one();
                });
                Ok(())
            })
            .await
    }

    async fn cancel(&self, id: BuildId, fault: Fault, last: EventBody) -> Result<bool, StoreError> {
        let inner = Arc::clone(&self.inner);
        let state = BuildState::Failed { fault, at: Timestamp::now() };
        self.inner
            .writer
            .run(move |tx| {
                let Some(mut build) = tx.get::<StoredBuild>(BUILDS, &id.to_string())? else { return Ok(false) };
                if !matches!(build.record.state, BuildState::Queued | BuildState::Running { .. }) {
                    return Ok(false);
                }
                // Taken from its holder, if there is one.
                build.fence = Fence(tx.count("fence")?);
                end(&inner, tx, build, state, &last)?;
                Ok(true)
            })
            .await
    }

    async fn forget(&self, key: &ImageKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.inner
            .writer
            .run(move |tx| {
                let Some(id) = tx.get::<BuildId>(KEYS, key.as_str())? else { return Ok(()) };
                if tx.get::<()>(OPEN, &id.to_string())?.is_none() {
                    tx.delete(KEYS, key.as_str())?;
                }
                Ok(())
            })
            .await
    }

    async fn waiting(&self) -> Result<Vec<BuildId>, StoreError> {
        self.inner
            .writer
            .read(|txn| {
                let open = txn.open_table(OPEN).map_err(unavailable)?;
                let builds = txn.open_table(BUILDS).map_err(unavailable)?;
                let mut waiting = Vec::new();
                for entry in open.iter().map_err(unavailable)? {
                    let (id, _) = entry.map_err(unavailable)?;
                    if let Some(build) = tables::read::<StoredBuild>(&builds, id.value())?
                        && build.record.state == BuildState::Queued
                    {
                        waiting.push(build.record.id);
                    }
                }
                Ok(waiting)
            })
            .await
    }

    async fn depth(&self) -> Result<(u64, u64), StoreError> {
        self.inner
            .writer
            .read(|txn| {
                let open = txn.open_table(OPEN).map_err(unavailable)?;
                let builds = txn.open_table(BUILDS).map_err(unavailable)?;
                let (mut queued, mut running) = (0, 0);
                for entry in open.iter().map_err(unavailable)? {
                    let (id, _) = entry.map_err(unavailable)?;
                    match tables::read::<StoredBuild>(&builds, id.value())?.map(|build| build.record.state) {
                        Some(BuildState::Running { .. }) => running += 1,
                        _ => queued += 1,
                    }
                }
                Ok((queued, running))
            })
            .await
    }

    async fn recent(&self, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        self.inner
            .writer
            .read(move |txn| {
                let builds = txn.open_table(BUILDS).map_err(unavailable)?;
                let mut records = Vec::new();
                for entry in builds.iter().map_err(unavailable)?.rev().take(limit) {
                    let (id, value) = entry.map_err(unavailable)?;
                    records.push(tables::decode::<StoredBuild>(id.value(), value.value())?.record);
                }
                Ok(records)
            })
            .await
    }

    async fn of_repository(&self, name: &str, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        let name = name.to_owned();
        self.inner
            .writer
            .read(move |txn| {
                let repositories = txn.open_table(REPOSITORIES).map_err(unavailable)?;
                let builds = txn.open_table(BUILDS).map_err(unavailable)?;
                // Every id is between these two.
                let found = repositories.range((name.as_str(), "")..(name.as_str(), "~")).map_err(unavailable)?;
                let mut records = Vec::new();
                for entry in found.rev().take(limit) {
                    let (key, _) = entry.map_err(unavailable)?;
                    records.extend(tables::read::<StoredBuild>(&builds, key.value().1)?.map(|build| build.record));
                }
                Ok(records)
            })
            .await
    }
}

fn submit(
    inner: &Arc<Inner>,
    tx: &mut Tx<'_>,
    request: BuildRequest,
    first: EventBody,
) -> Result<BuildRecord, StoreError> {
    if let Some(id) = tx.get::<BuildId>(KEYS, request.key.as_str())?
        && let Some(build) = tx.get::<StoredBuild>(BUILDS, &id.to_string())?
        && build.record.state.is_joinable()
    {
        return Ok(build.record);
    }
    let id = BuildId::new();
    let name = id.to_string();
    let record = BuildRecord { id, request, attempt: 0, created: Timestamp::now(), state: BuildState::Queued };
    tx.put(KEYS, record.request.key.as_str(), &id)?;
    tx.put(BUILDS, &name, &StoredBuild { record: record.clone(), fence: Fence(0) })?;
    tx.put(OPEN, &name, &())?;
    {
        let mut repositories = tx.txn().open_table(REPOSITORIES).map_err(unavailable)?;
        for repository in record.request.repository_names() {
            repositories.insert((repository.as_str(), name.as_str()), ()).map_err(unavailable)?;
        }
    }
    Hot::begin(tx, Topic::Build(id), first)?;
    let inner = Arc::clone(inner);
    tx.after(move || {
        inner.tails.poke(Topic::Build(id));
        inner.builds.waiting.notify_one();
    });
    Ok(record)
}

/// Takes the oldest build that is queued or has lost its worker.
fn claim(inner: &Arc<Inner>, tx: &mut Tx<'_>, worker: &WorkerId, now: Instant) -> Result<Option<Claimed>, StoreError> {
    let open: Vec<BuildId> = {
        let table = tx.txn().open_table(OPEN).map_err(unavailable)?;
        let ids = table.iter().map_err(unavailable)?.map(|entry| {
            let (id, _) = entry.map_err(unavailable)?;
            id.value().parse().map_err(|error| crate::error::unreadable(id.value(), error))
        });
        ids.collect::<Result<_, _>>()?
    };
    for id in open {
        if inner.builds.is_live(id, now) {
            continue;
        }
        let name = id.to_string();
        let mut build: StoredBuild = tx.get(BUILDS, &name)?.ok_or_else(|| dangling(&name))?;
        let lost_worker = match &build.record.state {
            BuildState::Running { worker, .. } => Some(worker.clone()),
            _ => None,
        };
        if let Some(lost) = &lost_worker
            && build.record.attempt >= inner.config.max_attempts
        {
            // Taken from its holder.
            build.fence = Fence(tx.count("fence")?);
            let fault = crate::log::gave_up(build.record.attempt, lost);
            let last = EventBody::failed(fault.clone());
            end(inner, tx, build, BuildState::Failed { fault, at: Timestamp::now() }, &last)?;
            continue;
        }
        let fence = Fence(tx.count("fence")?);
        build.fence = fence;
        build.record.attempt = build.record.attempt.saturating_add(1);
        build.record.state = BuildState::Running { worker: worker.clone(), fence };
        tx.put(BUILDS, &name, &build)?;
        inner.hot.set_fence(Topic::Build(id), Some(fence));
        // Held at once, so that the next claim of this batch does not take it too.
        inner.builds.hold(id, fence, now + inner.config.lease());
        let undo = Arc::clone(inner);
        tx.undo(move || undo.builds.drop_lease(id));
        let lease = BuildLease { record: build.record, worker: worker.clone(), fence };
        return Ok(Some(Claimed { lease, lost_worker }));
    }
    Ok(None)
}

/// The build, if the lease is the current one.
fn held(tx: &Tx<'_>, lease: &BuildLease) -> Result<StoredBuild, StoreError> {
    let build: Option<StoredBuild> = tx.get(BUILDS, &lease.record.id.to_string())?;
    build
        .filter(|build| matches!(build.record.state, BuildState::Running { fence, .. } if fence == lease.fence))
        .ok_or(StoreError::LeaseLost)
}

/// Whether the lease's holder has ended the build.
fn is_over(tx: &Tx<'_>, lease: &BuildLease) -> Result<bool, StoreError> {
    let build: Option<StoredBuild> = tx.get(BUILDS, &lease.record.id.to_string())?;
    Ok(build.is_some_and(|build| {
        build.fence == lease.fence && matches!(build.record.state, BuildState::Built { .. } | BuildState::Failed { .. })
    }))
}

fn end(
    inner: &Arc<Inner>,
    tx: &mut Tx<'_>,
    mut build: StoredBuild,
    state: BuildState,
    last: &EventBody,
) -> Result<(), StoreError> {
    let id = build.record.id;
    let name = id.to_string();
    build.record.state = state;
    Hot::end(&inner.hot, tx, Topic::Build(id), last)?;
    tx.put(BUILDS, &name, &build)?;
    tx.delete(OPEN, &name)?;
    let inner = Arc::clone(inner);
    tx.after(move || {
        inner.builds.drop_lease(id);
        inner.tails.poke(Topic::Build(id));
    });
    Ok(())
}
