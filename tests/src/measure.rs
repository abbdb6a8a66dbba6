//! Measuring: visits with the time of each event, series with medians, and what the machine was doing meanwhile.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::events::{self, Told};
use crate::git_server::GitServer;
use crate::service::{Service, VISIT};

/// A service and a git server for a bench.
#[derive(Debug)]
pub struct Site {
    /// The service, running.
    pub service: Service,
    /// Where it fetches from.
    pub git: GitServer,
    /// Where the repositories are.
    pub root: TempDir,
}

impl Site {
    /// Starts both; `None`, loudly, without a test engine.
    ///
    /// # Errors
    /// One does not start.
    pub async fn open(bench: &str) -> anyhow::Result<Option<Self>> {
        let Some(engine) = Engine::find(bench) else { return Ok(None) };
        let root = tempfile::tempdir()?;
        let git = GitServer::start(root.path())?;
        let mut service = Service::new(&engine, &[git.authority()])?;
        service.serve().await?;
        Ok(Some(Self { service, git, root }))
    }

    /// The address of a repository below the root.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.git.url())
    }

    /// Visits a repository to its end.
    ///
    /// # Errors
    /// It did not become ready; the error holds the last event.
    pub async fn visit(&self, name: &str, reference: &str) -> anyhow::Result<Visit> {
        let visit = Visit::make(&self.service.build_url(&self.address(name), reference)).await?;
        match visit.last() {
            Some(last) if last.phase() == "ready" => Ok(visit),
            last => bail!("{name} at {reference} did not become ready: {last:?}"),
        }
    }

    /// Ends every session and waits until the engine has none of them.
    ///
    /// # Errors
    /// Some are still there after a minute.
    pub async fn end_sessions(&self) -> anyhow::Result<()> {
        let (engine, instance) = (self.service.engine(), self.service.instance());
        let gone = || async {
            engine.remove_containers(instance);
            engine.containers(instance).is_ok_and(|left| left.is_empty()).then_some(())
        };
        crate::process::until(Duration::from_secs(60), gone).await.context("sessions do not end")
    }

    /// Processor time the service took so far, all its threads together.
    ///
    /// # Errors
    /// It does not run.
    pub fn processor_time(&mut self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.service.role("serve")?.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
        let ticks = |at: usize| fields.split(' ').nth(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // User and system time, in hundredths of a second.
        Ok(Duration::from_millis(10 * (ticks(11) + ticks(12))))
    }
}

/// A visit, each event with the time since the request.
#[derive(Debug)]
pub struct Visit {
    events: Vec<(Duration, Told)>,
}

impl Visit {
    /// Reads the stream at `url` to its end.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn make(url: &str) -> anyhow::Result<Self> {
        let times = RefCell::new(Vec::new());
        let began = Instant::now();
        let told = events::read_until(url, None, VISIT, |told| {
            times.borrow_mut().push(began.elapsed());
            told.is_terminal()
        })
        .await?;
        Ok(Self { events: times.into_inner().into_iter().zip(told).collect() })
    }

    /// When the first event of a phase came.
    ///
    /// # Errors
    /// None came.
    pub fn at(&self, phase: &str) -> anyhow::Result<Duration> {
        let event = self.events.iter().find(|(_, told)| told.phase() == phase);
        event.map(|(time, _)| *time).with_context(|| format!("no event {phase}"))
    }

    /// When the first event whose message contains `text` came.
    ///
    /// # Errors
    /// None came.
    pub fn when(&self, text: &str) -> anyhow::Result<Duration> {
        let event = self.events.iter().find(|(_, told)| told.message().contains(text));
        event.map(|(time, _)| *time).with_context(|| format!("no message {text:?}"))
    }

    /// The last event.
    #[must_use]
    pub fn last(&self) -> Option<&Told> {
        self.events.last().map(|(_, told)| told)
    }

    /// A text field of the last event.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.last().and_then(|told| told.data.get(name)).and_then(serde_json::Value::as_str).unwrap_or_default()
    }

    /// Every message, one after the other.
    #[must_use]
    pub fn log(&self) -> String {
        self.events.iter().map(|(_, told)| told.message()).collect()
    }

    /// Every message with its time, for finding out where it went.
    #[must_use]
    pub fn timeline(&self) -> String {
        let line = |(time, told): &(Duration, Told)| {
            format!("{:>9.3} {:<9} {}\n", time.as_secs_f64(), told.phase(), told.message().trim_end())
        };
        self.events.iter().map(line).collect()
    }
}

/// One row: a name and its times.
#[derive(Debug)]
pub struct Series {
    name: String,
    times: Vec<Duration>,
}

impl Series {
    /// An empty row.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), times: Vec::new() }
    }

    /// One more time.
    pub fn push(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// The time below which `percent` of all lie; zero when there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The row as text, in milliseconds.
    #[must_use]
    pub fn row(&self) -> String {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "{:<52} {:>6} {:>10.0} {:>10.0} {:>10.0}",
            self.name,
            self.times.len(),
            millis(self.median()),
            millis(self.percentile(0)),
            millis(self.percentile(95))
        )
    }
}

/// The head of a table of [`Series`].
#[must_use]
pub fn head() -> String {
    format!("{:<52} {:>6} {:>10} {:>10} {:>10}", "", "rounds", "median ms", "min ms", "p95 ms")
}

/// What the figures depend on beside our code, in a line or two.
///
/// # Errors
/// The engine does not answer.
pub fn circumstances(engine: &Engine) -> anyhow::Result<String> {
    let version = engine.docker(&["version", "--format", "{{.Server.Version}}"])?;
    let image = engine.docker(&["image", "inspect", "--format", "{{.Id}} {{.Size}}", &engine.base_image])?;
    let cores = std::thread::available_parallelism()?;
    let binary = crate::service::binary()?;
    let kind = if has_debug_assertions(&binary) { "a debug binary" } else { "a release binary" };
    Ok(format!(
        "load {}, {cores} cores, {kind}, engine {}, base {}\n{}",
        loads(),
        version.trim(),
        image.trim(),
        if load() > 1.0 {
            "The machine is busy: compare rows of this run with each other, and nothing else.\n"
        } else {
            ""
        }
    ))
}

/// Builds the directory `context` with the engine's own builder and its command-line client.
///
/// # Errors
/// The build failed; its output is inside.
pub fn docker_build(engine: &Engine, context: &Path, options: &[&str]) -> anyhow::Result<()> {
    // A client without its build plug-in, first on the PATH of some machines, cannot build.
    let distributed = Path::new("/usr/bin/docker");
    let output = Command::new(if distributed.exists() { distributed } else { Path::new("docker") })
        .envs([("DOCKER_HOST", engine.docker_host.as_str()), ("DOCKER_BUILDKIT", "1")])
        .args(["build", "--progress=plain"])
        .args(options)
        .arg(context)
        .output()
        .context("cannot start docker")?;
    if !output.status.success() {
        bail!("docker build: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// By the name of its file or of where cargo put it.
fn has_debug_assertions(binary: &Path) -> bool {
    !binary.to_string_lossy().contains("release")
}

/// The load averages of 1, 5 and 15 minutes.
#[must_use]
pub fn loads() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn load() -> f64 {
    loads().split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The number after `--<name>` on the command line.
#[must_use]
pub fn number(name: &str, default: usize) -> usize {
    let flag = format!("--{name}");
    let mut arguments = std::env::args().skip_while(|argument| *argument != flag);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}
