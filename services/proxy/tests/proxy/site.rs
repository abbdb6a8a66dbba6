//! A running proxy, and how tests talk to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::SessionStore as _;
use bindery_core::{
    LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionEvent, SessionId, StopReason, Timestamp,
};
use bindery_proxy::{Config, Proxy, ProxyStats};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::MemoryStore;

/// No wait in a test is longer; reaching it is a failure.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) stats: ProxyStats,
    pub(crate) end: CancellationToken,
    running: JoinHandle<Result<(), bindery_proxy::Error>>,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<http::HeaderMap>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(Config { drain_seconds: 0, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let site = Self::over(config, Arc::default()).await;
        site.until("the table is complete", || async { site.get("/health").await.status == 200 }).await;
        site
    }

    pub(crate) async fn over(config: Config, store: Arc<MemoryStore>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy::new(config, store.clone());
        let (stats, end) = (proxy.stats(), CancellationToken::new());
        let running = tokio::spawn(proxy.run(listener, end.clone()));
        Self { address, store, stats, end, running }
    }

    /// A ready session whose server is at `upstream`.
    pub(crate) async fn session(&self, upstream: SocketAddr) -> SessionId {
        let before = self.stats.snapshot().routes;
        let id = self.queued().await;
        self.apply(id, SessionEvent::Admitted).await;
        self.apply(id, SessionEvent::Answering { upstream }).await;
        self.apply(id, SessionEvent::Verified).await;
        self.until("the session has a route", || async { self.stats.snapshot().routes > before }).await;
        id
    }

    pub(crate) async fn queued(&self) -> SessionId {
        let source = LaunchSource {
            repo_url: String::new(),
            identity: String::new(),
            ref_url: String::new(),
            request: "v2/gh/owner/na<me/HEAD".into(),
            persistent_request: String::new(),
            launch_host: String::new(),
            client_ip: String::new(),
        };
        let image = serde_json::json!({"name": "bindery/x:1", "id": "sha256:0"});
        let request = LaunchRequest { id: LaunchId::new(), image: serde_json::from_value(image).unwrap(), source };
        let session = Session::queued(SessionId::new(), request, Secret::new("t"), Timestamp::now());
        self.store.put(&session).await.unwrap();
        self.until("the session is known", || async {
            self.get(&format!("/user/{}/", session.id)).await.status != 404
        })
        .await;
        session.id
    }

    pub(crate) async fn apply(&self, id: SessionId, event: SessionEvent) {
        self.store.apply(id, event).await.unwrap();
    }

    /// Stops a session and waits until the proxy knows.
    pub(crate) async fn stop(&self, id: SessionId, reason: StopReason) {
        self.apply(id, SessionEvent::StopRequested { reason }).await;
        self.until("the session has no route", || async { self.get(&format!("/user/{id}/")).await.status == 424 })
            .await;
    }

    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, waiting).await.is_ok(), "it never happened that {what}");
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path).body(empty()).unwrap()).await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header("host", self.address.to_string())
    }

    pub(crate) async fn send<B>(&self, request: Request<B>) -> Reply
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        bounded(async { read(self.begin(request).await).await }).await
    }

    /// Sends, and returns as soon as the response's head is there.
    pub(crate) async fn begin<B>(&self, request: Request<B>) -> Response<Incoming>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.await.ok() });
        bounded(sender.send_request(request)).await.unwrap()
    }

    /// Sends these bytes on a new connection, ends it, and reads what comes until the proxy ends it too.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        bounded(stream.read_to_end(&mut answer)).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Ends the proxy and waits for it.
    pub(crate) async fn finish(self) -> Arc<MemoryStore> {
        self.end.cancel();
        bounded(self.running).await.unwrap().unwrap();
        self.store
    }
}

pub(crate) fn empty() -> Full<Bytes> {
    Full::default()
}

pub(crate) async fn read(response: Response<Incoming>) -> Reply {
    let (parts, body) = response.into_parts();
    let collected = bounded(body.collect()).await.unwrap();
    let trailers = collected.trailers().cloned();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes(), trailers }
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("a test waited too long")
}
