//! Named leases in Redis, by the server's clock.

use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{Lease, Leases, StoreError};
use bindery_core::{Fence, WorkerId};

use super::Remote;
use crate::error::unreadable;

/// How long an expired lease can still be renewed when nobody else has taken it, in milliseconds.
const GRACE: &str = "3600000";

#[async_trait]
impl Leases for Remote {
    async fn try_acquire(&self, name: &str, holder: &WorkerId, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let args = [name.to_owned(), holder.to_string(), millis(ttl), GRACE.to_owned()];
        match self.script(|scripts| &scripts.acquire, &args).await?.as_slice() {
            [ok, fence] if ok == "ok" => {
                let fence = Fence(fence.parse().map_err(|error| unreadable(name, error))?);
                Ok(Some(Lease { name: name.to_owned(), holder: holder.clone(), fence }))
            }
            _ => Ok(None),
        }
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), StoreError> {
        let args = [lease.name.clone(), lease.fence.0.to_string(), millis(ttl), GRACE.to_owned()];
        self.held(|scripts| &scripts.hold, &args).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let args = [lease.name.clone(), lease.fence.0.to_string(), "0".to_owned(), GRACE.to_owned()];
        match self.held(|scripts| &scripts.hold, &args).await {
            Ok(()) | Err(StoreError::LeaseLost) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn millis(ttl: Duration) -> String {
    ttl.as_millis().max(1).to_string()
}
