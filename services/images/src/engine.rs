//! Reaching the engine. Every question asked here has a bound.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::ImagesError;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// How long the engine may take to accept a connection and name its version.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to answer a question about an image. Generous: a busy disk makes dockerd slow.
const ANSWER: Duration = Duration::from_secs(60);

/// An engine, connected to when first needed.
#[derive(Debug)]
pub struct Engine {
    host: String,
    docker: OnceCell<Docker>,
}

impl Engine {
    /// The engine at `docker_host`; see [`crate::Config::docker_host`].
    #[must_use]
    pub fn new(docker_host: Option<&str>) -> Self {
        Self { host: docker_host.unwrap_or(DEFAULT_HOST).to_owned(), docker: OnceCell::new() }
    }

    /// Where it is.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it runs on this machine, so that its disk can be measured from here.
    pub(crate) fn is_local(&self) -> bool {
        self.host.starts_with("unix://") || self.host.starts_with('/')
    }

    /// The connected client. An engine that is away is tried again at the next call.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn docker(&self) -> Result<&Docker, ImagesError> {
        self.docker.get_or_try_init(|| Self::connect(&self.host)).await
    }

    /// Connects and agrees on a version of the API: an engine refuses a newer client than itself.
    ///
    /// # Errors
    /// Nobody answers there within ten seconds.
    pub async fn connect(docker_host: &str) -> Result<Docker, ImagesError> {
        let unreachable = |reason: String| ImagesError::EngineUnreachable { host: docker_host.to_owned(), reason };
        let seconds = ANSWER.as_secs();
        let docker = if docker_host.starts_with("unix://") || docker_host.starts_with('/') {
            Docker::connect_with_unix(docker_host, seconds, API_DEFAULT_VERSION)
        } else if docker_host.starts_with("tcp://") || docker_host.starts_with("http://") {
            Docker::connect_with_http(docker_host, seconds, API_DEFAULT_VERSION)
        } else {
            return Err(unreachable("only unix:// and tcp:// addresses are understood".to_owned()));
        };
        let docker = docker.map_err(|error| unreachable(error.to_string()))?;
        match timeout(CONNECT, docker.negotiate_version()).await {
            Ok(Ok(docker)) => Ok(docker),
            Ok(Err(error)) => Err(unreachable(chain(&error))),
            Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT.as_secs()))),
        }
    }

    /// Asks one question, bounded. `Ok(None)` when the engine says there is no such thing.
    pub(crate) async fn ask<T>(
        &self,
        what: &'static str,
        question: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<Option<T>, ImagesError> {
        match timeout(ANSWER, question).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(EngineError::DockerResponseServerError { status_code: 404, .. })) => Ok(None),
            Ok(Err(error)) => Err(self.error(what, &error)),
            Err(_) => Err(ImagesError::EngineSlow { what, seconds: ANSWER.as_secs() }),
        }
    }

    /// What an error of the client means.
    pub(crate) fn error(&self, what: &'static str, error: &EngineError) -> ImagesError {
        match error {
            EngineError::DockerResponseServerError { message, .. } => {
                ImagesError::EngineRefused { what, reason: message.trim().to_owned() }
            }
            EngineError::DockerStreamError { error } => {
                ImagesError::EngineRefused { what, reason: error.trim().to_owned() }
            }
            EngineError::RequestTimeoutError => ImagesError::EngineSlow { what, seconds: ANSWER.as_secs() },
            EngineError::SocketNotFoundError(_)
            | EngineError::IOError { .. }
            | EngineError::HyperResponseError { .. }
            | EngineError::HyperLegacyError { .. } => {
                ImagesError::EngineUnreachable { host: self.host.clone(), reason: chain(error) }
            }
            other => ImagesError::EngineRefused { what, reason: chain(other) },
        }
    }

    /// The directory in which the engine keeps images, when it is on this machine.
    pub(crate) async fn data_root(&self) -> Result<Option<String>, ImagesError> {
        if !self.is_local() {
            return Ok(None);
        }
        let docker = self.docker().await?;
        let info = self.ask("describe itself", docker.info()).await?;
        Ok(info.and_then(|info| info.docker_root_dir).filter(|root| Path::new(root).is_dir()))
    }
}

/// Whether a stream of messages has merely ended: the client takes a line end that comes apart from the last message for the beginning of
/// another. A message that was cut off looks the same; whoever waits for a result finds that there is none.
pub(crate) fn is_end(error: &EngineError) -> bool {
    matches!(error, EngineError::IOError { err } if err.to_string() == "bytes remaining on stream")
}

/// An error with its causes, outermost first, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Engine;
    use crate::ImagesError;

    #[tokio::test]
    async fn an_absent_socket_is_an_unreachable_engine() {
        let engine = Engine::new(Some("unix:///nonexistent/docker.sock"));
        assert!(matches!(engine.docker().await, Err(ImagesError::EngineUnreachable { .. })));
    }

    #[tokio::test]
    async fn a_closed_port_is_an_unreachable_engine() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let engine = Engine::new(Some(&format!("tcp://127.0.0.1:{port}")));
        let error = engine.docker().await.unwrap_err();
        assert!(
            matches!(&error, ImagesError::EngineUnreachable { reason, .. } if reason.contains("refused")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_said_to_be_one() {
        let error = Engine::connect("ssh://host").await.unwrap_err();
        assert!(error.to_string().contains("unix://"));
    }
}
