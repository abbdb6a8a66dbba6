//! What a session may say in `Set-Cookie` when it shares its origin with others.

/// The header's value with no Domain, and a Path under `prefix` (which ends in `/`). `None` when it must not pass at all: a
/// name with a prefix that browsers give a meaning to, or no name, which browsers may read as such a name.
pub(crate) fn confine(value: &[u8], prefix: &str) -> Option<Vec<u8>> {
    let mut parts = value.split(|byte| *byte == b';');
    let pair = parts.next()?.trim_ascii();
    let name = pair.split(|byte| *byte == b'=').next()?.trim_ascii();
    let reserved = |start: &[u8]| name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    if name.is_empty()
        || !pair.contains(&b'=')
        || reserved(b"__host-")
        || reserved(b"__secure-")
        || reserved(b"__http-")
    {
        return None;
    }
    let mut confined = pair.to_vec();
    let mut path = None;
    for part in parts {
        let part = part.trim_ascii();
        let attribute = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if attribute.eq_ignore_ascii_case(b"path") {
            // The last one wins, as in browsers.
            path = Some(part.get(attribute.len()..).unwrap_or_default());
        } else if !attribute.is_empty() && !attribute.eq_ignore_ascii_case(b"domain") {
            confined.extend_from_slice(b"; ");
            confined.extend_from_slice(part);
        }
    }
    let path = path.and_then(|path| path.trim_ascii_start().strip_prefix(b"=")).map(<[u8]>::trim_ascii);
    confined.extend_from_slice(b"; Path=");
    confined.extend_from_slice(path.filter(|path| path.starts_with(prefix.as_bytes())).unwrap_or(prefix.as_bytes()));
    Some(confined)
}

/// The header's value with no Domain, for a session with a host of its own: its siblings do not get its cookies.
pub(crate) fn without_domain(value: &[u8]) -> Vec<u8> {
    let mut parts = value.split(|byte| *byte == b';');
    let mut kept = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let attribute = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if !attribute.eq_ignore_ascii_case(b"domain") {
            kept.push(b';');
            kept.extend_from_slice(part);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{confine, without_domain};
    use proptest::prelude::*;

    #[test]
    fn a_cookie_is_confined_to_its_session() {
        for (value, expected) in [
            ("a=b", Some("a=b; Path=/user/s-1/")),
            ("a=b; Path=/", Some("a=b; Path=/user/s-1/")),
            ("a=b; Path=/user/s-1/", Some("a=b; Path=/user/s-1/")),
            ("a=b; path=/user/s-1/api; HttpOnly", Some("a=b; HttpOnly; Path=/user/s-1/api")),
            ("a=b; Path=/user/s-2/", Some("a=b; Path=/user/s-1/")),
            ("a=b; Path=/user/s-1", Some("a=b; Path=/user/s-1/")),
            ("a=b; Path=/user/s-1/; Path=/", Some("a=b; Path=/user/s-1/")),
            ("a=b; Path", Some("a=b; Path=/user/s-1/")),
            ("a=b; PATH = /user/s-1/x ", Some("a=b; Path=/user/s-1/x")),
            ("a=b; Domain=example.org", Some("a=b; Path=/user/s-1/")),
            ("a=b; DOMAIN=.example.org; Secure", Some("a=b; Secure; Path=/user/s-1/")),
            ("a=b; Domain", Some("a=b; Path=/user/s-1/")),
            (
                "a=\"2|1:0\"; expires=Wed, 01 Jan 2030 00:00:00 GMT; SameSite=Lax",
                Some("a=\"2|1:0\"; expires=Wed, 01 Jan 2030 00:00:00 GMT; SameSite=Lax; Path=/user/s-1/"),
            ),
            ("a=", Some("a=; Path=/user/s-1/")),
            ("a=b=c;;", Some("a=b=c; Path=/user/s-1/")),
            ("__Host-a=b; Secure; Path=/", None),
            ("__secure-a=b", None),
            (" __HOST-a=b", None),
            ("=b", None),
            ("=__Host-a=b", None),
            ("__Host-a", None),
            ("", None),
            (";", None),
        ] {
            let confined = confine(value.as_bytes(), "/user/s-1/").map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(confined.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_session_with_its_own_host_cannot_set_cookies_for_its_siblings() {
        assert_eq!(without_domain(b"__Host-a=b; Domain=x; Path=/; Secure"), b"__Host-a=b; Path=/; Secure");
        assert_eq!(without_domain(b"a=domain; DOMAIN = .x"), b"a=domain");
    }

    proptest! {
        #[test]
        fn no_cookie_leaves_its_session(value in "([a-zA-Z_-]{0,8}=?[ -~]{0,20};?){0,5}") {
            if let Some(confined) = confine(value.as_bytes(), "/user/s-1/") {
                let text = String::from_utf8(confined).unwrap().to_ascii_lowercase();
                let attributes: Vec<_> = text.split(';').skip(1).map(str::trim).collect();
                let named = |name: &str| attributes.iter().filter(|part| part.split('=').next().unwrap().trim() == name).count();
                prop_assert!(attributes.last().unwrap().starts_with("path=/user/s-1/"));
                prop_assert_eq!((named("path"), named("domain")), (1, 0));
            }
        }
    }
}
