//! A repository that only the site's credential can read: refused, or, where the site says so, launched; and the credential is nowhere
//! to be found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::events;
use bindery_tests::git_server::{Behaviour, GitServer};
use bindery_tests::repos::{Repo, executable, file};
use bindery_tests::service::{Service, VISIT};

const PASSWORD: &str = "canary-7f3e9c51";
/// `oauth2` and the password, as git servers read it.
const LOGIN: &str = "Basic b2F1dGgyOmNhbmFyeS03ZjNlOWM1MQ==";
/// The part of it that is the password's alone.
const TOKEN: &str = "NhbmFyeS03ZjNlOWM1MQ==";

/// Looks through the arguments of every process, again and again, until asked what it saw.
struct Watcher {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<(u64, Vec<String>)>,
}

impl Watcher {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let looking = std::thread::spawn(move || {
            let (mut looked, mut found) = (0, Vec::new());
            while !ended.load(Ordering::SeqCst) {
                looked += 1;
                for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                    found.extend(leaks(&arguments).map(|_| String::from_utf8_lossy(&arguments).into_owned()));
                }
                std::thread::yield_now();
            }
            (looked, found)
        });
        Self { stop, looking }
    }

    fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        self.looking.join().unwrap()
    }
}

/// Where in `bytes` the credential stands, in plain or as it is sent.
fn leaks(bytes: &[u8]) -> Option<usize> {
    let at = |word: &str| bytes.windows(word.len()).position(|window| window == word.as_bytes());
    at(PASSWORD).or_else(|| at(TOKEN))
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_launched_where_the_site_says_so_and_its_credential_is_nowhere_to_be_found() {
    let Some(engine) = Engine::find("a_private_repository_is_launched") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start_with(root.path(), Behaviour { login: Some(LOGIN), ..Behaviour::default() }).unwrap();
    // It runs something of its own, so that an environment, a build step and a trial could see the credential.
    let prints = "#!/bin/bash\nenv\ncat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'\n";
    Repo::with_files(root.path(), "private", &[executable("postBuild", prints), file("a.txt", "a"), unique()]).unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let password = secrets.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let credentials = format!("[{{host = \"{}\", password_file = \"{}\"}}]", git.authority(), password.display());
    let repository = format!("{}/private", git.url());
    let service = |private_ok: bool| {
        let mut service = Service::new(&engine, &[git.authority()]).unwrap();
        service.set("CONTENT__CREDENTIALS", &credentials).set("WEB__PRIVATE_OK", &private_ok.to_string());
        service.set("LOG__FILTER", "trace");
        service
    };

    // As sites are: refused, without a word of what is in it.
    let mut closed = service(false);
    closed.serve().await.unwrap();
    let refused = closed.visit(&repository, "main").await.unwrap();
    let failed = refused.last().unwrap();
    assert_eq!(
        (failed.phase(), failed.data["fault"]["code"].as_str()),
        ("failed", Some("repository-private")),
        "{refused:#?}"
    );
    assert_eq!(failed.data["status_code"], 403);
    assert_eq!(git.requests().packs, 0);
    assert_eq!(leaks(closed.log().as_bytes()), None, "the log has the credential");
    drop(closed);

    let mut open = service(true);
    let watcher = Watcher::start();
    open.serve().await.unwrap();
    let told = events::read(&open.build_url(&repository, "main"), VISIT).await;
    let (looked, arguments) = watcher.finish();
    let told = told.unwrap_or_else(|error| panic!("{error:#}\n{}", open.log()));
    let ready = told.last().unwrap();
    assert_eq!(ready.phase(), "ready", "{told:#?}");
    assert!(looked > 10, "looked {looked} times");
    assert_eq!(arguments, Vec::<String>::new(), "arguments of processes have the credential");
    assert!(git.requests().packs > 0 && git.requests().shown > 0);

    let text = |key: &str| ready.data[key].as_str().unwrap_or_default().to_owned();
    let build = told.iter().find_map(|told| told.id.as_deref()?.split_once('.').filter(|(id, _)| id.starts_with("b-")));
    let (build, _) = build.unwrap();
    let mut places = vec![("events".to_owned(), format!("{told:?}")), ("log of the service".to_owned(), open.log())];
    for path in ["", "/log", "/log?format=json", "/plan", "/provenance"] {
        let answer = reqwest::get(open.url(&format!("builds/{build}{path}"))).await.unwrap().text().await.unwrap();
        places.push((format!("builds/{build}{path}"), answer));
    }
    places.push(("metrics".to_owned(), reqwest::get(open.url("metrics")).await.unwrap().text().await.unwrap()));
    for arguments in [
        vec!["history", "--no-trunc", &text("image")],
        vec!["inspect", &text("image")],
        vec!["inspect", &engine.containers(open.instance()).unwrap()[0]],
        vec![
            "run",
            "--rm",
            "--entrypoint",
            "sh",
            &text("image"),
            "-c",
            "env; grep -rIls canary- /home /etc /tmp /var /srv /run /root",
        ],
    ] {
        // The last one finds nothing, which grep calls a failure.
        let shown = engine.client("docker").args(&arguments).output().unwrap();
        places
            .push((arguments.join(" "), String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned()));
    }
    for (place, text) in places {
        assert!(!text.is_empty(), "{place} says nothing");
        assert_eq!(leaks(text.as_bytes()), None, "{place} has the credential: {text}");
    }
    for file in files(open.data_dir()) {
        assert_eq!(leaks(&std::fs::read(&file).unwrap_or_default()), None, "{} has the credential", file.display());
    }

    // Who changed their mind serves no image that was built before, and tells nothing of how it was.
    open.kill_all();
    open.set("WEB__PRIVATE_OK", "false");
    open.serve().await.unwrap();
    for reference in ["main".to_owned(), Repo::open(root.path(), "private").id("main").unwrap()] {
        let refused = open.visit(&repository, &reference).await.unwrap();
        assert_eq!(refused.last().unwrap().data["fault"]["code"], "repository-private", "{reference}: {refused:#?}");
    }
    for path in ["", "/log", "/log?format=json", "/plan", "/provenance"] {
        assert_eq!(reqwest::get(open.url(&format!("builds/{build}{path}"))).await.unwrap().status(), 403, "{path}");
    }
    let resumed = format!("{}?last_event_id={build}.1", open.build_url(&repository, "main"));
    let refused = events::read(&resumed, VISIT).await.unwrap();
    assert_eq!(refused.last().unwrap().data["fault"]["code"], "repository-private", "{refused:#?}");
}
