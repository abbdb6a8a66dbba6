//! The `bindery` binary under test, in one process or in roles.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use uuid::Uuid;

use crate::engine::Engine;
use crate::events::{self, Told};
use crate::process::{Process, free_address, until};

/// Longest any one visit may take on a slow machine.
pub const VISIT: Duration = Duration::from_secs(600);

/// A Bindery with its own ports, data and name, so that several can share an engine.
#[derive(Debug)]
pub struct Service {
    engine: Engine,
    instance: String,
    web: SocketAddr,
    proxy: SocketAddr,
    data: TempDir,
    settings: Vec<(String, String)>,
    roles: Vec<(String, Process)>,
}

impl Service {
    /// A service over `engine` that may fetch from the hosts in `allow_hosts`; nothing runs yet.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(engine: &Engine, allow_hosts: &[String]) -> anyhow::Result<Self> {
        let instance = format!("test-{}", Uuid::new_v4().simple());
        let mut service = Self {
            engine: engine.clone(),
            web: free_address()?,
            proxy: free_address()?,
            data: tempfile::tempdir()?,
            settings: Vec::new(),
            roles: Vec::new(),
            instance,
        };
        let (web, proxy) = (service.web, service.proxy);
        service.set("WEB__LISTEN", &web.to_string());
        service.set("PROXY__LISTEN", &proxy.to_string());
        let data = service.data.path().display().to_string();
        service.set("DATA_DIR", &data);
        service.set("BUILD__BASE_IMAGE", &engine.base_image);
        service.set("CONTENT__ALLOW_HOSTS", &allow_hosts.join(","));
        service.set("CONTENT__REF_CACHE_SECONDS", "0");
        let instance = service.instance.clone();
        service.set("LAUNCHER__INSTANCE", &instance);
        service.set("LAUNCHER__STOP_GRACE_SECONDS", "2");
        // Test machines are often nearly full.
        service.set("IMAGES__MIN_FREE_BYTES", "1000000");
        service.set("IMAGES__MIN_FREE_PERCENT", "0");
        Ok(service)
    }

    /// One more setting, as `SECTION__KEY`.
    pub fn set(&mut self, key: &str, value: &str) -> &mut Self {
        self.settings.push((format!("BINDERY__{key}"), value.to_owned()));
        self
    }

    /// Starts everything in one process and waits until it is well.
    ///
    /// # Errors
    /// It does not become well; the error holds its log.
    pub async fn serve(&mut self) -> anyhow::Result<()> {
        self.start_role("serve")?;
        self.well().await
    }

    /// Starts one role as a process of its own.
    ///
    /// # Errors
    /// The binary is not there.
    pub fn start_role(&mut self, role: &str) -> anyhow::Result<()> {
        let mut command = Command::new(binary()?);
        command.arg(role).env("DOCKER_HOST", &self.engine.docker_host).envs(self.settings.iter().cloned());
        let process = Process::start(role, &mut command, &self.log_path())?;
        self.roles.push((role.to_owned(), process));
        Ok(())
    }

    /// The most recently started process of a role.
    ///
    /// # Errors
    /// None was started.
    pub fn role(&mut self, role: &str) -> anyhow::Result<&mut Process> {
        let found = self.roles.iter_mut().rev().find(|(name, _)| name == role);
        found.map(|(_, process)| process).with_context(|| format!("no {role} was started"))
    }

    /// Kills every process of this service, as a power cut would.
    pub fn kill_all(&mut self) {
        for (_, process) in &mut self.roles {
            process.kill();
        }
        self.roles.clear();
    }

    /// Waits until `/health` is well.
    ///
    /// # Errors
    /// It is not in time; the error holds the log.
    pub async fn well(&self) -> anyhow::Result<()> {
        let url = self.url("health");
        let well = || async { reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200).map(|_| ()) };
        until(Duration::from_secs(60), well).await.with_context(|| format!("not well; its log:\n{}", self.log()))
    }

    /// An address of the web role.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.web)
    }

    /// An address of the proxy.
    #[must_use]
    pub fn proxy_url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.proxy)
    }

    /// The event stream of a repository at a ref.
    #[must_use]
    pub fn build_url(&self, repository: &str, reference: &str) -> String {
        self.url(&format!("build/git/{}/{reference}", encode(repository)))
    }

    /// Visits a repository to the end.
    ///
    /// # Errors
    /// The stream broke; the error holds the service's log.
    pub async fn visit(&self, repository: &str, reference: &str) -> anyhow::Result<Vec<Told>> {
        let told = events::read(&self.build_url(repository, reference), VISIT).await;
        told.with_context(|| format!("the service's log:\n{}", self.log()))
    }

    /// The name that labels this service's containers.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The engine it runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.data.path().join("bindery.log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill_all();
        self.engine.remove_containers(&self.instance);
    }
}

/// The binary under test: `BINDERY_TEST_BINARY`, or the one built beside this test.
///
/// # Errors
/// It is not there.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Ok(path) = std::env::var("BINDERY_TEST_BINARY") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let beside = test.parent().and_then(Path::parent).map(|directory| directory.join("bindery"));
    beside.filter(|path| path.is_file()).context("target/*/bindery is not built: cargo build -p bindery")
}

/// `encodeURIComponent`.
#[must_use]
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
