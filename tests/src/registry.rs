//! A private registry on a free port.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, accepts, free_address, until};

/// The account of a registry that asks for one.
pub const USER: &str = "ada";
/// Its password.
pub const PASSWORD: &str = "canary-password";
/// The password as a registry keeps it.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuag0.YlF7tv7WKWN7rgqJ5KkJ9XU2wny";

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    _process: Process,
    address: SocketAddr,
    with_account: bool,
    data: TempDir,
}

impl Registry {
    /// Starts one.
    ///
    /// # Errors
    /// `docker-registry` is not installed or does not answer.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_for(None).await
    }

    /// Starts one that lets only [`USER`] in.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub async fn start_with_account() -> anyhow::Result<Self> {
        Self::start_for(Some(format!("{USER}:{HASH}\n"))).await
    }

    async fn start_for(accounts: Option<String>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let address = free_address()?;
        let config = data.path().join("config.yml");
        let root = data.path().join("images");
        let mut text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: {address}}}\n",
            root.display()
        );
        if let Some(accounts) = &accounts {
            let file = data.path().join("accounts");
            std::fs::write(&file, accounts)?;
            text.push_str(&format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", file.display()));
        }
        std::fs::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config);
        let process = Process::start("docker-registry", &mut command, &data.path().join("registry.log"))?;
        until(Duration::from_secs(20), || accepts(address)).await?;
        Ok(Self { _process: process, address, with_account: accounts.is_some(), data })
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port`, as names of its images begin.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The digests of what was sent to it so far, in order. What it has is not sent again.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub fn received(&self) -> std::io::Result<Vec<String>> {
        let log = std::fs::read_to_string(self.data.path().join("registry.log"))?;
        let ended = log.lines().filter_map(|line| line.split_once("\"PUT /v2/")).map(|(_, rest)| rest);
        let digests = ended.filter_map(|rest| rest.split_whitespace().next()?.split_once("digest=sha256%3A"));
        Ok(digests.map(|(_, rest)| rest.split('&').next().unwrap_or_default().to_owned()).collect())
    }

    /// Names of everything pushed.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn catalog(&self) -> anyhow::Result<Vec<String>> {
        let mut request = reqwest::Client::new().get(format!("{}/v2/_catalog", self.url()));
        if self.with_account {
            request = request.basic_auth(USER, Some(PASSWORD));
        }
        let answer = request.send().await?.text().await?;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let names = answer["repositories"].as_array().cloned().unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }
}
