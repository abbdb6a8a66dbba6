//! `bindery repo2docker`, called as BinderHub and scripts call `jupyter-repo2docker`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::git_server::GitServer;
use bindery_tests::registry::{PASSWORD, Registry, USER};
use bindery_tests::repos::{Repo, RepoFile, executable, file, write};
use bindery_tests::service::binary;
use serde_json::Value;
use uuid::Uuid;

/// The command in a place of its own, with what it left in the engine removed at the end.
struct Bench {
    engine: Option<Engine>,
    home: tempfile::TempDir,
    prefix: String,
}

impl Bench {
    /// Over no engine.
    fn dry() -> Self {
        Self { engine: None, home: tempfile::tempdir().unwrap(), prefix: "dry".to_owned() }
    }

    fn find(test: &str) -> Option<Self> {
        let engine = Some(Engine::find(test)?);
        let prefix = format!("bindery-test-{}", Uuid::new_v4().simple());
        Some(Self { engine, home: tempfile::tempdir().unwrap(), prefix })
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary().unwrap());
        command.arg("repo2docker").args(arguments);
        command.env("BINDERY__DATA_DIR", self.home.path()).env("BINDERY__REGISTRY__PREFIX", &self.prefix);
        // Test machines are often nearly full.
        command.env("BINDERY__IMAGES__MIN_FREE_BYTES", "1000000").env("BINDERY__IMAGES__MIN_FREE_PERCENT", "0");
        match &self.engine {
            Some(engine) => {
                command.env("DOCKER_HOST", &engine.docker_host).env("BINDERY__BUILD__BASE_IMAGE", &engine.base_image)
            }
            None => command.env("DOCKER_HOST", "unix:///nowhere/docker.sock"),
        };
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A name for an image that goes with this bench.
    fn image(&self) -> String {
        format!("{}/own:1", self.prefix)
    }

    /// Builds without running; the image is there.
    #[track_caller]
    fn build(&self, files: &[RepoFile], arguments: &[&str]) -> String {
        let directory = repository(files);
        let image = self.image();
        let words = ["--no-run", "--json-logs", "--image-name", &image];
        let output = self.run(&[&words, arguments, &[directory.path().to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        image
    }

    #[track_caller]
    fn sh(&self, image: &str, script: &str) -> String {
        let words = ["run", "--rm", "--network", "none", image, "bash", "-c", script];
        self.engine().docker(&words).unwrap().trim().to_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Some(engine) = &self.engine else { return };
        // With and without a registry in front.
        let (own, pushed) = (format!("reference={}/*", self.prefix), format!("reference=*/{}/*", self.prefix));
        let filters = ["--filter", &own, "--filter", &pushed];
        let words = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let listed = engine.docker(&[words.as_slice(), &filters].concat());
        for image in listed.unwrap_or_default().lines() {
            let _ = engine.docker(&["rmi", "--force", image]);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn repository(files: &[RepoFile]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), files).unwrap();
    directory
}

/// Every line of standard error, each of which must be JSON with a message.
#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["message"].as_str().is_some_and(|message| message.ends_with('\n')), "{line}");
        value
    };
    text(&output.stderr).lines().map(line).collect()
}

#[test]
fn a_dry_run_prints_one_dockerfile_and_needs_no_engine() {
    let directory = repository(&[file("requirements.txt", "six\n"), file("README.md", "x")]);
    let output =
        Bench::dry().run(&["--no-build", "--user-id=1234", "--user-name=ada", directory.path().to_str().unwrap()]);
    let dockerfile = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let starts: Vec<&str> = dockerfile.lines().filter(|line| line.starts_with("FROM ")).collect();
    assert!(
        starts.len() == 2 && starts[0].ends_with(" AS environment") && starts[1] == "FROM environment",
        "{starts:?}"
    );
    assert!(dockerfile.contains("uv\" pip install") && dockerfile.contains("USER 1234\n"), "{dockerfile}");
}

#[test]
fn a_file_at_fault_is_named_and_exits_with_1() {
    let directory = repository(&[file("apt.txt", "curl\n$(id)\n")]);
    let path = directory.path().to_str().unwrap();
    let output = Bench::dry().run(&["--json-logs", "--no-build", path]);
    assert_eq!(output.status.code(), Some(1));
    let last = lines(&output).pop().unwrap();
    assert_eq!((last["phase"].as_str(), last["fault"]["line"].as_u64()), (Some("failed"), Some(2)), "{last}");
}

#[test]
fn a45_names_that_are_none_are_refused() {
    for name in ["Upper", "a//b", "a/", "/a", "a:", "a:-x", "a b", "_a", "a:b:c", "a$(id)"] {
        let output = Bench::dry().run(&["--image-name", name, "--no-run", "."]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(text(&output.stderr).contains("--image-name"), "{name}: {}", text(&output.stderr));
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (arguments, name, code) in [
        (["--engine", "podman", "."], "--engine", 1),
        (["--no-run", "--user-id=0", "."], "Root", 1),
        (["--no-run", "--config=x.py", "."], "--config", 1),
        (["--no-run", "--Repo2Docker.swh_token=x", "."], "Repo2Docker.swh_token", 1),
        (["--no-run", "--env=A", "."], "--env", 1),
        (["--no-run", "--build-memory-limit=1G", "."], "--build-memory-limit", 255),
        (["--no-run", "--no-such-flag", "."], "--no-such-flag", 2),
    ] {
        let output = Bench::dry().run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(name), "{}", text(&output.stderr));
    }
    let version = Bench::dry().run(&["--version"]);
    assert!(version.status.success() && text(&version.stdout).starts_with(|c: char| c.is_ascii_digit()));
}

#[test]
fn without_an_engine_the_last_line_says_that_it_failed() {
    let directory = repository(&[file("README.md", "x")]);
    let output = Bench::dry().run(&["--json-logs", "--no-run", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let last = lines(&output).pop().unwrap();
    assert_eq!(last["phase"], "failed", "{last}");
}

#[test]
fn a45_labels_names_and_lines_of_json_are_as_asked() {
    let Some(bench) = Bench::find("labels") else { return };
    let directory = repository(&[unique()]);
    let image = bench.image();
    let words = ["--no-run", "--json-logs", "--image", &image, "--label", "a.b=c d", "--label", "io.bindery.ref=mine"];
    let output = bench.run(&[words.as_slice(), &[directory.path().to_str().unwrap()]].concat());
    let told = lines(&output);
    assert!(output.status.success(), "{told:?}");
    let phases: Vec<&str> = told.iter().filter_map(|line| line["phase"].as_str()).collect();
    assert_eq!(phases.first(), Some(&"fetching"));
    assert!(
        phases.iter().all(|phase| ["fetching", "building", "pushing", "running", "failed"].contains(phase)),
        "{phases:?}"
    );
    let labels = bench.engine().docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", &image]).unwrap();
    let labels: Value = serde_json::from_str(&labels).unwrap();
    assert_eq!((labels["a.b"].as_str(), labels["io.bindery.ref"].as_str()), (Some("c d"), Some("mine")));
    assert_eq!(
        (labels["repo2docker.repo"].as_str(), labels["repo2docker.ref"].as_str()),
        (Some("local"), Some("None"))
    );
    assert!(labels["repo2docker.version"].as_str().unwrap().starts_with("bindery-"));
}

#[test]
fn a42_a_target_directory_has_the_files_owned_and_writable() {
    let Some(bench) = Bench::find("target directory") else { return };
    let files = [unique(), executable("postBuild", "#!/bin/sh\npwd > where.txt\n"), file("data/x.txt", "x")];
    let image = bench.build(&files, &["--target-repo-dir", "/srv/repo"]);
    let said = bench.sh(
        &image,
        "pwd; echo $REPO_DIR; cat /srv/repo/where.txt; stat -c %u /srv/repo /srv/repo/data/x.txt; \
         find /srv/repo ! -writable | wc -l; test ! -e ~/data && test -w /opt/conda/lib && echo untouched",
    );
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>().join(" "),
        "/srv/repo /srv/repo /srv/repo 1000 1000 0 untouched"
    );
}

#[test]
fn a43_another_user_owns_what_the_notebook_s_user_owns() {
    let Some(bench) = Bench::find("user") else { return };
    let files = [unique(), file("requirements.txt", "six\n"), executable("postBuild", "#!/bin/sh\nid -un > who.txt\n")];
    let image = bench.build(&files, &["--user-id", "1234", "--user-name", "ada"]);
    let said = bench.sh(
        &image,
        "id -u; whoami; echo $HOME $NB_USER; pwd; cat who.txt; find ~ ! -user ada | wc -l; python -c 'import six; print(six.__name__)'",
    );
    assert_eq!(said.split_whitespace().collect::<Vec<_>>().join(" "), "1234 ada /home/ada ada /home/ada ada 0 six");
}

#[test]
fn a51_an_appendix_runs_last_as_the_user_and_its_failure_is_its_own() {
    let Some(bench) = Bench::find("appendix") else { return };
    let files = [unique(), executable("postBuild", "#!/bin/sh\necho built > built.txt\n")];
    let image = bench.build(&files, &["--appendix", "RUN cat ~/built.txt > /tmp/appendix && id -u >> /tmp/appendix"]);
    assert_eq!(bench.sh(&image, "cat /tmp/appendix"), "built\n1000");

    let directory = repository(&files);
    let words = ["--no-run", "--json-logs", "--appendix", "RUN exit 7", directory.path().to_str().unwrap()];
    let output = bench.run(&words);
    assert_eq!(output.status.code(), Some(1));
    let last = lines(&output).pop().unwrap();
    assert_eq!(
        (last["fault"]["code"].as_str(), last["fault"]["by"].as_str()),
        (Some("appendix-failed"), Some("us")),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a52_the_call_of_binderhub_builds_and_pushes_with_an_account_that_is_seen_nowhere() {
    let Some(bench) = Bench::find("push") else { return };
    let registry = Registry::start_with_account().await.unwrap();
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "r").unwrap();
    let commit = repo.commit("main", &[unique(), file("README.md", "x")]).unwrap();
    let server = GitServer::start(root.path()).unwrap();
    let host = registry.url().trim_start_matches("http://").to_owned();
    let image = format!("{host}/{}/r:{commit}", bench.prefix);
    let url = format!("{}/r", server.url());
    let call = |account: &str| {
        let mut command = bench.command(&[
            &format!("--ref={commit}"),
            &format!("--image={image}"),
            "--no-clean",
            "--no-run",
            "--json-logs",
            "--user-name=jovyan",
            "--user-id=1000",
            "--push",
            &url,
        ]);
        command.env("BINDERY__CONTENT__ALLOW_HOSTS", server.authority());
        command.env("CONTAINER_ENGINE_REGISTRY_CREDENTIALS", account);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let account = serde_json::json!({"registry": host, "username": USER, "password": PASSWORD}).to_string();
    let child = call(&account);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = lines(&output);
    assert!(output.status.success(), "{told:?}");
    assert!(told.iter().any(|line| line["phase"] == "pushing"), "{told:?}");
    let found = registry.catalog().await.unwrap();
    assert_eq!(found, [format!("{}/r", bench.prefix)], "only what was named is pushed");
    let labels = bench.engine().docker(&["image", "inspect", "--format", "{{json .Config}}", &image]).unwrap();
    let config: Value = serde_json::from_str(&labels).unwrap();
    assert_eq!(config["Labels"]["repo2docker.ref"], commit.as_str());
    assert_eq!(config["Labels"]["repo2docker.repo"], url.as_str());

    let left = Command::new("grep").args(["-rlF", PASSWORD]).arg(bench.home.path()).output().unwrap();
    assert_eq!(text(&left.stdout), "", "files with the password");
    for place in [&arguments, &output.stdout, &output.stderr, &labels.into_bytes()] {
        assert!(!text(place).contains(PASSWORD));
    }

    let wrong = serde_json::json!({"registry": host, "username": USER, "password": "wrong-canary"}).to_string();
    let output = call(&wrong).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output).pop().unwrap()["phase"] == "failed" && !text(&output.stderr).contains("wrong-canary"));
}

#[test]
fn a_command_is_run_with_its_environment_and_its_exit_code() {
    let Some(bench) = Bench::find("command") else { return };
    let directory = repository(&[unique(), file("here.txt", "in the image\n")]);
    let image = bench.image();
    let script = "echo \"$GIVEN $COPIED\"; cat here.txt mounted/here.txt; exit 5";
    let mount = format!("{}:mounted:ro", directory.path().display());
    let words = ["--image", &image, "-e", "GIVEN=a", "-e", "COPIED", "-v", &mount, directory.path().to_str().unwrap()];
    let output =
        bench.command(&[words.as_slice(), &["sh", "-c", script]].concat()).env("COPIED", "b").output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    // What the entry point logs is another stream, and comes in between anywhere.
    let told = text(&output.stderr);
    let said: Vec<&str> = told.lines().filter(|line| ["a b", "in the image"].contains(line)).collect();
    assert_eq!(said, ["a b", "in the image", "in the image"], "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_served_on_loopback_until_ctrl_c_and_leaves_no_container() {
    let Some(bench) = Bench::find("notebook") else { return };
    let directory = repository(&[unique()]);
    let image = bench.image();
    let mut command = bench.command(&["--image", &image, directory.path().to_str().unwrap()]);
    let log = std::fs::File::create(bench.home.path().join("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let address = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).map(|_| line.trim().to_owned())
    });
    let address = tokio::time::timeout(Duration::from_secs(300), address).await.unwrap().unwrap().unwrap();
    assert!(address.starts_with("http://127.0.0.1:") && address.contains("?token="), "{address}");
    let status = address.replace("/?token", "/api/status?token");
    assert!(reqwest::get(&status).await.unwrap().status().is_success());
    let without = status.split('?').next().unwrap();
    assert_eq!(reqwest::get(without).await.unwrap().status(), 403);
    let running = |all: &[&str]| {
        let filter = format!("ancestor={image}");
        bench.engine().docker(&[&["ps", "--quiet", "--filter", &filter], all].concat()).unwrap()
    };
    assert_eq!(running(&[]).lines().count(), 1);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap().unwrap();
    assert_eq!(ended.code(), Some(130));
    assert_eq!(running(&["--all"]), "");
}
