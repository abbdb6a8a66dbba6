//! Events on their way to the log. Steps report without waiting; one task appends in order, many at a time.

use std::sync::Arc;

use bindery_core::seams::{EventLog, StoreError};
use bindery_core::{EventBody, Fence, Topic};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Report;

/// Events appended in one write at most.
const BATCH: usize = 500;

/// The writing end of one build's log.
pub(crate) struct Journal {
    sender: mpsc::UnboundedSender<EventBody>,
}

/// The task behind a journal.
pub(crate) struct Writer(JoinHandle<Result<(), StoreError>>);

impl Journal {
    /// A journal that appends to `topic` under `fence`.
    pub(crate) fn open(log: Arc<dyn EventLog>, topic: Topic, fence: Fence) -> (Arc<Self>, Writer) {
        // Unbounded because a step must not wait for the store; what a build may write is bounded by the engine's line cap and the
        // store's cap per log.
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut batch = Vec::new();
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                log.append(topic, std::mem::take(&mut batch), Some(fence)).await?;
            }
            Ok(())
        });
        (Arc::new(Self { sender }), Writer(task))
    }
}

impl Report for Journal {
    fn event(&self, event: EventBody) {
        // The writer ends early only when the lease is lost; then nothing more may be written.
        let _ = self.sender.send(event);
    }
}

impl Writer {
    /// Waits until everything reported is in the log. Every `Journal` must be dropped first.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        self.0.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}
