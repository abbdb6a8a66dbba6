//! The right to do one thing, held by one holder at a time, across processes.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{Fence, WorkerId};

/// A right held until it expires or is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to do.
    pub name: String,
    /// The holder.
    pub holder: WorkerId,
    /// Greater than the fence of every earlier lease of the same name.
    pub fence: Fence,
}

/// Single flight across processes.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease if nobody holds an unexpired one; never waits.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn try_acquire(&self, name: &str, holder: &WorkerId, ttl: Duration) -> Result<Option<Lease>, StoreError>;

    /// Extends the lease to `ttl` from now.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when it expired and somebody else took it, or it was released.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), StoreError>;

    /// Gives the lease up; one that is already lost is fine.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
}
