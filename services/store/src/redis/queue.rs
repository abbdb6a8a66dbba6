//! The build queue in Redis.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{Claimed, Queue, StoreError};
use bindery_core::{
    BuildId, BuildLease, BuildOutcome, BuildRecord, BuildRequest, BuildState, EventBody, Fault, Fence, ImageKey,
    Timestamp, WorkerId,
};
use redis::{Cmd, Script};
use tokio::time::Instant;

use super::Remote;
use super::events::entry;
use super::scripts::Scripts;
use crate::error::{unavailable, unreadable};
use crate::log;

/// How often a waiting claim looks without being woken.
const LOOK: Duration = Duration::from_secs(1);
/// How many records are listed at a time.
const PAGE: usize = 100;

/// What a claim found.
enum Found {
    Build(Box<Claimed>),
    /// A build that no worker survives; it has been ended.
    GivenUp,
    /// Nothing; perhaps when the next lease expires.
    Nothing(Option<Duration>),
}

#[async_trait]
impl Queue for Remote {
    async fn submit(&self, request: &BuildRequest, first: EventBody) -> Result<BuildRecord, StoreError> {
        let id = BuildId::new();
        let [kind, weight, body] = entry(&first)?;
        let [identity, name] = request.repository_names();
        let args = [
            request.key.to_string(),
            id.to_string(),
            encode(request)?,
            Timestamp::now().as_millis().to_string(),
            identity,
            name,
            kind,
            weight,
            body,
        ];
        let reply = self.script(|scripts| &scripts.submit, &args).await?;
        record(&reply)
    }

    async fn find(&self, key: &ImageKey) -> Result<Option<BuildRecord>, StoreError> {
        let id: Option<String> =
            self.inner.server.command(&Cmd::get(self.inner.server.key(&format!("key:{key}")))).await?;
        match id {
            Some(id) => self.read(&id).await,
            None => Ok(None),
        }
    }

    async fn get(&self, id: BuildId) -> Result<Option<BuildRecord>, StoreError> {
        self.read(&id.to_string()).await
    }

    async fn claim(&self, worker: &WorkerId, wait: Duration) -> Result<Option<Claimed>, StoreError> {
        let deadline = Instant::now() + wait;
        let inner = &self.inner;
        loop {
            let woken = inner.wakes.queue.notified();
            tokio::pin!(woken);
            // Before looking, so that a build queued in between is not missed.
            woken.as_mut().enable();
            let next_expiry = match self.look(worker).await? {
                Found::Build(claimed) => {
                    // There may be more than one; the next waiter looks.
                    inner.wakes.queue.notify_one();
                    return Ok(Some(*claimed));
                }
                Found::GivenUp => continue,
                Found::Nothing(next_expiry) => next_expiry,
            };
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            // The server counts whole milliseconds: one more, so as not to come just too early.
            let look = next_expiry.map_or(LOOK, |expiry| LOOK.min(expiry + Duration::from_millis(1)));
            tokio::select! {
                () = &mut woken => {}
                () = tokio::time::sleep_until(deadline.min(now + look)) => {}
                () = inner.server.closed.cancelled() => return Err(unavailable("the store is closed")),
            }
        }
    }

    async fn renew(&self, lease: &BuildLease) -> Result<(), StoreError> {
        let args = [lease.record.id.to_string(), lease.fence.0.to_string(), self.lease_millis()];
        self.held(|scripts| &scripts.renew, &args).await
    }

    async fn finish(&self, lease: &BuildLease, outcome: BuildOutcome, last: EventBody) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let state = match outcome {
            BuildOutcome::Built { image, environment } => BuildState::Built { image, environment, at },
            BuildOutcome::Failed(fault) => BuildState::Failed { fault, at },
        };
        self.end(lease.record.id, lease.fence, &state, &last, false).await
    }

    async fn release(&self, lease: &BuildLease) -> Result<(), StoreError> {
        let args = [lease.record.id.to_string(), lease.fence.0.to_string()];
        self.held(|scripts| &scripts.release, &args).await
    }

    async fn cancel(&self, id: BuildId, fault: Fault, last: EventBody) -> Result<bool, StoreError> {
        let state = BuildState::Failed { fault, at: Timestamp::now() };
        let [kind, weight, body] = entry(&last)?;
        let args = [id.to_string(), encode(&state)?, self.keep_millis(), kind, weight, body];
        Ok(self.script(|scripts| &scripts.cancel, &args).await?.first().is_some_and(|answer| answer == "ok"))
    }

    async fn forget(&self, key: &ImageKey) -> Result<(), StoreError> {
        let args = [key.to_string(), self.keep_millis()];
        self.script(|scripts| &scripts.forget, &args).await.map(drop)
    }

    async fn waiting(&self) -> Result<Vec<BuildId>, StoreError> {
        let server = &self.inner.server;
        let ids: Vec<String> = server.command(&Cmd::zrange(server.key("queue"), 0, -1)).await?;
        ids.iter().map(|id| parse("queue", id)).collect()
    }

    async fn depth(&self) -> Result<(u64, u64), StoreError> {
        let server = &self.inner.server;
        let mut counts = redis::pipe();
        counts.zcard(server.key("queue")).zcard(server.key("running"));
        server.commands(&counts).await
    }

    async fn recent(&self, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        self.listed("recent", limit).await
    }

    async fn of_repository(&self, name: &str, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        self.listed(&format!("repository:{name}"), limit).await
    }
}

impl Remote {
    pub(super) async fn script(
        &self,
        which: impl Fn(&Scripts) -> &Script + Send,
        args: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.inner.server.script(which(&self.inner.scripts), &args).await
    }

    /// Runs a script that answers `ok`, or something else when the lease is lost.
    pub(super) async fn held(
        &self,
        which: impl Fn(&Scripts) -> &Script + Send,
        args: &[String],
    ) -> Result<(), StoreError> {
        match self.script(which, args).await?.first().map(String::as_str) {
            Some("ok") => Ok(()),
            _ => Err(StoreError::LeaseLost),
        }
    }

    fn lease_millis(&self) -> String {
        self.inner.config.lease().as_millis().to_string()
    }

    fn keep_millis(&self) -> String {
        self.inner.config.keep_builds().as_millis().max(1).to_string()
    }

    async fn read(&self, id: &str) -> Result<Option<BuildRecord>, StoreError> {
        let server = &self.inner.server;
        let fields: Vec<String> = server.command(&Cmd::hgetall(server.key(&format!("build:{id}")))).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let reply: Vec<String> = std::iter::once(id.to_owned()).chain(fields).collect();
        record(&reply).map(Some)
    }

    /// The builds of a sorted set, the last first.
    async fn listed(&self, set: &str, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        let server = &self.inner.server;
        let mut records = Vec::new();
        let mut from = 0;
        while records.len() < limit {
            let to = from + isize::try_from(PAGE).unwrap_or(isize::MAX) - 1;
            let ids: Vec<String> = server.command(&Cmd::zrevrange(server.key(set), from, to)).await?;
            if ids.is_empty() {
                break;
            }
            for id in &ids {
                match self.read(id).await? {
                    Some(record) if records.len() < limit => records.push(record),
                    Some(_) => break,
                    // Its time was up.
                    None => server.command(&Cmd::zrem(server.key(set), id)).await?,
                }
            }
            from = to + 1;
        }
        Ok(records)
    }

    async fn look(&self, worker: &WorkerId) -> Result<Found, StoreError> {
        let args = [worker.to_string(), self.lease_millis(), self.inner.config.max_attempts.to_string()];
        let reply = self.script(|scripts| &scripts.claim, &args).await?;
        match reply.as_slice() {
            [tag, lost, build @ ..] if tag == "claimed" => {
                let record = record(build)?;
                let BuildState::Running { worker, fence } = record.state.clone() else {
                    return Err(unreadable("claim", "the build is not running"));
                };
                let lost_worker = (!lost.is_empty()).then(|| WorkerId(lost.clone()));
                Ok(Found::Build(Box::new(Claimed { lease: BuildLease { record, worker, fence }, lost_worker })))
            }
            [tag, id, attempts, worker, fence] if tag == "poison" => {
                let fence = Fence(parse("fence", fence)?);
                let fault = log::gave_up(parse("attempt", attempts)?, &WorkerId(worker.clone()));
                let last = EventBody::failed(fault.clone());
                let state = BuildState::Failed { fault, at: Timestamp::now() };
                match self.end(parse("build", id)?, fence, &state, &last, true).await {
                    // Somebody else ended it, or its worker came back.
                    Ok(()) | Err(StoreError::LeaseLost) => Ok(Found::GivenUp),
                    Err(error) => Err(error),
                }
            }
            [tag, millis] if tag == "none" => Ok(Found::Nothing(millis.parse().ok().map(Duration::from_millis))),
            _ => Err(unreadable("claim", "the script's answer makes no sense")),
        }
    }

    async fn end(
        &self,
        id: BuildId,
        fence: Fence,
        state: &BuildState,
        last: &EventBody,
        only_expired: bool,
    ) -> Result<(), StoreError> {
        // One that was built is kept as long as its image is there.
        let (status, keep) = match state {
            BuildState::Built { .. } => ("built", "0".to_owned()),
            _ => ("failed", self.keep_millis()),
        };
        let [kind, weight, body] = entry(last)?;
        let args = [
            id.to_string(),
            fence.0.to_string(),
            status.to_owned(),
            encode(state)?,
            keep,
            if only_expired { "1" } else { "0" }.to_owned(),
            kind,
            weight,
            body,
        ];
        self.held(|scripts| &scripts.finish, &args).await
    }
}

/// A record from its id and the fields of its hash.
fn record(reply: &[String]) -> Result<BuildRecord, StoreError> {
    let Some((name, fields)) = reply.split_first() else {
        return Err(unreadable("build", "the script's answer is empty"));
    };
    let fields: HashMap<&str, &str> = fields
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [field, value] => Some((field.as_str(), value.as_str())),
            _ => None,
        })
        .collect();
    let field = |field: &str| {
        fields.get(field).copied().ok_or_else(|| unreadable(name, format!("the field {field} is missing")))
    };
    let state = match field("status")? {
        "queued" => BuildState::Queued,
        "running" => BuildState::Running {
            worker: WorkerId(field("worker")?.to_owned()),
            fence: Fence(parse(name, field("fence")?)?),
        },
        _ => decode(name, field("outcome")?)?,
    };
    Ok(BuildRecord {
        id: parse(name, name)?,
        request: decode(name, field("request")?)?,
        attempt: parse(name, field("attempt")?)?,
        created: Timestamp::from_millis(parse(name, field("created")?)?),
        state,
    })
}

fn encode<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable("build", error))
}

fn decode<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(key, error))
}

fn parse<T>(key: &str, text: &str) -> Result<T, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| unreadable(key, error))
}
