//! Keeps the table of routes true by watching the store.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{SessionChange, SessionStore, SessionWatch};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::routes::Routes;

/// The longest the store may take to begin a watch.
const BEGIN: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Watches until `end`. While the store is away, the table stays as it was.
pub(crate) async fn follow(store: Arc<dyn SessionStore>, routes: Arc<Routes>, end: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    let watching = async {
        loop {
            match tokio::time::timeout(BEGIN, store.watch()).await {
                Ok(Ok(watch)) => {
                    if apply(&routes, watch).await {
                        pause = FIRST_PAUSE;
                    }
                    tracing::warn!("the watch over sessions ended; beginning again");
                }
                Ok(Err(error)) => tracing::warn!(%error, "sessions cannot be watched; trying again"),
                Err(_) => tracing::warn!("the store did not begin a watch in time; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    end.run_until_cancelled(watching).await;
}

/// Applies changes until the watch ends; whether there were any.
async fn apply(routes: &Routes, mut watch: SessionWatch) -> bool {
    let mut any = false;
    while let Some(change) = watch.next().await {
        any = true;
        match change {
            SessionChange::Put(session) => routes.put(&session),
            SessionChange::Removed(id) => routes.remove(id),
            SessionChange::Current => routes.told_all(),
        }
    }
    any
}
