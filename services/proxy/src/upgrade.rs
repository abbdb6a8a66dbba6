//! From an HTTP request to a WebSocket: when it is wanted, and handing both sockets over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{Method, Request, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::client_io::ClientIo;
use crate::headers::mentions;
use crate::routes::Route;
use crate::serve::{Shared, Visitor};
use crate::tunnel::{Side, Tunnel};

/// The longest the two sides may take to leave HTTP behind.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Whether a request wants to speak WebSocket. No other upgrade is passed on.
pub(crate) fn wanted<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names_websocket(request)
        && headers.get_all(CONNECTION).iter().any(|value| mentions(value, b"upgrade"))
}

/// Whether a request names the protocol, rightly or not.
pub(crate) fn names_websocket<B>(request: &Request<B>) -> bool {
    request.headers().get_all(UPGRADE).iter().any(|value| mentions(value, b"websocket"))
}

/// Joins the two sides as soon as both have left HTTP.
pub(crate) fn hand_over(
    shared: &Arc<Shared>,
    visitor: &Arc<Visitor>,
    route: &Arc<Route>,
    client: OnUpgrade,
    server: OnUpgrade,
) {
    let open = OpenTunnel::new(shared, visitor, route);
    shared.tasks.spawn(async move {
        let both = async { tokio::try_join!(client, server) };
        let (client, server) = match tokio::time::timeout(HAND_OVER, both).await {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => return tracing::debug!(%error, "a WebSocket ended before it began"),
            Err(_) => return tracing::debug!("a WebSocket did not begin in time"),
        };
        let (Some(client), Some(server)) = (client_side(client), server_side(server)) else {
            return tracing::error!("a WebSocket's sockets are not of the expected kind");
        };
        let idle = open.shared.waits.stream_idle;
        Tunnel { client, server, route: &open.route, idle, kill: &open.shared.kill }.run().await;
    });
}

fn client_side(upgraded: Upgraded) -> Option<Side> {
    let parts = upgraded.downcast::<TokioIo<ClientIo>>().ok()?;
    Some(side(parts.io.into_inner().into_stream(), parts.read_buf))
}

fn server_side(upgraded: Upgraded) -> Option<Side> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some(side(parts.io.into_inner(), parts.read_buf))
}

fn side(stream: TcpStream, early: Bytes) -> Side {
    // A slice would keep the whole buffer it was cut from alive as long as the tunnel.
    Side { stream, early: early.to_vec() }
}

/// Counts a tunnel while it lives, and keeps its visitor's connection counted.
struct OpenTunnel {
    shared: Arc<Shared>,
    route: Arc<Route>,
    _visitor: Arc<Visitor>,
}

impl OpenTunnel {
    fn new(shared: &Arc<Shared>, visitor: &Arc<Visitor>, route: &Arc<Route>) -> Self {
        shared.counters.tunnels_opened.add();
        route.tunnels.add();
        Self { shared: Arc::clone(shared), route: Arc::clone(route), _visitor: Arc::clone(visitor) }
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.route.tunnels.sub();
    }
}

#[cfg(test)]
mod tests {
    use super::wanted;
    use http::{Request, Version};

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        for (method, version, upgrade, connection, expected) in [
            ("GET", Version::HTTP_11, "websocket", "Upgrade", true),
            ("GET", Version::HTTP_11, "WebSocket", "keep-alive, upgrade", true),
            ("GET", Version::HTTP_11, "websocket", "keep-alive", false),
            ("GET", Version::HTTP_11, "h2c", "Upgrade", false),
            ("GET", Version::HTTP_10, "websocket", "Upgrade", false),
            ("POST", Version::HTTP_11, "websocket", "Upgrade", false),
        ] {
            let request = Request::builder().method(method).version(version);
            let request = request.header("upgrade", upgrade).header("connection", connection).body(()).unwrap();
            assert_eq!(wanted(&request), expected, "{method} {upgrade} {connection}");
        }
    }
}
