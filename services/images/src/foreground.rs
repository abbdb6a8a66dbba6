//! One container of an image, for as long as someone at a terminal looks on. Sessions of the service are another crate's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bindery_core::Fault;
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures::StreamExt as _;
use tokio::time::timeout;

use crate::{Engine, ImagesError};

/// How long the engine may take to remove a container.
const REMOVE: Duration = Duration::from_secs(30);
/// How long a log may go on after its process has ended.
const REST_OF_LOG: Duration = Duration::from_secs(5);

/// What to run, and how it meets the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunRequest {
    /// An image's name or id.
    pub image: String,
    /// What to run; the image's own command when empty.
    pub command: Vec<String>,
    /// Environment variables, `NAME=value`.
    pub environment: Vec<String>,
    /// Bind mounts, `source:target[:mode]`, absolute.
    pub binds: Vec<String>,
    /// Ports that are published.
    pub ports: Vec<PublishedPort>,
    /// Whether every port that the image names is published, on any free port of this machine.
    pub publish_all: bool,
}

/// A port of the container, and where this machine offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    /// The container's port, `8888/tcp`.
    pub container: String,
    /// The address of this machine.
    pub address: String,
    /// The port of this machine; any free one when `None`.
    pub port: Option<u16>,
}

/// A container that runs. [`Foreground::remove`] it: dropping it leaves it running.
pub struct Foreground {
    engine: Arc<Engine>,
    docker: Docker,
    container: String,
}

impl Foreground {
    /// Creates and starts the container.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses; nothing is left behind.
    pub async fn start(engine: Arc<Engine>, request: RunRequest) -> Result<Self, Fault> {
        // Following a log is one request that may last for hours.
        let docker = engine.docker().await?.clone().with_timeout(Duration::from_secs(7 * 24 * 3600));
        let options = None::<CreateContainerOptions>;
        let created = engine.ask("create a container", docker.create_container(options, body(request))).await?;
        let created = created.ok_or_else(|| ImagesError::EngineRefused {
            what: "create a container",
            reason: "it does not have the image".to_owned(),
        })?;
        let running = Self { engine, docker, container: created.id };
        let start = running.docker.start_container(&running.container, None::<StartContainerOptions>);
        if let Err(error) = running.engine.ask("start the container", start).await {
            // The first reason counts, whatever becomes of the rest.
            let _ = running.remove().await;
            return Err(error.into());
        }
        Ok(running)
    }

    /// The port of this machine at which a port of the container, `8888/tcp`, is offered.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn port(&self, container_port: &str) -> Result<Option<u16>, Fault> {
        let inspect = self.docker.inspect_container(&self.container, None::<InspectContainerOptions>);
        let seen = self.engine.ask("inspect the container", inspect).await?;
        let ports = seen.and_then(|seen| seen.network_settings).and_then(|network| network.ports).unwrap_or_default();
        let bindings = ports.get(container_port).cloned().flatten().unwrap_or_default();
        Ok(bindings.iter().find_map(|binding| binding.host_port.as_deref()?.parse().ok()))
    }

    /// Hands over each piece of output, from the first, until the process ends; its exit code.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn follow(&self, mut output: impl FnMut(&[u8])) -> Result<i64, Fault> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).follow(true).build();
        let mut log = Box::pin(self.docker.logs(&self.container, Some(options)));
        let mut ended = Box::pin(self.docker.wait_container(&self.container, None::<WaitContainerOptions>));
        let mut open = true;
        let code = loop {
            tokio::select! {
                chunk = log.next(), if open => match chunk {
                    Some(Ok(chunk)) => output(&chunk.into_bytes()),
                    Some(Err(_)) | None => open = false,
                },
                answer = ended.next() => break match answer {
                    Some(Ok(answer)) => answer.status_code,
                    // The client gives an exit code other than zero as an error.
                    Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
                    Some(Err(error)) => return Err(self.engine.error("wait for the container", &error).into()),
                    None => return Err(Fault::us("container-lost", "The engine lost sight of the container.")),
                },
            }
        };
        let rest = async {
            while let (true, Some(Ok(chunk))) = (open, log.next().await) {
                output(&chunk.into_bytes());
            }
        };
        // A process that lives on may keep the log open; what it says is of no interest any more.
        let _ = timeout(REST_OF_LOG, rest).await;
        Ok(code)
    }

    /// Ends the container and removes it with its anonymous volumes. One that is gone is fine.
    ///
    /// # Errors
    /// The engine cannot be reached, or refuses.
    pub async fn remove(&self) -> Result<(), Fault> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removal = self.docker.remove_container(&self.container, Some(options));
        match timeout(REMOVE, self.engine.ask("remove the container", removal)).await {
            Ok(removed) => Ok(removed.map(|_| ())?),
            Err(_) => Err(ImagesError::EngineSlow { what: "remove the container", seconds: REMOVE.as_secs() }.into()),
        }
    }
}

fn body(request: RunRequest) -> ContainerCreateBody {
    let binding = |port: &PublishedPort| PortBinding {
        host_ip: Some(port.address.clone()),
        host_port: Some(port.port.map(|port| port.to_string()).unwrap_or_default()),
    };
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &request.ports {
        bindings.entry(port.container.clone()).or_default().get_or_insert_default().push(binding(port));
    }
    ContainerCreateBody {
        image: Some(request.image),
        cmd: (!request.command.is_empty()).then_some(request.command),
        env: Some(request.environment),
        exposed_ports: Some(request.ports.into_iter().map(|port| port.container).collect()),
        host_config: Some(HostConfig {
            binds: Some(request.binds),
            port_bindings: Some(bindings),
            publish_all_ports: Some(request.publish_all),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{PublishedPort, RunRequest, body};

    #[test]
    fn a_port_may_be_offered_at_two_addresses_and_at_any_free_port() {
        let port = |address: &str, port| PublishedPort { container: "8888/tcp".into(), address: address.into(), port };
        let ports = vec![port("127.0.0.1", None), port("10.0.0.1", Some(80))];
        let bindings = body(RunRequest { ports, ..RunRequest::default() }).host_config.unwrap().port_bindings.unwrap();
        let offered: Vec<_> = bindings["8888/tcp"].iter().flatten().collect();
        assert_eq!(offered[0].host_port.as_deref(), Some(""));
        assert_eq!((offered[1].host_ip.as_deref(), offered[1].host_port.as_deref()), (Some("10.0.0.1"), Some("80")));
    }

    #[test]
    fn without_a_command_the_image_decides() {
        assert_eq!(body(RunRequest::default()).cmd, None);
        let command = vec!["id".to_owned()];
        assert_eq!(body(RunRequest { command: command.clone(), ..RunRequest::default() }).cmd, Some(command));
    }
}
