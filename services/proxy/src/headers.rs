//! What is removed from and added to headers on the way. Everything else passes as it came, Host and Origin above all.

use std::net::IpAddr;

use http::header::{
    self, CONNECTION, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TE, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::cookies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a session must not tell browsers when it shares its origin: each would reach beyond its path.
const BEYOND_THE_PATH: [HeaderName; 6] = [
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("clear-site-data"),
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
];

/// The hop a request came over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    /// Who sent it.
    pub(crate) peer: IpAddr,
    /// Whether what the peer says about the hop before is believed.
    pub(crate) trusted: bool,
    /// `http` or `https`: how visitors reach this proxy.
    pub(crate) scheme: &'a str,
    /// `host:port` of the address that visitors reach this proxy by, without a usual port.
    pub(crate) authority: &'a str,
}

/// Makes a visitor's headers fit to be sent on. With `upgrade`, the wish to upgrade is kept.
pub(crate) fn prepare_request(headers: &mut HeaderMap, hop: Hop<'_>, upgrade: bool) {
    let trailers = headers.get_all(TE).iter().any(|value| mentions(value, b"trailers"));
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    strip_hop_by_hop(headers, upgrade);
    if is_foreign(headers, hop) {
        // Sent because of where the visitor has been, not because the page that asks knows anything. One that does shows its token.
        headers.remove(header::COOKIE);
    }
    headers.remove(header::PROXY_AUTHORIZATION);
    // Already honoured: the visitor is told to go on when its body is first wanted.
    headers.remove(EXPECT);
    if chunked {
        // Fresh framing, but for methods that seldom have a body the library must be told that there is one.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if trailers && !upgrade {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    forwarded(headers, hop);
}

/// Whether a page of another origin asks. Browsers say so of whatever can change something, WebSockets above all.
fn is_foreign(headers: &HeaderMap, hop: Hop<'_>) -> bool {
    let hosts = headers.get_all(HOST).iter();
    let forwarded = headers.get_all(&X_FORWARDED_HOST).iter().filter(|_| hop.trusted);
    let own: Vec<&[u8]> = hosts.chain(forwarded).map(|host| without_usual_port(host.as_bytes())).collect();
    headers.get_all(header::ORIGIN).iter().any(|origin| {
        let authority =
            [b"https://".as_slice(), b"http://"].iter().find_map(|scheme| origin.as_bytes().strip_prefix(*scheme));
        let Some(authority) = authority else { return true };
        let same = |own: &[u8]| without_usual_port(authority).eq_ignore_ascii_case(own);
        !own.iter().copied().chain([hop.authority.as_bytes()]).any(same)
    })
}

/// The host and port, without a port that browsers do not write.
fn without_usual_port(authority: &[u8]) -> &[u8] {
    [b":443".as_slice(), b":80"].iter().find_map(|port| authority.strip_suffix(*port)).unwrap_or(authority)
}

fn forwarded(headers: &mut HeaderMap, hop: Hop<'_>) {
    if !hop.trusted {
        let claims: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
        for name in claims {
            headers.remove(name);
        }
        headers.remove(FORWARDED);
        headers.remove(X_REAL_IP);
    }
    let peer = hop.peer.to_canonical().to_string();
    let before: Vec<_> =
        headers.get_all(&X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    let chain = if before.is_empty() { peer } else { format!("{}, {peer}", before.join(", ")) };
    if let Ok(value) = HeaderValue::from_str(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    if !headers.contains_key(&X_FORWARDED_PROTO)
        && let Ok(value) = HeaderValue::from_str(hop.scheme)
    {
        headers.insert(X_FORWARDED_PROTO, value);
    }
    let https = headers.get(&X_FORWARDED_PROTO).is_some_and(|value| value == "https");
    let Some(host) = headers.get(HOST).cloned() else { return };
    if !headers.contains_key(&X_FORWARDED_PORT) {
        headers.insert(X_FORWARDED_PORT, port_of(&host, https));
    }
    headers.entry(X_FORWARDED_HOST).or_insert(host);
}

fn port_of(host: &HeaderValue, https: bool) -> HeaderValue {
    let explicit = host.to_str().ok().and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
    explicit
        .filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|port| HeaderValue::from_str(port).ok())
        .unwrap_or(HeaderValue::from_static(if https { "443" } else { "80" }))
}

/// Makes a session's headers fit for a visitor. `shared` is the session's prefix when it shares its origin with others.
pub(crate) fn prepare_response(headers: &mut HeaderMap, upgrade: bool, shared: Option<&str>) {
    strip_hop_by_hop(headers, upgrade);
    headers.remove(header::PROXY_AUTHENTICATE);
    if headers.contains_key(SET_COOKIE) {
        let confined: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| match shared {
                Some(prefix) => cookies::confine(value.as_bytes(), prefix),
                None => Some(cookies::without_domain(value.as_bytes())),
            })
            .filter_map(|value| HeaderValue::from_bytes(&value).ok())
            .collect();
        headers.remove(SET_COOKIE);
        for value in confined {
            headers.append(SET_COOKIE, value);
        }
    }
    if shared.is_none() {
        return;
    }
    for name in &BEYOND_THE_PATH {
        headers.remove(name);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Addresses may carry a token; other sites must not see them.
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
}

/// Removes what concerns one connection only, and what `Connection` names as such.
fn strip_hop_by_hop(headers: &mut HeaderMap, upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| {
            ![b"keep-alive".as_slice(), b"close", b"upgrade", b"te"].iter().any(|o| name.eq_ignore_ascii_case(o))
        })
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        // These are about the message; a visitor cannot have them removed.
        .filter(|name| *name != HOST && *name != header::CONTENT_LENGTH && *name != header::ORIGIN)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [TE, TRANSFER_ENCODING, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else {
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
    }
}

/// Whether a comma-separated value has this token.
pub(crate) fn mentions(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::{Hop, prepare_request, prepare_response};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    fn sent(pairs: &[(&'static str, &'static str)], trusted: bool) -> Vec<String> {
        let mut headers = map(pairs);
        let peer = "203.0.113.9".parse().unwrap();
        let hop = Hop { peer, trusted, scheme: "http", authority: "hub.example.org" };
        prepare_request(&mut headers, hop, false);
        shown(&headers)
    }

    #[test]
    fn d6_a_page_of_another_origin_does_not_use_the_visitors_cookies() {
        let kept = |origin: &'static str, trusted: bool| {
            let pairs = [
                ("host", "s-1.example.org:8586"),
                ("x-forwarded-host", "front.example"),
                ("origin", origin),
                ("cookie", "a=b"),
                ("authorization", "token t"),
            ];
            let lines = sent(&pairs, trusted);
            assert!(lines.contains(&"authorization: token t".to_owned()), "{origin}: who shows a token may");
            assert!(lines.contains(&format!("origin: {origin}")), "{lines:?}");
            lines.contains(&"cookie: a=b".to_owned())
        };
        for origin in [
            "http://s-1.example.org:8586",
            "https://S-1.Example.Org:8586",
            "https://hub.example.org",
            "http://hub.example.org:80",
        ] {
            assert!(kept(origin, false), "{origin}");
        }
        assert!(kept("https://front.example", true) && !kept("https://front.example", false));
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://s-1.example.org",
            "http://s-1.example.org:85860",
            "http://s-1.example.org:8586.evil.example",
            "http://evil.s-1.example.org:8586",
            "http://s-2.example.org:8586",
            "http://s-1.example.org:8586/x",
            "http://s-1.example.org:8586@evil.example",
            "s-1.example.org:8586",
            "ftp://s-1.example.org:8586",
            "chrome-extension://s-1.example.org:8586",
        ] {
            assert!(!kept(origin, false) && !kept(origin, true), "{origin}");
        }
        // A link that is followed, a page's own files: no origin is said, and nothing is changed.
        assert!(sent(&[("host", "h"), ("cookie", "a=b")], false).contains(&"cookie: a=b".to_owned()));
        assert!(
            !sent(&[("host", "h"), ("origin", "http://h"), ("origin", "http://e"), ("cookie", "a=b")], false)
                .contains(&"cookie: a=b".to_owned())
        );
    }

    #[test]
    fn a_strangers_claims_about_the_hop_before_are_dropped() {
        let lines = sent(
            &[
                ("host", "hub.example.org:8586"),
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil"),
                ("x-forwarded-port", "1"),
                ("x-forwarded-prefix", "/x"),
                ("x-forwarded-user", "root"),
                ("forwarded", "for=1.1.1.1"),
                ("x-real-ip", "1.1.1.1"),
            ],
            false,
        );
        assert_eq!(
            lines,
            [
                "host: hub.example.org:8586",
                "x-forwarded-for: 203.0.113.9",
                "x-forwarded-host: hub.example.org:8586",
                "x-forwarded-port: 8586",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn a_trusted_hops_claims_are_kept_and_the_hop_is_added() {
        let lines = sent(
            &[
                ("host", "h"),
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "pub"),
            ],
            true,
        );
        assert_eq!(
            lines,
            [
                "host: h",
                "x-forwarded-for: 1.1.1.1, 203.0.113.9",
                "x-forwarded-host: pub",
                "x-forwarded-port: 443",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn what_concerns_one_connection_stays_on_it() {
        let lines = sent(
            &[
                ("host", "h"),
                ("connection", "keep-alive, X-Once, Host, Upgrade"),
                ("x-once", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("proxy-authorization", "Basic x"),
                ("upgrade", "h2c"),
                ("expect", "100-continue"),
                ("te", "gzip"),
                ("authorization", "token t"),
                ("origin", "http://h"),
                ("cookie", "a=b"),
            ],
            false,
        );
        let kept: Vec<_> = lines.iter().filter(|line| !line.starts_with("x-forwarded")).collect();
        assert_eq!(kept, ["authorization: token t", "cookie: a=b", "host: h", "origin: http://h"]);
    }

    #[test]
    fn a_wish_for_trailers_and_a_chunked_body_are_renewed() {
        let lines = sent(
            &[("host", "h"), ("te", "gzip, trailers"), ("connection", "TE"), ("transfer-encoding", "chunked")],
            false,
        );
        let kept: Vec<_> = lines.iter().filter(|line| !line.starts_with("x-forwarded")).collect();
        assert_eq!(kept, ["connection: te", "host: h", "te: trailers", "transfer-encoding: chunked"]);
    }

    #[test]
    fn a_session_cannot_reach_beyond_its_path() {
        let from_session = [
            ("service-worker-allowed", "/"),
            ("clear-site-data", "\"*\""),
            ("strict-transport-security", "max-age=1"),
            ("nel", "{}"),
            ("report-to", "{}"),
            ("reporting-endpoints", "a=\"/x\""),
            ("set-cookie", "a=b; Domain=x; Path=/"),
            ("set-cookie", "__Host-a=b"),
            ("set-cookie", "c=d"),
            ("content-security-policy", "frame-ancestors 'self'"),
            ("connection", "close"),
        ];
        let mut shared = map(&from_session);
        prepare_response(&mut shared, false, Some("/user/s-1/"));
        assert_eq!(
            shown(&shared),
            [
                "content-security-policy: frame-ancestors 'self'",
                "referrer-policy: same-origin",
                "set-cookie: a=b; Path=/user/s-1/",
                "set-cookie: c=d; Path=/user/s-1/",
                "x-content-type-options: nosniff",
            ]
        );
        let mut own = map(&from_session);
        prepare_response(&mut own, false, None);
        assert_eq!(own.len(), from_session.len() - 1);
    }
}
