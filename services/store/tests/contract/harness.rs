//! Where a store under test lives, and the records it is given.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bindery_core::seams::{Claimed, StoreError};
use bindery_core::{
    BuildOutcome, BuildRequest, EventBody, EventId, Fault, ImageRef, LaunchId, LaunchRequest, LaunchSource, LogStream,
    Phase, RepoSpec, ResolvedRef, Secret, Session, SessionId, StepMark, StepStatus, Timestamp, Topic, WorkerId,
};
use bindery_store::{Config, Stores};
use futures::StreamExt as _;

/// A bound on waits that must end; reaching it is a failure.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// A lease that is meant to expire soon.
pub(crate) const SHORT: f64 = 0.2;
/// No waiting.
pub(crate) const NOW: Duration = Duration::ZERO;

/// Where one test's store lives; gone with it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    server: Option<Server>,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    pub(crate) fn embedded() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), server: None }
    }

    pub(crate) async fn redis() -> Self {
        let mut place = Self { dir: tempfile::tempdir().unwrap(), server: None };
        place.start_server().await;
        place
    }

    pub(crate) fn is_redis(&self) -> bool {
        self.server.is_some()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("bindery.redb")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> Secret {
        Secret::new(format!("redis+unix://{}", self.socket().display()))
    }

    /// A socket in the test's own directory, so no port can be taken.
    pub(crate) async fn start_server(&mut self) {
        self.start_server_that_keeps("yes").await;
    }

    /// `appendonly` as given.
    pub(crate) async fn start_server_that_keeps(&mut self, appendonly: &str) {
        let child = Command::new("redis-server")
            .current_dir(self.dir.path())
            .args([
                "--port",
                "0",
                "--unixsocket",
                "redis.sock",
                "--appendonly",
                appendonly,
                "--save",
                "",
                "--daemonize",
                "no",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("redis-server must be installed to test the Redis store");
        self.server = Some(Server(child));
        let socket = self.socket();
        within(async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// `kill -9`.
    pub(crate) fn kill_server(&mut self) {
        drop(self.server.take());
        // A server that is killed leaves its socket behind, on which nobody answers.
        let _ = std::fs::remove_file(self.socket());
    }

    /// As after the loss of the server's volume.
    pub(crate) fn forget_data(&self) {
        std::fs::remove_dir_all(self.dir.path().join("appendonlydir")).unwrap();
    }

    pub(crate) async fn open(&self) -> Stores {
        self.open_with(&Config::default()).await
    }

    pub(crate) async fn open_with(&self, config: &Config) -> Stores {
        if self.is_redis() {
            bindery_store::open_redis(&self.url(), config).await.unwrap()
        } else {
            bindery_store::open_embedded(&self.file(), config).await.unwrap()
        }
    }
}

/// Fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("must end")
}

/// Tries again while the store is coming back; anything but an outage is a failure.
pub(crate) async fn eventually<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    within(async {
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

pub(crate) fn short_lease() -> Config {
    Config { lease_seconds: SHORT, ..Config::default() }
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

/// Requests with equal numbers have equal keys.
pub(crate) fn request(number: u32) -> BuildRequest {
    let spec = RepoSpec::parse("gh", &format!("someone/repo-{number}/main")).unwrap();
    let resolved = ResolvedRef {
        spec,
        repo_url: format!("https://github.com/someone/repo-{number}").parse().unwrap(),
        revision: format!("{number:040x}").parse().unwrap(),
        identity: format!("github.com/someone/repo-{number}"),
        ref_url: format!("https://github.com/someone/repo-{number}/tree/main"),
        pinned: None,
        private: false,
        notes: Vec::new(),
    };
    BuildRequest::new(resolved, None, "test")
}

pub(crate) fn image() -> ImageRef {
    ImageRef { name: "bindery/session:abc".parse().unwrap(), id: "sha256:abc".to_owned(), registry_digest: None }
}

pub(crate) fn waiting() -> EventBody {
    EventBody::message(Phase::Waiting, "Waiting for a builder")
}

pub(crate) fn line(text: impl Into<String>) -> EventBody {
    let step =
        StepMark { id: "1".to_owned(), name: "install".to_owned(), status: StepStatus::Running, duration_ms: None };
    EventBody::output(Phase::Building, step, LogStream::Stdout, text)
}

pub(crate) fn built() -> (BuildOutcome, EventBody) {
    (BuildOutcome::Built { image: image(), environment: None }, EventBody::built(image().name))
}

pub(crate) fn failed() -> (BuildOutcome, EventBody) {
    let fault = Fault::user("pip-failed", "no such package").at("requirements.txt", Some(3));
    (BuildOutcome::Failed(fault.clone()), EventBody::failed(fault))
}

pub(crate) fn cancelled() -> (Fault, EventBody) {
    let fault = Fault::us("cancelled", "ended by the operator");
    (fault.clone(), EventBody::failed(fault))
}

pub(crate) fn launch() -> Topic {
    Topic::Launch(LaunchId::new())
}

pub(crate) fn session() -> Session {
    let source = LaunchSource {
        repo_url: "https://github.com/someone/repo".to_owned(),
        identity: "github.com/someone/repo".to_owned(),
        ref_url: "https://github.com/someone/repo/tree/main".to_owned(),
        request: "v2/gh/someone/repo/main".to_owned(),
        persistent_request: "v2/gh/someone/repo/0".to_owned(),
        launch_host: "http://127.0.0.1:8585/".to_owned(),
        client_ip: String::new(),
    };
    let request = LaunchRequest { id: LaunchId::new(), image: image(), source };
    Session::queued(SessionId::new(), request, Secret::new("token"), Timestamp::from_millis(1_000))
}

/// Claims what must be there.
pub(crate) async fn claim(stores: &Stores, name: &str) -> Claimed {
    within(stores.queue.claim(&worker(name), BOUND)).await.unwrap().expect("there is a build to claim")
}

/// Follows a topic to its end.
pub(crate) async fn read_to_end(stores: &Stores, topic: Topic, after: EventId) -> Vec<(u64, String)> {
    let stream = stores.events.follow(topic, after).await.unwrap();
    within(stream.map(|event| event.map(|event| (event.id.0, event.body.message.clone())).unwrap()).collect()).await
}

/// Every event there is now, in pages.
pub(crate) async fn all_events(stores: &Stores, topic: Topic) -> Vec<(u64, String)> {
    let mut events = Vec::new();
    loop {
        let after = EventId(events.len() as u64);
        let page = stores.events.history(topic, after, 100).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page.iter().map(|event| (event.id.0, event.body.message.clone())));
    }
}

pub(crate) fn ids(events: &[(u64, String)]) -> Vec<u64> {
    events.iter().map(|(id, _)| *id).collect()
}
