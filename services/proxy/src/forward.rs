//! One request to a session's server and its response back, streamed.

use std::io;
use std::sync::Arc;

use http::header::{HOST, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::SendRequest;

use crate::activity;
use crate::body::{Download, Progress, Upload};
use crate::headers::{self, Hop};
use crate::routes::Route;
use crate::serve::{Shared, Visitor};
use crate::upgrade;
use crate::upstream::{self, Sender};

/// Why a session's server gave no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("no connection to the session's server: {0}")]
    Connect(#[from] io::Error),
    #[error("the session's server gave no response: {0}")]
    Broken(#[source] hyper::Error),
    #[error("the session's server gave no response in time")]
    Slow,
    #[error("the request broke off: {0}")]
    Request(#[source] hyper::Error),
}

/// Sends the request on, and its response back.
pub(crate) async fn forward(
    shared: &Arc<Shared>,
    visitor: &Arc<Visitor>,
    route: &Arc<Route>,
    own_host: bool,
    mut request: Request<Incoming>,
) -> Result<Response<Download>, ForwardError> {
    let client = upgrade::wanted(&request).then(|| hyper::upgrade::on(&mut request));
    let method = request.method().clone();
    let asked_for_page = activity::asks_for_page(&method, request.headers());

    let (mut parts, body) = request.into_parts();
    let hop =
        Hop { peer: visitor.peer, trusted: visitor.trusted, scheme: &shared.scheme, authority: &shared.authority };
    headers::prepare_request(&mut parts.headers, hop, client.is_some());
    if !parts.headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&route.upstream.to_string())
    {
        // Only HTTP/1.0 may come without one; what is sent on is HTTP/1.1.
        parts.headers.insert(HOST, host);
    }
    if let Some(raw) = parts.uri.path_and_query() {
        parts.uri = raw.clone().into();
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let progress = (!body.is_end_stream()).then(|| Arc::new(Progress::new()));
    let upload = Upload(progress.clone().map(|progress| (body, progress)));

    let (mut response, sender) = send(shared, route, Request::from_parts(parts, upload), progress.as_deref()).await?;

    let status = response.status();
    let switched = status == StatusCode::SWITCHING_PROTOCOLS;
    let prefix = (!own_host).then_some(route.prefix.as_str());
    headers::prepare_response(response.headers_mut(), switched, prefix);
    if switched {
        let Some(client) = client.filter(|_| response.headers().contains_key(UPGRADE)) else {
            return Err(ForwardError::Connect(io::Error::other("it switched protocols unasked")));
        };
        upgrade::hand_over(shared, visitor, route, client, hyper::upgrade::on(&mut response));
        let (parts, _) = response.into_parts();
        return Ok(Response::from_parts(parts, Download::whole("")));
    }
    if activity::counts(&method, asked_for_page, status, response.headers()) {
        route.touch();
    }
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let stream = Download::stream(body, shared.waits.stream_idle, Some((sender, Arc::clone(route))));
    Ok(Response::from_parts(parts, stream))
}

/// Sends over an unused connection if there is one. One that turns out closed costs nothing: nothing was sent over it.
async fn send(
    shared: &Shared,
    route: &Route,
    mut request: Request<Upload>,
    progress: Option<&Progress>,
) -> Result<(Response<Incoming>, Sender), ForwardError> {
    loop {
        let (mut sender, reused): (SendRequest<_>, _) = match route.pool.take(shared.waits.upstream_idle) {
            Some(sender) => (sender, true),
            None => (upstream::connect(route.upstream, shared.waits.connect).await?, false),
        };
        let sending = sender.try_send_request(request);
        let sent = match progress {
            None => tokio::time::timeout(shared.waits.first_byte, sending).await.map_err(|_| ForwardError::Slow)?,
            Some(progress) => tokio::select! {
                sent = sending => sent,
                () = progress.stalled(shared.waits.first_byte) => return Err(ForwardError::Slow),
            },
        };
        match sent {
            Ok(response) => return Ok((response, sender)),
            Err(mut failed) => match failed.take_message().filter(|_| reused) {
                Some(unsent) => request = unsent,
                None => {
                    let error = failed.into_error();
                    let of_request = error.is_user();
                    return Err(if of_request { ForwardError::Request(error) } else { ForwardError::Broken(error) });
                }
            },
        }
    }
}
