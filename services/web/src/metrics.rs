//! What the web role counts. Labels are bounded: nothing a visitor writes becomes one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bindery_core::FaultBy;
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::dashboards::Dashboards;
use crate::stream::OpenStreams;

/// How a visit got its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum LaunchPath {
    /// The image was there.
    Cached,
    /// It was built, by or while this visit waited.
    Built,
    /// The visitor came back to a launch.
    Resumed,
    /// The build failed.
    BuildFailed,
    /// The launch failed.
    LaunchFailed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: LaunchPath,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    by: &'static str,
}

/// A number read when `/metrics` is asked for.
pub type Reading = Box<dyn Fn() -> i64 + Send + Sync>;

/// The registry of what this process counts, and the web role's own entries in it.
pub struct Metrics {
    registry: Mutex<Registry>,
    readings: Mutex<Vec<(Gauge, Reading)>>,
    streams: Arc<OpenStreams>,
    click_to_ready: Family<PathLabel, Histogram>,
    faults: Family<FaultLabel, Counter>,
    left: Counter<u64, AtomicU64>,
    dashboards: Arc<Dashboards>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let click_to_ready = Family::<PathLabel, Histogram>::new_with_constructor(|| {
            Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0])
        });
        registry.register(
            "bindery_click_to_ready_seconds",
            "From a visitor's request to a session that answers, or to its failure",
            click_to_ready.clone(),
        );
        let faults = Family::<FaultLabel, Counter>::default();
        registry.register("bindery_visit_faults", "Visits that could not be served, by whose fault", faults.clone());
        let left = Counter::default();
        registry.register("bindery_visits_left", "Visitors who left before the end", left.clone());
        let dashboards = Arc::new(Dashboards::new(&mut registry));
        let metrics = Self {
            registry: Mutex::new(registry),
            readings: Mutex::default(),
            streams: Arc::default(),
            click_to_ready,
            faults,
            left,
            dashboards,
        };
        let streams = Arc::clone(&metrics.streams);
        metrics.reading(
            "bindery_event_streams",
            "Event streams open now",
            Box::new(move || i64::try_from(streams.count()).unwrap_or(i64::MAX)),
        );
        metrics
    }
}

impl Metrics {
    /// Adds a gauge whose value is read when `/metrics` is asked for.
    pub fn reading(&self, name: &str, help: &str, read: Reading) {
        let gauge = Gauge::default();
        self.registry.lock().register(name, help, gauge.clone());
        self.readings.lock().push((gauge, read));
    }

    /// Every metric in OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        for (gauge, read) in self.readings.lock().iter() {
            gauge.set(read());
        }
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry.lock());
        out
    }

    pub(crate) fn streams(&self) -> &Arc<OpenStreams> {
        &self.streams
    }

    pub(crate) fn dashboards(&self) -> &Arc<Dashboards> {
        &self.dashboards
    }

    pub(crate) fn visit_ready(&self, path: LaunchPath, took: Duration) {
        self.click_to_ready.get_or_create(&PathLabel { path }).observe(took.as_secs_f64());
    }

    pub(crate) fn visit_failed(&self, by: FaultBy) {
        let by = match by {
            FaultBy::User => "user",
            FaultBy::Upstream => "upstream",
            FaultBy::Us => "us",
        };
        self.faults.get_or_create(&FaultLabel { by }).inc();
    }

    pub(crate) fn visit_left(&self) {
        self.left.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::{LaunchPath, Metrics};
    use std::time::Duration;

    #[test]
    fn readings_are_taken_when_asked_for() {
        let metrics = Metrics::default();
        metrics.reading("x_things", "Things", Box::new(|| 41));
        metrics.visit_ready(LaunchPath::Cached, Duration::from_millis(3));
        let text = metrics.encode();
        assert!(text.contains("x_things 41"), "{text}");
        assert!(text.contains("bindery_click_to_ready_seconds_count{path=\"Cached\"} 1"), "{text}");
    }
}
