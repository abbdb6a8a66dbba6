//! Connections to one session's server, kept for reuse.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::body::Upload;

/// One connection, ready for a request.
pub(crate) type Sender = SendRequest<Upload>;

/// The most unused connections kept per session.
const MOST_IDLE: usize = 64;
/// Bounds what is buffered per connection, and what a session's response head may take.
const BUFFER: usize = 128 * 1024;

/// Unused connections of one session.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Idle>);

#[derive(Debug, Default)]
struct Idle {
    closed: bool,
    connections: Vec<(Instant, Sender)>,
}

impl Pool {
    /// A connection that is not older than `limit` and ready now.
    pub(crate) fn take(&self, limit: Duration) -> Option<Sender> {
        let mut idle = self.0.lock();
        idle.connections.retain(|(since, sender)| !sender.is_closed() && since.elapsed() < limit);
        let place = idle.connections.iter().rposition(|(_, sender)| sender.is_ready())?;
        Some(idle.connections.remove(place).1)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, sender: Sender) {
        let mut idle = self.0.lock();
        if !idle.closed && !sender.is_closed() && idle.connections.len() < MOST_IDLE {
            idle.connections.push((Instant::now(), sender));
        }
    }

    /// Closes what was unused for `limit`.
    pub(crate) fn sweep(&self, limit: Duration) {
        self.0.lock().connections.retain(|(since, sender)| !sender.is_closed() && since.elapsed() < limit);
    }

    /// Closes what is unused, and keeps nothing from now on.
    pub(crate) fn close(&self) {
        let mut idle = self.0.lock();
        idle.closed = true;
        idle.connections = Vec::new();
    }
}

/// A new connection.
///
/// # Errors
/// The server refused, or did not answer within `limit`.
pub(crate) async fn connect(upstream: SocketAddr, limit: Duration) -> io::Result<Sender> {
    let connecting = async {
        let stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
    };
    let (sender, connection) = tokio::time::timeout(limit, connecting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    // Ends by itself when the sender and the last body are dropped. Its error is also the request's, which is reported.
    tokio::spawn(async move { connection.with_upgrades().await.ok() });
    Ok(sender)
}
