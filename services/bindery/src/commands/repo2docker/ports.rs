//! `--publish`, as Docker writes it.

use bindery_images::PublishedPort;

/// The address of this machine that nobody else reaches.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// A port of the container, and where this machine offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) container: u16,
    protocol: &'static str,
    address: String,
    here: Option<u16>,
}

impl Port {
    /// A port of the container, offered at any free port of the loopback.
    pub(super) fn any(container: u16) -> Self {
        Self { container, protocol: "tcp", address: LOOPBACK.to_owned(), here: None }
    }

    /// As the engine names it: `8888/tcp`.
    pub(super) fn in_container(&self) -> String {
        format!("{}/{}", self.container, self.protocol)
    }

    /// The address of a server behind it, from this machine, when the port of this machine is `here`.
    pub(super) fn reached_at(&self, here: u16) -> String {
        match self.address.as_str() {
            "0.0.0.0" | "::" => format!("http://{LOOPBACK}:{here}/"),
            address if address.contains(':') => format!("http://[{address}]:{here}/"),
            address => format!("http://{address}:{here}/"),
        }
    }

    pub(super) fn published(&self) -> PublishedPort {
        PublishedPort { container: self.in_container(), address: self.address.clone(), port: self.here }
    }
}

/// `[[address:]port:]container-port[/tcp|/udp]`.
pub(super) fn parse(text: &str) -> Result<Port, String> {
    let refused =
        |what: &str| format!("--publish {text:?}: {what}; write [[ADDRESS:]PORT:]CONTAINER-PORT, as 8888:8888.");
    let (ports, protocol) = match text.split_once('/') {
        None | Some((_, "tcp")) => (text.split('/').next().unwrap_or_default(), "tcp"),
        Some((ports, "udp")) => (ports, "udp"),
        Some((_, other)) => return Err(refused(&format!("{other:?} is neither tcp nor udp"))),
    };
    let number = |text: &str| {
        let number = text.parse::<u16>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| refused(&format!("{text:?} is not a port from 1 to 65535")))
    };
    // From the right: an address of IPv6 has colons of its own.
    let mut parts = ports.rsplitn(3, ':');
    let container = number(parts.next().unwrap_or_default())?;
    let here = match parts.next() {
        None | Some("") => None,
        Some(port) => Some(number(port)?),
    };
    let address = match parts.next() {
        None => LOOPBACK,
        Some(address) => address.trim_start_matches('[').trim_end_matches(']'),
    };
    if address.parse::<std::net::IpAddr>().is_err() {
        return Err(refused(&format!("{address:?} is not an address")));
    }
    Ok(Port { container, protocol, address: address.to_owned(), here })
}

#[cfg(test)]
mod tests {
    use super::{Port, parse};

    #[test]
    fn ports_are_on_loopback_unless_an_address_is_named() {
        let port =
            |container, protocol, address: &str, here| Port { container, protocol, address: address.into(), here };
        for (text, read) in [
            ("8888", port(8888, "tcp", "127.0.0.1", None)),
            ("80:8888", port(8888, "tcp", "127.0.0.1", Some(80))),
            ("80:53/udp", port(53, "udp", "127.0.0.1", Some(80))),
            ("0.0.0.0:80:8888/tcp", port(8888, "tcp", "0.0.0.0", Some(80))),
            ("127.0.0.1::8888", port(8888, "tcp", "127.0.0.1", None)),
            ("[::1]:80:8888", port(8888, "tcp", "::1", Some(80))),
        ] {
            assert_eq!(parse(text), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["", "0", "65536", "x:80", "80:x", "80:0", "80/sctp", "host:80:80", "80:80/tcp/udp", "-1:80", ":"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
