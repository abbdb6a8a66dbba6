//! Is an address public?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of the IANA IPv4 special-purpose registry that are not globally reachable, with multicast and 6to4 relays.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

/// Networks inside 2000::/3 (the only globally routed block) that are special: protocol assignments with Teredo,
/// benchmarking and ORCHID; documentation; 6to4, which carries an IPv4 address that relays would deliver to.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether `address` is an ordinary address of the public internet.
///
/// Refused is whatever the IANA special-purpose registries do not call globally reachable, and multicast. An IPv6 address
/// that only wraps an IPv4 one (v4-mapped, or the well-known NAT64 prefix of networks without IPv4) is judged by that one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => wrapped_v4(v6).map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(network, bits)| same_prefix_v4(address, *network, *bits))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    same_prefix_v6(address, Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
        && !SPECIAL_V6.iter().any(|(network, bits)| same_prefix_v6(address, *network, *bits))
}

/// The IPv4 address inside `::ffff:a.b.c.d` or `64:ff9b::a.b.c.d`.
fn wrapped_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
    if same_prefix_v6(address, nat64, 96) {
        let bits = u128::from(address) & u128::from(u32::MAX);
        return u32::try_from(bits).ok().map(Ipv4Addr::from);
    }
    address.to_ipv4_mapped()
}

fn same_prefix_v4(a: Ipv4Addr, b: Ipv4Addr, bits: u32) -> bool {
    (u32::from(a) ^ u32::from(b)).leading_zeros() >= bits
}

fn same_prefix_v6(a: Ipv6Addr, b: Ipv6Addr, bits: u32) -> bool {
    (u128::from(a) ^ u128::from(b)).leading_zeros() >= bits
}
