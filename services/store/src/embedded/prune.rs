//! Retention: logs of launches and builds that nobody will ask for any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildState, Timestamp, Topic};
use redb::ReadableTable as _;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::tables::{self, BUILDS, EVENTS, KEYS, LOGS, PROVENANCES, REPOSITORIES, StoredBuild};
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
        let (some, hot) = (some.to_vec(), Arc::clone(&inner.hot));
        gone += inner
            .writer
            .run(move |tx| {
                let mut gone = 0;
                for topic in some {
                    let goes = match topic {
                        Topic::Build(id) => forget_build(tx, id)?,
                        Topic::Launch(_) => true,
                    };
                    if goes && hot.let_go(topic) {
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
    let names = build.record.request.repository_names();
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
    {
        let mut repositories = tx.txn().open_table(REPOSITORIES).map_err(unavailable)?;
        for repository in names {
            repositories.remove((repository.as_str(), name.as_str())).map_err(unavailable)?;
        }
    }
    tx.delete(PROVENANCES, &name)?;
    tx.delete(BUILDS, &name)
}

fn forget_log(tx: &mut Tx<'_>, topic: Topic) -> Result<(), StoreError> {
    let name = topic.to_string();
    tx.delete(LOGS, &name)?;
    let mut events = tx.txn().open_table(EVENTS).map_err(unavailable)?;
    events.retain_in((name.as_str(), 0)..=(name.as_str(), u64::MAX), |_, _| false).map_err(unavailable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_core::seams::{EventLog as _, Queue as _};
    use bindery_core::{
        BuildOutcome, BuildRequest, EventBody, EventId, Fault, ImageRef, LaunchId, Phase, RepoSpec, ResolvedRef,
        Timestamp, Topic, WorkerId,
    };

    use super::prune;
    use crate::Config;
    use crate::embedded::{Embedded, open};
    use crate::stores::Medium as _;

    fn request(number: u8) -> BuildRequest {
        let resolved = ResolvedRef {
            spec: RepoSpec::parse("gh", "someone/repo/main").unwrap(),
            repo_url: "https://github.com/someone/repo".parse().unwrap(),
            revision: format!("{number:040x}").parse().unwrap(),
            identity: "github.com/someone/repo".to_owned(),
            ref_url: String::new(),
            pinned: None,
            private: false,
            notes: Vec::new(),
        };
        BuildRequest::new(resolved, None, "")
    }

    async fn build(store: &Embedded, number: u8, outcome: Option<BuildOutcome>) -> Topic {
        let first = EventBody::message(Phase::Waiting, "x");
        let id = store.submit(&request(number), first).await.unwrap().id;
        if let Some(outcome) = outcome {
            let lease = store.claim(&WorkerId("w".to_owned()), Duration::ZERO).await.unwrap().unwrap().lease;
            let last = EventBody::failed(Fault::us("x", "y"));
            store.finish(&lease, outcome, last).await.unwrap();
        }
        Topic::Build(id)
    }

    async fn is_there(store: &Embedded, topic: Topic) -> bool {
        !store.history(topic, EventId::START, 10).await.unwrap().is_empty()
    }

    #[tokio::test]
    async fn what_is_too_old_goes_but_not_what_is_unfinished_or_whose_image_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("x.redb"), &Config::default()).await.unwrap();
        let image = ImageRef { name: "a:b".parse().unwrap(), id: "sha256:a".to_owned(), registry_digest: None };
        let built = BuildOutcome::Built { image, environment: None };
        let kept = build(&store, 1, Some(built.clone())).await;
        let forgotten = build(&store, 2, Some(built)).await;
        store.forget(&request(2).key).await.unwrap();
        let failed = build(&store, 3, Some(BuildOutcome::Failed(Fault::us("x", "y")))).await;
        let queued = build(&store, 4, None).await;
        let launch = Topic::Launch(LaunchId::new());
        store.append(launch, vec![EventBody::message(Phase::Launching, "x")], None).await.unwrap();
        // Writes out the line.
        store.reachable().await.unwrap();

        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        let after = |wait| Timestamp::now().plus(wait);
        assert_eq!(prune(&store.inner, after(hour * 23)).await.unwrap(), 0);
        assert_eq!(prune(&store.inner, after(hour * 25)).await.unwrap(), 1);
        assert!(!is_there(&store, launch).await);
        assert_eq!(prune(&store.inner, after(day * 29)).await.unwrap(), 0);
        assert_eq!(prune(&store.inner, after(day * 31)).await.unwrap(), 2);
        for (topic, there) in [(kept, true), (queued, true), (forgotten, false), (failed, false)] {
            assert_eq!(is_there(&store, topic).await, there);
            let Topic::Build(id) = topic else { unreachable!() };
            assert_eq!(store.get(id).await.unwrap().is_some(), there);
        }
        let left = store.of_repository("github.com/someone/repo", 10).await.unwrap();
        let left: Vec<_> = left.into_iter().map(|record| Topic::Build(record.id)).collect();
        assert_eq!(left, [queued, kept], "what is forgotten is not listed");
        assert!(store.find(&request(1).key).await.unwrap().is_some());
        assert!(store.find(&request(3).key).await.unwrap().is_none());
        // A log that was pruned while it was open begins anew, at one.
        assert_eq!(
            store.append(launch, vec![EventBody::message(Phase::Launching, "x")], None).await.unwrap(),
            EventId(1)
        );
    }
}
