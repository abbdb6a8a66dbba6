//! Claims builds, a few at a time; keeps their leases; hands them back at shutdown.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{Claimed, ContentProvider, EventLog, Leases, Provenances, Queue, StoreError};
use bindery_core::{BuildLease, BuildOutcome, EventBody, Fault, FaultBy, Phase, Topic, WorkerId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::pipeline::Finished;
use crate::{Config, Pipeline, Report};

/// How long one claim waits for work before it looks at the shutdown signal again.
const CLAIM_WAIT: Duration = Duration::from_secs(5);
/// How long to wait after the store could not be used.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Tries of a build that fails by our own fault, e.g. because the engine restarts.
const TRIES: u32 = 2;

/// The outside worlds the build worker uses, beside its pipeline's.
#[derive(Clone)]
pub struct Seams {
    /// Where trees come from.
    pub content: Arc<dyn ContentProvider>,
    /// Where builds come from.
    pub queue: Arc<dyn Queue>,
    /// Where they are told.
    pub events: Arc<dyn EventLog>,
    /// Single flight of environments.
    pub leases: Arc<dyn Leases>,
    /// Where what images were made of is kept.
    pub provenances: Arc<dyn Provenances>,
}

/// The builder role.
pub struct Builder {
    config: Config,
    worker: WorkerId,
    seams: Seams,
    pipeline: Pipeline,
}

/// Why a build was left without an outcome of its own.
enum Left {
    /// Another worker has it, or may have.
    LeaseLost,
    /// The process is ending.
    Shutdown,
}

impl Builder {
    /// A worker named by the configuration.
    #[must_use]
    pub fn new(config: Config, worker: WorkerId, seams: Seams, pipeline: Pipeline) -> Self {
        Self { config, worker, seams, pipeline }
    }

    /// Builds until `shutdown`, then waits a while for running builds and hands back those still running.
    pub async fn run(self, shutdown: CancellationToken) {
        let builder = Arc::new(self);
        let hand_back = CancellationToken::new();
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            while running.try_join_next().is_some() {}
            if running.len() >= builder.config.concurrency.max(1) {
                tokio::select! {
                    _ = running.join_next() => {}
                    () = shutdown.cancelled() => break,
                }
                continue;
            }
            let claimed = tokio::select! {
                claimed = builder.seams.queue.claim(&builder.worker, CLAIM_WAIT) => claimed,
                () = shutdown.cancelled() => break,
            };
            match claimed {
                Ok(Some(claimed)) => {
                    let builder = Arc::clone(&builder);
                    let hand_back = hand_back.clone();
                    running.spawn(async move { builder.take(claimed, hand_back).await });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!("no build could be claimed: {error}");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(builder.config.drain_seconds), drained).await.is_err() {
            hand_back.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    /// One build, from claim to outcome.
    async fn take(&self, claimed: Claimed, hand_back: CancellationToken) {
        let Claimed { lease, lost_worker } = claimed;
        let (id, attempt) = (lease.record.id, lease.record.attempt);
        let repository = lease.record.request.resolved.repo_url.to_string();
        tracing::info!(build = %id, attempt, repository, "build claimed");
        let (journal, writer) = Journal::open(Arc::clone(&self.seams.events), Topic::Build(id), lease.fence);
        if let Some(lost) = lost_worker {
            tracing::warn!(build = %id, lost_worker = %lost, "the worker that had this build was lost");
            let text = format!("The builder was lost; another one goes on (attempt {attempt})");
            journal.event(EventBody::message(Phase::Waiting, text));
        }
        let result = tokio::select! {
            result = self.build_with_retry(&lease, journal.clone()) => Ok(result),
            () = self.heartbeat(&lease) => Err(Left::LeaseLost),
            () = hand_back.cancelled() => Err(Left::Shutdown),
        };
        drop(journal);
        let written = writer.finish().await;
        let ended = match result {
            Ok(outcome) => match written {
                Ok(()) => self.finish(&lease, outcome).await,
                Err(error) => Err(error),
            },
            Err(Left::LeaseLost) => Err(StoreError::LeaseLost),
            Err(Left::Shutdown) => self.seams.queue.release(&lease).await,
        };
        match ended {
            Ok(()) => tracing::info!(build = %id, attempt, "build ended"),
            Err(error) => tracing::warn!(build = %id, attempt, "build left to another worker: {error}"),
        }
    }

    async fn build_with_retry(&self, lease: &BuildLease, journal: Arc<Journal>) -> Result<Finished, Fault> {
        let request = &lease.record.request;
        let image = self.pipeline.naming().session(&request.key)?;
        let mut tries = 1;
        loop {
            let report: Arc<dyn Report> = Arc::clone(&journal) as _;
            let content = self.seams.content.as_ref();
            let leases = self.seams.leases.as_ref();
            let built = self.pipeline.build_commit(content, request, image.clone(), leases, &self.worker, report).await;
            match built {
                Err(fault) if fault.by == FaultBy::Us && fault.retry && tries < TRIES => {
                    tracing::warn!(build = %lease.record.id, "build failed by our fault, trying again: {fault}");
                    journal.event(EventBody::message(Phase::Waiting, format!("{} Trying again", fault.message)));
                    tokio::time::sleep(STORE_PAUSE).await;
                    tries += 1;
                }
                ended => return ended,
            }
        }
    }

    async fn finish(&self, lease: &BuildLease, result: Result<Finished, Fault>) -> Result<(), StoreError> {
        let (outcome, last) = match result {
            Ok(Finished { image, environment, provenance, .. }) => {
                // The image has it too; a build is not lost for it.
                if let Err(error) = self.seams.provenances.keep(lease.record.id, &provenance).await {
                    tracing::warn!(build = %lease.record.id, "its provenance could not be kept: {error}");
                }
                let last = EventBody::built(image.name.clone());
                (BuildOutcome::Built { image, environment }, last)
            }
            Err(fault) => {
                tracing::info!(build = %lease.record.id, code = %fault.code, "build failed: {fault}");
                (BuildOutcome::Failed(fault.clone()), EventBody::failed(fault))
            }
        };
        self.seams.queue.finish(lease, outcome, last).await
    }

    /// Renews the lease; returns only when it is lost, so that the build is stopped before another worker's can matter.
    async fn heartbeat(&self, lease: &BuildLease) {
        let period = Duration::from_secs(self.config.heartbeat_seconds.max(1));
        let mut unanswered = 0;
        loop {
            tokio::time::sleep(period).await;
            match tokio::time::timeout(period, self.seams.queue.renew(lease)).await {
                Ok(Ok(())) => unanswered = 0,
                Ok(Err(StoreError::LeaseLost)) => return,
                Ok(Err(_)) | Err(_) => unanswered += 1,
            }
            // A store that does not answer for as long as a lease may last: assume the lease is gone.
            if unanswered >= 3 {
                return;
            }
        }
    }
}
