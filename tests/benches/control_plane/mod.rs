//! The whole service but for an engine and the network, in a process of its own that a bench starts: real pages and streams, store,
//! launcher and proxy; every repository is known at once, a build is what the bench says, and a session is a small server of the
//! process itself. So what is measured is what the service adds.

pub(crate) mod reader;
pub(crate) mod site;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longest wait for the process to say something.
const PATIENCE: Duration = Duration::from_secs(300);

/// The process, ended with this.
pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Where its pages are.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts this program again as the service; on one core of its own where `taskset` can and that is asked for.
    pub(crate) async fn start(one_core: bool) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = if one_core { Command::new("taskset") } else { Command::new(&program) };
        if one_core {
            command.args(["--cpu-list", "0"]).arg(&program);
        }
        let mut child = command
            .arg("site")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the service does not start; taskset is needed")?;
        let orders = child.stdin.take().context("no input")?;
        let mut answers = BufReader::new(child.stdout.take().context("no output")?).lines();
        let said = tokio::time::timeout(PATIENCE, answers.next_line()).await??.context("it ended at once")?;
        Ok(Self { child, orders, answers, address: said.parse()? })
    }

    /// Gives an order that [`site`] knows, and waits until it says that it is done.
    pub(crate) async fn order(&mut self, order: &str) -> Result<()> {
        self.tell(order).await?;
        let said = tokio::time::timeout(PATIENCE, self.answers.next_line()).await??.context("the service ended")?;
        if said != "done" {
            bail!("{order}: {said}");
        }
        Ok(())
    }

    async fn tell(&mut self, order: &str) -> Result<()> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        Ok(self.orders.flush().await?)
    }

    /// Resident memory now, in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        let id = self.child.id().context("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Processor time so far, of all its threads.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let id = self.child.id().context("it has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let after_name = stat.rsplit_once(") ").context("stat")?.1;
        let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

/// The value below which `share` thousandths of all lie, of sorted values.
pub(crate) fn share(sorted: &[Duration], thousandths: usize) -> Duration {
    let at = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// In milliseconds, for people.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
