//! Who the visitor is behind proxies.

use std::net::IpAddr;

use bindery_core::Network;

/// The visitor's address: the peer's, or, when the peer is a trusted proxy, the right-most address it was forwarded for that is not
/// one itself. What cannot be read was written by somebody whom nobody vouches for, and ends the search.
pub(crate) fn client_of(peer: IpAddr, forwarded: &[u8], trusted: &[Network]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut client = peer;
    for hop in forwarded.rsplit(|byte| *byte == b',') {
        if !is_trusted(client) {
            break;
        }
        let Some(ip) = std::str::from_utf8(hop).ok().and_then(|hop| hop.trim().parse().ok()) else { break };
        client = ip;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::client_of;
    use proptest::prelude::*;

    fn client(peer: &str, forwarded: &[u8]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_of(peer.parse().unwrap(), forwarded, &trusted).to_string()
    }

    #[test]
    fn g6_only_a_trusted_proxy_may_say_who_the_client_is() {
        for (peer, forwarded, expected) in [
            // Whoever comes from outside is who they are, whatever they say.
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
            ("2001:db8::9", "10.0.0.1, 127.0.0.1", "2001:db8::9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", " 198.51.100.1\t", "198.51.100.1"),
            ("fd00::1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            // What stands left of the last stranger, that stranger wrote.
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.9, 198.51.100.1, fd00::2, 10.0.0.7", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.8,10.0.0.7", "10.0.0.8"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6,", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, <script>", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, _hidden, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1:4711", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::1]", "10.0.0.1"),
            ("10.0.0.1", "0x7f.1", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.001", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1\r\nX-Forwarded-For: 10.0.0.3", "10.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded.as_bytes()), expected, "{peer} for {forwarded:?}");
        }
        // Bytes that are no text hide nothing that stands left of them.
        assert_eq!(client("10.0.0.1", b"6.6.6.6,\xff\xfe"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", b"\xff,198.51.100.1"), "198.51.100.1");
    }

    proptest! {
        #[test]
        fn g6_nothing_a_stranger_writes_changes_who_they_are(written in proptest::collection::vec(any::<u8>(), 0..60)) {
            // As a trusted proxy passes it on: with the stranger's own address last.
            let forwarded = [written.as_slice(), b",203.0.113.9"].concat();
            prop_assert_eq!(client("10.0.0.1", &forwarded), "203.0.113.9");
            prop_assert_eq!(client("203.0.113.9", &written), "203.0.113.9");
        }
    }
}
