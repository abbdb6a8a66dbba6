//! What an operator can set about images.

use std::path::PathBuf;

use bindery_core::Secret;
use serde::{Deserialize, Serialize};

/// Building images in an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the engine listens: `unix:///path` or `tcp://host:port`. Unset: `unix:///var/run/docker.sock`.
    pub docker_host: Option<String>,
    /// How long one image build may take, in seconds.
    pub build_seconds: u64,
    /// How long a build may say nothing, in seconds.
    pub no_output_seconds: u64,
    /// How long pulling a base image may take, in seconds.
    pub pull_seconds: u64,
    /// How many images this process builds at once; further builds wait.
    pub concurrent_builds: usize,
    /// A build does not start with less free disk than this, in bytes.
    pub min_free_bytes: u64,
    /// A build does not start with less than this share of the disk, or of its inodes, free; in percent.
    pub min_free_percent: u8,
    /// The disk measured when the engine's own is not on this machine.
    pub data_dir: Option<PathBuf>,
    /// A longer line of a build's output is broken into several, in bytes.
    pub max_log_line: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            docker_host: None,
            build_seconds: 900,
            no_output_seconds: 300,
            pull_seconds: 1800,
            concurrent_builds: 2,
            min_free_bytes: 5 << 30,
            min_free_percent: 5,
            data_dir: None,
            max_log_line: 16 << 10,
        }
    }
}

/// Where images go so that other engines can pull them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// `http://127.0.0.1:5000` or `https://registry.example.org`. Unset: images stay in the engine.
    pub url: Option<String>,
    /// The path under which images are kept there.
    pub prefix: String,
    /// The account that pushes and pulls. Unset: anonymous.
    pub username: Option<String>,
    /// Its password; prefer `password_file`.
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// A file whose first line is the password. Read at every use, so that it can be replaced while running.
    pub password_file: Option<PathBuf>,
    /// How long one push or pull may take, in seconds.
    pub push_seconds: u64,
    /// How long a push or pull may make no progress, in seconds.
    pub push_stall_seconds: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: None,
            prefix: "bindery".to_owned(),
            username: None,
            password: None,
            password_file: None,
            push_seconds: 1800,
            push_stall_seconds: 60,
        }
    }
}

impl RegistryConfig {
    /// The registry's host and port as image names begin with it: `127.0.0.1:5000`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let url = self.url.as_deref()?;
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split('/').next().filter(|host| !host.is_empty())
    }

    /// What the names of images begin with: `127.0.0.1:5000/bindery`, or the prefix alone when there is no registry.
    #[must_use]
    pub fn name_prefix(&self) -> String {
        let prefix = self.prefix.trim_matches('/');
        match self.host() {
            Some(host) if prefix.is_empty() => host.to_owned(),
            Some(host) => format!("{host}/{prefix}"),
            None => prefix.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, RegistryConfig};

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"build_secs": 3}"#).is_err());
        assert!(serde_json::from_str::<RegistryConfig>(r#"{"uri": "x"}"#).is_err());
    }

    #[test]
    fn names_begin_with_the_registry_and_its_prefix() {
        let mut registry = RegistryConfig { url: Some("http://127.0.0.1:5000/".into()), ..RegistryConfig::default() };
        assert_eq!(registry.name_prefix(), "127.0.0.1:5000/bindery");
        registry.prefix = "/a/b/".into();
        assert_eq!(registry.name_prefix(), "127.0.0.1:5000/a/b");
        registry.url = None;
        assert_eq!(registry.name_prefix(), "a/b");
    }

    #[test]
    fn a_password_is_never_written_out() {
        let registry: RegistryConfig = serde_json::from_str(r#"{"password": "hunter2"}"#).unwrap();
        assert!(registry.password.is_some());
        assert!(!serde_json::to_string(&registry).unwrap().contains("hunter2"));
        assert!(!format!("{registry:?}").contains("hunter2"));
    }
}
