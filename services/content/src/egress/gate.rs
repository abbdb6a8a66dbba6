//! The policy: schemes, hosts, and addresses checked at the moment of connecting.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::Url;

use super::{Lookup, is_public};
use crate::{Config, Error};

/// Connections to one host try at most this many of its addresses.
const MAX_ADDRESSES: usize = 16;

/// Every connection of this crate passes here. The host is looked up once, every address found is checked, and the
/// addresses checked are the addresses connected to: between check and connection no name is looked up again.
#[derive(Debug, Clone)]
pub struct Gate {
    rules: Arc<Rules>,
    lookup: Arc<dyn Lookup>,
}

#[derive(Debug)]
struct Rules {
    schemes: BTreeSet<String>,
    /// `host` or `host:port`, lower case.
    hosts: BTreeSet<String>,
}

impl Gate {
    /// The gate of a site.
    ///
    /// # Errors
    /// [`Error::Config`] for a scheme that cannot be fetched, or something that is not a host.
    pub fn new(config: &Config, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let schemes: BTreeSet<String> = config.allow_schemes.iter().map(|scheme| scheme.to_lowercase()).collect();
        if let Some(scheme) = schemes.iter().find(|scheme| !matches!(scheme.as_str(), "https" | "http" | "git")) {
            let reason = format!("{scheme:?} is none of https, http, git");
            return Err(Error::Config { setting: "allow_schemes", reason });
        }
        let hosts: BTreeSet<String> = config.allow_hosts.iter().map(|host| host.to_lowercase()).collect();
        if let Some(host) = hosts.iter().find(|host| host.is_empty() || host.contains(['/', '@', ' ', '*'])) {
            let reason = format!("{host:?} is not a host or host:port");
            return Err(Error::Config { setting: "allow_hosts", reason });
        }
        Ok(Self { rules: Arc::new(Rules { schemes, hosts }), lookup })
    }

    /// Whether `url` may be contacted as far as its text tells. Its addresses are checked when it is.
    ///
    /// # Errors
    /// [`Error::SchemeNotAllowed`], or [`Error::Address`] for an address without host or with credentials.
    pub fn admit(&self, url: &Url) -> Result<(), Error> {
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| Error::Address("it names no host".to_owned()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Address("it carries a user name or password".to_owned()));
        }
        let scheme = url.scheme();
        let allowed = self.rules.schemes.contains(scheme)
            || matches!(scheme, "http" | "https") && self.is_exempt(host, port_of(url));
        if allowed { Ok(()) } else { Err(Error::SchemeNotAllowed { host: host.to_owned(), scheme: scheme.to_owned() }) }
    }

    /// The addresses of `host` to connect to: looked up once and all of them allowed.
    ///
    /// One private address among public ones refuses the host: such a name is not what it looks like.
    ///
    /// # Errors
    /// [`Error::HostNotAllowed`], [`Error::HostUnknown`], [`Error::Timeout`] or [`Error::HostDown`].
    pub fn addresses(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, Error> {
        let name = || host.to_owned();
        let found = self.lookup.lookup(host, port, within).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::HostUnknown(name()),
            io::ErrorKind::TimedOut => Error::Timeout { host: name(), seconds: within.as_secs() },
            _ => Error::HostDown { host: name(), reason: "looking up its address failed".to_owned() },
        })?;
        if found.is_empty() {
            return Err(Error::HostUnknown(name()));
        }
        if !self.is_exempt(host, port) && !found.iter().all(|address| is_public(address.ip())) {
            return Err(Error::HostNotAllowed(name()));
        }
        Ok(found.into_iter().take(MAX_ADDRESSES).collect())
    }

    /// Whether the operator named this host, or this host and port.
    fn is_exempt(&self, host: &str, port: u16) -> bool {
        let host = host.to_lowercase();
        self.rules.hosts.contains(&format!("{host}:{port}")) || self.rules.hosts.contains(&host)
    }
}

/// The port, given or implied.
pub(crate) fn port_of(url: &Url) -> u16 {
    // `git` is not one of the URL standard's special schemes, so its default port is ours to know.
    url.port_or_known_default().unwrap_or(9418)
}

/// The only resolver the HTTP client has.
impl Resolver for Gate {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let addresses = self
            .addresses(host, uri.port_u16().unwrap_or(default), *timeout.after)
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut resolved = self.empty();
        for address in addresses {
            resolved.push(address);
        }
        Ok(resolved)
    }
}
