//! Settings of the web role.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[web]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address people reach this service by, with scheme. Default: `http://` and `listen`.
    pub public_url: Option<String>,
    /// An announcement shown at the top of every page.
    pub banner: Option<String>,
    /// Origins whose pages may read the event stream and the small APIs; `*` is every one.
    pub cors_allow_origin: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Seconds between keep-alive comments on an event stream; at most 25.
    pub keepalive_seconds: u64,
    /// Seconds an event stream stays open after its last event, so that clients close first and do not reconnect.
    pub linger_seconds: u64,
    /// The most event streams open at once.
    pub max_streams: usize,
    /// Where GitHub repositories are linked to.
    pub github_url: String,
    /// Where GitLab repositories are linked to.
    pub gitlab_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8585)),
            public_url: None,
            banner: None,
            cors_allow_origin: vec!["*".to_owned()],
            trusted_proxies: Vec::new(),
            keepalive_seconds: 15,
            linger_seconds: 60,
            max_streams: 10_000,
            github_url: "https://github.com".to_owned(),
            gitlab_url: "https://gitlab.com".to_owned(),
        }
    }
}

impl Config {
    /// The public address, ending in `/`.
    #[must_use]
    pub fn public_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        format!("{}/", url.trim_end_matches('/'))
    }

    /// The path part of the public address, beginning and ending in `/`.
    #[must_use]
    pub fn base_path(&self) -> String {
        let path = url::Url::parse(&self.public_url()).map_or_else(|_| "/".to_owned(), |url| url.path().to_owned());
        if path.ends_with('/') { path } else { format!("{path}/") }
    }
}

/// A network in CIDR notation, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is in this network. IPv4 addresses written as IPv6 are IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let (own, width) = bits(self.address.to_canonical());
        let (other, other_width) = bits(address.to_canonical());
        let mask = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix)) };
        width == other_width && own & mask == other & mask
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not a network such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| refused())?;
        if prefix > width { Err(refused()) } else { Ok(Self { address, prefix }) }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.address, network.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Network};

    #[test]
    fn networks_contain_their_own_addresses_only() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains("10.1.200.3".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.200.3".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!(!network.contains("a01::1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("example.org".parse::<Network>().is_err());
    }

    #[test]
    fn public_url_ends_in_a_slash_and_gives_the_base_path() {
        let config = Config { public_url: Some("https://hub.example.org/binder".to_owned()), ..Config::default() };
        assert_eq!(config.public_url(), "https://hub.example.org/binder/");
        assert_eq!(config.base_path(), "/binder/");
        assert_eq!(Config::default().base_path(), "/");
    }
}
