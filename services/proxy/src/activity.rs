//! Tells the store when sessions were last used, in batches.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::SessionStore;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::routes::Routes;

/// The longest the store may take to note a batch.
const NOTE: Duration = Duration::from_secs(10);

/// Whether a request says that somebody is there: it succeeded, and it changed something or fetched a page. What tabs do by
/// themselves (polling with GET, answering pings) does not count.
pub(crate) fn counts(method: &Method, asked_for_page: bool, status: StatusCode, answered: &HeaderMap) -> bool {
    if !(status.is_success() || status.is_redirection()) {
        return false;
    }
    match *method {
        Method::GET if status.is_success() => mentions_html(answered, &CONTENT_TYPE),
        Method::GET => status != StatusCode::NOT_MODIFIED && asked_for_page,
        Method::HEAD | Method::OPTIONS => false,
        _ => true,
    }
}

/// Whether a request is a person's browser going somewhere.
pub(crate) fn asks_for_page(method: &Method, headers: &HeaderMap) -> bool {
    (method == Method::GET || method == Method::HEAD) && mentions_html(headers, &ACCEPT)
}

fn mentions_html(headers: &HeaderMap, name: &http::HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().windows(9).any(|w| w.eq_ignore_ascii_case(b"text/html")))
}

/// Tells the store every `every` until `end`, and then once more.
pub(crate) async fn report(store: Arc<dyn SessionStore>, routes: Arc<Routes>, every: Duration, end: CancellationToken) {
    while end.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        note(&*store, &routes).await;
    }
    note(&*store, &routes).await;
}

async fn note(store: &dyn SessionStore, routes: &Routes) {
    let used: Vec<_> = routes.live().into_iter().filter_map(|route| route.untold().map(|seen| (route, seen))).collect();
    if used.is_empty() {
        return;
    }
    let seen: Vec<_> = used.iter().map(|(route, seen)| (route.id, *seen)).collect();
    match tokio::time::timeout(NOTE, store.touch(&seen)).await {
        Ok(Ok(())) => used.iter().for_each(|(route, seen)| route.tell(*seen)),
        // Not told, so the next batch has them again.
        Ok(Err(error)) => {
            tracing::warn!(%error, sessions = seen.len(), "the store did not note which sessions were used")
        }
        Err(_) => tracing::warn!(sessions = seen.len(), "the store did not note in time which sessions were used"),
    }
}

#[cfg(test)]
mod tests {
    use super::counts;
    use http::{HeaderMap, Method, StatusCode, header};

    #[test]
    fn only_what_a_person_does_counts() {
        let page = HeaderMap::from_iter([(header::CONTENT_TYPE, "text/html; charset=utf-8".parse().unwrap())]);
        let none = HeaderMap::new();
        for (method, asked_for_page, status, answered, expected) in [
            (Method::GET, false, 200, &page, true),
            (Method::GET, true, 302, &none, true),
            (Method::GET, true, 304, &none, false),
            (Method::GET, false, 302, &none, false),
            (Method::GET, false, 200, &none, false),
            (Method::GET, true, 404, &page, false),
            (Method::HEAD, true, 200, &page, false),
            (Method::OPTIONS, false, 204, &none, false),
            (Method::POST, false, 201, &none, true),
            (Method::PUT, false, 200, &none, true),
            (Method::DELETE, false, 204, &none, true),
            (Method::PATCH, false, 200, &none, true),
            (Method::POST, false, 403, &none, false),
            (Method::POST, false, 500, &none, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(counts(&method, asked_for_page, status, answered), expected, "{method} {status}");
        }
    }
}
