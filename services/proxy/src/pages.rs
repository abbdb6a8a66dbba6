//! What a visitor reads when there is no session to talk to: a page for people, JSON for programs.
//!
//! Dead sessions are asked for again and again by forgotten tabs, so each answer is small, cheap and immediate, and readable from
//! other origins: a page that embeds a session must learn that it is gone.

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use url::Url;

use crate::body::Download;
use crate::routes::{Ended, Routes};

/// The look of the service's other pages, in light and dark, in little.
const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#f3f5f2;--sheet:#fff;--ink:#19242a;--line:#d5dbd6;--cloth:#0c5a58;--on:#fff;--thread:#b0761a}\
@media(prefers-color-scheme:dark){:root{--paper:#10171a;--sheet:#182226;--ink:#e5ebe8;--line:#2b383d;--cloth:#6ccabf;--on:#05211f;--thread:#e2ad4e}}\
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}\
main{max-width:36rem;margin:12vh auto 2rem;padding:0 1rem}\
article{padding:1.5rem 1.75rem;background:var(--sheet);border:1px solid var(--line);border-left:14px solid #0c5a58;border-radius:6px;overflow-wrap:anywhere}\
h1{margin:0 0 .6rem;font:600 1.6rem/1.2 Palatino,Georgia,'DejaVu Serif',serif}p{margin:0 0 .8rem}\
a{display:inline-block;margin:.6rem 0 .2rem;padding:.6rem 1.2rem;border-radius:6px;background:var(--cloth);color:var(--on);font-weight:600;text-decoration:none}\
a:hover{text-decoration:underline}a:focus-visible{outline:3px solid var(--thread);outline-offset:2px}";
/// The style, by its hash; nothing else may load or run.
const POLICY: &str = "default-src 'none'; style-src 'sha256-vl1AP4KkW+uHlY4cnEY1tjTf7/4V8NwLSBvf4IOnZWw='; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Makes answers for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages<'a> {
    pub(crate) hub_url: &'a Url,
    /// Whether a person's browser asks.
    pub(crate) html: bool,
}

/// What an answer says.
struct Answer<'a> {
    status: StatusCode,
    /// A short name for programs.
    error: &'static str,
    title: &'static str,
    message: &'a str,
    /// Where a person can go on, and what to call it.
    link: Option<(String, &'static str)>,
    /// Seconds after which the same request may succeed.
    retry: Option<u32>,
}

impl Pages<'_> {
    /// The proxy's own health.
    pub(crate) fn health(self, routes: &Routes) -> Response<Download> {
        let complete = routes.complete();
        let body = serde_json::json!({"ok": complete, "routes": routes.live().len()}).to_string();
        let mut response = Response::new(Download::whole(body));
        *response.status_mut() = if complete { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        set(&mut response, header::CONTENT_TYPE, "application/json");
        set(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }

    /// The answer to a cross-origin browser that asks whether it may ask. Without it, the page that embeds a session never learns
    /// that the session is gone.
    pub(crate) fn preflight(self, method: &Method) -> Option<Response<Download>> {
        (method == Method::OPTIONS).then(|| {
            let mut response = Response::new(Download::whole(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
            set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, PUT, POST, PATCH, DELETE, OPTIONS");
            set(
                &mut response,
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "accept, content-type, authorization, x-xsrftoken",
            );
            response
        })
    }

    /// There is no such session, or nothing at this address. The same for every wrong address.
    pub(crate) fn nobody(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::NOT_FOUND,
            error: "not-found",
            title: "Nothing here",
            message: "There is no session at this address. It may have ended some time ago.",
            link: Some((self.hub_url.to_string(), "Start a new one")),
            retry: None,
        })
    }

    /// The session is over. A person is led back to `path`, where they were in it; not to its query, which may hold a credential.
    pub(crate) fn ended(self, ended: &Ended, path: &str) -> Response<Download> {
        let mut again = self.hub_url.join(&format!("./{}", ended.request.trim_start_matches('/')));
        if let Ok(again) = &mut again
            && self.html
            && !path.is_empty()
        {
            again.query_pairs_mut().append_pair("urlpath", path);
        }
        self.answer(&Answer {
            status: StatusCode::FAILED_DEPENDENCY,
            error: "session-ended",
            title: "This session has ended",
            message: &format!("It ended because {}.", ended.why),
            link: Some((again.unwrap_or_else(|_| self.hub_url.clone()).to_string(), "Launch it again")),
            retry: None,
        })
    }

    /// The session does not answer yet.
    pub(crate) fn starting(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "session-starting",
            title: "This session is starting",
            message: "It will answer in a moment.",
            link: None,
            retry: Some(1),
        })
    }

    /// The proxy has just begun and does not know every session yet.
    pub(crate) fn not_ready(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "proxy-starting",
            title: "One moment",
            message: "The service is just starting.",
            link: None,
            retry: Some(1),
        })
    }

    /// The session's server takes no connections.
    pub(crate) fn not_answering(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "session-not-answering",
            title: "The session does not answer",
            message: "Its server takes no connections right now. It may be starting, busy or just ending.",
            link: None,
            retry: Some(2),
        })
    }

    /// The session's server hung up.
    pub(crate) fn broken(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::BAD_GATEWAY,
            error: "session-hung-up",
            title: "The session did not answer properly",
            message: "Its server ended the connection before it gave a complete answer.",
            link: None,
            retry: Some(2),
        })
    }

    /// The session's server took too long.
    pub(crate) fn slow(self) -> Response<Download> {
        self.answer(&Answer {
            status: StatusCode::GATEWAY_TIMEOUT,
            error: "session-too-slow",
            title: "The session took too long",
            message: "Its server has the request but gave no answer in time.",
            link: None,
            retry: None,
        })
    }

    /// The request cannot be understood, or not in one way only.
    pub(crate) fn bad_request(self, message: &str) -> Response<Download> {
        let (status, error, title) = (StatusCode::BAD_REQUEST, "bad-request", "Bad request");
        let mut response = self.answer(&Answer { status, error, title, message, link: None, retry: None });
        set(&mut response, header::CONNECTION, "close");
        response
    }

    fn answer(self, answer: &Answer<'_>) -> Response<Download> {
        let (body, kind) = if self.html {
            (page(answer), "text/html; charset=utf-8")
        } else {
            let Answer { status, error, message, link, .. } = answer;
            let mut json = serde_json::json!({"status": status.as_u16(), "error": error, "message": message});
            if let (Some(fields), Some((address, _))) = (json.as_object_mut(), link) {
                fields.insert("url".into(), address.as_str().into());
            }
            (json.to_string(), "application/json")
        };
        let mut response = Response::new(Download::whole(body));
        *response.status_mut() = answer.status;
        set(&mut response, header::CONTENT_TYPE, kind);
        set(&mut response, header::CACHE_CONTROL, "no-store");
        set(&mut response, header::CONTENT_SECURITY_POLICY, POLICY);
        set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, header::REFERRER_POLICY, "no-referrer");
        set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        if let Some(seconds) = answer.retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            if self.html {
                response.headers_mut().insert(header::REFRESH, seconds.into());
            }
        }
        response
    }
}

fn set(response: &mut Response<Download>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn page(answer: &Answer<'_>) -> String {
    let link = match &answer.link {
        Some((address, text)) => format!("<p><a href=\"{}\">{text}</a></p>", escape(address)),
        None => String::new(),
    };
    let again = if answer.retry.is_some() { "<p>This page looks again by itself.</p>" } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><article><h1>{title}</h1><p>{message}</p>{again}{link}</article></main></body></html>\n",
        title = escape(answer.title),
        message = escape(answer.message),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{POLICY, STYLE, escape};
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn the_policy_names_the_style_by_its_hash() {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")), "it should be {hash}");
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
    }
}
