//! The records of what images were made of.

use async_trait::async_trait;

use super::StoreError;
use crate::{BuildId, Provenance};

/// Keeps the provenance of each build as long as the build itself is remembered.
#[async_trait]
pub trait Provenances: Send + Sync {
    /// Keeps the provenance of that build; one that was there is replaced.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn keep(&self, build: BuildId, provenance: &Provenance) -> Result<(), StoreError>;

    /// The provenance of that build, if it is known.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn provenance(&self, build: BuildId) -> Result<Option<Provenance>, StoreError>;
}
