//! The store's settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The store's settings; the same for both implementations except where a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a builder may be silent, in seconds, before its build is given to another. Fractions are allowed.
    pub lease_seconds: f64,
    /// How many times a build is handed out before it is given up, when its workers keep vanishing.
    pub max_attempts: u32,
    /// The size of one log, in bytes of text, from which on only steps and the end are kept.
    pub max_log_bytes: u64,
    /// How long a build that failed, or whose image is gone, is remembered with its log, in days.
    pub keep_builds_days: u64,
    /// How long the log of a launch is kept after its last event, in hours.
    pub keep_launches_hours: u64,
    /// How long a log line or a step of a launch may wait before it is on disk, in milliseconds. Embedded only: Redis has its own `appendfsync`.
    pub flush_millis: u64,
    /// What every key starts with, for several services on one server. Redis only.
    pub key_prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease_seconds: 20.0,
            max_attempts: 3,
            max_log_bytes: 10 * 1024 * 1024,
            keep_builds_days: 30,
            keep_launches_hours: 24,
            flush_millis: 50,
            key_prefix: "bindery".to_owned(),
        }
    }
}

impl Config {
    /// Checks what types alone cannot.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field and what it may be.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |field, reason| Err(Error::Config { field, reason });
        if !(0.05..=86_400.0).contains(&self.lease_seconds) {
            return refuse("lease_seconds", "expected a number from 0.05 to 86400");
        }
        if self.max_attempts == 0 {
            return refuse("max_attempts", "expected at least 1");
        }
        if self.max_log_bytes < 1024 {
            return refuse("max_log_bytes", "expected at least 1024");
        }
        if !(1..=1000).contains(&self.flush_millis) {
            return refuse("flush_millis", "expected a number from 1 to 1000");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if self.key_prefix.is_empty() || !self.key_prefix.chars().all(plain) {
            return refuse("key_prefix", "expected letters, digits, and any of - _ . :");
        }
        Ok(())
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::try_from_secs_f64(self.lease_seconds).unwrap_or(Duration::from_secs(20))
    }

    pub(crate) const fn flush(&self) -> Duration {
        Duration::from_millis(self.flush_millis)
    }

    pub(crate) const fn keep_builds(&self) -> Duration {
        Duration::from_secs(self.keep_builds_days.saturating_mul(86_400))
    }

    pub(crate) const fn keep_launches(&self) -> Duration {
        Duration::from_secs(self.keep_launches_hours.saturating_mul(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_are_accepted() {
        Config::default().check().unwrap();
    }

    #[test]
    fn each_bad_value_is_refused_by_the_name_of_its_field() {
        let rows: [(&str, Config); 7] = [
            ("lease_seconds", Config { lease_seconds: 0.0, ..Config::default() }),
            ("lease_seconds", Config { lease_seconds: f64::NAN, ..Config::default() }),
            ("max_attempts", Config { max_attempts: 0, ..Config::default() }),
            ("max_log_bytes", Config { max_log_bytes: 0, ..Config::default() }),
            ("flush_millis", Config { flush_millis: 0, ..Config::default() }),
            ("key_prefix", Config { key_prefix: String::new(), ..Config::default() }),
            ("key_prefix", Config { key_prefix: "a{b}".to_owned(), ..Config::default() }),
        ];
        for (field, config) in rows {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"lease_secs": 3}"#).is_err());
        let config: Config = serde_json::from_str(r#"{"lease_seconds": 3}"#).unwrap();
        assert_eq!(config, Config { lease_seconds: 3.0, ..Config::default() });
    }
}
