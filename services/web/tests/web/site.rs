//! One site of its own for each test.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{ContentProvider, FetchReport, SessionStore};
use bindery_core::{Fault, RepoSpec, ResolvedRef, Tree};
use bindery_store::Stores;
use bindery_web::{Check, Config, Metrics, Probe, Seams, Web};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, send, within};

/// The commit every ref points at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A running web role and its store.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) stores: Stores,
    pub(crate) asked: Arc<Asked>,
    shutdown: CancellationToken,
    server: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

/// Knows every repository, except those whose name says otherwise, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Asked(pub(crate) Mutex<Vec<RepoSpec>>);

#[async_trait]
impl ContentProvider for Asked {
    async fn resolve(&self, spec: &RepoSpec) -> Result<ResolvedRef, Fault> {
        self.0.lock().push(spec.clone());
        if spec.reference.as_str() == "gone" {
            return Err(Fault::user("ref-not-found", "there is no branch, tag or commit named \"gone\"."));
        }
        if spec.repository.ends_with("unreachable") {
            return Err(Fault::upstream("host-unreachable", "the host does not answer."));
        }
        let repo_url = match spec.repository.contains("://") {
            true => spec.repository.clone(),
            false => format!("https://example.org/{}", spec.repository),
        };
        Ok(ResolvedRef {
            spec: spec.clone(),
            repo_url: repo_url.parse().unwrap(),
            revision: COMMIT.parse().unwrap(),
            identity: repo_url.to_lowercase(),
            ref_url: format!("{repo_url}/tree/{COMMIT}"),
            pinned: None,
            private: false,
            notes: (spec.reference.as_str() == "renamed")
                .then(|| "There is no such branch.".to_owned())
                .into_iter()
                .collect(),
        })
    }

    async fn fetch(&self, _: &ResolvedRef) -> Result<(Arc<dyn Tree>, FetchReport), Fault> {
        Err(Fault::us("not-here", "the web role must never fetch."))
    }
}

/// Something the site needs, well or not.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    pub(crate) required: bool,
}

#[async_trait]
impl Check for Part {
    fn service(&self) -> &str {
        self.name
    }

    fn required(&self) -> bool {
        self.required
    }

    async fn probe(&self) -> Probe {
        Probe::from_result(if self.ok { Ok(()) } else { Err("out of order") })
    }
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default(), Vec::new()).await
    }

    pub(crate) async fn with(config: Config, parts: Vec<Part>) -> Self {
        Self::over(config, parts, |sessions| sessions).await
    }

    /// One whose web role sees the session records through something.
    pub(crate) async fn over(
        config: Config,
        parts: Vec<Part>,
        through: impl FnOnce(Arc<dyn SessionStore>) -> Arc<dyn SessionStore>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stores = bindery_store::open_embedded(&dir.path().join("bindery.redb"), &bindery_store::Config::default())
            .await
            .unwrap();
        let asked = Arc::new(Asked::default());
        let seams = Seams {
            content: Arc::clone(&asked) as _,
            queue: Arc::clone(&stores.queue),
            events: Arc::clone(&stores.events),
            sessions: through(Arc::clone(&stores.sessions)),
            provenances: Arc::clone(&stores.provenances),
        };
        let checks = parts.into_iter().map(|part| Arc::new(part) as Arc<dyn Check>).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // On a slow machine any build waits for a while; only a test of the queue wants to be told.
        let is_default = config.queue_seconds == Config::default().queue_seconds;
        let queue_seconds = if is_default { 3600 } else { config.queue_seconds };
        let config = Config { listen: address, queue_seconds, ..config };
        let web = Web::new(config, "test".to_owned(), seams, checks, Arc::new(Metrics::default())).unwrap();
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        let server = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(bindery_web::serve(web, listener, until)).unwrap();
        });
        Self { address, stores, asked, shutdown, server: Some(server), _dir: dir }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        send(self.address, "GET", target, &[]).await
    }

    /// Opens an event stream.
    pub(crate) async fn watch(&self, target: &str) -> Answer {
        self.watch_with(target, &[]).await
    }

    pub(crate) async fn watch_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("accept", "text/event-stream")], headers].concat();
        let answer = send(self.address, "GET", target, &headers).await;
        assert_eq!(answer.status, 200, "an event stream is always 200");
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        answer
    }

    /// Waits until the server has this many event streams open; those who hung up are then known to have left.
    pub(crate) async fn until_streams(&self, open: usize) {
        let line = format!("bindery_event_streams {open}\n");
        within(async { while !self.get("/metrics").await.text().await.contains(&line) {} }).await;
    }

    /// How many builds were ever asked for.
    pub(crate) async fn builds(&self) -> usize {
        self.stores.queue.recent(100).await.unwrap().len()
    }

    /// How many sessions were ever asked for.
    pub(crate) async fn sessions(&self) -> usize {
        self.stores.sessions.list().await.unwrap().len()
    }

    /// The path part of one of this site's own addresses.
    pub(crate) fn path_of(&self, url: &str) -> String {
        url.strip_prefix(&format!("http://{}", self.address)).expect("an address of this site").to_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
        // A server that failed is worth more than the test's own failure only when there is none.
        if let Some(Err(_)) = self.server.take().map(std::thread::JoinHandle::join)
            && !std::thread::panicking()
        {
            panic!("the server failed");
        }
    }
}
