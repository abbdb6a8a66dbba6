//! The log of each build and launch: append-only, replayable, followed live by any number of readers.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::Stream;

use super::StoreError;
use crate::{Event, EventBody, EventId, Fence, LaunchId, Topic};

/// Events in order, each once, ending after the topic's terminal event.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Arc<Event>, StoreError>> + Send>>;

/// Append-only logs.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends in order, all or none; the id of the last one. Ids count from 1 without gaps. With a `fence` (builds), refused
    /// unless that fence holds the build's lease.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] for a stale fence.
    async fn append(&self, topic: Topic, bodies: Vec<EventBody>, fence: Option<Fence>) -> Result<EventId, StoreError>;

    /// Begins the log of a launch whose id is new.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn begin(&self, launch: LaunchId, first: EventBody) -> Result<(), StoreError> {
        self.append(Topic::Launch(launch), vec![first], None).await.map(|_| ())
    }

    /// At most `limit` events after `after` that are there now.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn history(&self, topic: Topic, after: EventId, limit: usize) -> Result<Vec<Arc<Event>>, StoreError>;

    /// Every event after `after`, those there now and those to come, until the terminal one. Any number of followers of one
    /// topic cost the store one reader. A slow follower delays nobody. A topic that does not exist yet is waited for.
    async fn follow(&self, topic: Topic, after: EventId) -> Result<EventStream, StoreError>;
}
