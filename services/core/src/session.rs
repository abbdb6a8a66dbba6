//! A session: one visitor's notebook server.

use serde::{Deserialize, Serialize};

use crate::secret::stored_secret;
use crate::{ImageRef, LaunchId, Secret, SessionId, SessionState, Timestamp};

/// Where the visitor came from; becomes the container's `BINDER_*` environment and the `ready` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSource {
    /// The repository's address.
    pub repo_url: String,
    /// The repository's identity, for per-repository limits.
    pub identity: String,
    /// A page about the commit.
    pub ref_url: String,
    /// The link path asked for, without leading slash.
    pub request: String,
    /// The link path that will always mean the same commit.
    pub persistent_request: String,
    /// This service's public address, ending in `/`.
    pub launch_host: String,
    /// The visitor's address; empty when unknown.
    pub client_ip: String,
}

/// One visitor asks for one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Its identifier and the address of its events.
    pub id: LaunchId,
    /// The image to run.
    pub image: ImageRef,
    /// Where the visitor came from.
    pub source: LaunchSource,
}

/// A session as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identifier, which is also in its container's label and its URL path.
    pub id: SessionId,
    /// The launch that made it.
    pub request: LaunchRequest,
    /// The token of its notebook server.
    #[serde(with = "stored_secret")]
    pub token: Secret,
    /// When the launch was asked for.
    pub created: Timestamp,
    /// When a person or kernel was last seen doing something in it.
    pub last_seen: Timestamp,
    /// Where it stands.
    pub state: SessionState,
}

impl Session {
    /// A session that waits for a seat.
    #[must_use]
    pub fn queued(id: SessionId, request: LaunchRequest, token: Secret, now: Timestamp) -> Self {
        Self { id, request, token, created: now, last_seen: now, state: SessionState::Queued }
    }

    /// Its URL path, as the notebook server knows it: `/user/<id>/`.
    #[must_use]
    pub fn base_path(&self) -> String {
        format!("/user/{}/", self.id)
    }
}
