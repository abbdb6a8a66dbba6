//! A session's container without Bindery: made by the engine's API and asked until it answers. What a launch takes at least.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::engine::Engine;

/// Between two questions.
const POLL: Duration = Duration::from_millis(5);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to make such a container.
#[derive(Debug)]
pub struct Bare {
    client: reqwest::Client,
    plain: reqwest::Client,
    create: Value,
    network: String,
}

impl Bare {
    /// Copies everything from a running session's container but its labels, by which the launcher would know it.
    ///
    /// # Errors
    /// The engine is not on a Unix socket, or has no such container.
    pub async fn like(engine: &Engine, container: &str) -> anyhow::Result<Self> {
        let socket = engine.docker_host.strip_prefix("unix://").context("the engine is not on a Unix socket")?;
        let client = reqwest::Client::builder().unix_socket(socket).build()?;
        let plain = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let mut bare = Self { client, plain, create: Value::Null, network: String::new() };
        let seen = bare.call("GET", &format!("containers/{container}/json"), None).await?;
        let text = |pointer: &str| seen.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let config = |field: &str| seen.pointer(&format!("/Config/{field}")).cloned().unwrap_or(Value::Null);
        // The mode is the name or the id the container was made with.
        let networks = seen.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
        bare.network = networks.and_then(|all| all.keys().next()).context("the container is on no network")?.clone();
        let network = bare.network.clone();
        bare.create = json!({
            "Image": text("/Image"),
            "Cmd": config("Cmd"),
            "Entrypoint": config("Entrypoint"),
            "Env": config("Env"),
            "User": config("User"),
            "WorkingDir": config("WorkingDir"),
            "Healthcheck": config("Healthcheck"),
            "StopSignal": config("StopSignal"),
            "HostConfig": seen.get("HostConfig").cloned().unwrap_or(Value::Null),
            "NetworkingConfig": {"EndpointsConfig": {network: {}}},
        });
        Ok(bare)
    }

    /// Creates and starts one and asks until it answers: the container's id, and the time it took.
    ///
    /// # Errors
    /// The engine refused, or nothing answered in two minutes.
    pub async fn launch(&self) -> anyhow::Result<(String, Duration)> {
        let began = Instant::now();
        let made = self.call("POST", "containers/create", Some(&self.create)).await?;
        let id = made.get("Id").and_then(Value::as_str).context("the engine gave no id")?.to_owned();
        self.call("POST", &format!("containers/{id}/start"), None).await?;
        let seen = self.call("GET", &format!("containers/{id}/json"), None).await?;
        let pointer = format!("/NetworkSettings/Networks/{}/IPAddress", self.network);
        let address = seen.pointer(&pointer).and_then(Value::as_str).context("the container has no address")?;
        let url = format!("http://{address}:8888{}api", self.base_path());
        while !self.plain.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
            if began.elapsed() > PATIENCE {
                bail!("{url} does not answer");
            }
            sleep(POLL).await;
        }
        Ok((id, began.elapsed()))
    }

    /// Removes one.
    ///
    /// # Errors
    /// The engine refused.
    pub async fn remove(&self, id: &str) -> anyhow::Result<()> {
        self.call("DELETE", &format!("containers/{id}?force=1&v=1"), None).await.map(drop)
    }

    fn base_path(&self) -> &str {
        let words = self.create.get("Cmd").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        words.filter_map(|word| word.strip_prefix("--ServerApp.base_url=")).next().unwrap_or("/")
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("http://engine/v1.41/{path}");
        let mut request = self.client.request(method.parse()?, &url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{method} {path}: {status} {text}");
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}
