//! Telling a visitor how their launch goes. What is said is appended in the background, in order, so that a slow store does not slow a
//! start; only the last word is waited for.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{EventLog, StoreError};
use bindery_core::{Event, EventBody, EventId, LaunchId, Topic};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often the last word is tried again while the store cannot be used, and how long apart.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(400);

/// The voice of one launch.
pub(crate) struct Teller {
    words: mpsc::UnboundedSender<EventBody>,
    writer: JoinHandle<Result<(), StoreError>>,
}

impl Teller {
    pub(crate) fn new(events: Arc<dyn EventLog>, launch: LaunchId) -> Self {
        let (words, mut said) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            let mut batch = Vec::new();
            while said.recv_many(&mut batch, 64).await > 0 {
                append(events.as_ref(), launch, std::mem::take(&mut batch)).await?;
            }
            Ok(())
        });
        Self { words, writer }
    }

    /// Says something, soon.
    pub(crate) fn say(&self, body: EventBody) {
        // The writer stops listening only when the store failed, which `close` reports.
        let _ = self.words.send(body);
    }

    /// Waits until all that was said is in the log.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        drop(self.words);
        self.writer.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

async fn append(events: &dyn EventLog, launch: LaunchId, bodies: Vec<EventBody>) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        match events.append(Topic::Launch(launch), bodies.clone(), None).await {
            Err(StoreError::Unavailable(_)) if tries < TRIES => tries += 1,
            outcome => return outcome.map(|_| ()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Appends `last` unless the launch's log has ended already, as it may have before a restart.
pub(crate) async fn end_once(events: &dyn EventLog, launch: LaunchId, last: EventBody) -> Result<(), StoreError> {
    let mut after = EventId::START;
    loop {
        let page: Vec<Arc<Event>> = events.history(Topic::Launch(launch), after, 500).await?;
        if page.iter().any(|event| event.body.phase.is_terminal()) {
            return Ok(());
        }
        match page.last() {
            Some(event) => after = event.id,
            None => return append(events, launch, vec![last]).await,
        }
    }
}
