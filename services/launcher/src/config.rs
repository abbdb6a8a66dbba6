//! Settings of this crate, and the durations they imply.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// Where sessions run, what each may use, how many there may be and how long they live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The engine's address: `unix:///path` or `tcp://host:port`. Containers must be reachable at their own addresses from here.
    pub docker_host: String,
    /// This installation's name on the engine. Containers with another instance's label are never touched, so two
    /// installations may share an engine as long as their names differ.
    pub instance: String,
    /// The bridge network sessions are on; made when missing, refused when it lets sessions reach each other.
    pub network: String,
    /// Memory of one session in bytes, swap included; 0 for no limit.
    pub memory_bytes: u64,
    /// Processors of one session; 0 for no limit.
    pub cpus: f64,
    /// Processes and threads of one session.
    pub pids: u32,
    /// Open files of one process of a session.
    pub open_files: u32,
    /// Bytes of a container's output the engine keeps.
    pub log_bytes: u64,
    /// The OCI runtime, e.g. `runsc`; empty for the engine's default.
    pub runtime: String,
    /// A seccomp profile (JSON) to use in place of the engine's default.
    pub seccomp_profile: Option<PathBuf>,
    /// A PEM file of certificate authorities on the engine's host that sessions trust in place of their image's own. Mounted
    /// read-only, never copied into an image.
    pub ca_bundle: Option<PathBuf>,
    /// The origin whose pages may call a session's server from a browser; empty for none but its own. `*`, any, is what pages that run
    /// code in a session of their own need (thebe, for one): they hold its token, and a page that does not gets nothing.
    pub allow_origin: String,
    /// How this process reaches the proxy, to see that a session answers through it. Default: the proxy's port on loopback.
    pub probe_url: Option<Url>,

    /// Sessions at once, those starting and stopping included.
    pub max_sessions: u32,
    /// Sessions of one repository at once; 0 for no limit of its own.
    pub max_per_repository: u32,
    /// Bytes all sessions may have together, each counted with `memory_bytes`; 0 for no limit.
    pub max_memory_bytes: u64,
    /// Sessions starting at once; 0 for as many as there are cores.
    pub concurrent_starts: u32,
    /// Seconds after which a session that is still starting no longer keeps others from starting.
    pub slow_start_seconds: u64,
    /// Seconds from a session's start within which its server must answer.
    pub ready_seconds: u64,

    /// Seconds without a busy kernel or a person's doing after which a session ends; 0 for never.
    pub idle_seconds: u64,
    /// Seconds after which a session ends whatever it does; 0 for never.
    pub max_age_seconds: u64,
    /// Seconds between two looks at what a session does.
    pub poll_seconds: u64,
    /// Seconds between asking a session politely to end and ending it.
    pub stop_grace_seconds: u64,
    /// Seconds for which the record of an ended session is kept, so that its old address can say what happened.
    pub keep_stopped_seconds: u64,
    /// Seconds between two comparisons of the engine's containers with the records.
    pub reconcile_seconds: u64,
    /// Seconds for which a container may exist without a record before it is removed.
    pub orphan_seconds: u64,
    /// Whether sessions end when this process is told to. Otherwise the next one takes them over.
    pub stop_sessions_on_exit: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            docker_host: "unix:///var/run/docker.sock".to_owned(),
            instance: "bindery".to_owned(),
            network: "bindery-sessions".to_owned(),
            memory_bytes: 2 << 30,
            cpus: 1.0,
            pids: 512,
            open_files: 4096,
            log_bytes: 4 << 20,
            runtime: String::new(),
            seccomp_profile: None,
            ca_bundle: None,
            allow_origin: "*".to_owned(),
            probe_url: None,
            max_sessions: 100,
            max_per_repository: 100,
            max_memory_bytes: 0,
            concurrent_starts: 0,
            slow_start_seconds: 15,
            ready_seconds: 120,
            idle_seconds: 600,
            max_age_seconds: 21_600,
            poll_seconds: 30,
            stop_grace_seconds: 10,
            keep_stopped_seconds: 3600,
            reconcile_seconds: 30,
            orphan_seconds: 60,
            stop_sessions_on_exit: false,
        }
    }
}

impl Config {
    /// How many sessions may start at once, with 0 resolved to the number of cores.
    #[must_use]
    pub fn starts(&self) -> usize {
        match self.concurrent_starts {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            starts => usize::try_from(starts).unwrap_or(usize::MAX),
        }
    }

    /// [`Self::slow_start_seconds`].
    #[must_use]
    pub const fn slow_start(&self) -> Duration {
        Duration::from_secs(self.slow_start_seconds)
    }

    /// [`Self::ready_seconds`].
    #[must_use]
    pub const fn ready(&self) -> Duration {
        Duration::from_secs(self.ready_seconds)
    }

    /// [`Self::stop_grace_seconds`].
    #[must_use]
    pub const fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_seconds)
    }

    /// [`Self::poll_seconds`], at least one.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds.max(1))
    }

    /// [`Self::reconcile_seconds`], at least one.
    #[must_use]
    pub fn reconcile(&self) -> Duration {
        Duration::from_secs(self.reconcile_seconds.max(1))
    }

    /// [`Self::idle_seconds`]; `None` for never.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        (self.idle_seconds > 0).then(|| Duration::from_secs(self.idle_seconds))
    }

    /// [`Self::max_age_seconds`]; `None` for never.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        (self.max_age_seconds > 0).then(|| Duration::from_secs(self.max_age_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_survive_being_written_and_read() {
        let text = serde_json::to_string(&Config::default()).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"memroy_bytes": 1}"#).is_err());
    }
}
