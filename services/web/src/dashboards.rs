//! What dashboards made for `BinderHub` ask for, under its names and with its buckets. The label `repo` is left out: strangers choose
//! what would stand there, and there is no end of it.
//!
//! A build is counted once, by a process with a visitor who saw its end, however many watch. `binderhub_github_rate_limit_remaining`
//! is not here: GitHub's refs are read as git, which has no such limit.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bindery_core::{BuildId, BuildRecord, Provider, Timestamp};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Builds whose end is remembered, so that a visitor who comes in that very moment does not count it again.
const REMEMBERED: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Built {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Launched {
    status: &'static str,
    retries: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Counted {
    status: &'static str,
    provider: &'static str,
}

/// The metrics of these names.
pub(crate) struct Dashboards {
    build_time: Family<Built, Histogram>,
    launch_time: Family<Launched, Histogram>,
    build_count: Family<Counted, Counter>,
    launch_count: Family<Counted, Counter>,
    builds: Gauge,
    launches: Gauge,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    /// How many visitors watch each build.
    now: HashMap<BuildId, usize>,
    counted: VecDeque<BuildId>,
}

impl Dashboards {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let all = Self {
            build_time: Family::new_with_constructor(|| {
                Histogram::new([60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0])
            }),
            launch_time: Family::new_with_constructor(|| {
                Histogram::new([2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0])
            }),
            build_count: Family::default(),
            launch_count: Family::default(),
            builds: Gauge::default(),
            launches: Gauge::default(),
            watched: Mutex::default(),
        };
        let (build_time, launch_time) = (all.build_time.clone(), all.launch_time.clone());
        registry.register("binderhub_build_time_seconds", "From a request for a build to its end", build_time);
        registry.register("binderhub_launch_time_seconds", "From an image to a session", launch_time);
        registry.register("binderhub_build_count", "Builds that ended", all.build_count.clone());
        registry.register("binderhub_launch_count", "Launches that ended", all.launch_count.clone());
        registry.register("binderhub_inprogress_builds", "Builds that visitors wait for", all.builds.clone());
        registry.register("binderhub_inprogress_launches", "Launches that visitors wait for", all.launches.clone());
        all
    }

    /// A visitor begins to wait for a build, until what is returned is dropped.
    pub(crate) fn waits_for_build(self: &Arc<Self>, build: &BuildRecord) -> WaitsForBuild {
        let mut watched = self.watched.lock();
        *watched.now.entry(build.id).or_default() += 1;
        self.show(&watched);
        let provider = build.request.resolved.spec.provider;
        WaitsForBuild { of: Arc::clone(self), build: build.id, since: build.created, provider }
    }

    /// A visitor begins to wait for a session, until what is returned is dropped.
    pub(crate) fn waits_for_session(self: &Arc<Self>, provider: Provider) -> WaitsForSession {
        self.launches.inc();
        WaitsForSession { of: Arc::clone(self), provider, since: tokio::time::Instant::now() }
    }

    fn show(&self, watched: &Watched) {
        self.builds.set(i64::try_from(watched.now.len()).unwrap_or(i64::MAX));
    }
}

/// A visitor who waits for a build.
pub(crate) struct WaitsForBuild {
    of: Arc<Dashboards>,
    build: BuildId,
    since: Timestamp,
    provider: Provider,
}

impl WaitsForBuild {
    /// The build has ended, and the visitor has seen it.
    pub(crate) fn ended(self, succeeded: bool) {
        let mut watched = self.of.watched.lock();
        if watched.counted.contains(&self.build) {
            return;
        }
        watched.counted.push_back(self.build);
        if watched.counted.len() > REMEMBERED {
            watched.counted.pop_front();
        }
        let status = status(succeeded);
        let millis = Timestamp::now().as_millis().saturating_sub(self.since.as_millis());
        self.of.build_time.get_or_create(&Built { status }).observe(Duration::from_millis(millis).as_secs_f64());
        let labels = Counted { status, provider: self.provider.display_name() };
        self.of.build_count.get_or_create(&labels).inc();
    }
}

impl Drop for WaitsForBuild {
    fn drop(&mut self) {
        let mut watched = self.of.watched.lock();
        if let Some(visitors) = watched.now.get_mut(&self.build) {
            *visitors -= 1;
            if *visitors == 0 {
                watched.now.remove(&self.build);
            }
        }
        self.of.show(&watched);
    }
}

/// A visitor who waits for a session.
pub(crate) struct WaitsForSession {
    of: Arc<Dashboards>,
    provider: Provider,
    since: tokio::time::Instant,
}

impl WaitsForSession {
    /// The launch has ended, and the visitor has seen it.
    pub(crate) fn ended(self, succeeded: bool) {
        let status = status(succeeded);
        // No launch is tried twice here; of one that failed BinderHub does not say how often either.
        let retries = if succeeded { "0" } else { "-1" };
        let took = self.since.elapsed().as_secs_f64();
        self.of.launch_time.get_or_create(&Launched { status, retries }).observe(took);
        let labels = Counted { status, provider: self.provider.display_name() };
        self.of.launch_count.get_or_create(&labels).inc();
    }
}

impl Drop for WaitsForSession {
    fn drop(&mut self) {
        self.of.launches.dec();
    }
}

const fn status(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "failure" }
}
