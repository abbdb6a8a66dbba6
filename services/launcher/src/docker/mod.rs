//! Sessions as containers of a Docker engine (or one that speaks its API). Neither exec nor archive calls are used: a session's
//! file system is its own.

mod container;
mod network;
mod observe;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{ContainerHandle, Observed, SessionBackend, SessionSpec};
use bindery_core::{Fault, SessionId};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::{Config, Error};

/// The port a session's server listens on inside its container.
pub(crate) const PORT: u16 = 8888;
/// Label: the session's id.
pub(crate) const LABEL_SESSION: &str = "io.bindery.session";
/// Label: the installation the container belongs to.
pub(crate) const LABEL_INSTANCE: &str = "io.bindery.instance";
/// Label: the image's name, for a record that must be made again.
pub(crate) const LABEL_IMAGE: &str = "io.bindery.image";
/// Label: when the container was made, in milliseconds since the Unix epoch.
pub(crate) const LABEL_CREATED: &str = "io.bindery.created";

const CREATE_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(30);
const REMOVE_LIMIT: Duration = Duration::from_secs(60);
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// The first wait for a session network that somebody else is just making or removing, and the longest; each is twice the one before.
const NETWORK_PAUSE: Duration = Duration::from_millis(100);
const NETWORK_PATIENCE: Duration = Duration::from_millis(1600);

/// A Docker engine as the place where sessions run.
pub struct DockerBackend {
    config: Config,
    seccomp: Option<String>,
    engine: OnceCell<Docker>,
    /// The session network's id, once it is known to exist and to be safe.
    network: AsyncMutex<Option<String>>,
    /// The user each image would run as; an image's id never means another image.
    users: Mutex<HashMap<String, String>>,
}

impl DockerBackend {
    /// Reads what the settings point at. Does not connect: an engine that is down is a fault of the call that needs it.
    ///
    /// # Errors
    /// A file named in the settings cannot be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        let seccomp = match &config.seccomp_profile {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| Error::Setting {
                setting: "seccomp_profile",
                reason: format!("{} cannot be read: {error}", path.display()),
            })?),
        };
        Ok(Self {
            config,
            seccomp,
            engine: OnceCell::new(),
            network: AsyncMutex::new(None),
            users: Mutex::new(HashMap::new()),
        })
    }

    /// The engine, connected and agreed on a version of its API.
    async fn engine(&self) -> Result<&Docker, Error> {
        let host = self.config.docker_host.as_str();
        self.engine
            .get_or_try_init(|| async {
                let unreachable = |error: bollard::errors::Error| Error::Unreachable {
                    host: host.to_owned(),
                    reason: error.to_string(),
                };
                // The limit here is only a backstop; every call below has its own.
                let docker = if host.starts_with("tcp://") || host.starts_with("http://") {
                    Docker::connect_with_http(host, 3600, API_DEFAULT_VERSION)
                } else {
                    Docker::connect_with_unix(host, 3600, API_DEFAULT_VERSION)
                }
                .map_err(unreachable)?;
                match tokio::time::timeout(ASK_LIMIT, docker.negotiate_version()).await {
                    Ok(docker) => docker.map_err(unreachable),
                    Err(_) => Err(Error::TimedOut { what: "answer", limit: ASK_LIMIT }),
                }
            })
            .await
    }

    /// Runs one call under its limit and names it in the error.
    async fn call<T>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>> + Send,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(CallError { what, error: Some(error), limit, host: self.config.docker_host.clone() }),
            Err(_) => Err(CallError { what, error: None, limit, host: self.config.docker_host.clone() }),
        }
    }

    /// The user the image runs as, to be replaced when it is root.
    async fn image_user(&self, docker: &Docker, image: &str) -> Result<String, Error> {
        if let Some(user) = self.users.lock().get(image) {
            return Ok(user.clone());
        }
        let found = match self.call("look at the image", ASK_LIMIT, docker.inspect_image(image)).await {
            Err(error) if error.status() == Some(404) => return Err(Error::ImageMissing(image.to_owned())),
            found => found?,
        };
        let user = found.config.and_then(|config| config.user).unwrap_or_default();
        let mut users = self.users.lock();
        if users.len() >= 4096 {
            users.clear();
        }
        users.insert(image.to_owned(), user.clone());
        Ok(user)
    }

    async fn try_start(&self, spec: &SessionSpec) -> Result<ContainerHandle, Error> {
        let docker = self.engine().await?;
        let image_user = self.image_user(docker, &spec.image.id).await?;
        let network = self.network(docker).await?;
        let name = container::name(spec.id);
        let body = container::body(&self.config, self.seccomp.as_deref(), spec, &image_user, &network);
        let options = || CreateContainerOptionsBuilder::default().name(&name).build();
        let create =
            || self.call("create the container", CREATE_LIMIT, docker.create_container(Some(options()), body.clone()));
        let created = match create().await {
            // A container of this name is what an interrupted start of the same session left; it never served anyone.
            Err(error) if error.status() == Some(409) => {
                self.remove(docker, &name).await?;
                create().await
            }
            created => created,
        };
        let container = match created {
            Ok(created) => created.id,
            Err(error) if error.status() == Some(404) => return Err(Error::ImageMissing(spec.image.id.clone())),
            Err(error) => return Err(error.into()),
        };
        let start = docker.start_container(&container, None::<StartContainerOptions>);
        self.call("start the container", START_LIMIT, start).await.map_err(start_error)?;
        let observed = self.look(docker, &container).await?;
        match observed {
            Some(Observed { upstream: Some(upstream), .. }) => Ok(ContainerHandle { container, upstream }),
            // Ended at once. Its address no longer matters, its end is for whoever waits for it.
            Some(Observed { exited: Some(_), .. }) => {
                Ok(ContainerHandle { container, upstream: ([127, 0, 0, 1], 0).into() })
            }
            _ => Err(Error::Refused { what: "start the container", reason: "it has no address".to_owned() }),
        }
    }

    /// Starts, or leaves nothing behind and nothing believed that may be why.
    async fn start_or_clean_up(&self, spec: &SessionSpec) -> Result<ContainerHandle, Error> {
        let failed = match self.try_start(spec).await {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        self.users.lock().remove(&spec.image.id);
        *self.network.lock().await = None;
        if let Ok(docker) = self.engine().await
            && let Err(error) = self.remove(docker, &container::name(spec.id)).await
        {
            tracing::warn!(session = %spec.id, %error, "what a failed start left could not be removed; the sweep will");
        }
        Err(failed)
    }

    /// Removes whatever has that name, running or not; nothing there is fine.
    async fn remove(&self, docker: &Docker, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.call("remove the container", REMOVE_LIMIT, docker.remove_container(name, Some(options))).await {
            Ok(()) => Ok(()),
            // Gone, or somebody else is removing it this moment.
            Err(error) if matches!(error.status(), Some(404 | 409)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl SessionBackend for DockerBackend {
    async fn start(&self, spec: &SessionSpec) -> Result<ContainerHandle, Fault> {
        let mut wait = NETWORK_PAUSE;
        loop {
            match self.start_or_clean_up(spec).await {
                // Others may be at it too; whoever waits longest finds what they agreed on.
                Err(error) if network::is_at_fault(&error) && wait <= NETWORK_PATIENCE => {
                    tokio::time::sleep(wait).await
                }
                result => return Ok(result?),
            }
            wait *= 2;
        }
    }

    async fn list(&self) -> Result<Vec<Observed>, Fault> {
        Ok(self.all().await?)
    }

    async fn inspect(&self, id: SessionId) -> Result<Option<Observed>, Fault> {
        let docker = self.engine().await?;
        Ok(self.look(docker, &container::name(id)).await?)
    }

    async fn wait(&self, id: SessionId, wait: Duration) -> Result<Option<Observed>, Fault> {
        Ok(self.wait_for_end(id, wait).await?)
    }

    async fn last_lines(&self, id: SessionId, lines: usize) -> Result<Vec<String>, Fault> {
        Ok(self.tail(id, lines).await?)
    }

    async fn stop(&self, id: SessionId, grace: Duration) -> Result<(), Fault> {
        let docker = self.engine().await?;
        let name = container::name(id);
        if !grace.is_zero() {
            let seconds = i32::try_from(grace.as_secs().max(1)).unwrap_or(i32::MAX);
            let options = StopContainerOptionsBuilder::default().t(seconds).build();
            let stop = docker.stop_container(&name, Some(options));
            match self.call("stop the container", grace.saturating_add(START_LIMIT), stop).await {
                Ok(()) => {}
                // Gone already, or never started (304 is no error of bollard's on all versions).
                Err(error) if matches!(error.status(), Some(404 | 304)) => {}
                // Removal is forced below, so a stop that failed does not end the matter.
                Err(error) => tracing::warn!(session = %id, error = %Error::from(error), "stopping politely failed"),
            }
        }
        Ok(self.remove(docker, &name).await?)
    }

    async fn reachable(&self) -> Result<(), Fault> {
        let docker = self.engine().await?;
        self.call("answer", Duration::from_secs(5), docker.ping()).await.map_err(Error::from)?;
        Ok(())
    }

    async fn older_than(&self, age: Duration) -> Result<Vec<SessionId>, Fault> {
        Ok(self.made_before(age).await?)
    }

    async fn recover(&self, id: SessionId) -> Result<Option<SessionSpec>, Fault> {
        Ok(self.read_back(id).await?)
    }
}

/// A start that failed, told apart by whose doing it is: the engine answers the image's own mistakes and its own troubles alike.
fn start_error(failed: CallError) -> Error {
    const OF_THE_IMAGE: [&str; 5] =
        ["unable to find user", "unable to find group", "exec: ", "executable file not found", "chdir to cwd"];
    match Error::from(failed) {
        Error::Refused { reason, .. } if OF_THE_IMAGE.iter().any(|sign| reason.contains(sign)) => {
            Error::Unrunnable(reason)
        }
        error => error,
    }
}

/// A call that failed, before it is known whether that matters.
struct CallError {
    what: &'static str,
    error: Option<bollard::errors::Error>,
    limit: Duration,
    host: String,
}

impl CallError {
    /// The engine's HTTP status, when it answered with one.
    fn status(&self) -> Option<u16> {
        match &self.error {
            Some(bollard::errors::Error::DockerResponseServerError { status_code, .. }) => Some(*status_code),
            _ => None,
        }
    }
}

impl From<CallError> for Error {
    fn from(failed: CallError) -> Self {
        use bollard::errors::Error as E;
        let CallError { what, error, limit, host } = failed;
        match error {
            None | Some(E::RequestTimeoutError) => Self::TimedOut { what, limit },
            Some(E::DockerResponseServerError { message, .. }) => {
                // The engine quotes the request's environment in no message known to us, but a bound costs nothing.
                Self::Refused { what, reason: message.chars().take(500).collect() }
            }
            Some(
                error @ (E::IOError { .. }
                | E::HyperResponseError { .. }
                | E::HyperLegacyError { .. }
                | E::SocketNotFoundError(_)),
            ) => Self::Unreachable { host, reason: error.to_string() },
            Some(error) => Self::Refused { what, reason: error.to_string() },
        }
    }
}
