//! The event log in Redis: one stream per topic.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{EventLog, EventStream, StoreError};
use bindery_core::{Event, EventBody, EventId, Fence, Phase, Timestamp, Topic};
use redis::Cmd;
use redis::streams::{StreamId, StreamRangeReply};
use tokio::sync::Notify;

use super::Remote;
use super::server::Server;
use crate::error::{unavailable, unreadable};
use crate::log::{self, Kind};
use crate::tail::Source;

/// How many events the shared reader takes at a time.
const PAGE: usize = 1000;
/// How often the shared reader looks without being woken.
const LOOK: Duration = Duration::from_secs(2);

#[async_trait]
impl EventLog for Remote {
    async fn append(&self, topic: Topic, bodies: Vec<EventBody>, fence: Option<Fence>) -> Result<EventId, StoreError> {
        let config = &self.inner.config;
        let phase = bodies.first().map_or(Phase::Building, |body| body.phase);
        let keep = match topic {
            // Decided when the build is finished.
            Topic::Build(_) => 0,
            Topic::Launch(_) => config.keep_launches().as_millis(),
        };
        let mut args = vec![
            topic.to_string(),
            fence.map_or_else(String::new, |fence| fence.0.to_string()),
            config.max_log_bytes.to_string(),
            keep.to_string(),
            encode(&log::notice(phase))?,
        ];
        for body in &bodies {
            args.extend(entry(body)?);
        }
        let reply = self.script(|scripts| &scripts.append, &args).await?;
        match reply.as_slice() {
            [ok, last] if ok == "ok" => last.parse().map(EventId).map_err(|error| unreadable(last, error)),
            _ => Err(StoreError::LeaseLost),
        }
    }

    async fn history(&self, topic: Topic, after: EventId, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        let mut events = Vec::new();
        let mut after = after;
        while events.len() < limit {
            let page = page(&self.inner.server, topic, after, PAGE.min(limit - events.len())).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            events.extend(page);
        }
        Ok(events)
    }

    async fn follow(&self, topic: Topic, after: EventId) -> Result<EventStream, StoreError> {
        if self.inner.server.closed.is_cancelled() {
            return Err(unavailable("the store is closed"));
        }
        Ok(self.inner.wakes.tails.follow(&self.inner.source, topic, after))
    }
}

/// What a script needs to know of an event: kind, weight, body.
pub(super) fn entry(body: &EventBody) -> Result<[String; 3], StoreError> {
    let kind = match Kind::of(body) {
        Kind::Line => "L",
        Kind::Mark => "M",
        Kind::End => "E",
    };
    Ok([kind.to_owned(), log::weight(body).to_string(), encode(body)?])
}

fn encode(body: &EventBody) -> Result<String, StoreError> {
    serde_json::to_string(body).map_err(|error| unreadable("event", error))
}

/// Feeds the shared tails.
pub(super) struct Reader {
    pub(super) server: Arc<Server>,
}

#[async_trait]
impl Source for Reader {
    async fn next(&self, topic: Topic, after: EventId, poke: &Notify) -> Result<Vec<Arc<Event>>, StoreError> {
        loop {
            let events = page(&self.server, topic, after, PAGE).await?;
            if !events.is_empty() {
                return Ok(events);
            }
            // Whether poked or not, the log is read again.
            let _ = tokio::time::timeout(LOOK, poke.notified()).await;
        }
    }
}

async fn page(server: &Server, topic: Topic, after: EventId, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
    let Some(from) = after.0.checked_add(1) else { return Ok(Vec::new()) };
    let key = server.key(&format!("log:{topic}"));
    let range = Cmd::xrange_count(&key, format!("{from}-0"), "+", limit);
    let reply: StreamRangeReply = server.command(&range).await?;
    reply.ids.iter().map(|entry| event(&key, entry).map(Arc::new)).collect()
}

fn event(key: &str, entry: &StreamId) -> Result<Event, StoreError> {
    let id = entry.id.split_once('-').and_then(|(number, _)| number.parse().ok());
    let (Some(id), Some(at), Some(body)) = (id, entry.get::<u64>("at"), entry.get::<String>("body")) else {
        return Err(unreadable(key, format!("entry {} is not an event", entry.id)));
    };
    let body = serde_json::from_str(&body).map_err(|error| unreadable(key, error))?;
    Ok(Event { id: EventId(id), at: Timestamp::from_millis(at), body })
}
