//! Who may start something here. Links and pages are read by everyone; a visit starts builds and sessions, so it must come from a
//! page of ours, a program, or a page of an origin the site allows, and not too often.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use bindery_core::{Fault, Secret, Timestamp};

use crate::Web;
use crate::headers::{client_ip, is_allowed_origin};
use crate::stream::query_value;

/// A visit that may go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pass {
    /// The address whose builds are counted; `None` for one who may start as many as they like.
    pub(crate) counted: Option<IpAddr>,
    /// Whether a build token was shown.
    pub(crate) token: bool,
    /// The host that was asked, or whose page asks.
    pub(crate) origin: String,
    /// Where the page that asks is from, as far as the browser says.
    pub(crate) request_origin: String,
    /// Why it may only go on with what it was watching, if that is so: the secret of its token may be gone with a process, and a
    /// long build outlives any token, but who knows the id of an event was let in before.
    pub(crate) only_resumes: Option<Fault>,
}

/// Lets a visit to `provider/raw_spec` in, or says why not; each refusal is a 403. `resumes` is whether it says what it was watching.
pub(crate) fn pass(
    request: &HttpRequest,
    web: &Web,
    provider: &str,
    raw_spec: &str,
    resumes: bool,
) -> Result<Pass, Fault> {
    let headers = request.headers();
    if !is_wanted(headers, &web.config.cors_allow_origin) {
        let fault = Fault::user("cross-site", "A page of another site may not start this.");
        return Err(fault.hint("Open the link itself."));
    }
    let client = client_ip(request, &web.config.trusted_proxies);
    if let Some(network) = client.and_then(|client| web.policy.banned_network(client)) {
        return Err(banned(&network.to_string()));
    }
    let origin = host_of(headers);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let request_origin = Some(text("origin")).filter(|origin| !origin.is_empty());
    let request_origin = request_origin.unwrap_or_else(|| text("sec-fetch-site"));
    let free = Pass { origin: origin.clone(), request_origin, ..Pass::default() };
    if is_operator(headers, web.config.api_token.as_ref()) {
        return Ok(free);
    }
    let refuse =
        |fault: Fault| if resumes { Ok(Pass { only_resumes: Some(fault), ..free.clone() }) } else { Err(fault) };
    match query_value(request.query_string(), "build_token").filter(|token| !token.is_empty()) {
        Some(token) => {
            if web.tokens.is_valid(&token, provider, raw_spec, &origin, Timestamp::now()) {
                return Ok(Pass { token: true, ..free });
            }
            let fault = Fault::user("build-token-invalid", "Invalid build token");
            refuse(fault.hint("Reload the page that you came from."))
        }
        None if web.config.require_build_token => {
            let fault = Fault::user("build-token-required", "A build token is required here");
            refuse(fault.hint("Open the link in a browser."))
        }
        // This machine itself; or a proxy on it that no setting names, behind which everybody would share one allowance.
        None => Ok(Pass { counted: client.filter(|client| !client.to_canonical().is_loopback()), ..free }),
    }
}

/// What someone of a banned network is told.
pub(crate) fn banned(network: &str) -> Fault {
    Fault::user("network-banned", format!("Requests from {network} are not allowed"))
}

/// The host of the page that asks, or that was asked for.
pub(crate) fn host_of(headers: &HeaderMap) -> String {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = value(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.or_else(|| value(HOST)).unwrap_or_default().to_owned()
}

/// Whether the request carries the operator's token. No cookie is looked at, so no page can make a browser send it.
pub(crate) fn is_operator(headers: &HeaderMap, token: Option<&Secret>) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match (given, token.map(Secret::expose).filter(|token| !token.is_empty())) {
        (Some((_, given)), Some(token)) => same(given.trim().as_bytes(), token.as_bytes()),
        _ => false,
    }
}

/// Equality in a time that tells nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Programs say nothing about sites, and browsers cannot lie about it. A page of another site may open an event stream if its origin
/// may read it; it may not start one as an image, a frame or a link, where nobody sees what it does.
fn is_wanted(headers: &HeaderMap, allowed: &[String]) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match value("sec-fetch-site") {
        None | Some("same-origin") => true,
        // Typed into the address bar, or from a page of another host of ours.
        Some("none") => true,
        Some(_) => value("sec-fetch-mode") == Some("cors") && is_allowed_origin(value("origin"), allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_operator, is_wanted};
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use bindery_core::Secret;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn another_site_may_start_something_only_as_a_stream_it_may_read() {
        type Row = (&'static [(&'static str, &'static str)], bool, bool);
        let rows: [Row; 8] = [
            // What is sent; whether it is wanted where every origin is allowed; and where only book.example is.
            (&[], true, true),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], true, true),
            (&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], true, true),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false, false),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, false),
            (&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")], false, false),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("origin", "https://book.example")],
                true,
                true,
            ),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("origin", "https://evil.example")],
                true,
                false,
            ),
        ];
        for (pairs, everywhere, here) in rows {
            assert_eq!(is_wanted(&headers(pairs), &["*".to_owned()]), everywhere, "{pairs:?}");
            assert_eq!(is_wanted(&headers(pairs), &["https://book.example".to_owned()]), here, "{pairs:?}");
        }
    }

    #[test]
    fn only_the_whole_token_is_the_operators() {
        let token = Secret::new("s3cret");
        for (given, expected) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3crets", false),
            ("Basic s3cret", false),
            ("s3cret", false),
            ("Bearer ", false),
        ] {
            assert_eq!(is_operator(&headers(&[("authorization", given)]), Some(&token)), expected, "{given}");
            assert!(!is_operator(&headers(&[("authorization", given)]), None), "{given}: there is no operator");
            assert!(!is_operator(&headers(&[("authorization", given)]), Some(&Secret::new(""))), "{given}");
        }
    }
}
