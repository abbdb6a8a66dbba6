//! Which session a request is for. Decodes only to decide; what is sent on is never touched.

use bindery_core::SessionId;
use percent_encoding::percent_decode_str;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The proxy's own health.
    Health,
    /// Something of this session's server.
    Session {
        /// Which session.
        id: SessionId,
        /// Whether it was named by its own host rather than by the path.
        own_host: bool,
    },
    /// `/user/<id>` without the slash.
    NoSlash,
    /// Nothing there is, or ever was; or a malformed name.
    Nothing,
}

/// Finds the place of a raw path, at a host (with or without port), given the sessions' domain.
pub(crate) fn locate(path: &str, host: Option<&str>, domain: Option<&str>) -> Place {
    if let Some(label) = session_label(host, domain) {
        return label.to_ascii_lowercase().parse().map_or(Place::Nothing, |id| Place::Session { id, own_host: true });
    }
    if path == "/health" {
        return Place::Health;
    }
    let Some(rest) = path.strip_prefix("/user/") else { return Place::Nothing };
    let (segment, slash) = rest.split_once('/').map_or((rest, false), |(segment, _)| (segment, true));
    match percent_decode_str(segment).decode_utf8().ok().and_then(|decoded| decoded.parse().ok()) {
        Some(id) if slash => Place::Session { id, own_host: false },
        Some(_) => Place::NoSlash,
        None => Place::Nothing,
    }
}

/// The part of `host` before `.domain`, when it is under the sessions' domain.
fn session_label<'a>(host: Option<&'a str>, domain: Option<&str>) -> Option<&'a str> {
    let (host, domain) = (without_port(host?), domain?);
    let host = host.strip_suffix('.').unwrap_or(host);
    let dot = host.len().checked_sub(domain.len() + 1)?;
    let (label, suffix) = host.split_at_checked(dot)?;
    suffix.strip_prefix('.').filter(|suffix| suffix.eq_ignore_ascii_case(domain)).map(|_| label)
}

/// A Host header's value without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, locate};
    use bindery_core::SessionId;
    use proptest::prelude::*;

    const ID: &str = "s-0123456789abcdef0123456789abcdef";

    fn id() -> SessionId {
        ID.parse().unwrap()
    }

    #[test]
    fn a_path_names_its_session() {
        let session = Place::Session { id: id(), own_host: false };
        for (path, expected) in [
            (format!("/user/{ID}/"), session),
            (format!("/user/{ID}/lab/tree/a%2Fb"), session),
            (format!("/user/{ID}/../../x"), session),
            (format!("/user/{}/lab", ID.replace('-', "%2D")), session),
            (format!("/user/{ID}"), Place::NoSlash),
            (format!("/user/{}/lab", ID.replace('-', "%252D")), Place::Nothing),
            (format!("//user/{ID}/"), Place::Nothing),
            (format!("/USER/{ID}/"), Place::Nothing),
            (format!("/user/{}/", ID.to_uppercase()), Place::Nothing),
            (format!("/user//{ID}/"), Place::Nothing),
            ("/user/".to_owned(), Place::Nothing),
            ("/user/%ff/".to_owned(), Place::Nothing),
            ("/".to_owned(), Place::Nothing),
            ("*".to_owned(), Place::Nothing),
            ("/health".to_owned(), Place::Health),
            ("/health/".to_owned(), Place::Nothing),
        ] {
            assert_eq!(locate(&path, Some("127.0.0.1:8586"), None), expected, "{path}");
        }
    }

    #[test]
    fn a_host_names_its_session() {
        let session = Place::Session { id: id(), own_host: true };
        let domain = Some("apps.example.org");
        for (host, expected) in [
            (format!("{ID}.apps.example.org"), session),
            (format!("{ID}.apps.example.org:8586"), session),
            (format!("{}.APPS.example.org.", ID.to_uppercase()), session),
            ("x.apps.example.org".to_owned(), Place::Nothing),
            (format!("{ID}.x.apps.example.org"), Place::Nothing),
            ("apps.example.org".to_owned(), Place::Health),
            (format!("{ID}.evil.org"), Place::Health),
            (format!("{ID}xapps.example.org"), Place::Health),
            ("[::1]:80".to_owned(), Place::Health),
        ] {
            assert_eq!(locate("/health", Some(&host), domain), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_path_and_host_can_be_read(path in ".*", host in ".*") {
            locate(&path, Some(&host), Some("apps.example.org"));
        }
    }
}
