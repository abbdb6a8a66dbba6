//! A private registry on a free port.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, accepts, free_address, until};

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    _process: Process,
    address: SocketAddr,
    _data: TempDir,
}

impl Registry {
    /// Starts one.
    ///
    /// # Errors
    /// `docker-registry` is not installed or does not answer.
    pub async fn start() -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let address = free_address()?;
        let config = data.path().join("config.yml");
        let root = data.path().join("images");
        let text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: {address}}}\n",
            root.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config);
        let process = Process::start("docker-registry", &mut command, &data.path().join("registry.log"))?;
        until(Duration::from_secs(20), || accepts(address)).await?;
        Ok(Self { _process: process, address, _data: data })
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Names of everything pushed.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn catalog(&self) -> anyhow::Result<Vec<String>> {
        let answer = reqwest::get(format!("{}/v2/_catalog", self.url())).await?.text().await?;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let names = answer["repositories"].as_array().cloned().unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }
}
