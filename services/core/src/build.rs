//! A build: what is asked for, what became of it, and the proof that a worker may go on with it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AsOf, BuildId, EnvironmentKey, Fault, ImageKey, ImageRef, ResolvedRef, Timestamp};

/// The name of a builder process, for logs and leases.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number that grows with every lease of the same thing. A store refuses writes that carry an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// The identity of the result; requests with equal keys are one build.
    pub key: ImageKey,
    /// The repository at one commit.
    pub resolved: ResolvedRef,
    /// The day whose packages are asked for; today's when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

impl BuildRequest {
    /// A request on a site described by `recipe`; see [`ImageKey::new`].
    #[must_use]
    pub fn new(resolved: ResolvedRef, as_of: Option<AsOf>, recipe: &str) -> Self {
        Self { key: ImageKey::new(&resolved, as_of, recipe), resolved, as_of }
    }

    /// The names under which the builds of its repository are found: the identity, and the repository as it was spelt.
    #[must_use]
    pub fn repository_names(&self) -> [String; 2] {
        [self.resolved.identity.clone(), self.resolved.spec.repository_name()]
    }

    /// The launch path that will always mean this, without leading slash: `v2/gh/owner/name/<commit>`, and `?as_of=` where the
    /// packages of a day are asked for.
    #[must_use]
    pub fn persistent_request(&self) -> String {
        let path = self.resolved.persistent_request();
        match self.as_of {
            Some(day) => format!("{path}?as_of={day}"),
            None => path,
        }
    }
}

/// What became of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum BuildState {
    /// Waiting for a worker.
    Queued,
    /// A worker has it.
    Running {
        /// The worker.
        worker: WorkerId,
        /// The fence of its lease.
        fence: Fence,
    },
    /// There is an image.
    Built {
        /// The session image.
        image: ImageRef,
        /// The environment image under it; `None` for a repository with its own Dockerfile.
        environment: Option<EnvironmentKey>,
        /// When it was finished.
        at: Timestamp,
    },
    /// It ended without an image. A new request for the same key is a new build.
    Failed {
        /// Why.
        fault: Fault,
        /// When.
        at: Timestamp,
    },
}

impl BuildState {
    /// Whether a request for the same key joins this build instead of starting another.
    #[must_use]
    pub const fn is_joinable(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A build as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// Its identifier and the address of its log.
    pub id: BuildId,
    /// What was asked for.
    pub request: BuildRequest,
    /// How many times a worker has taken it up, from 0 while it has never been.
    pub attempt: u32,
    /// When it was first asked for.
    pub created: Timestamp,
    /// What became of it.
    pub state: BuildState,
}

/// Proof that this worker may go on with a build, until it expires or is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLease {
    /// The build as it was when claimed.
    pub record: BuildRecord,
    /// The holder.
    pub worker: WorkerId,
    /// Carried by every write about this build.
    pub fence: Fence,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildOutcome {
    /// There is an image.
    Built {
        /// The session image.
        image: ImageRef,
        /// The environment image under it.
        environment: Option<EnvironmentKey>,
    },
    /// There is none, and trying again would give none.
    Failed(Fault),
}
