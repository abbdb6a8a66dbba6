//! Numbers for `/metrics`. Plain counters; the web role gives them their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bindery_core::SessionId;

use crate::routes::Routes;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: Count,
    pub(crate) upstream_errors: Count,
    pub(crate) refused_connections: Count,
    pub(crate) tunnels_opened: Count,
    pub(crate) open_connections: Count,
}

/// A number that only this module's users change.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A handle on the proxy's numbers. Cheap to clone; stays valid while and after the proxy runs.
#[derive(Debug, Clone)]
pub struct ProxyStats {
    pub(crate) counters: Arc<Counters>,
    pub(crate) routes: Arc<Routes>,
}

/// The proxy's numbers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Sessions that can be reached.
    pub routes: u64,
    /// Connections of visitors, including those that became WebSockets.
    pub open_connections: u64,
    /// WebSockets open now.
    pub open_tunnels: u64,
    /// Requests since the start, WebSockets included.
    pub requests: u64,
    /// WebSockets since the start.
    pub tunnels_opened: u64,
    /// Requests that a session's server did not answer.
    pub upstream_errors: u64,
    /// Connections closed at once because too many were open.
    pub refused_connections: u64,
}

impl ProxyStats {
    /// The numbers now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let open = self.routes.live();
        Snapshot {
            routes: open.len() as u64,
            open_connections: self.counters.open_connections.get(),
            open_tunnels: open.iter().map(|route| route.tunnels.get()).sum(),
            requests: self.counters.requests.get(),
            tunnels_opened: self.counters.tunnels_opened.get(),
            upstream_errors: self.counters.upstream_errors.get(),
            refused_connections: self.counters.refused_connections.get(),
        }
    }

    /// The open WebSockets of each session that has any.
    #[must_use]
    pub fn connections(&self) -> Vec<(SessionId, u64)> {
        let open = self.routes.live();
        open.iter().map(|route| (route.id, route.tunnels.get())).filter(|(_, tunnels)| *tunnels > 0).collect()
    }
}
