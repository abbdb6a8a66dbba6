//! Headers that decide what a browser may do with our answers.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bindery_core::Network;
use uuid::Uuid;

use crate::forwarded::client_of;

/// Request headers a cross-origin page may send: what BinderHub's clients and native event streams use.
const ALLOWED_HEADERS: &str = "authorization, x-xsrftoken, cache-control, last-event-id, content-type, accept";

/// A fresh nonce for one response's content security policy.
pub(crate) fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The content security policy of a page: our own files, one inline script by its nonce, nobody may frame it. Text can become markup
/// only through Lit, whose templates are constants.
pub(crate) fn content_security_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'self'; require-trusted-types-for 'script'; trusted-types lit-html"
    )
}

/// The value of `Access-Control-Allow-Origin` for a request from `origin`, when the site allows it.
fn allowed_origin(origin: Option<&str>, allowed: &[String]) -> Option<String> {
    if allowed.iter().any(|entry| entry == "*") {
        return Some("*".to_owned());
    }
    origin.filter(|origin| allowed.iter().any(|entry| entry.trim_end_matches('/') == *origin)).map(str::to_owned)
}

/// Whether pages of this origin may read what programs read.
pub(crate) fn is_allowed_origin(origin: Option<&str>, allowed: &[String]) -> bool {
    allowed_origin(origin, allowed).is_some()
}

/// Adds what lets pages of other origins read this answer.
pub(crate) fn add_cors(headers: &mut HeaderMap, origin: Option<&str>, allowed: &[String]) {
    // Also of an answer that the asking origin may not read: a cache must not give it to one that may.
    if !allowed.iter().any(|entry| entry == "*") {
        headers.append(HeaderName::from_static("vary"), HeaderValue::from_static("Origin"));
    }
    if let Some(value) = allowed_origin(origin, allowed).and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        headers.insert(HeaderName::from_static("access-control-allow-origin"), value);
        headers
            .insert(HeaderName::from_static("access-control-allow-headers"), HeaderValue::from_static(ALLOWED_HEADERS));
    }
}

/// The answer to a preflight request.
pub(crate) fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"))
        .insert_header(("Access-Control-Max-Age", "600"))
        .finish()
}

/// The visitor's address: the peer's, or, when the peer is a trusted proxy, the right-most address of `X-Forwarded-For` that is not
/// one itself.
pub(crate) fn client_ip(request: &HttpRequest, trusted: &[Network]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let forwarded: Vec<&[u8]> = request.headers().get_all("x-forwarded-for").map(HeaderValue::as_bytes).collect();
    Some(client_of(peer, &forwarded.join(b",".as_slice()), trusted))
}

#[cfg(test)]
mod tests {
    use super::allowed_origin;

    #[test]
    fn origins_are_matched_whole() {
        let allowed = ["https://a.example".to_owned()];
        assert_eq!(allowed_origin(Some("https://a.example"), &allowed).as_deref(), Some("https://a.example"));
        for origin in ["https://a.example.evil", "http://a.example", "null", "https://a.example:444"] {
            assert_eq!(allowed_origin(Some(origin), &allowed), None, "{origin}");
        }
        assert_eq!(allowed_origin(None, &["*".to_owned()]).as_deref(), Some("*"));
    }
}
