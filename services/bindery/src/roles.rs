//! Adapters become roles. Read this to know what runs in a process.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bindery_builder::Builder;
use bindery_core::WorkerId;
use bindery_core::seams::{ContentProvider, SessionBackend};
use bindery_launcher::{DockerBackend, Launcher, ProxyAddresses};
use bindery_proxy::{Proxy, ProxyStats};
use bindery_store::Stores;
use bindery_web::{Check, Metrics, Web};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checks::{EngineCheck, LoadCheck, RegistryCheck, StoreCheck};
use crate::config::Config;
use crate::{shutdown, wire};

/// Which roles a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    web: bool,
    builder: bool,
    launcher: bool,
    proxy: bool,
}

impl Roles {
    const NONE: Self = Self { web: false, builder: false, launcher: false, proxy: false };
    /// Everything in one process.
    pub(crate) const ALL: Self = Self { web: true, builder: true, launcher: true, proxy: true };
    /// Pages and API.
    pub(crate) const WEB: Self = Self { web: true, ..Self::NONE };
    /// A build worker.
    pub(crate) const BUILDER: Self = Self { builder: true, ..Self::NONE };
    /// Sessions.
    pub(crate) const LAUNCHER: Self = Self { launcher: true, ..Self::NONE };
    /// The way to sessions.
    pub(crate) const PROXY: Self = Self { proxy: true, ..Self::NONE };
}

/// Runs the roles until a signal, or until one of them fails.
pub(crate) async fn run(config: Config, roles: Roles) -> anyhow::Result<ExitCode> {
    if roles != Roles::ALL && config.redis.url.is_none() {
        bail!("roles in separate processes share their records through Redis: set redis.url, or run `bindery serve`");
    }
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make data_dir {}", config.data_dir.display()))?;
    let shutdown = CancellationToken::new();
    shutdown::listen(shutdown.clone())?;
    let stores = Arc::new(wire::stores(&config).await?);
    // One for all roles of the process: what one has resolved, the other need not ask.
    let content = if roles.web || roles.builder { Some(wire::content(&config, config.web.private_ok)?) } else { None };
    // Listen before anything starts, so that a taken port is an error and not a surprise.
    let web_listener = if roles.web { Some(listen(config.web.listen, "web.listen")?) } else { None };
    let proxy_listener = if roles.proxy { Some(listen(config.proxy.listen, "proxy.listen")?) } else { None };

    let mut running = JoinSet::new();
    let mut proxy_stats = None;
    if let Some(listener) = proxy_listener {
        let proxy = Proxy::new(config.proxy.clone(), Arc::clone(&stores.sessions));
        proxy_stats = Some(proxy.stats());
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shutdown = shutdown.clone();
        running.spawn(async move { proxy.run(listener, shutdown).await.context("the proxy failed") });
    }
    if roles.launcher {
        let launcher = launcher(&config, &stores)?;
        let shutdown = shutdown.clone();
        running.spawn(async move {
            launcher.run(shutdown).await;
            Ok(())
        });
    }
    if let (true, Some(content)) = (roles.builder, &content) {
        let builder = builder(&config, &stores, Arc::clone(content))?;
        let shutdown = shutdown.clone();
        running.spawn(async move {
            builder.run(shutdown).await;
            Ok(())
        });
    }
    if let (Some(listener), Some(content)) = (web_listener, content) {
        let web = web(&config, &stores, content, proxy_stats)?;
        tracing::info!("open {}", config.web.public_url());
        let shutdown = shutdown.clone();
        running.spawn(serve_web(web, listener, shutdown));
    }

    let mut failure = None;
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended.context("a role ended abnormally").and_then(|result| result) {
            tracing::error!("{error:#}");
            failure = failure.or(Some(error));
        }
        // Roles end only when told to; one that ended early takes the others with it, so that whoever watches this process
        // starts it again whole.
        shutdown.cancel();
    }
    stores.close().await;
    match failure {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let hint = "is another program on that port?";
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({setting}); {hint}"))
}

fn launcher(config: &Config, stores: &Stores) -> anyhow::Result<Launcher> {
    let backend: Arc<dyn SessionBackend> = Arc::new(DockerBackend::new(config.launcher.clone()).context("[launcher]")?);
    let probe_url = config.launcher.probe_url.clone().map_or_else(|| loopback(config.proxy.listen), Ok)?;
    let proxy = ProxyAddresses { public_url: config.proxy.public_url.clone(), probe_url };
    let (sessions, events) = (Arc::clone(&stores.sessions), Arc::clone(&stores.events));
    let registry = wire::registry_for_sessions(config);
    Ok(Launcher::new(config.launcher.clone(), backend, sessions, events, registry, proxy)?)
}

/// How this machine reaches its own proxy.
fn loopback(listen: SocketAddr) -> anyhow::Result<url::Url> {
    let address = if listen.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], listen.port())) } else { listen };
    Ok(format!("http://{address}/").parse()?)
}

fn builder(config: &Config, stores: &Stores, content: Arc<dyn ContentProvider>) -> anyhow::Result<Builder> {
    let name = config.builder.name.clone();
    let worker = WorkerId(name.unwrap_or_else(|| format!("builder-{}", Uuid::new_v4().simple())));
    let seams = bindery_builder::Seams {
        content,
        queue: Arc::clone(&stores.queue),
        events: Arc::clone(&stores.events),
        leases: Arc::clone(&stores.leases),
        provenances: Arc::clone(&stores.provenances),
    };
    Ok(Builder::new(config.builder.clone(), worker, seams, wire::pipeline(config)?))
}

fn web(
    config: &Config,
    stores: &Arc<Stores>,
    content: Arc<dyn ContentProvider>,
    proxy: Option<ProxyStats>,
) -> anyhow::Result<Web> {
    let mut checks: Vec<Arc<dyn Check>> = Vec::new();
    // Only a process that shares its machine with builder and launcher can ask their engine, and the registry by way of it.
    if config.redis.url.is_none() {
        if let Some(registry) = wire::registry(config) {
            let image = format!("{}/no-such-image:health", config.registry.name_prefix()).parse()?;
            checks.push(Arc::new(RegistryCheck { registry, image }));
        }
        checks.push(Arc::new(EngineCheck(Arc::new(DockerBackend::new(config.launcher.clone())?))));
    }
    // Some readers know checks by their places: those of BinderHub come first, in its order.
    let (queue, sessions) = (Arc::clone(&stores.queue), Arc::clone(&stores.sessions));
    checks.push(Arc::new(LoadCheck { queue, sessions, quota: config.launcher.max_sessions }));
    checks.push(Arc::new(StoreCheck(Arc::clone(stores))));

    let metrics = Arc::new(Metrics::default());
    if let Some(stats) = proxy {
        proxy_metrics(&metrics, &stats);
    }
    let seams = bindery_web::Seams {
        content,
        queue: Arc::clone(&stores.queue),
        events: Arc::clone(&stores.events),
        sessions: Arc::clone(&stores.sessions),
        provenances: Arc::clone(&stores.provenances),
    };
    let settings = bindery_web::Config { images: !config.content.images.is_empty(), ..config.web.clone() };
    Ok(Web::new(settings, wire::site(config)?.recipe(), seams, checks, metrics)?)
}

fn proxy_metrics(metrics: &Metrics, stats: &ProxyStats) {
    let reading = |read: fn(&bindery_proxy::Snapshot) -> u64| {
        let stats = stats.clone();
        Box::new(move || i64::try_from(read(&stats.snapshot())).unwrap_or(i64::MAX))
    };
    metrics.reading("bindery_sessions_routed", "Sessions that can be reached", reading(|now| now.routes));
    metrics.reading("bindery_proxy_websockets", "WebSockets open now", reading(|now| now.open_tunnels));
    metrics.reading("bindery_proxy_connections", "Visitors' connections open now", reading(|now| now.open_connections));
    metrics.reading("bindery_proxy_requests", "Requests to sessions since the start", reading(|now| now.requests));
    metrics.reading(
        "bindery_proxy_upstream_errors",
        "Requests no session answered since the start",
        reading(|now| now.upstream_errors),
    );
}

/// The web role has its own threads, because its server's futures stay on the thread that made them.
async fn serve_web(web: Web, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (ended, outcome) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("web".to_owned()).spawn(move || {
        let result = actix_web::rt::System::new().block_on(bindery_web::serve(web, listener, shutdown));
        // The receiver is gone only when the process is ending anyway.
        let _ = ended.send(result);
    })?;
    outcome.await.context("the web thread ended abnormally")?.context("the web server failed")
}
