//! A session backend without an engine: a container is a tiny HTTP server in this process. For tests, here and in other crates.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{ContainerHandle, Observed, SessionBackend, SessionSpec};
use bindery_core::{Fault, ImageRef, LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionId, Timestamp};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What containers of one image do.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// How long the server says 503 before it answers.
    pub answers_after: Duration,
    /// It never answers anything but 503.
    pub silent: bool,
    /// It ends at once, with this exit code, killed for memory or not.
    pub exits: Option<(i64, bool)>,
    /// What it writes.
    pub lines: Vec<String>,
    /// It takes no notice of the polite signal.
    pub stubborn: bool,
    /// Starting it fails like this.
    pub refuses: Option<Fault>,
}

/// What a fake server says of its activity.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Whether a kernel computes.
    pub busy: bool,
    /// Its `last_activity`.
    pub last: String,
}

struct Container {
    name: String,
    spec: SessionSpec,
    upstream: SocketAddr,
    ended: watch::Sender<Option<(i64, bool)>>,
    behaviour: Behaviour,
    activity: Arc<Mutex<Activity>>,
    server: AbortHandle,
}

impl Drop for Container {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The backend. It has the images it was given and no other.
#[derive(Default)]
pub struct FakeBackend {
    images: Mutex<HashMap<String, Behaviour>>,
    containers: Mutex<HashMap<SessionId, Container>>,
    starts: Mutex<u64>,
}

impl FakeBackend {
    /// A backend with no images.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image, or changes what its next containers do.
    pub fn image(&self, name: &str, behaviour: Behaviour) -> ImageRef {
        let image = image(name);
        self.images.lock().insert(image.id.clone(), behaviour);
        image
    }

    /// Ends a container from outside, as its own process or the kernel would.
    pub fn kill(&self, id: SessionId, code: i64, out_of_memory: bool) {
        if let Some(container) = self.containers.lock().get(&id) {
            container.server.abort();
            container.ended.send_replace(Some((code, out_of_memory)));
        }
    }

    /// Removes a container from outside.
    pub fn vanish(&self, id: SessionId) {
        self.containers.lock().remove(&id);
    }

    /// Changes what a container says of its activity.
    pub fn set_activity(&self, id: SessionId, activity: Activity) {
        if let Some(container) = self.containers.lock().get(&id) {
            *container.activity.lock() = activity;
        }
    }

    /// How many containers there are, running or not.
    pub fn count(&self) -> usize {
        self.containers.lock().len()
    }

    /// How many containers were ever started.
    pub fn starts(&self) -> u64 {
        *self.starts.lock()
    }

    /// What a container was started with.
    pub fn spec(&self, id: SessionId) -> Option<SessionSpec> {
        self.containers.lock().get(&id).map(|container| container.spec.clone())
    }
}

impl Container {
    fn observed(&self) -> Observed {
        let exited = *self.ended.borrow();
        Observed {
            id: self.spec.id,
            container: self.name.clone(),
            upstream: exited.is_none().then_some(self.upstream),
            exited,
        }
    }
}

#[async_trait]
impl SessionBackend for FakeBackend {
    async fn start(&self, spec: &SessionSpec) -> Result<ContainerHandle, Fault> {
        let behaviour =
            self.images.lock().get(&spec.image.id).cloned().ok_or_else(|| {
                Fault::us("image-missing", format!("the image {} is not in the engine", spec.image.id))
            })?;
        if let Some(fault) = behaviour.refuses {
            return Err(fault);
        }
        let broken = |error: std::io::Error| Fault::us("engine-refused", error.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(broken)?;
        let upstream = listener.local_addr().map_err(broken)?;
        let activity = Arc::new(Mutex::new(Activity::default()));
        let server = tokio::spawn(serve(listener, spec.base_path.clone(), behaviour.clone(), activity.clone()));
        if behaviour.exits.is_some() {
            server.abort();
        }
        let container = Container {
            name: format!("fake-{}", spec.id),
            spec: spec.clone(),
            upstream,
            ended: watch::Sender::new(behaviour.exits),
            behaviour,
            activity,
            server: server.abort_handle(),
        };
        *self.starts.lock() += 1;
        let handle = ContainerHandle { container: container.name.clone(), upstream };
        self.containers.lock().insert(spec.id, container);
        Ok(handle)
    }

    async fn list(&self) -> Result<Vec<Observed>, Fault> {
        Ok(self.containers.lock().values().map(Container::observed).collect())
    }

    async fn inspect(&self, id: SessionId) -> Result<Option<Observed>, Fault> {
        Ok(self.containers.lock().get(&id).map(Container::observed))
    }

    async fn wait(&self, id: SessionId, wait: Duration) -> Result<Option<Observed>, Fault> {
        let gone = Observed { id, container: String::new(), upstream: None, exited: None };
        let ended = self.containers.lock().get(&id).map(|container| container.ended.subscribe());
        let Some(mut ended) = ended else { return Ok(Some(gone)) };
        let runs_on = tokio::time::timeout(wait, ended.wait_for(Option::is_some)).await.is_err();
        if runs_on { Ok(None) } else { Ok(Some(self.inspect(id).await?.unwrap_or(gone))) }
    }

    async fn last_lines(&self, id: SessionId, lines: usize) -> Result<Vec<String>, Fault> {
        let containers = self.containers.lock();
        let written = containers.get(&id).map(|container| container.behaviour.lines.as_slice()).unwrap_or_default();
        Ok(written.iter().skip(written.len().saturating_sub(lines)).cloned().collect())
    }

    async fn stop(&self, id: SessionId, grace: Duration) -> Result<(), Fault> {
        let (stubborn, running) = match self.containers.lock().get(&id) {
            Some(container) => (container.behaviour.stubborn, container.ended.borrow().is_none()),
            None => return Ok(()),
        };
        if stubborn && running {
            tokio::time::sleep(grace).await;
        }
        self.containers.lock().remove(&id);
        Ok(())
    }

    async fn reachable(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn recover(&self, id: SessionId) -> Result<Option<SessionSpec>, Fault> {
        Ok(self.spec(id))
    }
}

async fn serve(listener: TcpListener, base_path: String, behaviour: Behaviour, activity: Arc<Mutex<Activity>>) {
    let began = Instant::now();
    while let Ok((peer, _)) = listener.accept().await {
        let well = !behaviour.silent && began.elapsed() >= behaviour.answers_after;
        let activity = activity.lock().clone();
        let base_path = base_path.clone();
        tokio::spawn(async move {
            // A peer that goes away in the middle is its own affair.
            let _ = answer(peer, &base_path, well, &activity).await;
        });
    }
}

async fn answer(mut peer: TcpStream, base_path: &str, well: bool, activity: &Activity) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 16_384 {
        if peer.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let state = if activity.busy { "busy" } else { "idle" };
    let (status, body) = match path.strip_prefix(base_path) {
        _ if !well => ("503 Service Unavailable", String::new()),
        Some("api") => ("200 OK", r#"{"version": "fake"}"#.to_owned()),
        Some("api/status") => ("200 OK", format!(r#"{{"last_activity": "{}", "connections": 1}}"#, activity.last)),
        Some("api/kernels") => ("200 OK", format!(r#"[{{"execution_state": "{state}", "last_activity": "k"}}]"#)),
        Some("api/terminals") => ("200 OK", "[]".to_owned()),
        _ => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    peer.write_all(text.as_bytes()).await?;
    peer.shutdown().await
}

/// An image of that name, which the fake has once it was told of it.
#[must_use]
pub fn image(name: &str) -> ImageRef {
    let id = format!("sha256:{name}");
    let name = format!("fake/{name}").parse().unwrap_or_else(|_| unreachable!("names in tests are well formed"));
    ImageRef { name, id, registry_digest: None }
}

/// A session of the image named `well` that waits for a seat, asked for by somebody for this repository.
#[must_use]
pub fn queued(repository: &str) -> Session {
    queued_with(repository, image("well"))
}

/// The same with another image.
#[must_use]
pub fn queued_with(repository: &str, image: ImageRef) -> Session {
    let source = LaunchSource {
        repo_url: format!("https://example.org/{repository}"),
        identity: repository.to_owned(),
        ref_url: format!("https://example.org/{repository}/tree/abc"),
        request: format!("v2/git/{repository}/HEAD"),
        persistent_request: format!("v2/git/{repository}/abc"),
        launch_host: "http://127.0.0.1:8585/".to_owned(),
        client_ip: "192.0.2.7".to_owned(),
    };
    let request = LaunchRequest { id: LaunchId::new(), image, source };
    let token = Secret::new(format!("token-of-{}", request.id));
    Session::queued(SessionId::new(), request, token, Timestamp::now())
}
