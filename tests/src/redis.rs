//! A private Redis, append-only on, as deploy/compose.yaml runs it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, accepts, free_address, until};

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    address: SocketAddr,
    data: TempDir,
}

impl Redis {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// `redis-server` is not installed or does not answer.
    pub async fn start() -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let address = free_address()?;
        let process = Self::spawn(address, &data)?;
        until(Duration::from_secs(20), || accepts(address)).await?;
        Ok(Self { process, address, data })
    }

    fn spawn(address: SocketAddr, data: &TempDir) -> anyhow::Result<Process> {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--appendonly", "yes"])
            .args(["--save", "", "--dir"])
            .arg(data.path());
        Process::start("redis-server", &mut command, &data.path().join("redis.log"))
    }

    /// `redis://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Kills it and starts it again over the same data.
    ///
    /// # Errors
    /// It does not answer again.
    pub async fn crash_and_restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = Self::spawn(self.address, &self.data)?;
        let address = self.address;
        until(Duration::from_secs(20), || accepts(address)).await
    }
}
