//! Child processes that end with their owner, free ports, and waiting with a bound.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;
use uuid::Uuid;

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

/// A loopback address nobody listens on just now, for a program that is told where to listen.
///
/// Never the same twice in a process, and none that a kernel gives out by itself: between this answer and the program's own
/// `bind`, a connection of somebody else could otherwise get it.
///
/// # Errors
/// No port is free.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| AtomicUsize::new(Uuid::new_v4().as_u128() as usize));
    for _ in OUTSIDE_THE_KERNELS {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % OUTSIDE_THE_KERNELS.len();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, OUTSIDE_THE_KERNELS.start + u16::try_from(offset)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("every port in {OUTSIDE_THE_KERNELS:?} is taken")
}

/// Ports below those Linux chooses from for connections (`net.ipv4.ip_local_port_range`) and Docker for published ports.
const OUTSIDE_THE_KERNELS: Range<u16> = 15_000..32_000;

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
