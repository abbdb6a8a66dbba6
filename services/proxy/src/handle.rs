//! One request: find its session, forward it, or explain why not.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::activity::asks_for_page;
use crate::body::Download;
use crate::forward::{ForwardError, forward};
use crate::locate::{Place, locate};
use crate::pages::Pages;
use crate::routes::Found;
use crate::serve::{Shared, Visitor};
use crate::upgrade;

/// Answers a request. Never fails: what goes wrong is a page.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    visitor: Arc<Visitor>,
    request: Request<Incoming>,
) -> Result<Response<Download>, Infallible> {
    shared.counters.requests.add();
    // After such a request the connection is not followed as HTTP any more, so it is not used for another.
    let last = upgrade::names_websocket(&request);
    let mut response = answer(&shared, &visitor, request).await;
    if last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn answer(shared: &Arc<Shared>, visitor: &Arc<Visitor>, request: Request<Incoming>) -> Response<Download> {
    let pages = Pages { hub_url: &shared.hub_url, html: asks_for_page(request.method(), request.headers()) };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if let Some(authority) = request.uri().authority()
        && host.is_some_and(|host| !host.eq_ignore_ascii_case(authority.as_str()))
    {
        return pages.bad_request("The request names two different hosts.");
    }
    let place = locate(request.uri().path(), host, shared.domain.as_deref());
    let (id, own_host) = match place {
        Place::Health => return pages.health(&shared.routes),
        Place::Session { id, own_host } => (id, own_host),
        Place::NoSlash => return with_slash(&request).unwrap_or_else(|| pages.nobody()),
        Place::Nothing => return pages.preflight(request.method()).unwrap_or_else(|| pages.nobody()),
    };
    match shared.routes.find(id) {
        Found::Live(route) => match forward(shared, visitor, &route, own_host, request).await {
            Ok(response) => response,
            Err(error) => {
                if !matches!(error, ForwardError::Request(_)) {
                    shared.counters.upstream_errors.add();
                }
                tracing::debug!(session = %id, %error, "a request was not answered by its session");
                match error {
                    ForwardError::Connect(_) => pages.not_answering(),
                    ForwardError::Broken(_) => pages.broken(),
                    ForwardError::Slow => pages.slow(),
                    ForwardError::Request(_) => pages.bad_request("The request could not be read to its end."),
                }
            }
        },
        Found::Starting => pages.preflight(request.method()).unwrap_or_else(|| pages.starting()),
        Found::Ended(ended) => pages
            .preflight(request.method())
            .unwrap_or_else(|| pages.ended(&ended, within(request.uri().path(), own_host))),
        Found::Nobody => pages.preflight(request.method()).unwrap_or_else(|| pages.nobody()),
        Found::Unknown => pages.not_ready(),
    }
}

/// What a session's server would be asked for: the path below the session's own, without its first slash.
fn within(path: &str, own_host: bool) -> &str {
    let below = path.trim_start_matches('/');
    let own = if own_host { Some(below) } else { below.splitn(3, '/').nth(2) };
    own.unwrap_or_default()
}

/// `/user/<id>` leads to `/user/<id>/`.
fn with_slash(request: &Request<Incoming>) -> Option<Response<Download>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    let uri = request.uri();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Download::whole(""));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let location = HeaderValue::from_str(&format!("{}/{query}", uri.path())).ok()?;
    response.headers_mut().insert(LOCATION, location);
    Some(response)
}
