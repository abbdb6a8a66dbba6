//! Builds lists of files with the product, as a person would with `bindery build PATH`, and runs commands in what came out.
//!
//! Every image and container of a workshop goes when it is dropped. A workshop has a name of its own for its images, so that no
//! test's tidying takes an environment another test is building on; layers are shared through the engine's cache all the same.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bindery_tests::engine::Engine;
use bindery_tests::repos::{self, RepoFile};
use bindery_tests::service::binary;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// Longest a command in an image may take, in seconds.
const BOUND: &str = "180";
/// Longest wait for something in a container.
const PATIENCE: Duration = Duration::from_secs(120);

/// A place to build in: settings, a data directory, a name for images.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) engine: Engine,
    pub(crate) prefix: String,
    home: TempDir,
    settings: Vec<(String, String)>,
}

impl Workshop {
    /// A workshop over the test engine; `None`, loudly, when there is none and this is not CI.
    pub(crate) fn find(test: &str) -> Option<Arc<Self>> {
        Self::with(test, &[])
    }

    /// The same with settings, as `("BUILD__BASE_IMAGE", "…")`.
    pub(crate) fn with(test: &str, settings: &[(&str, &str)]) -> Option<Arc<Self>> {
        let engine = Engine::find(test)?;
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let prefix = format!("bindery-test-{}", Uuid::new_v4().simple());
        Some(Arc::new(Self { engine, prefix, home: tempfile::tempdir().unwrap(), settings }))
    }

    /// The command line under test, with this workshop's settings.
    pub(crate) fn bindery(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary().unwrap());
        command
            .args(arguments)
            .env("DOCKER_HOST", &self.engine.docker_host)
            .env("BINDERY__DATA_DIR", self.home.path())
            .env("BINDERY__BUILD__BASE_IMAGE", &self.engine.base_image)
            .env("BINDERY__REGISTRY__PREFIX", &self.prefix)
            // Rows look into images themselves; some are no notebooks at all.
            .env("BINDERY__BUILD__PROBE", "false")
            // Test machines are often nearly full.
            .env("BINDERY__IMAGES__MIN_FREE_BYTES", "1000000")
            .env("BINDERY__IMAGES__MIN_FREE_PERCENT", "0");
        for (key, value) in &self.settings {
            command.env(format!("BINDERY__{key}"), value);
        }
        command.output().unwrap()
    }

    /// Builds these files.
    pub(crate) fn try_build(self: &Arc<Self>, files: &[RepoFile]) -> Result<Image, Failure> {
        let directory = tempfile::tempdir().unwrap();
        repos::write(directory.path(), files).unwrap();
        self.try_build_target(&[directory.path().to_str().unwrap()])
    }

    /// Builds what these words of the command line name.
    pub(crate) fn try_build_target(self: &Arc<Self>, target: &[&str]) -> Result<Image, Failure> {
        let output = self.bindery(&[["--json-logs", "build"].as_slice(), target].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let events: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let log = events.iter().filter_map(|event| event["message"].as_str()).collect();
        if output.status.success() {
            let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            return Ok(Image { workshop: Arc::clone(self), name, log, events });
        }
        let fault = events.iter().find_map(|event| event.get("fault").cloned()).unwrap_or_default();
        Err(Failure { code: output.status.code(), fault, log, told })
    }

    /// Builds these files, which must succeed.
    #[track_caller]
    pub(crate) fn build(self: &Arc<Self>, files: &[RepoFile]) -> Image {
        self.try_build(files).unwrap_or_else(|failure| panic!("the build failed:\n{}", failure.told))
    }

    /// Names of the images of this workshop: `env` or `repo`, and a tag.
    pub(crate) fn images(&self) -> Vec<String> {
        // With and without the registry they are for.
        let filters = ["", "*/"].map(|registry| format!("reference={registry}{}/*", self.prefix));
        let [plain, pushed] = filters.each_ref().map(String::as_str);
        let words = ["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", plain, "--filter", pushed];
        let listed = self.engine.docker(&words);
        listed.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let filter = format!("label=io.bindery.test={}", self.prefix);
        let containers = self.engine.docker(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap_or_default();
        for container in containers.split_whitespace() {
            // It may be going away by itself.
            let _ = self.engine.docker(&["rm", "--force", "--volumes", container]);
        }
        for image in self.images() {
            let _ = self.engine.docker(&["rmi", "--force", &image]);
        }
    }
}

/// An image that was built.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) name: String,
    /// Everything the build said.
    pub(crate) log: String,
    /// The same, as the events it said it in.
    pub(crate) events: Vec<Value>,
}

/// A build that gave no image.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Option<i32>,
    /// Who, where and what to do.
    pub(crate) fault: Value,
    /// Everything the build said.
    pub(crate) log: String,
    /// The same, with what is no event.
    pub(crate) told: String,
}

impl Failure {
    /// `file:line`, or `file`.
    pub(crate) fn place(&self) -> String {
        let file = self.fault["file"].as_str().unwrap_or_default();
        self.fault["line"].as_u64().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
    }

    /// The sentence, and what to do.
    pub(crate) fn said(&self) -> String {
        ["message", "hint"].map(|key| self.fault[key].as_str().unwrap_or_default()).join(" ")
    }
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Image {
    /// Runs a command as a session would: as the image's user, behind its entry point.
    pub(crate) fn run(&self, command: &[&str]) -> Ran {
        self.run_with(&[], command)
    }

    /// The same with options of `docker run`.
    pub(crate) fn run_with(&self, options: &[&str], command: &[&str]) -> Ran {
        let label = format!("io.bindery.test={}", self.workshop.prefix);
        let output = self
            .workshop
            .engine
            .client("timeout")
            .args(["--kill-after=5", BOUND, "docker", "run", "--rm", "--network", "none", "--label", &label])
            .args(options)
            .arg(&self.name)
            .args(command)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts the image's own command in the background.
    #[track_caller]
    pub(crate) fn start(&self, options: &[&str]) -> Server {
        let label = format!("io.bindery.test={}", self.workshop.prefix);
        let options = [["--network", "none", "--label", &label].as_slice(), options].concat();
        Server::start(&self.workshop.engine, &options, &self.name, &[])
    }

    /// What a shell script in the image prints; it must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let ran = self.run(&["bash", "-c", script]);
        assert_eq!(ran.code, Some(0), "{script}: {ran:#?}");
        ran.out
    }

    /// What a Python program in the image prints; it must succeed.
    #[track_caller]
    pub(crate) fn python(&self, program: &str) -> String {
        let ran = self.run(&["python", "-c", program]);
        assert_eq!(ran.code, Some(0), "{program}: {ran:#?}");
        ran.out
    }

    /// What the default kernel prints for a program, started as a server starts it; it must succeed.
    #[track_caller]
    pub(crate) fn kernel(&self, program: &str) -> String {
        self.python(&format!(
            "from jupyter_client.manager import start_new_kernel\n\
             manager, client = start_new_kernel(startup_timeout=100)\n\
             hook = lambda message: print(message['content'].get('text', ''), end='')\n\
             reply = client.execute_interactive({program:?}, timeout=100, output_hook=hook)\n\
             manager.shutdown_kernel(now=True)\n\
             assert reply['content']['status'] == 'ok', reply"
        ))
    }

    /// A field of the image's description, as a template of the engine's client.
    #[track_caller]
    pub(crate) fn inspect(&self, template: &str) -> String {
        inspect(&self.workshop.engine, &self.name, template)
    }

    /// The environment image it stands on.
    #[track_caller]
    pub(crate) fn environment(&self) -> String {
        let key = self.inspect("{{index .Config.Labels \"io.bindery.environment\"}}");
        format!("{}/env:{key}", self.workshop.prefix)
    }

    /// The names of the steps that ran, with how they ended: `done`, `cached`.
    pub(crate) fn steps(&self) -> Vec<(String, String)> {
        let text = |event: &Value, key: &str| event["step"][key].as_str().unwrap_or_default().to_owned();
        let ended = self.events.iter().filter(|event| event["step"].is_object());
        ended.map(|event| (text(event, "name"), text(event, "status"))).filter(|step| step.1 != "running").collect()
    }
}

/// A container in the background, removed when dropped.
pub(crate) struct Server {
    engine: Engine,
    id: String,
}

impl Server {
    /// Starts one: options of `docker run`, an image, a command.
    #[track_caller]
    pub(crate) fn start(engine: &Engine, options: &[&str], image: &str, command: &[&str]) -> Self {
        let id = engine.docker(&[&["run", "--detach"], options, &[image], command].concat()).unwrap();
        Self { engine: engine.clone(), id: id.trim().to_owned() }
    }

    /// Its address on the engine's own network, where builds are too.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        let template = "{{.NetworkSettings.IPAddress}}";
        let address = self.engine.docker(&["inspect", "--format", template, &self.id]).unwrap().trim().to_owned();
        assert!(!address.is_empty(), "the container is on no network");
        address
    }

    /// What a command in it prints; it must succeed.
    #[track_caller]
    pub(crate) fn exec(&self, command: &[&str]) -> String {
        let words = ["exec", self.id.as_str()];
        self.engine.docker(&[&words, command].concat()).unwrap_or_else(|error| panic!("{error:#}\n{}", self.logs()))
    }

    /// Runs a command again and again until it succeeds; what it printed.
    #[track_caller]
    pub(crate) fn until(&self, command: &[&str]) -> String {
        let words = ["exec", self.id.as_str()];
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.engine.docker(&[&words, command].concat()) {
                Ok(said) => return said,
                Err(error) => assert!(Instant::now() < deadline && self.runs(), "{error:#}\n{}", self.logs()),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Puts what a directory holds into a new one inside.
    #[track_caller]
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        self.engine.docker(&["cp", &format!("{}/.", from.display()), &format!("{}:{to}", self.id)]).unwrap();
    }

    /// Everything it printed.
    pub(crate) fn logs(&self) -> String {
        let output = self.engine.client("docker").args(["logs", &self.id]).output().unwrap();
        [output.stdout, output.stderr].iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    fn runs(&self) -> bool {
        let state = self.engine.docker(&["inspect", "--format", "{{.State.Running}}", &self.id]);
        state.is_ok_and(|state| state.trim() == "true")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.engine.docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

/// A field of an image's description.
#[track_caller]
pub(crate) fn inspect(engine: &Engine, image: &str, template: &str) -> String {
    engine.docker(&["image", "inspect", "--format", template, image]).unwrap().trim_end().to_owned()
}

/// Builds files in a workshop of their own, which must succeed.
#[track_caller]
pub(crate) fn build(test: &str, files: &[RepoFile]) -> Option<Image> {
    Some(Workshop::find(test)?.build(files))
}

/// Builds files that must be refused, and what must hold of every refusal.
#[track_caller]
pub(crate) fn refuse(test: &str, files: &[RepoFile]) -> Option<Failure> {
    let workshop = Workshop::find(test)?;
    let failure = workshop.try_build(files).expect_err("the build must fail");
    assert_eq!(failure.code, Some(1), "{failure:#?}");
    assert!(failure.fault["by"].is_string() && failure.said().len() > 10, "{failure:#?}");
    assert!(!workshop.images().iter().any(|name| name.contains("/repo:")), "a failed build left an image");
    Some(failure)
}

/// The series of the base's own Python, by its label.
pub(crate) fn base_python(engine: &Engine) -> String {
    let version = inspect(engine, &engine.base_image, "{{index .Config.Labels \"io.bindery.python\"}}");
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Something that several rows look at: made by the first, gone with the last.
pub(crate) struct Shared<T = Image>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// What `make` gives, unless another row has it already.
    #[track_caller]
    pub(crate) fn get(&self, make: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        // Another row's failed attempt is no reason not to try again.
        let mut slot = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(there) = slot.upgrade() {
            return Some(there);
        }
        let made = Arc::new(make()?);
        *slot = Arc::downgrade(&made);
        Some(made)
    }
}

impl Shared {
    /// The image of `files`, which must be the same for every caller.
    #[track_caller]
    pub(crate) fn image(&self, test: &str, files: impl FnOnce() -> Vec<RepoFile>) -> Option<Arc<Image>> {
        self.get(|| build(test, &files()))
    }
}
