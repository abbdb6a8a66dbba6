//! The process itself. Orders come one a line on standard input, each answered by `done`:
//!
//! | order | what it does |
//! |---|---|
//! | `claim` | waits until a build is asked for, and takes it |
//! | `lines COUNT A_SECOND` | the build in hand writes lines, each with its number and the time, in nanoseconds since 1970 |
//! | `built` | the build in hand ends well |

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bindery_core::seams::{ContentProvider, FetchReport};
use bindery_core::{
    BuildLease, BuildOutcome, EventBody, Fault, LogStream, Phase, RepoSpec, ResolvedRef, StepMark, StepStatus, Topic,
    Tree, WorkerId,
};
use bindery_launcher::fake::{Behaviour, FakeBackend, image};
use bindery_launcher::{Launcher, ProxyAddresses};
use bindery_proxy::Proxy;
use bindery_store::Stores;
use bindery_web::{Metrics, Seams, Web};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Runs until standard input ends.
pub(crate) async fn run() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let stores =
        bindery_store::open_embedded(&directory.path().join("bindery.redb"), &bindery_store::Config::default()).await?;
    let shutdown = CancellationToken::new();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let to_sessions: url::Url = format!("http://{}/", listener.local_addr()?).parse()?;
    let config = bindery_proxy::Config { public_url: to_sessions.clone(), ..bindery_proxy::Config::default() };
    tokio::spawn(Proxy::new(config, Arc::clone(&stores.sessions)).run(listener, shutdown.clone()));

    let backend = FakeBackend::new();
    backend.image("well", Behaviour::default());
    let config = bindery_launcher::Config {
        max_sessions: 100_000,
        max_per_repository: 0,
        // A start takes no time here, so none need wait for another.
        concurrent_starts: 64,
        ..bindery_launcher::Config::default()
    };
    let addresses = ProxyAddresses { public_url: to_sessions.clone(), probe_url: to_sessions };
    let (sessions, events) = (Arc::clone(&stores.sessions), Arc::clone(&stores.events));
    let launcher = Launcher::new(config, Arc::new(backend), sessions, events, None, addresses)?;
    tokio::spawn(launcher.run(shutdown.clone()));

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let seams = Seams {
        content: Arc::new(Everything),
        queue: Arc::clone(&stores.queue),
        events: Arc::clone(&stores.events),
        sessions: Arc::clone(&stores.sessions),
        provenances: Arc::clone(&stores.provenances),
    };
    let config = bindery_web::Config { listen: address, ..bindery_web::Config::default() };
    let web = Web::new(config, "bench".to_owned(), seams, Vec::new(), Arc::new(Metrics::default()))?;
    let until = shutdown.clone();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(bindery_web::serve(web, listener, until)));

    println!("{address}");
    let outcome = obey(&stores).await;
    shutdown.cancel();
    outcome
}

async fn obey(stores: &Stores) -> Result<()> {
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut in_hand = None;
    while let Some(order) = orders.next_line().await? {
        let words: Vec<&str> = order.split(' ').collect();
        match words.as_slice() {
            ["claim"] => in_hand = Some(claim(stores).await?),
            ["lines", count, a_second] => {
                write(stores, in_hand.as_ref().context("no build")?, count.parse()?, a_second.parse()?).await?;
            }
            ["built"] => {
                let lease = in_hand.take().context("no build")?;
                let last = EventBody::built(image("well").name);
                let outcome = BuildOutcome::Built { image: image("well"), environment: None };
                stores.queue.finish(&lease, outcome, last).await?;
            }
            _ => bail!("unknown order {order}"),
        }
        println!("done");
    }
    Ok(())
}

async fn claim(stores: &Stores) -> Result<BuildLease> {
    loop {
        if let Some(claimed) = stores.queue.claim(&WorkerId("bench".to_owned()), Duration::from_secs(5)).await? {
            return Ok(claimed.lease);
        }
    }
}

/// As an installer writes: ten times a second what has come up meanwhile.
async fn write(stores: &Stores, lease: &BuildLease, count: u64, a_second: u64) -> Result<()> {
    let step = StepMark {
        id: "packages".into(),
        name: "install packages".into(),
        status: StepStatus::Running,
        duration_ms: None,
    };
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    let mut heartbeat = tokio::time::interval(Duration::from_secs(3));
    let mut next = 0;
    while next < count {
        tokio::select! {
            _ = heartbeat.tick() => { stores.queue.renew(lease).await?; }
            _ = beat.tick() => {
                let until = count.min(next + (a_second / 10).max(1));
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
                let line = |number: u64| {
                    let text = format!("@{number}@{now}@ Collecting a-package-of-some-length=={number}.0 from the index\n");
                    EventBody::output(Phase::Building, step.clone(), LogStream::Stdout, &text)
                };
                stores.events.append(Topic::Build(lease.record.id), (next..until).map(line).collect(), Some(lease.fence)).await?;
                next = until;
            }
        }
    }
    Ok(())
}

/// Knows every repository and has none.
struct Everything;

#[async_trait]
impl ContentProvider for Everything {
    async fn resolve(&self, spec: &RepoSpec) -> Result<ResolvedRef, Fault> {
        let bad = |_| Fault::us("bench", "the address is none");
        let repo_url = format!("https://example.org/{}", spec.repository);
        Ok(ResolvedRef {
            spec: spec.clone(),
            repo_url: repo_url.parse().map_err(bad)?,
            revision: COMMIT.parse().map_err(|_| Fault::us("bench", "the commit is none"))?,
            identity: repo_url.clone(),
            ref_url: format!("{repo_url}/tree/{COMMIT}"),
            pinned: None,
            private: false,
            notes: Vec::new(),
        })
    }

    async fn fetch(&self, _: &ResolvedRef) -> Result<(Arc<dyn Tree>, FetchReport), Fault> {
        Err(Fault::us("bench", "nothing is ever fetched"))
    }
}
