//! Where repositories come from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Fault, RepoSpec, ResolvedRef, Timestamp, Tree};

/// What a fetch cost, for the log, and what it learnt beside the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchReport {
    /// Bytes received.
    pub received: u64,
    /// Entries in the tree.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// When the commit was made or the version published, as far as it says so.
    pub committed: Option<Timestamp>,
    /// What the visitor should know: content that is named and was not fetched.
    pub notes: Vec<String>,
}

/// Resolves specs and fetches trees. The only seam behind which addresses a visitor named are contacted.
#[async_trait]
pub trait ContentProvider: Send + Sync {
    /// Pins `spec` to a commit or to a version of a record, asking its host. Never fetches content. Bounded in time.
    ///
    /// # Errors
    /// A fault saying whether the repository, the ref or the host is at fault.
    async fn resolve(&self, spec: &RepoSpec) -> Result<ResolvedRef, Fault>;

    /// Fetches exactly that commit, without history, or that version, into a store of objects that is removed when the tree is
    /// dropped. Within the site's limits of bytes, entries, depth and time.
    ///
    /// # Errors
    /// A fault naming the limit or the host.
    async fn fetch(&self, resolved: &ResolvedRef) -> Result<(Arc<dyn Tree>, FetchReport), Fault>;
}
