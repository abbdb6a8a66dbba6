//! A corner of the engine for one test: an instance of its own, images with known ways, and a sweep afterwards.

use std::collections::HashMap;
use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bindery_core::{ImageRef, LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionId, Timestamp};
use bindery_launcher::{Config, DockerBackend, Launcher, ProxyAddresses};
use bollard::models::{ContainerConfig, ContainerCreateBody};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::support::proxy;
use crate::support::store::MemoryStore;

pub(crate) struct House {
    pub(crate) docker: Docker,
    pub(crate) config: Config,
    pub(crate) base: ImageRef,
    made: Mutex<Vec<String>>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs a test in a house of its own, which is empty afterwards whatever the test does.
pub(crate) async fn visit<F: Future<Output = ()>>(test: impl FnOnce(Arc<House>) -> F) {
    visit_with(|config| config, test).await;
}

/// The same with other settings.
pub(crate) async fn visit_with<F: Future<Output = ()>>(
    settings: impl FnOnce(Config) -> Config,
    test: impl FnOnce(Arc<House>) -> F,
) {
    #[expect(clippy::disallowed_methods, reason = "how tests are told where the engine is")]
    let (host, base) = (std::env::var("BINDERY_TEST_DOCKER_HOST"), std::env::var("BINDERY_TEST_BASE_IMAGE"));
    let (Ok(host), Ok(base)) = (host, base) else {
        // Not by `eprintln!`, which the harness would swallow: a test that did not run must not look like one that passed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, no engine: set BINDERY_TEST_DOCKER_HOST and BINDERY_TEST_BASE_IMAGE to run it"
        );
        return;
    };
    let docker = Docker::connect_with_unix(&host, 120, API_DEFAULT_VERSION).unwrap().negotiate_version().await.unwrap();
    let id = docker.inspect_image(&base).await.expect("the base image is in the engine").id.unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let config = settings(Config {
        docker_host: host,
        instance: format!("test-{}-{count}", std::process::id()),
        network: "bindery-launcher-tests".to_owned(),
        ..Config::default()
    });
    let base = ImageRef { name: base.parse().unwrap(), id, registry_digest: None };
    let house = Arc::new(House { docker, config, base, made: Mutex::default() });
    let outcome = std::panic::AssertUnwindSafe(test(house.clone())).catch_unwind().await;
    let left = house.containers().await;
    house.sweep().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(left, Vec::<String>::new(), "no container is left behind");
}

impl House {
    pub(crate) fn backend(&self) -> Arc<DockerBackend> {
        Arc::new(DockerBackend::new(self.config.clone()).unwrap())
    }

    /// The base image with another entry point.
    pub(crate) async fn image(&self, entrypoint: &[&str]) -> ImageRef {
        let entrypoint = Some(entrypoint.iter().map(|word| (*word).to_owned()).collect());
        self.variant(ContainerConfig { entrypoint, ..ContainerConfig::default() }).await
    }

    /// The base image configured otherwise.
    pub(crate) async fn variant(&self, config: ContainerConfig) -> ImageRef {
        let body = ContainerCreateBody { image: Some(self.base.id.clone()), ..ContainerCreateBody::default() };
        let container = self.docker.create_container(None, body).await.unwrap().id;
        let options = CommitContainerOptionsBuilder::default().container(&container).build();
        let id = self.docker.commit_container(options, config).await.unwrap().id;
        self.docker.remove_container(&container, None).await.unwrap();
        self.made.lock().push(id.clone());
        ImageRef { name: "bindery-test/variant:1".parse().unwrap(), id, registry_digest: None }
    }

    /// Every container of this house's instance.
    pub(crate) async fn containers(&self) -> Vec<String> {
        self.containers_of(&self.config.instance).await
    }

    /// Every container of that instance.
    pub(crate) async fn containers_of(&self, instance: &str) -> Vec<String> {
        let label = format!("io.bindery.instance={instance}");
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let all = self.docker.list_containers(Some(options)).await.unwrap();
        all.into_iter().filter_map(|container| container.id).collect()
    }

    async fn sweep(&self) {
        for container in self.containers().await {
            let options = RemoveContainerOptionsBuilder::default().force(true).build();
            let _ = self.docker.remove_container(&container, Some(options)).await;
        }
        let made = std::mem::take(&mut *self.made.lock());
        for image in made {
            let options = RemoveImageOptionsBuilder::default().force(true).build();
            let _ = self.docker.remove_image(&image, Some(options), None).await;
        }
    }
}

/// A launcher at work in a house.
pub(crate) struct Running {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) proxy: url::Url,
    pub(crate) client: reqwest::Client,
    shutdown: CancellationToken,
    task: AbortHandle,
}

impl Running {
    pub(crate) async fn start(house: &House) -> Self {
        let store = Arc::new(MemoryStore::default());
        let proxy = proxy::start(store.clone()).await;
        Self::start_with(house, store, proxy)
    }

    pub(crate) fn start_with(house: &House, store: Arc<MemoryStore>, proxy: url::Url) -> Self {
        let addresses = ProxyAddresses { public_url: proxy.clone(), probe_url: proxy.clone() };
        let launcher =
            Launcher::new(house.config.clone(), house.backend(), store.clone(), store.clone(), None, addresses)
                .unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(launcher.run(shutdown.clone())).abort_handle();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { store, proxy, client, shutdown, task }
    }

    /// Ends it as a crash would: in the middle of whatever it does.
    pub(crate) fn crash(self) -> (Arc<MemoryStore>, url::Url) {
        self.task.abort();
        (self.store.clone(), self.proxy.clone())
    }

    /// The status of a request through the proxy, with the session's token.
    pub(crate) async fn get(&self, session: &Session, path: &str) -> u16 {
        let address = format!("{}user/{}/{path}", self.proxy, session.id);
        let request = self.client.get(address).header("Authorization", format!("token {}", session.token.expose()));
        request.send().await.unwrap().status().as_u16()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn queued(image: &ImageRef) -> Session {
    let source = LaunchSource {
        repo_url: "https://example.org/r".to_owned(),
        identity: "example.org/r".to_owned(),
        ref_url: "https://example.org/r/tree/abc".to_owned(),
        request: "v2/git/r/HEAD".to_owned(),
        persistent_request: "v2/git/r/abc".to_owned(),
        launch_host: "http://127.0.0.1:8585/".to_owned(),
        client_ip: String::new(),
    };
    let request = LaunchRequest { id: LaunchId::new(), image: image.clone(), source };
    let id = SessionId::new();
    Session::queued(id, request, Secret::new(format!("token-of-{id}")), Timestamp::now())
}
