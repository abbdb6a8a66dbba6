//! Child processes that end with their owner, free ports, and waiting with a bound.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

/// A process that is killed when dropped. Its output goes to a file beside its data.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`, its standard output and error appended to `log`.
    ///
    /// # Errors
    /// The program is not installed or the log cannot be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let out = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {name}; tests/run installs what is needed"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, as an init would, and waits at most `wait`.
    ///
    /// # Errors
    /// It did not end in time.
    pub async fn terminate(&mut self, wait: Duration) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        if !sent.success() {
            bail!("{} had ended already", self.name);
        }
        let deadline = Instant::now() + wait;
        while self.is_running() {
            if Instant::now() > deadline {
                bail!("{} did not end within {wait:?}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback address nobody listens on just now.
///
/// # Errors
/// No port is free.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Asks again and again until there is an answer, at most for `bound`.
///
/// # Errors
/// There was none in time.
pub async fn until<T, F, Fut>(bound: Duration, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("no answer within {bound:?}");
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Whether something accepts connections there.
pub async fn accepts(address: SocketAddr) -> Option<()> {
    tokio::net::TcpStream::connect(address).await.ok().map(|_| ())
}
