//! Retention: logs of launches and builds that nobody will ask for any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildState, Timestamp, Topic};
use redb::ReadableTable as _;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::tables::{self, BUILDS, EVENTS, KEYS, LOGS, StoredBuild};
use super::writer::Tx;
use crate::error::unavailable;
use crate::log::LogMeta;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3600);
/// How many logs go in one job, so that no caller waits long behind it.
const BATCH: usize = 16;

/// Prunes now and every hour until the store is closed.
pub(super) async fn run(inner: Weak<Inner>, closed: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = closed.cancelled() => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        match prune(&inner, Timestamp::now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot old logs"),
            Err(StoreError::Unavailable(_)) if closed.is_cancelled() => return,
            Err(error) => tracing::warn!(%error, "old logs cannot be forgotten"),
        }
    }
}

/// Forgets what is too old at `now`; how many logs.
pub(super) async fn prune(inner: &Arc<Inner>, now: Timestamp) -> Result<usize, StoreError> {
    let before = |keep: Duration| now.as_millis().saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
    let (builds_before, launches_before) = (before(inner.config.keep_builds()), before(inner.config.keep_launches()));
    inner.hot.evict(Timestamp::from_millis(before(EVERY)));
    let old: Vec<Topic> = inner
        .writer
        .read(move |txn| {
            let logs = txn.open_table(LOGS).map_err(unavailable)?;
            let mut old = Vec::new();
            for entry in logs.iter().map_err(unavailable)? {
                let (name, value) = entry.map_err(unavailable)?;
                let meta: LogMeta = tables::decode(name.value(), value.value())?;
                let Ok(topic) = name.value().parse() else { continue };
                let limit = match topic {
                    Topic::Build(_) => builds_before,
                    Topic::Launch(_) => launches_before,
                };
                if meta.touched < limit {
                    old.push(topic);
                }
            }
            Ok(old)
        })
        .await?;
    let mut gone = 0;
    for some in old.chunks(BATCH) {
        let some = some.to_vec();
        gone += inner
            .writer
            .run(move |tx| {
                let mut gone = 0;
                for topic in some {
                    let goes = match topic {
                        Topic::Build(id) => forget_build(tx, id)?,
                        Topic::Launch(_) => true,
                    };
                    if goes {
                        forget_log(tx, topic)?;
                        gone += 1;
                    }
                }
                Ok(gone)
            })
            .await?;
    }
    Ok(gone)
}

/// Whether the build's record went: one that is not finished, or whose image is there, stays.
fn forget_build(tx: &mut Tx<'_>, id: BuildId) -> Result<bool, StoreError> {
    let name = id.to_string();
    let Some(build) = tx.get::<StoredBuild>(BUILDS, &name)? else { return Ok(true) };
    let key = build.record.request.key;
    let is_latest = tx.get::<BuildId>(KEYS, key.as_str())? == Some(id);
    match build.record.state {
        BuildState::Queued | BuildState::Running { .. } => return Ok(false),
        BuildState::Built { .. } if is_latest => return Ok(false),
        BuildState::Built { .. } | BuildState::Failed { .. } => {}
    }
    if is_latest {
        tx.delete(KEYS, key.as_str())?;
    }
    tx.delete(BUILDS, &name)
}

fn forget_log(tx: &mut Tx<'_>, topic: Topic) -> Result<(), StoreError> {
    let name = topic.to_string();
    tx.delete(LOGS, &name)?;
    let mut events = tx.txn().open_table(EVENTS).map_err(unavailable)?;
    events.retain_in((name.as_str(), 0)..=(name.as_str(), u64::MAX), |_, _| false).map_err(unavailable)?;
    Ok(())
}
