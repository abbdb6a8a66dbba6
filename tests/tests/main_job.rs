//! The main job on real parts: a repository served by git over HTTP becomes a notebook that answers, and what does not have to be
//! done again is not.

use std::time::Duration;

use bindery_tests::engine::Engine;
use bindery_tests::events::Told;
use bindery_tests::git_server::GitServer;
use bindery_tests::process::until;
use bindery_tests::repos::{Repo, executable, file};
use bindery_tests::service::Service;

struct Site {
    engine: Engine,
    service: Service,
    git: GitServer,
    root: tempfile::TempDir,
}

async fn site(test: &str) -> Option<Site> {
    let engine = Engine::find(test)?;
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();
    Some(Site { engine, service, git, root })
}

impl Site {
    fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.git.url())
    }
}

fn phases(told: &[Told]) -> Vec<String> {
    let mut phases: Vec<String> = told.iter().map(|told| told.phase().to_owned()).collect();
    phases.dedup();
    phases
}

fn log(told: &[Told]) -> String {
    told.iter().map(|told| told.message()).collect()
}

/// What a ready session's server says at `path`, asked with its token.
async fn ask(ready: &Told, path: &str) -> (u16, String) {
    let url = ready.data["url"].as_str().unwrap();
    let token = ready.data["token"].as_str().unwrap();
    let client = reqwest::Client::new();
    let answer =
        client.get(format!("{url}{path}")).header("authorization", format!("token {token}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_every_kind_of_file_becomes_a_notebook_with_all_of_it() {
    let Some(site) = site("a_repository_with_every_kind_of_file").await else { return };
    let files = [
        file("requirements.txt", "# one small package\nsix==1.16.0\n"),
        file("apt.txt", "tree  # a tool\n"),
        executable("postBuild", "#!/bin/bash\nset -e\ntree --version > built.txt\n"),
        executable("start", "#!/bin/bash\nexport STARTED=yes\nexec \"$@\"\n"),
        file("index.ipynb", "{\"cells\":[],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}"),
        file("Gemfile", "gem 'jekyll'\n"),
        // No engine has a layer of this content, perhaps of another commit's time.
        file("unique.txt", uuid::Uuid::new_v4().to_string()),
    ];
    Repo::with_files(site.root.path(), "every", &files).unwrap();
    let told = site.service.visit(&site.address("every"), "main").await.unwrap();
    let ready = told.last().unwrap();
    assert_eq!(ready.phase(), "ready", "{told:#?}");
    assert_eq!(phases(&told), ["waiting", "fetching", "building", "built", "launching", "ready"]);
    assert!(told.iter().all(|told| told.message().ends_with('\n')));
    assert!(log(&told).contains("Gemfile"), "what is not used is named");

    let (status, contents) = ask(ready, "api/contents/").await;
    assert_eq!(status, 200, "{contents}");
    for name in ["index.ipynb", "built.txt", "requirements.txt"] {
        assert!(contents.contains(name), "{name} is not in {contents}");
    }
    let (status, _) = ask(ready, "api/contents/built.txt").await;
    assert_eq!(status, 200);

    // The package, the tool and the variable of `start` are there for the notebook's own user.
    let container = site.service.engine().containers(site.service.instance()).unwrap().remove(0);
    let run = |command: &str| site.service.engine().docker(&["exec", &container, "bash", "-c", command]).unwrap();
    assert_eq!(run("python -c 'import six; print(six.__version__)'").trim(), "1.16.0");
    assert!(run("tree --version").contains("tree"));
    assert_eq!(run("id -u").trim(), "1000");
    // The repository's files are as old as its commit; what was made of them is not.
    assert_eq!(run("stat -c %Y index.ipynb unique.txt"), "1700000000\n1700000000\n");
    assert_ne!(run("stat -c %Y built.txt").trim(), "1700000000");
    let environ = run(
        r"for p in /proc/[0-9]*; do grep -qa ServerApp.base_url $p/cmdline && cat $p/environ; done 2>/dev/null | tr '\0' '\n'",
    );
    for name in [
        "STARTED=yes",
        "BINDER_REPO_URL",
        "BINDER_REF_URL",
        "BINDER_LAUNCH_HOST",
        "BINDER_REQUEST",
        "BINDER_PERSISTENT_REQUEST",
    ] {
        assert!(environ.contains(name), "{name} is not in {environ}");
    }
    let token = ready.data["token"].as_str().unwrap();
    assert!(!run("cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '").contains(token), "the token is in an argv");
    assert!(!site.service.log().contains(token), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_is_not_fetched_or_built_again_and_a_new_commit_keeps_its_environment() {
    let Some(site) = site("what_was_built_is_not_fetched_again").await else { return };
    let files = [file("requirements.txt", "six==1.16.0\n"), file("README.md", "one")];
    let repo = Repo::with_files(site.root.path(), "again", &files).unwrap();
    let address = site.address("again");
    let first = site.service.visit(&address, "main").await.unwrap();
    assert_eq!(first.last().unwrap().phase(), "ready", "{first:#?}");
    let packs = site.git.requests().packs;

    let second = site.service.visit(&address, "main").await.unwrap();
    assert_eq!(phases(&second), ["built", "launching", "ready"]);
    assert_eq!(second[0].message(), "Found built image, launching...\n");
    assert_eq!(site.git.requests().packs, packs, "a built commit was fetched again");
    assert_ne!(second.last().unwrap().data["url"], first.last().unwrap().data["url"], "sessions are not shared");

    repo.commit("main", &[file("README.md", "two")]).unwrap();
    let third = site.service.visit(&address, "main").await.unwrap();
    assert_eq!(third.last().unwrap().phase(), "ready", "{third:#?}");
    assert!(log(&third).contains("Environment unchanged"), "{}", log(&third));
    assert!(!log(&third).contains("install Python packages"), "{}", log(&third));
    let (_, readme) = ask(third.last().unwrap(), "api/contents/README.md").await;
    assert!(readme.contains("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_repository_in_two_spellings_is_one_build() {
    let Some(site) = site("the_same_repository_in_two_spellings").await else { return };
    let repo = Repo::with_files(site.root.path(), "group/spelled", &[file("a.txt", "a")]).unwrap();
    let commit = repo.id("main").unwrap();
    let first = site.service.visit(&site.address("group/spelled"), "main").await.unwrap();
    assert_eq!(first.last().unwrap().phase(), "ready", "{first:#?}");
    let second = site.service.visit(&format!("{}/group//spelled.git/", site.git.url()), &commit).await.unwrap();
    assert_eq!(phases(&second), ["built", "launching", "ready"], "{second:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_s_own_dockerfile_is_built_as_it_says() {
    let Some(site) = site("a_repository_s_own_dockerfile").await else { return };
    let base = &site.service.engine().base_image;
    let dockerfile = format!(
        "FROM {base}\nCOPY --chown=1000:100 . /home/jovyan/\nRUN pip install --no-cache-dir six==1.16.0\nENV FLAVOUR=own\n"
    );
    let files = [
        file("Dockerfile", &dockerfile),
        file("data.csv", "1,2\n"),
        file("requirements.txt", "no-such-package-anywhere\n"),
    ];
    Repo::with_files(site.root.path(), "own", &files).unwrap();
    let told = site.service.visit(&site.address("own"), "HEAD").await.unwrap();
    assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}");
    let (status, _) = ask(told.last().unwrap(), "api/contents/data.csv").await;
    assert_eq!(status, 200);
    assert!(log(&told).contains("requirements.txt"), "what is not used is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_vanished_from_the_engine_is_built_again() {
    let Some(site) = site("an_image_that_vanished").await else { return };
    Repo::with_files(site.root.path(), "gone", &[file("a.txt", "a")]).unwrap();
    let address = site.address("gone");
    let first = site.service.visit(&address, "main").await.unwrap();
    let image = first.last().unwrap().data["image"].as_str().unwrap().to_owned();
    site.service.engine().remove_containers(site.service.instance());
    site.service.engine().docker(&["rmi", "--force", &image]).unwrap();
    let second = site.service.visit(&address, "main").await.unwrap();
    assert_eq!(second.last().unwrap().phase(), "ready", "{second:#?}");
    assert!(second.iter().filter(|told| told.phase() == "failed").count() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_to_clients_what_they_expect_until_it_is_shut_down_and_then_says_so() {
    let Some(site) = site("a_session_is_to_clients_what_they_expect").await else { return };
    Repo::with_files(site.root.path(), "plain", &[file("README.md", "plain")]).unwrap();
    let told = site.service.visit(&site.address("plain"), "main").await.unwrap();
    let ready = told.last().unwrap();
    assert_eq!(ready.phase(), "ready", "{told:#?}");
    let text = |key: &str| ready.data[key].as_str().unwrap().to_owned();
    let (url, token) = (text("url"), text("token"));
    let client = reqwest::Client::new();
    let origin = "https://book.example";

    // A browser that asks whether it may ask shows no token.
    let asked = client
        .request(reqwest::Method::OPTIONS, format!("{url}api/kernels"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
        .unwrap();
    assert!(asked.status().is_success(), "{asked:?}");
    assert_eq!(asked.headers()["access-control-allow-origin"], origin);
    let allowed = asked.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");

    // The token is known by query and by header, from another origin too; a stranger is not.
    let status = |query: String, header: Option<String>| {
        let mut request = client.get(format!("{url}api/status{query}")).header("origin", origin);
        request = header.into_iter().fold(request, |request, header| request.header("authorization", header));
        async move { request.send().await.unwrap() }
    };
    for answer in
        [status(format!("?token={token}"), None).await, status(String::new(), Some(format!("token {token}"))).await]
    {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    }
    assert_eq!(status("?token=guess".to_owned(), None).await.status(), 403);

    // What it was launched by is in its environment, as the event said it.
    let containers = site.engine.containers(site.service.instance()).unwrap();
    let environment = site.engine.docker(&["exec", &containers[0], "env"]).unwrap();
    for (name, key) in [
        ("BINDER_REPO_URL", "repo_url"),
        ("BINDER_REF_URL", "binder_ref_url"),
        ("BINDER_LAUNCH_HOST", "binder_launch_host"),
        ("BINDER_REQUEST", "binder_request"),
        ("BINDER_PERSISTENT_REQUEST", "binder_persistent_request"),
        ("BINDER_CLIENT_IP", "binder_client_ip"),
    ] {
        let line = format!("{name}={}", text(key));
        assert!(environment.lines().any(|found| found == line), "no {line} in {environment}");
    }

    // Its own way to end it ends it, and its address then says so to people and to programs of other origins.
    let shut = client.post(format!("{url}api/shutdown")).header("authorization", format!("token {token}")).send().await;
    assert_eq!(shut.unwrap().status(), 200);
    let ended = until(Duration::from_secs(60), || async {
        let answer = client.get(format!("{url}lab")).header("accept", "text/html").send().await.unwrap();
        (answer.status() == 424).then_some(answer)
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.headers()["access-control-allow-origin"], "*");
    assert!(ended.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(ended.text().await.unwrap().contains(&text("binder_request")), "it offers to launch again");
    let program = client.get(format!("{url}api/kernels")).header("origin", origin).send().await.unwrap();
    assert_eq!(
        (program.status().as_u16(), &program.headers()["access-control-allow-origin"]),
        (424, &"*".parse().unwrap())
    );
}
