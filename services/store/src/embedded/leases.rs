//! Named leases, in memory; only the counter of fences is in the file, so that they grow across restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{Lease, Leases, StoreError};
use bindery_core::{Fence, WorkerId};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Embedded;

/// How long an expired lease can still be renewed when nobody else has taken it.
const GRACE: Duration = Duration::from_secs(3600);

/// Who holds what, and until when.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<String, (Fence, Instant)>>);

impl Held {
    fn is_free(&self, name: &str, now: Instant) -> bool {
        self.0.lock().get(name).is_none_or(|(_, until)| *until <= now)
    }
}

#[async_trait]
impl Leases for Embedded {
    async fn try_acquire(&self, name: &str, holder: &WorkerId, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = Instant::now();
        if !self.inner.leases.is_free(name, now) {
            return Ok(None);
        }
        let (inner, name, holder) = (Arc::clone(&self.inner), name.to_owned(), holder.clone());
        self.inner
            .writer
            .run(move |tx| {
                // The writer is one thread: between this look and the taking nobody else can take it.
                if !inner.leases.is_free(&name, now) {
                    return Ok(None);
                }
                let fence = Fence(tx.count("fence")?);
                let mut held = inner.leases.0.lock();
                held.retain(|_, (_, until)| *until + GRACE > now);
                held.insert(name.clone(), (fence, now + ttl));
                drop(held);
                let undo = (Arc::clone(&inner), name.clone());
                tx.undo(move || {
                    undo.0.leases.0.lock().remove(&undo.1);
                });
                Ok(Some(Lease { name, holder, fence }))
            })
            .await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), StoreError> {
        match self.inner.leases.0.lock().get_mut(&lease.name) {
            Some((fence, until)) if *fence == lease.fence => {
                *until = Instant::now() + ttl;
                Ok(())
            }
            _ => Err(StoreError::LeaseLost),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut held = self.inner.leases.0.lock();
        if held.get(&lease.name).is_some_and(|(fence, _)| *fence == lease.fence) {
            held.remove(&lease.name);
        }
        Ok(())
    }
}
