//! `X-Forwarded-For`: whatever strangers write there, a stranger is who they are, and is believed to be at an address that somebody
//! trusted named.
#![no_main]

use std::net::IpAddr;

use bindery_core::Network;
use libfuzzer_sys::fuzz_target;

#[path = "../../../services/web/src/forwarded.rs"]
mod forwarded;

use forwarded::client_of;

fuzz_target!(|written: &[u8]| {
    let trusted: [Network; 2] = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
    let (proxy, stranger): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [203, 0, 113, 9].into());
    assert_eq!(client_of(stranger, written, &trusted), stranger);
    let passed_on = [written, b", 203.0.113.9"].concat();
    assert_eq!(client_of(proxy, &passed_on, &trusted), stranger);
    assert_eq!(client_of(proxy, &[passed_on.as_slice(), b",fd00::2"].concat(), &trusted), stranger);
    let client = client_of(proxy, written, &trusted);
    let named = |hop: &[u8]| std::str::from_utf8(hop).is_ok_and(|hop| hop.trim().parse() == Ok(client));
    assert!(client == proxy || written.split(|byte| *byte == b',').any(named), "{client}");
});
