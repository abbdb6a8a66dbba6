//! Settings of the build worker.

use serde::{Deserialize, Serialize};

/// `[builder]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Builds carried out at once by this process.
    pub concurrency: usize,
    /// The name of this process in leases and logs. Default: `builder-` and a random part.
    pub name: Option<String>,
    /// Seconds between renewals of a build's lease; at most a third of the store's lease time.
    pub heartbeat_seconds: u64,
    /// Seconds a shutdown waits for running builds before it hands them back.
    pub drain_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { concurrency: 2, name: None, heartbeat_seconds: 5, drain_seconds: 5 }
    }
}
