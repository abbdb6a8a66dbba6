//! The listener: accepts visitors up to the caps, and ends gracefully.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bindery_core::Fault;
use bindery_core::seams::SessionStore;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::activity::report;
use crate::client_io::ClientIo;
use crate::config::{Config, Waits};
use crate::follow::follow;
use crate::handle::handle;
use crate::routes::Routes;
use crate::stats::{Counters, ProxyStats};

/// After this many failures in a row to accept a connection, the listener is given up.
const MOST_FAILURES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// How long connections may take to notice that they are not waited for.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Why the proxy could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings make no sense.
    #[error("proxy.{setting}: {reason}")]
    Config {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The listener accepts no connections any more.
    #[error("the proxy's listener failed: {0}")]
    Listener(#[source] io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match &error {
            Error::Config { .. } => Self::us("bad-config", error.to_string()),
            Error::Listener(_) => Self::us("listener-failed", error.to_string()),
        }
    }
}

/// The proxy: makes sessions reachable.
pub struct Proxy {
    config: Config,
    store: Arc<dyn SessionStore>,
    stats: ProxyStats,
}

/// What every request needs.
pub(crate) struct Shared {
    pub(crate) routes: Arc<Routes>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) waits: Waits,
    pub(crate) scheme: String,
    /// Host and port of the public address, as an origin has them.
    pub(crate) authority: String,
    pub(crate) domain: Option<String>,
    pub(crate) hub_url: Url,
    /// Every connection and tunnel.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when none of them can be waited for any longer.
    pub(crate) kill: CancellationToken,
    callers: Mutex<HashMap<IpAddr, usize>>,
}

/// Who is at the other end of a connection. Counted while it exists.
pub(crate) struct Visitor {
    pub(crate) peer: IpAddr,
    pub(crate) trusted: bool,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy for the sessions in `store`. Nothing happens before [`Proxy::run`].
    #[must_use]
    pub fn new(config: Config, store: Arc<dyn SessionStore>) -> Self {
        Self { config, store, stats: ProxyStats { counters: Arc::default(), routes: Arc::default() } }
    }

    /// A handle on the proxy's numbers.
    #[must_use]
    pub fn stats(&self) -> ProxyStats {
        self.stats.clone()
    }

    /// Serves `listener` until `shutdown`; then takes no more connections, lets open streams go on for the configured time, closes
    /// what is left (WebSockets with code 1001), and tells the store the last activity.
    ///
    /// # Errors
    /// The settings make no sense, or the listener failed for good.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> Result<(), Error> {
        check(&self.config)?;
        let waits = self.config.waits();
        let shared = Arc::new(Shared {
            routes: Arc::clone(&self.stats.routes),
            counters: Arc::clone(&self.stats.counters),
            waits,
            scheme: self.config.public_url.scheme().to_owned(),
            authority: self.config.public_url.authority().to_owned(),
            domain: self.config.domain.clone(),
            hub_url: as_folder(&self.config.hub_url),
            tasks: TaskTracker::new(),
            kill: CancellationToken::new(),
            callers: Mutex::default(),
        });

        // The table and the reports outlive the listener: open streams need them until the end.
        let helpers = CancellationToken::new();
        let _end_helpers = helpers.clone().drop_guard();
        let routes = &shared.routes;
        let following = tokio::spawn(follow(Arc::clone(&self.store), Arc::clone(routes), helpers.clone()));
        let reporting =
            tokio::spawn(report(Arc::clone(&self.store), Arc::clone(routes), waits.activity, helpers.clone()));
        let sweeping = tokio::spawn(sweep(Arc::clone(routes), waits.upstream_idle, helpers.clone()));

        let closing = shutdown.child_token();
        let accepting = accept(&shared, &self.config, &listener, &closing);
        let result = shutdown.run_until_cancelled(accepting).await.unwrap_or(Ok(()));
        drop(listener);
        closing.cancel();

        shared.tasks.close();
        if tokio::time::timeout(waits.drain, shared.tasks.wait()).await.is_err() {
            tracing::info!(open = shared.tasks.len(), "closing the streams that are still open");
            shared.kill.cancel();
            tokio::time::timeout(LAST_CALL, shared.tasks.wait()).await.ok();
        }
        helpers.cancel();
        for helper in [following, reporting, sweeping] {
            if let Err(error) = helper.await {
                tracing::error!(%error, "a part of the proxy failed");
            }
        }
        result
    }
}

fn check(config: &Config) -> Result<(), Error> {
    let web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let dotted = |domain: &String| domain.starts_with('.') || domain.ends_with('.') || domain.contains([':', '/']);
    let problem = if !web(&config.public_url) {
        ("public_url", "must be an http or https address")
    } else if !web(&config.hub_url) {
        ("hub_url", "must be an http or https address")
    } else if config.domain.as_ref().is_some_and(|domain| domain.is_empty() || dotted(domain)) {
        ("domain", "must be a domain name alone, such as apps.example.org")
    } else if config.max_connections == 0 || config.max_connections_per_ip == 0 {
        ("max_connections", "must be at least 1")
    } else {
        return Ok(());
    };
    Err(Error::Config { setting: problem.0, reason: problem.1 })
}

/// The address with a path that ends in `/`, so that paths can be joined to it.
fn as_folder(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url.set_query(None);
    url.set_fragment(None);
    url
}

async fn accept(
    shared: &Arc<Shared>,
    config: &Config,
    listener: &TcpListener,
    closing: &CancellationToken,
) -> Result<(), Error> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(shared.waits.keep_alive);
    http.max_buf_size(config.header_bytes()).max_header_size(config.header_bytes());
    let http = Arc::new(http);
    let mut failures = 0;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                failures = 0;
                match Visitor::admit(shared, config, address.ip().to_canonical()) {
                    Some(visitor) => {
                        let talking = converse(Arc::clone(&http), stream, visitor, closing.clone());
                        shared.tasks.spawn(talking);
                    }
                    None => shared.counters.refused_connections.add(),
                }
            }
            Err(error) if failures < MOST_FAILURES => {
                failures += 1;
                tracing::warn!(%error, "a connection was not accepted");
                // Mostly: out of file descriptors. Trying at once would spin.
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(Error::Listener(error)),
        }
    }
}

/// Speaks HTTP with one visitor until it ends.
async fn converse(http: Arc<http1::Builder>, stream: TcpStream, visitor: Visitor, closing: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a visitor left at once");
    }
    let (shared, visitor) = (Arc::clone(&visitor.shared), Arc::new(visitor));
    let io = TokioIo::new(ClientIo::new(stream, &shared.waits));
    let service = {
        let shared = Arc::clone(&shared);
        service_fn(move |request| handle(Arc::clone(&shared), Arc::clone(&visitor), request))
    };
    let talking = http.serve_connection(io, service).with_upgrades();
    tokio::pin!(talking);
    let ended = tokio::select! {
        ended = &mut talking => ended,
        () = closing.cancelled() => {
            talking.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut talking => ended,
                () = shared.kill.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a visitor's connection ended");
    }
}

/// Closes connections to sessions that nobody used for a while.
async fn sweep(routes: Arc<Routes>, limit: Duration, end: CancellationToken) {
    while end.run_until_cancelled(tokio::time::sleep(limit)).await.is_some() {
        for route in routes.live() {
            route.pool.sweep(limit);
        }
    }
}

impl Visitor {
    /// A visitor, unless too many are there already.
    fn admit(shared: &Arc<Shared>, config: &Config, peer: IpAddr) -> Option<Self> {
        let trusted = config.trusted_proxies.iter().any(|network| network.contains(peer));
        if shared.counters.open_connections.get() >= config.max_connections as u64 {
            return None;
        }
        if !trusted {
            let mut callers = shared.callers.lock();
            let open = callers.entry(peer).or_default();
            if *open >= config.max_connections_per_ip {
                return None;
            }
            *open += 1;
        }
        shared.counters.open_connections.add();
        Some(Self { peer, trusted, shared: Arc::clone(shared) })
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.shared.counters.open_connections.sub();
        if self.trusted {
            return;
        }
        let mut callers = self.shared.callers.lock();
        if let Some(open) = callers.get_mut(&self.peer) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                callers.remove(&self.peer);
            }
        }
    }
}
