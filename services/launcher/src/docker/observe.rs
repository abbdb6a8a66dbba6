//! What the engine says about session containers: where they are, whether they ended, what they wrote.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bindery_core::seams::{Observed, SessionSpec};
use bindery_core::{ImageRef, Secret, SessionId, Timestamp};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary, EndpointSettings};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, WaitContainerOptions,
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::container::{CA_VARIABLES, TOKEN_VARIABLE, name};
use super::{ASK_LIMIT, DockerBackend, LABEL_IMAGE, LABEL_INSTANCE, LABEL_SESSION, PORT, START_LIMIT};
use crate::Error;

/// The most bytes of a container's output that are looked at for its last lines.
const TAIL_BYTES: usize = 256 << 10;

impl DockerBackend {
    /// One container of ours, by name or id.
    pub(super) async fn look(&self, docker: &Docker, container: &str) -> Result<Option<Observed>, Error> {
        Ok(self.inspected(docker, container).await?.and_then(|found| observed(&found)))
    }

    async fn inspected(&self, docker: &Docker, container: &str) -> Result<Option<ContainerInspectResponse>, Error> {
        let inspect = docker.inspect_container(container, None::<InspectContainerOptions>);
        match self.call("look at the container", ASK_LIMIT, inspect).await {
            Ok(found) if self.is_ours(found.config.as_ref().and_then(|config| config.labels.as_ref())) => {
                Ok(Some(found))
            }
            Ok(_) => Ok(None),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_ours(&self, labels: Option<&HashMap<String, String>>) -> bool {
        labels.and_then(|labels| labels.get(LABEL_INSTANCE)).is_some_and(|instance| *instance == self.config.instance)
    }

    async fn summaries(&self) -> Result<Vec<ContainerSummary>, Error> {
        let docker = self.engine().await?;
        let filters = HashMap::from([(
            "label",
            vec![LABEL_SESSION.to_owned(), format!("{LABEL_INSTANCE}={}", self.config.instance)],
        )]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        Ok(self.call("list its containers", START_LIMIT, docker.list_containers(Some(options))).await?)
    }

    /// See the seam. By the engine's own clock's reading of when they were made.
    pub(super) async fn made_before(&self, age: Duration) -> Result<Vec<SessionId>, Error> {
        let now = Timestamp::now().as_millis() / 1000;
        let old = |summary: &ContainerSummary| {
            let made = summary.created.and_then(|made| u64::try_from(made).ok());
            made.is_some_and(|made| made.saturating_add(age.as_secs()) < now)
        };
        let id = |summary: ContainerSummary| summary.labels?.get(LABEL_SESSION)?.parse().ok();
        Ok(self.summaries().await?.into_iter().filter(old).filter_map(id).collect())
    }

    /// Every container of this instance.
    pub(super) async fn all(&self) -> Result<Vec<Observed>, Error> {
        let docker = self.engine().await?;
        let found = self.summaries().await?;
        let mut all = Vec::with_capacity(found.len());
        for summary in found {
            match running(&summary) {
                Some(observed) => all.push(observed),
                // The list has no exit codes; only ended containers cost a question of their own.
                None => all.extend(match summary.id.as_deref() {
                    Some(id) => self.look(docker, id).await?,
                    None => None,
                }),
            }
        }
        Ok(all)
    }

    /// See the seam. A container that is not there counts as ended, with no exit code.
    pub(super) async fn wait_for_end(&self, id: SessionId, wait: Duration) -> Result<Option<Observed>, Error> {
        let docker = self.engine().await?;
        let name = name(id);
        let mut ended = Box::pin(docker.wait_container(&name, None::<WaitContainerOptions>));
        match tokio::time::timeout(wait, ended.next()).await {
            Err(_) => return Ok(None),
            Ok(Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) | None) => {}
            Ok(Some(Err(error))) => {
                let error = super::CallError {
                    what: "wait for the container",
                    error: Some(error),
                    limit: wait,
                    host: self.config.docker_host.clone(),
                };
                if error.status() != Some(404) {
                    return Err(error.into());
                }
            }
        }
        match self.look(docker, &name).await? {
            // Not ended after all: the engine itself is going down, or the stream was cut.
            Some(Observed { exited: None, .. }) => Ok(None),
            Some(observed) => Ok(Some(observed)),
            None => Ok(Some(Observed { id, container: String::new(), upstream: None, exited: None })),
        }
    }

    /// See the seam.
    pub(super) async fn tail(&self, id: SessionId, lines: usize) -> Result<Vec<String>, Error> {
        let docker = self.engine().await?;
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let collect =
            docker.logs(&name(id), Some(options)).try_fold(Vec::new(), |mut bytes: Vec<u8>, chunk| async move {
                bytes.extend_from_slice(&chunk.into_bytes());
                // Lines can be as long as their writer likes; only the end is of interest.
                if bytes.len() > 2 * TAIL_BYTES {
                    bytes.drain(..bytes.len() - TAIL_BYTES);
                }
                Ok(bytes)
            });
        let bytes = match self.call("read the container's output", ASK_LIMIT, collect).await {
            Err(error) if error.status() == Some(404) => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        Ok(all.iter().skip(all.len().saturating_sub(lines)).map(|line| (*line).to_owned()).collect())
    }

    /// See the seam.
    pub(super) async fn read_back(&self, id: SessionId) -> Result<Option<SessionSpec>, Error> {
        let docker = self.engine().await?;
        Ok(self.inspected(docker, &name(id)).await?.and_then(|found| spec(id, found)))
    }
}

fn observed(found: &ContainerInspectResponse) -> Option<Observed> {
    let labels = found.config.as_ref()?.labels.as_ref()?;
    let id = labels.get(LABEL_SESSION)?.parse().ok()?;
    let state = found.state.as_ref()?;
    let is_running = state.running == Some(true);
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let status = state.status.map(|status| status.to_string()).unwrap_or_default();
    Some(Observed {
        id,
        container: found.id.clone()?,
        upstream: if is_running { networks.and_then(address) } else { None },
        exited: matches!(status.as_str(), "exited" | "dead")
            .then(|| (state.exit_code.unwrap_or(-1), state.oom_killed == Some(true))),
    })
}

/// A container that the list says runs; `None` when more must be asked.
fn running(summary: &ContainerSummary) -> Option<Observed> {
    let id = summary.labels.as_ref()?.get(LABEL_SESSION)?.parse().ok()?;
    if summary.state.map(|state| state.to_string()).as_deref() != Some("running") {
        return None;
    }
    let upstream = summary.network_settings.as_ref()?.networks.as_ref().and_then(address)?;
    Some(Observed { id, container: summary.id.clone()?, upstream: Some(upstream), exited: None })
}

fn address(networks: &HashMap<String, EndpointSettings>) -> Option<SocketAddr> {
    // A session is on one network only.
    let ip: IpAddr = networks.values().find_map(|endpoint| endpoint.ip_address.as_deref()?.parse().ok())?;
    Some(SocketAddr::new(ip, PORT))
}

fn spec(id: SessionId, found: ContainerInspectResponse) -> Option<SessionSpec> {
    let config = found.config?;
    let mut token = None;
    let mut env = Vec::new();
    for line in config.env.unwrap_or_default() {
        match line.split_once('=') {
            Some((TOKEN_VARIABLE, value)) => token = Some(Secret::new(value)),
            Some((name, value)) if !CA_VARIABLES.contains(&name) => env.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    let image = config.labels.as_ref()?.get(LABEL_IMAGE)?.parse().ok()?;
    Some(SessionSpec {
        id,
        image: ImageRef { name: image, id: found.image?, registry_digest: None },
        base_path: format!("/user/{id}/"),
        token: token?,
        env,
    })
}
