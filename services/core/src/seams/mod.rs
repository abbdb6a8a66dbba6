//! One trait per outside world. Each method's comment is its contract; every implementation passes the same contract suite.

mod content;
mod events;
mod images;
mod leases;
mod provenances;
mod queue;
mod sessions;

pub use content::{ContentProvider, FetchReport};
pub use events::{EventLog, EventStream};
pub use images::{
    BuildJob, BuildProgress, ContextFile, ImageBuilder, ImageProbe, OWN_DOCKERFILE_PREFIX, Progress, Registry,
};
pub use leases::{Lease, Leases};
pub use provenances::Provenances;
pub use queue::{Claimed, Queue};
pub use sessions::{ContainerHandle, Observed, SessionBackend, SessionChange, SessionSpec, SessionStore, SessionWatch};

use crate::Fault;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's lease is over: another worker may have the work. Stop, clean up, write nothing more.
    #[error("the lease is lost")]
    LeaseLost,
    /// No record of that name.
    #[error("no such record")]
    NotFound,
    /// The event makes no sense in the session's state.
    #[error(transparent)]
    IllegalTransition(#[from] crate::IllegalTransition),
    /// The store cannot be reached or failed. Trying again may help.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// A record cannot be understood, e.g. written by a newer version.
    #[error("unreadable record {key}: {reason}")]
    Unreadable {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::us("store-unavailable", format!("the service's own records could not be used: {error}"))
            .hint("Try again in a moment.")
    }
}
