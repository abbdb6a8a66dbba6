//! What an operator can set about the proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use bindery_core::Network;

/// Settings of the proxy. Durations are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the proxy listens. It needs a port of its own: that makes sessions another origin than the hub.
    pub listen: SocketAddr,
    /// The address visitors reach the proxy at. Its scheme is what sessions are told in `X-Forwarded-Proto`.
    pub public_url: Url,
    /// The hub's address, where "launch again" links lead.
    pub hub_url: Url,
    /// When set, each session also answers at `<session-id>.<domain>`, an origin of its own.
    pub domain: Option<String>,
    /// Networks of reverse proxies whose `X-Forwarded-*` headers are believed. Everyone else's are dropped.
    pub trusted_proxies: Vec<Network>,
    /// Largest request head, in bytes; at least 8192.
    pub max_header_bytes: usize,
    /// Most connections held open at once.
    pub max_connections: usize,
    /// Most connections from one address; trusted proxies are exempt.
    pub max_connections_per_ip: usize,
    /// Longest time from the first byte of a request head to its last.
    pub header_seconds: u64,
    /// Longest silence in the middle of a request body.
    pub body_seconds: u64,
    /// Longest time a visitor may take no bytes while some are waiting for it.
    pub write_seconds: u64,
    /// How long an unused connection of a visitor is kept.
    pub keep_alive_seconds: u64,
    /// Longest time to connect to a session.
    pub connect_seconds: u64,
    /// Longest time from the end of a request to the first byte of a session's response.
    pub first_byte_seconds: u64,
    /// Longest silence in a WebSocket or in a response. At least 600: notebooks are quiet while their reader thinks.
    pub stream_idle_seconds: u64,
    /// How long an unused connection to a session is kept. Shorter than what common servers allow, so that none is
    /// found closed when it is needed.
    pub upstream_idle_seconds: u64,
    /// How often the store is told which sessions were used.
    pub activity_seconds: u64,
    /// How long open streams may go on after the proxy was told to end.
    pub drain_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8586),
            public_url: loopback(8586),
            hub_url: loopback(8585),
            domain: None,
            trusted_proxies: Vec::new(),
            max_header_bytes: 64 * 1024,
            max_connections: 20_000,
            max_connections_per_ip: 10_000,
            header_seconds: 10,
            body_seconds: 120,
            write_seconds: 300,
            keep_alive_seconds: 75,
            connect_seconds: 5,
            first_byte_seconds: 600,
            stream_idle_seconds: 1800,
            upstream_idle_seconds: 4,
            activity_seconds: 10,
            drain_seconds: 10,
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant, covered by a test")]
fn loopback(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}/")).expect("a valid address")
}

/// The durations of [`Config`], ready to use, with their lower bounds applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) header: Duration,
    pub(crate) body: Duration,
    pub(crate) write: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) stream_idle: Duration,
    pub(crate) upstream_idle: Duration,
    pub(crate) activity: Duration,
    pub(crate) drain: Duration,
}

impl Config {
    pub(crate) fn waits(&self) -> Waits {
        let at_least = |seconds: u64, least: u64| Duration::from_secs(seconds.max(least));
        Waits {
            header: at_least(self.header_seconds, 1),
            body: at_least(self.body_seconds, 1),
            write: at_least(self.write_seconds, 1),
            keep_alive: at_least(self.keep_alive_seconds, 1),
            connect: at_least(self.connect_seconds, 1),
            first_byte: at_least(self.first_byte_seconds, 1),
            stream_idle: at_least(self.stream_idle_seconds, 600),
            upstream_idle: at_least(self.upstream_idle_seconds, 1),
            activity: at_least(self.activity_seconds, 1),
            drain: Duration::from_secs(self.drain_seconds),
        }
    }

    /// What hyper accepts as a buffer bound; it panics below 8192.
    pub(crate) fn header_bytes(&self) -> usize {
        self.max_header_bytes.max(8192)
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_listen_on_loopback() {
        let config = Config::default();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8586/");
        assert_eq!(config.hub_url.as_str(), "http://127.0.0.1:8585/");
    }

    #[test]
    fn the_defaults_survive_a_round_trip() {
        let text = serde_json::to_string(&Config::default()).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"lisen": "127.0.0.1:1"}"#).is_err());
    }

    #[test]
    fn a_quiet_websocket_is_never_cut_before_ten_minutes() {
        let config = Config { stream_idle_seconds: 5, ..Config::default() };
        assert_eq!(config.waits().stream_idle.as_secs(), 600);
    }
}
