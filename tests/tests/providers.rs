//! Every provider, from a link to a running session that has its files: the forges against a git server over HTTP, the archives
//! against a server that answers in their forms, images against a registry. Prints a row for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bindery_tests::answers::Answers;
use bindery_tests::engine::{Engine, unique};
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::packed::{member, tar_entry, tar_gz, zip};
use bindery_tests::registry::Registry;
use bindery_tests::repos::{Repo, file};
use bindery_tests::service::{Service, VISIT, encode};
use futures::StreamExt as _;
use serde_json::{Value, json};

const HEX: &str = "0123456789abcdef0123456789abcdef";
const GIST: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
/// Visits at once: two cores start no more notebooks than this well.
const AT_ONCE: usize = 3;

/// A link, and what must come of it.
struct Row {
    provider: &'static str,
    /// After the provider.
    spec: String,
    /// The link that always means the same, after `v2/` and the provider.
    pinned: String,
    repo_url: String,
    ref_url: String,
    /// What `which.txt` in the session says.
    content: String,
}

/// Servers with one repository or record of each provider.
struct World {
    root: tempfile::TempDir,
    git: GitServer,
    archive: Answers,
    registry: Registry,
}

impl World {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::start().await.unwrap();
        Self { git: GitServer::start(root.path()).unwrap(), archive: Answers::start().unwrap(), registry, root }
    }

    /// A repository with one commit; its address and the commit.
    fn repository(&self, path: &str, branch: &str, content: &str) -> String {
        let repo = Repo::create(self.root.path(), path).unwrap();
        repo.commit("main", &[file("README.md", "main"), unique()]).unwrap();
        repo.commit(branch, &[file("which.txt", content), unique()]).unwrap()
    }

    fn forges(&self) -> Vec<Row> {
        let base = self.git.url();
        let forge = |provider, directory: &str, branch: &str, spec: &str, pinned: &str, page: &str| {
            let content = format!("{provider} at {branch}");
            let commit = self.repository(directory, branch, &content);
            let repo_url = format!("{base}/{}", directory.trim_end_matches(".git"));
            Row {
                provider,
                spec: spec.to_owned(),
                pinned: format!("{pinned}{commit}"),
                ref_url: format!("{repo_url}{page}{}", if page.is_empty() { "" } else { &commit }),
                repo_url,
                content,
            }
        };
        let address = encode(&format!("{base}/any/where"));
        vec![
            forge("gh", "gh/Owner/name", "feature/x", "Owner/name/feature/x", "Owner/name/", "/tree/"),
            forge("gl", "gl/g/sub/project.git", "main", "g%2Fsub%2Fproject/main", "g%2Fsub%2Fproject/", "/-/tree/"),
            forge("cb", "cb/owner/name", "main", "owner/name/HEAD", "owner/name/", "/src/commit/"),
            forge("bb", "bb/owner/name", "main", "owner/name/main", "owner/name/", "/src/"),
            forge(
                "gist",
                &format!("gist/user/{GIST}.git"),
                "main",
                &format!("user/{GIST}"),
                &format!("user/{GIST}/"),
                "/",
            ),
            forge("git", "any/where", "topic", &format!("{address}/topic"), &format!("{address}/"), ""),
        ]
    }

    /// An image with a notebook server and that file, in the registry and nowhere else; its digest there.
    fn notebook(&self, engine: &Engine, name: &str, content: &str) -> String {
        let file = self.root.path().join("which.txt");
        std::fs::write(&file, content).unwrap();
        let made = engine.docker(&["create", &engine.base_image]).unwrap();
        let home = format!("{}:/home/jovyan/which.txt", made.trim());
        engine.docker(&["cp", file.to_str().unwrap(), &home]).unwrap();
        engine.docker(&["commit", made.trim(), name]).unwrap();
        engine.docker(&["rm", made.trim()]).unwrap();
        push(engine, name)
    }

    fn image(&self, engine: &Engine) -> Row {
        let name = format!("{}/team/notebook", self.registry.authority());
        let digest = self.notebook(engine, &format!("{name}:1"), "image");
        Row {
            provider: "image",
            spec: encode(&format!("{name}:1")),
            pinned: encode(&format!("{name}@{digest}")),
            repo_url: format!("https://{name}"),
            ref_url: format!("https://{name}"),
            content: "image".to_owned(),
        }
    }

    fn archives(&self) -> Vec<Row> {
        let base = self.archive.url();
        let row = |provider, spec: &str, pinned: &str, repo_url: String, ref_url: Option<String>| Row {
            provider,
            spec: spec.to_owned(),
            pinned: pinned.to_owned(),
            ref_url: ref_url.unwrap_or_else(|| repo_url.clone()),
            repo_url,
            content: provider.to_owned(),
        };
        self.zenodo();
        self.figshare();
        self.dataverse();
        self.hydroshare();
        self.ckan();
        self.osf();
        let dir = self.swh();
        let dataset = encode(&format!("{base}/dataset/rivers"));
        vec![
            row(
                "zenodo",
                "10.5281/zenodo.101",
                "10.5281/zenodo.101",
                "https://doi.org/10.5281/zenodo.101".into(),
                None,
            ),
            row(
                "figshare",
                "10.6084/m9.figshare.77",
                "10.6084/m9.figshare.77.v2",
                "https://doi.org/10.6084/m9.figshare.77.v2".into(),
                None,
            ),
            row(
                "dataverse",
                "10.7910/DVN/ABCDEF",
                "10.7910/DVN/ABCDEF/v1.0",
                "https://doi.org/10.7910/DVN/ABCDEF".into(),
                None,
            ),
            row("hydroshare", HEX, HEX, format!("{base}/resource/{HEX}"), None),
            row("ckan", &dataset, &dataset, format!("{base}/dataset/rivers"), None),
            row("osf", "ab1c2", "ab1c2", "https://osf.io/ab1c2".into(), None),
            row(
                "swh",
                &format!("swh:1:dir:{dir}"),
                &format!("swh%3A1%3Adir%3A{dir}"),
                format!("{base}/browse/directory/{dir}"),
                None,
            ),
        ]
    }

    fn zenodo(&self) {
        let content = "/api/records/101/files/which.txt/content";
        self.archive.file(content, "zenodo");
        self.archive.json(
            "/api/records/101",
            &json!({"id": 101, "conceptrecid": "100", "metadata": {"publication_date": "2019-06-12"}, "files": [
                {"key": "which.txt", "size": 6, "links": {"self": format!("{}{content}", self.archive.url())}},
            ]}),
        );
    }

    fn figshare(&self) {
        self.archive.json("/v2/articles/77/versions", &json!([{"version": 1}, {"version": 2}]));
        let download = format!("{}/download/9", self.archive.url());
        self.archive.json(
            "/v2/articles/77/versions/2",
            &json!({"id": 77, "published_date": "2019-09-05T01:02:03Z", "files": [
                {"id": 9, "name": "which.txt", "size": 8, "is_link_only": false, "download_url": download},
            ]}),
        );
        self.archive.redirect("/download/9", "/store/9?signature=1");
        self.archive.file("/store/9?signature=1", "figshare");
    }

    fn dataverse(&self) {
        let doi = "10.7910/DVN/ABCDEF";
        let page = format!("{}/citation?persistentId=doi:{doi}", self.archive.url());
        let value = json!({"index": 1, "type": "URL", "data": {"format": "string", "value": page}});
        self.archive
            .json(&format!("/api/handles/{doi}"), &json!({"responseCode": 1, "handle": doi, "values": [value]}));
        let dataset = json!({"status": "OK", "data": {
            "id": 1, "datasetId": 55, "versionNumber": 1, "versionMinorNumber": 0, "releaseTime": "2017-03-04T00:00:00Z",
            "files": [{"label": "which.txt", "restricted": false, "dataFile": {"id": 5, "filesize": 9}}],
        }});
        for version in [":latest-published", "1.0"] {
            let asked = format!("/api/datasets/:persistentId/versions/{version}?persistentId=doi:{doi}");
            self.archive.json(&asked, &dataset);
        }
        self.archive.file("/api/access/datafile/5?format=original", "dataverse");
    }

    fn hydroshare(&self) {
        let modified = json!({"dates": [{"type": "modified", "start_date": "2019-09-25T16:09:17.006152Z"}]});
        self.archive.json(&format!("/hsapi/resource/{HEX}/scimeta/elements/"), &modified);
        let content = format!("/resource/{HEX}/data/contents/which.txt");
        let url = format!("{}{content}", self.archive.url());
        let files = json!({"count": 1, "next": null, "results": [{"file_name": "which.txt", "url": url, "size": 10}]});
        self.archive.json(&format!("/hsapi/resource/{HEX}/files/"), &files);
        self.archive.file(&content, "hydroshare");
    }

    fn ckan(&self) {
        let url = format!("{}/download/which.txt", self.archive.url());
        self.archive.json(
            "/api/3/action/package_show?id=rivers",
            &json!({"success": true, "result": {
                "id": "1d2e-3f", "metadata_modified": "2021-06-01T00:00:00.5", "resources": [{"url": url, "size": 4}],
            }}),
        );
        self.archive.file("/download/which.txt", "ckan");
    }

    fn osf(&self) {
        let node = json!({"data": {"id": "ab1c2", "attributes": {"date_modified": "2017-06-08T20:42:29.863000"}}});
        self.archive.json("/v2/nodes/ab1c2/", &node);
        self.archive.file("/v1/resources/ab1c2/providers/osfstorage/?zip=", zip(&[member("which.txt", "osf")]));
    }

    fn swh(&self) -> String {
        let dir = "d".repeat(40);
        self.archive.json(&format!("/api/1/directory/{dir}/"), &json!([{"name": "which.txt"}]));
        let vault = format!("/api/1/vault/flat/swh:1:dir:{dir}/");
        self.archive.json(&vault, &json!({"status": "done"}));
        self.archive.redirect(&format!("{vault}raw/"), "/bundle");
        let root = format!("swh:1:dir:{dir}");
        let entries = [
            tar_entry(&format!("{root}/"), tar::EntryType::Directory, "", b""),
            tar_entry(&format!("{root}/which.txt"), tar::EntryType::Regular, "", b"swh"),
        ];
        self.archive.file("/bundle", tar_gz(&entries));
        dir
    }

    /// A service to which these servers are every provider's.
    async fn serve(&self, engine: &Engine) -> Service {
        self.serve_with(engine, &[]).await
    }

    async fn serve_with(&self, engine: &Engine, settings: &[(&str, String)]) -> Service {
        let registry = self.registry.authority();
        let hosts = [self.git.authority(), self.archive.authority(), registry.clone()];
        let mut service = Service::new(engine, &hosts).unwrap();
        // Which images are launched is no question of which Dockerfiles are built.
        service.set("BUILD__DOCKERFILE_POLICY", "none");
        service.set("CONTENT__IMAGES", &format!("[\"{registry}/team/*\"]"));
        for (forge, directory) in
            [("GITHUB", "gh"), ("GITLAB", "gl"), ("CODEBERG", "cb"), ("BITBUCKET", "bb"), ("GIST", "gist")]
        {
            service.set(&format!("CONTENT__{forge}_URL"), &format!("{}/{directory}", self.git.url()));
        }
        for archive in ["DOI", "ZENODO", "FIGSHARE", "HYDROSHARE", "OSF", "OSF_FILES", "SWH"] {
            service.set(&format!("CONTENT__{archive}_URL"), &self.archive.url());
        }
        for (name, value) in settings {
            service.set(name, value);
        }
        service.serve().await.unwrap();
        service
    }
}

/// Sends an image to its registry, so that the engine has it no more; its digest there.
fn push(engine: &Engine, name: &str) -> String {
    let said = engine.docker(&["push", name]).unwrap();
    engine.docker(&["rmi", name]).unwrap();
    let digest = said.split_once("digest: ").and_then(|(_, rest)| rest.split_whitespace().next());
    digest.unwrap_or_else(|| panic!("{said}")).to_owned()
}

async fn json_at(url: &str) -> Value {
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// One visit to its end.
async fn visit(service: &Service, row: &Row) -> Vec<Told> {
    let url = service.url(&format!("build/{}/{}", row.provider, row.spec));
    let told = events::read(&url, VISIT).await;
    told.unwrap_or_else(|error| panic!("{}: {error:#}\n{}", row.provider, service.log()))
}

/// Visits, and checks that what was asked for is what runs; what to print of it.
async fn launch(service: &Service, row: &Row) -> String {
    let started = Instant::now();
    let told = visit(service, row).await;
    let ready = told.last().unwrap();
    let provider = row.provider;
    assert_eq!(ready.phase(), "ready", "{provider}: {told:#?}\n{}", service.log());
    for phase in ["building", "built", "launching"] {
        assert!(told.iter().any(|told| told.phase() == phase), "{provider}: nothing was {phase}: {told:#?}");
    }
    let text = |key: &str| ready.data[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("binder_request"), format!("v2/{provider}/{}", row.spec));
    assert_eq!(text("binder_persistent_request"), format!("v2/{provider}/{}", row.pinned));
    assert_eq!((text("repo_url"), text("binder_ref_url")), (row.repo_url.clone(), row.ref_url.clone()), "{provider}");
    let file = format!("{}api/contents/which.txt?type=file&format=text&token={}", text("url"), text("token"));
    let file = json_at(&file).await;
    assert_eq!(file["content"], row.content, "{provider}: {file}");
    format!("{provider:<12}{:<9}{:>5.1} s  {}", ready.phase(), started.elapsed().as_secs_f64(), text("binder_ref_url"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_resolves_builds_and_launches() {
    let Some(engine) = Engine::find("every_provider_resolves_builds_and_launches") else { return };
    let world = World::new().await;
    let service = world.serve(&engine).await;
    let rows: Vec<Row> = world.forges().into_iter().chain(world.archives()).chain([world.image(&engine)]).collect();

    // None is left out: those that are offered are those that are visited.
    let offered = json_at(&service.url("api/repoproviders")).await;
    let offered: BTreeSet<&str> = offered.as_array().unwrap().iter().filter_map(|offer| offer["id"].as_str()).collect();
    assert_eq!(rows.iter().map(|row| row.provider).collect::<BTreeSet<_>>(), offered);

    let visits = futures::stream::iter(&rows).map(|row| launch(&service, row)).buffer_unordered(AT_ONCE);
    let mut table: Vec<String> = visits.collect().await;
    table.sort();
    println!("{}", table.join("\n"));

    // The same again, by another name of it: one repository, one build.
    // As GitHub does, this one answers to any case.
    std::os::unix::fs::symlink("Owner", world.root.path().join("gh/owner")).unwrap();
    let packs = world.git.requests().packs;
    let [gh, gl] = ["gh", "gl"].map(|id| rows.iter().find(|row| row.provider == id).unwrap());
    let again = [
        format!("gh/{}", gh.spec.replace("Owner", "owner")),
        format!("git/{}/feature/x", encode(&gh.repo_url)),
        format!("git/{}/main", encode(&gl.repo_url)),
        "gl/g/sub/project/main".to_owned(),
    ];
    for link in again {
        let url = format!("{}?build_only=true", service.url(&format!("build/{link}")));
        let told = events::read(&url, Duration::from_secs(60)).await.unwrap();
        assert_eq!(told.last().unwrap().phase(), "ready", "{link}: {told:#?}");
        let phases: BTreeMap<&str, usize> = told.iter().fold(BTreeMap::new(), |mut phases, told| {
            *phases.entry(told.phase()).or_default() += 1;
            phases
        });
        assert!(!phases.contains_key("building"), "{link} is built already: {told:#?}");
    }
    assert_eq!(world.git.requests().packs, packs, "what is built is not fetched again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_launched_is_said_to_be_so() {
    let Some(engine) = Engine::find("an_image_that_cannot_be_launched_is_said_to_be_so") else { return };
    let world = World::new().await;
    let service = world.serve(&engine).await;
    let registry = world.registry.authority();
    // One file, and nothing that could be started.
    let bundle = world.root.path().join("bundle.tar.gz");
    std::fs::write(&bundle, tar_gz(&[tar_entry("a.txt", tar::EntryType::Regular, "", b"a")])).unwrap();
    let empty = format!("{registry}/team/empty:1");
    engine.docker(&["import", bundle.to_str().unwrap(), &empty]).unwrap();
    push(&engine, &empty);
    // One that runs, and is no server.
    let other = format!("{registry}/team/other:1");
    let made = engine.docker(&["create", "--entrypoint", "true", &engine.base_image]).unwrap();
    engine.docker(&["commit", "--change", "ENTRYPOINT [\"true\"]", made.trim(), &other]).unwrap();
    engine.docker(&["rm", made.trim()]).unwrap();
    push(&engine, &other);

    for (image, code, status) in [
        (format!("{registry}/others/x:1"), "not-allowed", json!(403)),
        ("quay.io/jupyter/base-notebook:latest".to_owned(), "not-allowed", json!(403)),
        (format!("{registry}/team/none:1"), "repository-not-found", json!(404)),
        // Of these more can be said only once they have been pulled and tried.
        (empty, "server-missing", Value::Null),
        (other, "server-exited", Value::Null),
    ] {
        let told = events::read(&service.url(&format!("build/image/{}", encode(&image))), VISIT).await.unwrap();
        let failed = told.last().unwrap();
        assert_eq!((failed.phase(), &failed.data["status_code"]), ("failed", &status), "{image}: {told:#?}");
        let fault = &failed.data["fault"];
        assert_eq!(fault["code"], code, "{image}: {told:#?}");
        assert!(!fault.to_string().contains("Dockerfile"), "nobody wrote one: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_binderhub_has_built_is_found_by_its_name_and_not_built_again() {
    let Some(engine) = Engine::find("what_a_binderhub_has_built_is_found") else { return };
    let world = World::new().await;
    let registry = world.registry.authority();
    let prefix = format!("{registry}/hub/p-");
    let settings = [
        ("REGISTRY__URL", world.registry.url()),
        ("REGISTRY__PREFIX", "ours".to_owned()),
        ("BUILD__BINDERHUB_IMAGE_PREFIX", prefix.clone()),
    ];
    let service = world.serve_with(&engine, &settings).await;
    let commit = world.repository("gh/Owner/name", "main", "built here");
    // The name it has for `Owner/name`, as it was asked.
    world.notebook(&engine, &format!("{prefix}owner-2dname-9d0dfc:{commit}"), "built elsewhere");

    let launch = |link: String| {
        let service = &service;
        async move {
            let told = events::read(&service.url(&format!("build/{link}")), VISIT).await.unwrap();
            let ready = told.last().unwrap();
            assert_eq!(ready.phase(), "ready", "{told:#?}\n{}", service.log());
            let (url, token) = (ready.data["url"].as_str().unwrap(), ready.data["token"].as_str().unwrap());
            let file = format!("{url}api/contents/which.txt?type=file&format=text&token={token}");
            (json_at(&file).await["content"].as_str().unwrap().to_owned(), told)
        }
    };
    let (content, told) = launch("gh/Owner/name/main".to_owned()).await;
    assert_eq!(content, "built elsewhere");
    let says =
        |told: &[Told], text: &str| told.iter().any(|told| told.data["message"].as_str().unwrap().contains(text));
    assert!(says(&told, "owner-2dname-9d0dfc") && says(&told, "name BinderHub gives"), "{told:#?}");
    assert_eq!(world.git.requests().packs, 0, "nothing was fetched");
    // It is this site's own now, under its own name too.
    assert!(world.registry.catalog().await.unwrap().contains(&"ours/repo".to_owned()));
    std::os::unix::fs::symlink("Owner", world.root.path().join("gh/owner")).unwrap();
    let (content, told) = launch("gh/owner/name/HEAD".to_owned()).await;
    assert_eq!((content.as_str(), told[0].phase()), ("built elsewhere", "built"), "{told:#?}");

    // Of another commit there is none, so that is built.
    world.repository("gh/Owner/other", "main", "built here");
    let (content, told) = launch("gh/Owner/other/main".to_owned()).await;
    assert_eq!(content, "built here");
    assert!(!says(&told, "name BinderHub gives"), "{told:#?}");
}
