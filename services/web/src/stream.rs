//! `/build/<provider>/<spec>`: a visit as server-sent events.
//!
//! Always answers 200 once routed, with errors as `failed` events, because BinderHub's clients read nothing else. Every event of a
//! log carries an id, so a dropped stream resumes with `Last-Event-ID` where it was; the stream stays open for a while after its
//! last event so that the client closes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::{EventBody, Fault, Timestamp};
use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

use crate::headers::client_ip;
use crate::limits::Allowance;
use crate::visit::Visit;
use crate::wire::{Message, StreamId, Told};
use crate::{Web, gate, relaunch};

/// Events a slow client may fall behind by before its visit waits for it. Others are not delayed: each has its own.
const BEHIND: usize = 256;

/// Counts open streams, so that a flood of them is refused while the service still answers.
#[derive(Default)]
pub(crate) struct OpenStreams(AtomicUsize);

struct OpenStream(Arc<OpenStreams>);

impl OpenStreams {
    fn open(self: &Arc<Self>, most: usize) -> Option<OpenStream> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < most).then_some(open + 1));
        taken.ok().map(|_| OpenStream(Arc::clone(self)))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[utoipa::path(
    get, path = "/build/{provider}/{spec}", tag = "launches", operation_id = "launch",
    summary = "Build and launch a repository, and watch",
    description = "Server-sent events, each a `BuildEvent` as JSON in its `data`, with comments between them as signs of life; \
        errors are `failed` events, never another status. Every event of a log has an id, from which a dropped stream goes on.",
    params(
        ("provider" = String, Path, description = "A provider's id, such as `gh`"),
        ("spec" = String, Path, description = "The rest of the link, such as `owner/name/ref`; slashes of it are not escaped"),
        ("build_token" = Option<String>, Query, description = "What the page of the link carries"),
        ("build_only" = Option<bool>, Query, description = "End once there is an image"),
        ("as_of" = Option<String>, Query, description = "The day whose packages are wanted, as `2024-05-31`, or `commit`"),
        ("last_event_id" = Option<String>, Query, description = "As the header, for scripts that cannot set it"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen"),
    ),
    security((), ("operator" = [])),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = Told)),
)]
/// `GET /build/<provider>/<spec>`.
pub(crate) async fn build(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    let headers = request.headers();
    if !accepts_event_stream(headers) {
        let fault = Fault::user("not-acceptable", "Missing Accept header: text/event-stream");
        return respond(once(Message::of_body(&EventBody::failed(fault), Some(400))));
    }
    // The raw path: escapes must not be decoded before the provider's grammar has split it.
    let base = web.config.base_path();
    let tail = request.uri().path().strip_prefix(&format!("{base}build/")).unwrap_or_default();
    let (provider, raw_spec) = tail.split_once('/').unwrap_or((tail, ""));
    let resume = last_event_id(headers, request.query_string());
    let pass = match gate::pass(&request, &web, provider, raw_spec, resume.is_some()) {
        Ok(pass) => pass,
        Err(fault) => return respond(once(Message::of_body(&EventBody::failed(fault), Some(403)))),
    };
    let allowance = pass.counted.and_then(|client| web.limits.allowance(client, tokio::time::Instant::now()));
    let Some(open) = web.metrics.streams().open(web.config.max_streams) else {
        let fault = Fault::us("too-many-streams", "This service is watched by too many people right now.")
            .hint("Try again in a minute.");
        return respond(once(Message::of_body(&EventBody::failed(fault), Some(503))));
    };
    let client = client_ip(&request, &web.config.trusted_proxies);
    let visit = Visit {
        provider: provider.to_owned(),
        raw_spec: raw_spec.to_owned(),
        as_of: as_of(request.query_string()).filter(|day| !day.is_empty()),
        client_ip: client.map(|client| client.to_string()).unwrap_or_default(),
        resume,
        build_only: query_flag(request.query_string(), "build_only"),
        browser: relaunch::browser_of(&request),
        pass,
    };
    let (sender, receiver) = mpsc::channel(BEHIND);
    let config = web.config.clone();
    // Its own task: dropping the response drops the receiver, which ends the task at its next event.
    actix_web::rt::spawn(async move { web.visit(visit, sender).await });
    let keepalive = Duration::from_secs(config.keepalive_seconds.clamp(1, 25));
    let mut response = respond(stream(receiver, keepalive, Duration::from_secs(config.linger_seconds), open));
    if let Some(Allowance { limit, remaining, reset }) = allowance {
        let reset = Timestamp::now().as_millis() / 1000 + reset;
        for (name, value) in [("limit", u64::from(limit)), ("remaining", u64::from(remaining)), ("reset", reset)] {
            if let Ok(name) = HeaderName::try_from(format!("x-ratelimit-{name}")) {
                response.headers_mut().insert(name, HeaderValue::from(value));
            }
        }
    }
    response
}

fn respond<S>(body: S) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, actix_web::Error>> + 'static,
{
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // Proxies in front must not hold events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body)
}

fn once(message: Message) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    futures::stream::once(std::future::ready(Ok(Bytes::from(message.encode()))))
}

struct State {
    receiver: mpsc::Receiver<Box<Message>>,
    keepalive: tokio::time::Interval,
    /// Set when the visit has ended: the time to close.
    closing: Option<tokio::time::Instant>,
    linger: Duration,
    _open: OpenStream,
}

/// The visit's messages, keep-alive comments between them, and silence for a while after the last.
fn stream(
    receiver: mpsc::Receiver<Box<Message>>,
    keepalive: Duration,
    linger: Duration,
    open: OpenStream,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    let mut keepalive = tokio::time::interval(keepalive);
    keepalive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    keepalive.reset();
    let state = State { receiver, keepalive, closing: None, linger, _open: open };
    let opening = futures::stream::once(std::future::ready(Ok(Bytes::from_static(b"retry: 2000\n\n"))));
    futures::StreamExt::chain(opening, futures::stream::unfold(state, next))
}

async fn next(mut state: State) -> Option<(Result<Bytes, actix_web::Error>, State)> {
    loop {
        if let Some(closing) = state.closing {
            tokio::select! {
                () = tokio::time::sleep_until(closing) => return None,
                _ = state.keepalive.tick() => return Some((Ok(Bytes::from_static(b":keepalive\n\n")), state)),
            }
        }
        tokio::select! {
            message = state.receiver.recv() => match message {
                Some(message) => {
                    let mut text = message.encode();
                    // Whatever else is ready goes in the same write.
                    while text.len() < 32 * 1024
                        && let Ok(message) = state.receiver.try_recv()
                    {
                        text.push_str(&message.encode());
                    }
                    state.keepalive.reset();
                    return Some((Ok(Bytes::from(text)), state));
                }
                None => state.closing = Some(tokio::time::Instant::now() + state.linger),
            },
            _ = state.keepalive.tick() => return Some((Ok(Bytes::from_static(b":keepalive\n\n")), state)),
        }
    }
}

/// Lenient: `text/event-stream` anywhere in `Accept`, or no `Accept`, or `*/*`.
fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all("accept").filter_map(|value| value.to_str().ok()).peekable();
    values.peek().is_none() || values.any(|value| value.contains("text/event-stream") || value.contains("*/*"))
}

/// The header a browser's event stream sends when it reconnects by itself, or the query parameter `last_event_id` of a script that
/// had to open a new one and cannot set headers.
fn last_event_id(headers: &HeaderMap, query: &str) -> Option<StreamId> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    header.or_else(|| query_value(query, "last_event_id"))?.parse().ok()
}

fn query_flag(query: &str, name: &str) -> bool {
    query_value(query, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The day whose packages are wanted. Programs that add `?urlpath=…` to a link add it to one that has a query already, too: what
/// follows a second question mark is not part of the day.
pub(crate) fn as_of(query: &str) -> Option<String> {
    query_value(query, "as_of").map(|day| day.split('?').next().unwrap_or_default().to_owned())
}

pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
