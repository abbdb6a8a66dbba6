//! The event log in the file.

use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{EventLog, EventStream, StoreError};
use bindery_core::{Event, EventBody, EventId, Fence, LaunchId, Topic};
use tokio::sync::Notify;

use super::Embedded;
use super::hot::{Appended, Hot};
use super::tables::{self, EVENTS};
use super::writer::Writer;
use crate::error::unavailable;
use crate::tail::Source;

/// How many events the shared reader takes at a time.
const PAGE: usize = 1000;

#[async_trait]
impl EventLog for Embedded {
    async fn begin(&self, launch: LaunchId, first: EventBody) -> Result<(), StoreError> {
        self.inner.hot.begin_launch(launch);
        self.append(Topic::Launch(launch), vec![first], None).await.map(|_| ())
    }

    async fn append(&self, topic: Topic, bodies: Vec<EventBody>, fence: Option<Fence>) -> Result<EventId, StoreError> {
        let inner = &self.inner;
        let ends = bodies.iter().any(|body| body.phase.is_terminal());
        let last = loop {
            match inner.hot.append(topic, &bodies, fence, inner.config.max_log_bytes) {
                Appended::Done { last, first } => {
                    inner.tails.poke(topic);
                    if first {
                        inner.writer.wake();
                    }
                    break last;
                }
                Appended::Refused => return Err(StoreError::LeaseLost),
                Appended::NotOpen => {
                    let hot = Arc::clone(&inner.hot);
                    inner.writer.run(move |tx| Hot::open(&hot, tx, topic)).await?;
                }
            }
        };
        if ends {
            // How something ended is durable before anybody acts on it.
            inner.writer.settled().await?;
        }
        Ok(last)
    }

    async fn history(&self, topic: Topic, after: EventId, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        history(&self.inner.writer, &self.inner.hot, topic, after, limit).await
    }

    async fn follow(&self, topic: Topic, after: EventId) -> Result<EventStream, StoreError> {
        if self.inner.closed.is_cancelled() {
            return Err(unavailable("the store is closed"));
        }
        Ok(self.inner.tails.follow(&self.inner.source, topic, after))
    }
}

/// Feeds the shared tails.
pub(super) struct Reader {
    pub(super) writer: Writer,
    pub(super) hot: Arc<Hot>,
}

#[async_trait]
impl Source for Reader {
    async fn next(&self, topic: Topic, after: EventId, poke: &Notify) -> Result<Vec<Arc<Event>>, StoreError> {
        loop {
            let events = history(&self.writer, &self.hot, topic, after, PAGE).await?;
            if !events.is_empty() {
                return Ok(events);
            }
            poke.notified().await;
        }
    }
}

async fn history(
    writer: &Writer,
    hot: &Hot,
    topic: Topic,
    after: EventId,
    limit: usize,
) -> Result<Vec<Arc<Event>>, StoreError> {
    // Memory first: what is not there by now is on disk by the time the disk is read.
    let waiting = hot.waiting(topic);
    let in_memory_from = waiting.first().map_or(u64::MAX, |event| event.id.0);
    let from = after.0.saturating_add(1);
    let mut events = if from < in_memory_from {
        writer
            .read(move |txn| {
                let name = topic.to_string();
                let table = txn.open_table(EVENTS).map_err(unavailable)?;
                let range = table.range((name.as_str(), from)..(name.as_str(), in_memory_from)).map_err(unavailable)?;
                let mut events = Vec::new();
                for entry in range.take(limit) {
                    let (_, value) = entry.map_err(unavailable)?;
                    events.push(Arc::new(tables::decode(&name, value.value())?));
                }
                Ok(events)
            })
            .await?
    } else {
        Vec::new()
    };
    let room = limit.saturating_sub(events.len());
    events.extend(waiting.into_iter().filter(|event| event.id > after).take(room));
    Ok(events)
}
