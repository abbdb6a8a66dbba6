//! Bad input, one case each: one clear `failed` event that says whose fault, where and what to do, and nothing left behind.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bindery_tests::engine::Engine;
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::repos::{Repo, RepoFile, executable, file, symlink};
use bindery_tests::service::{Service, VISIT};

struct Site {
    service: Service,
    git: GitServer,
    root: tempfile::TempDir,
}

async fn site(test: &str, settings: &[(&str, &str)]) -> Option<Site> {
    let engine = Engine::find(test)?;
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    for (key, value) in settings {
        service.set(key, value);
    }
    service.serve().await.unwrap();
    Some(Site { service, git, root })
}

impl Site {
    /// Session images of one repository in the engine.
    fn images(&self, name: &str) -> BTreeSet<String> {
        let label = format!("label=io.bindery.repository={}/{name}", self.git.url());
        let listed = self.service.engine().docker(&["images", "--quiet", "--filter", &label]).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// Repositories on the service's disk: the directories in those of its running processes.
    fn fetched(&self) -> Vec<PathBuf> {
        let directories = |path: PathBuf| {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        directories(self.service.data_dir().join("content")).into_iter().flat_map(directories).collect()
    }

    async fn fail(&self, name: &str, files: &[RepoFile]) -> Told {
        Repo::with_files(self.root.path(), name, files).unwrap();
        self.fail_at(&self.service.build_url(&format!("{}/{name}", self.git.url()), "main")).await
    }

    /// Visits, and checks what every failure must be.
    async fn fail_at(&self, url: &str) -> Told {
        let told = events::read(url, VISIT).await.unwrap_or_else(|error| panic!("{error:#}\n{}", self.service.log()));
        let failed = told.last().unwrap().clone();
        assert_eq!(failed.phase(), "failed", "{told:#?}");
        assert_eq!(told.iter().filter(|told| told.phase() == "failed").count(), 1);
        assert!(failed.message().len() > 10 && failed.message().ends_with('\n'), "{failed:#?}");
        assert!(["user", "upstream", "us"].contains(&failed.data["fault"]["by"].as_str().unwrap()), "{failed:#?}");
        assert_eq!(self.service.engine().containers(self.service.instance()).unwrap(), Vec::<String>::new());
        assert_eq!(self.fetched(), Vec::<PathBuf>::new(), "a fetched repository was left on disk");
        failed
    }
}

fn fault<'a>(told: &'a Told, key: &str) -> &'a str {
    told.data["fault"][key].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_hosts_that_cannot_be_are_refused_before_anything_is_fetched() {
    let Some(site) = site("links_and_hosts_that_cannot_be", &[]).await else { return };
    let base = site.service.url("build");
    let rows = [
        (format!("{base}/nope/a/b/c"), "No provider found for prefix nope"),
        (format!("{base}/gh/org/repo"), "Did you mean \"org/repo/HEAD\"?"),
        (format!("{base}/gh/a/b/--upload-pack%3Dx"), "starts with a dash"),
        (format!("{base}/git/file%3A%2F%2F%2Fetc/main"), "not by"),
        (format!("{base}/git/https%3A%2F%2F10.0.0.1%2Fx/main"), "allow_hosts"),
        (format!("{base}/git/http%3A%2F%2F169.254.169.254%2Flatest/main"), ""),
        (site.service.build_url(&format!("{}/missing", site.git.url()), "main"), "Double check your URL"),
    ];
    for (url, expected) in rows {
        let failed = site.fail_at(&url).await;
        assert_eq!(fault(&failed, "by"), "user", "{failed:#?}");
        assert!(failed.message().contains(expected), "{url}: {failed:#?}");
    }
    assert_eq!(site.git.requests().packs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ref_that_does_not_exist_is_named_with_its_neighbours() {
    let Some(site) = site("a_ref_that_does_not_exist", &[]).await else { return };
    Repo::with_files(site.root.path(), "refs", &[file("a", "a")]).unwrap();
    let failed = site.fail_at(&site.service.build_url(&format!("{}/refs", site.git.url()), "maim")).await;
    assert_eq!((fault(&failed, "by"), fault(&failed, "code")), ("user", "ref-not-found"), "{failed:#?}");
    assert!(failed.message().contains("maim") && failed.message().contains("main"), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_environment_file_is_named_with_its_line() {
    let Some(site) = site("a_bad_environment_file", &[]).await else { return };
    let rows: [(&str, Vec<RepoFile>, &str, Option<u64>); 7] = [
        ("apt", vec![file("apt.txt", "curl\ncurl; touch /pwned\n")], "apt.txt", Some(2)),
        ("runtime", vec![file("runtime.txt", "python3.8\n")], "runtime.txt", Some(1)),
        ("both", vec![file("binder/apt.txt", "curl\n"), file(".binder/apt.txt", "curl\n")], "", None),
        ("link", vec![symlink("apt.txt", "/proc/self/environ")], "apt.txt", None),
        (
            "pip",
            vec![file("requirements.txt", "six\nbindery-no-such-package-anywhere==1\n")],
            "requirements.txt",
            Some(2),
        ),
        ("post", vec![executable("postBuild", "#!/bin/bash\necho about to fail\nexit 3\n")], "postBuild", None),
        (
            "program",
            vec![executable("postBuild", "#!/bin/bash\nset -e\nno-such-program --now\n")],
            "postBuild",
            Some(3),
        ),
    ];
    for (name, files, expected_file, line) in rows {
        let failed = site.fail(name, &files).await;
        assert_eq!(fault(&failed, "by"), "user", "{name}: {failed:#?}");
        if expected_file.is_empty() {
            assert!(failed.message().contains("binder") && failed.message().contains(".binder"), "{failed:#?}");
        } else {
            assert_eq!(fault(&failed, "file"), expected_file, "{name}: {failed:#?}");
        }
        if line.is_some() {
            assert_eq!(failed.data["fault"]["line"].as_u64(), line, "{name}: {failed:#?}");
        }
        assert_eq!(site.images(name), BTreeSet::new(), "{name}: a failed build left an image");
        assert!(!failed.message().contains("/proc/self"), "{name}: a link's target was quoted");
        if failed.id.is_some() {
            let address = fault(&failed, "log_url");
            let log = reqwest::get(address).await.unwrap().text().await.unwrap();
            let (said, at) = failed.message().split_once("The whole log: ").expect("a failure says where its log is");
            assert_eq!(at.trim_end(), address, "{name}");
            assert!(log.contains(said), "{name}: the log's permanent address holds its end");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_over_a_limit_is_refused_by_name_of_the_limit() {
    let settings = [("CONTENT__MAX_ENTRIES", "3"), ("CONTENT__MAX_BYTES", "100000"), ("CONTENT__MAX_DEPTH", "4")];
    let Some(site) = site("a_repository_over_a_limit", &settings).await else { return };
    let many: Vec<RepoFile> = (0..10).map(|number| file(&format!("f{number}"), "x")).collect();
    let rows = [
        ("entries", many),
        ("deep", vec![file("a/b/c/d/e/f", "x")]),
        ("bytes", vec![file("big", "0123456789".repeat(20_000))]),
    ];
    for (name, files) in rows {
        let failed = site.fail(name, &files).await;
        assert_eq!(fault(&failed, "by"), "user", "{name}: {failed:#?}");
        assert!(failed.data["fault"]["hint"].is_string(), "{name}: {failed:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_or_ends_is_removed_with_its_last_lines_told() {
    // Untried, so that it gets as far as a launch.
    let settings = [("LAUNCHER__READY_SECONDS", "6"), ("BUILD__PROBE", "false")];
    let Some(site) = site("a_server_that_never_answers", &settings).await else { return };
    let ends = [executable("start", "#!/bin/bash\necho the database is missing >&2\nexit 7\n")];
    let failed = site.fail("ends", &ends).await;
    assert!(failed.message().contains('7'), "{failed:#?}");
    let hangs = [executable("start", "#!/bin/bash\nsleep 1000\n")];
    let failed = site.fail("hangs", &hangs).await;
    assert!(failed.data["fault"]["by"].is_string(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_builds_and_does_not_work_fails_as_a_build_with_its_last_lines() {
    let Some(site) = site("an_image_that_builds_and_does_not_work", &[]).await else { return };
    let base = &site.service.engine().base_image;
    let rows = [
        (
            "ends",
            executable("start", "#!/bin/bash\necho the database is missing >&2\nexit 7\n"),
            "server-exited",
            "start",
        ),
        ("bare", file("Dockerfile", format!("FROM {base}\nENV PATH=/usr/bin:/bin\n")), "server-missing", "Dockerfile"),
    ];
    for (name, given, code, place) in rows {
        let failed = site.fail(name, &[given]).await;
        let told = (fault(&failed, "by"), fault(&failed, "code"), fault(&failed, "file"));
        assert_eq!(told, ("user", code, place), "{name}: {failed:#?}");
        assert_eq!(site.images(name), BTreeSet::new(), "{name}: an image that does not work kept its name");
        let log = reqwest::get(fault(&failed, "log_url")).await.unwrap().text().await.unwrap();
        assert!(name != "ends" || log.contains("the database is missing"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_engine_the_service_says_so_and_goes_on_serving_pages() {
    let Some(engine) = Engine::find("without_its_engine") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "engineless", &[file("a", "a")]).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service
        .set("IMAGES__DOCKER_HOST", "unix:///nowhere/docker.sock")
        .set("LAUNCHER__DOCKER_HOST", "unix:///nowhere/docker.sock");
    service.start_role("serve").unwrap();
    let home =
        || async { reqwest::get(service.url("")).await.ok().filter(|answer| answer.status() == 200).map(|_| ()) };
    bindery_tests::process::until(std::time::Duration::from_secs(30), home)
        .await
        .unwrap_or_else(|_| panic!("{}", service.log()));
    assert_eq!(reqwest::get(service.url("health")).await.unwrap().status(), 503);
    let url = service.build_url(&format!("{}/engineless", git.url()), "main");
    let told = events::read(&url, VISIT).await.unwrap();
    let failed = told.last().unwrap();
    assert_eq!((failed.phase(), fault(failed, "by")), ("failed", "us"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_nearly_full_disk_no_build_is_begun() {
    let Some(site) = site("on_a_nearly_full_disk", &[("IMAGES__MIN_FREE_BYTES", "9000000000000000")]).await else {
        return;
    };
    let failed = site.fail("full", &[file("a", "a")]).await;
    assert_eq!((fault(&failed, "by"), fault(&failed, "code")), ("us", "disk-full"), "{failed:#?}");
}
