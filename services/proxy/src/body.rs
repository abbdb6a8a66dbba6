//! Bodies in both directions. Nothing is collected: each frame goes on before the next is read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::routes::Route;
use crate::upstream::Sender;

/// When something last moved. Shared by who moves it and who waits.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    last: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Returns once nothing moved for `limit`.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            let last = self.last();
            tokio::time::sleep_until(last + limit).await;
            if self.last() == last {
                return;
            }
        }
    }
}

/// A request's body on its way to a session.
#[derive(Debug)]
pub(crate) struct Upload(pub(crate) Option<(Incoming, Arc<Progress>)>);

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((body, progress)) = &mut self.get_mut().0 else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_ready() {
            progress.note();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

/// Why a response's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the session's response broke off: {0}")]
    Upstream(#[from] hyper::Error),
    #[error("the session's response stalled")]
    Stalled,
}

/// A response's body on its way to a visitor.
pub(crate) struct Download {
    kind: Kind,
}

enum Kind {
    Whole(Option<Bytes>),
    Stream(Stream),
}

struct Stream {
    body: Incoming,
    ended: bool,
    limit: Duration,
    patience: Option<Pin<Box<Sleep>>>,
    /// The connection it comes over, to be used again once the body is over.
    connection: Option<(Sender, Arc<Route>)>,
}

impl Download {
    /// These bytes.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Whole(Some(bytes.into())) }
    }

    /// What a session sends, given up when it is silent for `limit`.
    pub(crate) fn stream(body: Incoming, limit: Duration, connection: Option<(Sender, Arc<Route>)>) -> Self {
        Self { kind: Kind::Stream(Stream { body, ended: false, limit, patience: None, connection }) }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = match &mut self.get_mut().kind {
            Kind::Whole(bytes) => {
                return Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))));
            }
            Kind::Stream(stream) => stream,
        };
        match Pin::new(&mut stream.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                stream.patience = None;
                stream.ended = frame.is_none();
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Upstream)))
            }
            Poll::Pending => {
                let limit = stream.limit;
                let patience = stream.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                patience.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stalled)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Stream(stream) => stream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(stream) => stream.body.size_hint(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A body that was not read to its end leaves its connection in the middle of a message: then it is closed.
        if (self.ended || self.body.is_end_stream())
            && let Some((sender, route)) = self.connection.take()
        {
            route.pool.put(sender);
        }
    }
}
