//! A real engine, a tiny base image made of this machine's shell, and private registries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bindery_core::seams::{BuildJob, BuildProgress, Progress};
use bindery_core::{ImageName, MemoryTree, StepMark, StepStatus};
use bindery_images::{Config, DockerImages, Engine};
use bollard::query_parameters::CreateImageOptions;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell};

/// The engine to test with, from `BINDERY_TEST_DOCKER_HOST`; without it the caller skips, and says so.
pub(crate) fn docker_host(test: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by their runner where the engine is")]
    let host = std::env::var("BINDERY_TEST_DOCKER_HOST").ok();
    if host.is_none() {
        eprintln!("skipped: {test} needs an engine; set BINDERY_TEST_DOCKER_HOST=unix:///path/to/docker.sock");
    }
    host
}

/// A builder on it, with the base image there. Its disk guard is off: what the test machine has free is no concern here.
pub(crate) async fn images(test: &str, change: impl FnOnce(&mut Config)) -> Option<DockerImages> {
    let host = docker_host(test)?;
    let mut config = Config { docker_host: Some(host), min_free_bytes: 0, min_free_percent: 0, ..Config::default() };
    change(&mut config);
    let images = DockerImages::new(config);
    base_image(&images.engine()).await;
    Some(images)
}

/// The name of the base image: a shell, a few tools, and the libraries they need, copied from this machine.
pub(crate) const BASE: &str = "bindery-test/base:1";

async fn base_image(engine: &Engine) {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        let docker = engine.docker().await.unwrap();
        if docker.inspect_image(BASE).await.is_ok() {
            return;
        }
        let options = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some("bindery-test/base".into()),
            tag: Some("1".into()),
            ..CreateImageOptions::default()
        };
        let body = bollard::body_full(root_filesystem().into());
        let mut import = Box::pin(docker.create_image(Some(options), Some(body), None));
        while let Some(message) = import.next().await {
            message.unwrap();
        }
    })
    .await;
}

fn root_filesystem() -> Vec<u8> {
    let mut files = BTreeSet::new();
    for (tool, place) in
        [("dash", "bin/sh"), ("sleep", "bin/sleep"), ("cat", "bin/cat"), ("ls", "bin/ls"), ("dd", "bin/dd")]
    {
        let output =
            Command::new("sh").args(["-c", "readlink -f \"$(command -v \"$1\")\"", "sh", tool]).output().unwrap();
        let program = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let needs = Command::new("ldd").arg(&program).output().unwrap();
        for word in String::from_utf8(needs.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
            files.insert((PathBuf::from(word), word.trim_start_matches('/').to_owned()));
        }
        files.insert((program, place.to_owned()));
    }
    let mut tar = tar::Builder::new(Vec::new());
    for (from, to) in files {
        let content = std::fs::read(&from).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, to, &content[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A name nobody else uses.
pub(crate) fn fresh(prefix: &str) -> ImageName {
    format!("{prefix}/{}:t", uuid::Uuid::new_v4().simple()).parse().unwrap()
}

/// A job that builds `dockerfile` with these files of a repository under `content/`.
pub(crate) fn job(name: &ImageName, dockerfile: &str, tree: Option<MemoryTree>) -> BuildJob {
    BuildJob {
        name: name.clone(),
        dockerfile: dockerfile.to_owned(),
        tree: tree.map(|tree| Arc::new(tree) as Arc<dyn bindery_core::Tree>),
        content_time: None,
        tree_prefix: "content".into(),
        ignore_file: None,
        keep: Vec::new(),
        files: Vec::new(),
        build_args: Vec::new(),
        labels: Vec::new(),
    }
}

/// Remembers what it is told and wakes whoever waits for it.
#[derive(Default)]
pub(crate) struct Told {
    seen: Mutex<Vec<BuildProgress>>,
    news: Notify,
}

impl Progress for Told {
    fn report(&self, progress: BuildProgress) {
        self.seen.lock().push(progress);
        self.news.notify_waiters();
    }
}

impl Told {
    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<BuildProgress> {
        self.seen.lock().clone()
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |progress: &BuildProgress| match progress {
            BuildProgress::Line { text, .. } => Some(text.clone()),
            BuildProgress::Step(_) => None,
        };
        self.seen.lock().iter().filter_map(line).collect()
    }

    /// Waits until a line of that text was told.
    pub(crate) async fn line(&self, text: &str) {
        self.until(|progress| matches!(progress, BuildProgress::Line { text: line, .. } if line == text)).await;
    }

    /// Waits until a step of that name was told to be so far.
    pub(crate) async fn step(&self, name: &str, status: StepStatus) {
        let is_it = |mark: &StepMark| mark.name == name && mark.status == status;
        self.until(|progress| matches!(progress, BuildProgress::Step(mark) if is_it(mark))).await;
    }

    async fn until(&self, is_it: impl Fn(&BuildProgress) -> bool) {
        let wait = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.seen.lock().iter().any(&is_it) {
                    return;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await;
        assert!(found.is_ok(), "was never told; instead: {:?}", self.all());
    }
}

/// A private registry on loopback, ended when dropped.
pub(crate) struct PrivateRegistry {
    process: Child,
    pub(crate) url: String,
    _data: tempfile::TempDir,
}

impl PrivateRegistry {
    /// Starts one; with an account when `htpasswd` is given. `None`, said aloud, where `docker-registry` is not installed.
    pub(crate) async fn start(test: &str, htpasswd: Option<&str>) -> Option<Self> {
        let program = Path::new("/usr/bin/docker-registry");
        if !program.exists() {
            eprintln!("skipped: {test} needs docker-registry");
            return None;
        }
        let data = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = data.path().display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {directory}/images}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n"
        );
        if let Some(line) = htpasswd {
            std::fs::write(data.path().join("htpasswd"), line).unwrap();
            config.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}\n"));
        }
        std::fs::write(data.path().join("config.yml"), config).unwrap();
        let process = Command::new(program)
            .arg("serve")
            .arg(data.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, url: format!("http://127.0.0.1:{port}"), _data: data };
        let up = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), up).await.expect("the registry listens");
        Some(registry)
    }
}

impl Drop for PrivateRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A socket that passes everything on to an engine's, until dropped: an engine that can be lost without ending the real one.
pub(crate) fn relay(path: &Path, engine: &str) -> tokio::task::JoinSet<()> {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    let engine = engine.to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let engine = engine.clone();
            connections.spawn(async move {
                if let Ok(mut server) = tokio::net::UnixStream::connect(engine).await {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    tasks
}
