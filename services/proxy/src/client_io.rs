//! A visitor's socket: ambiguous requests are refused while they are read, and no read or write waits for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::config::Waits;
use crate::strict::{Phase, Strict};

/// What the HTTP parser is given instead of an ambiguous request. No place in a request may hold a NUL byte, so the parser
/// answers 400 and closes, wherever it stands.
const REFUSED: &[u8] = b"\0\r\n\r\n\r\n";

/// See the module's description.
#[derive(Debug)]
pub(crate) struct ClientIo {
    stream: TcpStream,
    strict: Strict,
    refused: Option<&'static [u8]>,
    reading: Option<(Phase, u32, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
    header: Duration,
    body: Duration,
    write: Duration,
}

impl ClientIo {
    pub(crate) fn new(stream: TcpStream, waits: &Waits) -> Self {
        Self {
            stream,
            strict: Strict::default(),
            refused: None,
            reading: None,
            writing: None,
            header: waits.header,
            body: waits.body,
            write: waits.write,
        }
    }

    /// The socket, for use without HTTP.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The bound on waiting for what comes next. Between requests the HTTP library has its own.
    fn patience(&self) -> Option<Duration> {
        match (self.strict.phase(), self.strict.heads()) {
            (Phase::Head, _) | (Phase::Between, 0) => Some(self.header),
            (Phase::Body, _) => Some(self.body),
            (Phase::Between, _) | (Phase::Raw, _) => None,
        }
    }

    fn poll_reading_too_long(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (phase, heads) = (self.strict.phase(), self.strict.heads());
        let Some(patience) = self.patience() else {
            self.reading = None;
            return Poll::Pending;
        };
        // A head's bound runs from its beginning, however many bytes trickle in; a body's from its last byte.
        if self.reading.as_ref().is_none_or(|(of, number, _)| (*of, *number) != (phase, heads)) {
            self.reading = Some((phase, heads, Box::pin(tokio::time::sleep(patience))));
        }
        match &mut self.reading {
            Some((_, _, timer)) => timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    }

    /// Bounds a write that may be waiting.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let write = self.write;
        let timer = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(write)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_none() {
            let before = buf.filled().len();
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Pending => return this.poll_reading_too_long(cx),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            if this.strict.phase() == Phase::Body {
                this.reading = None;
            }
            let fresh = buf.filled().get(before..).unwrap_or_default();
            match this.strict.feed(fresh) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(place) => {
                    buf.set_filled(before + place);
                    this.refused = Some(REFUSED);
                    this.reading = None;
                }
            }
        }
        let rest = this.refused.unwrap_or_default();
        if rest.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        this.refused = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.bounded(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.bounded(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
