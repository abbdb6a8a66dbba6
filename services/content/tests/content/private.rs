//! Repositories that a host shows only to the site's credential.

use std::sync::{Arc, Mutex};

use crate::support::git_server::{Behaviour, GitServer};
use crate::support::repos::{Repo, file, submodule};
use crate::support::{Site, allowing, fault, git_spec};
use bindery_content::{Config, Credential, HostedContent};
use bindery_core::seams::ContentProvider as _;
use bindery_core::{FaultBy, Secret};

/// `me:hunter2`.
const LOGIN: &str = "Basic bWU6aHVudGVyMg==";
const LOCKED: Behaviour = Behaviour { tips_only: false, login: Some(LOGIN) };

fn credential(server: &GitServer, password: &str) -> Credential {
    Credential {
        host: server.authority(),
        username: "me".to_owned(),
        password: Some(Secret::new(password)),
        password_file: None,
    }
}

/// A site that may fetch from these servers, with a credential for the first.
struct Keeper {
    content: HostedContent,
    _data: tempfile::TempDir,
}

impl Keeper {
    fn new(servers: &[&GitServer], adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { private_ok: true, ref_cache_seconds: 0, ..Config::default() };
        config.allow_hosts = servers.iter().map(|server| server.authority()).collect();
        config.credentials = servers.first().map(|server| credential(server, "hunter2")).into_iter().collect();
        adjust(&mut config);
        let data = tempfile::tempdir().unwrap();
        Self { content: HostedContent::new(config, data.path().to_owned()).unwrap(), _data: data }
    }
}

fn locked(root: &tempfile::TempDir) -> GitServer {
    GitServer::start_with(root.path(), LOCKED).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_read_with_the_credential_and_known_to_be_private() {
    let root = tempfile::tempdir().unwrap();
    let server = locked(&root);
    let commit = Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap().id("main").unwrap();
    let site = Keeper::new(&[&server], |_| {});
    let url = format!("{}/r", server.url());
    for reference in ["main", "HEAD", &commit] {
        let resolved = site.content.resolve(&git_spec(&url, reference)).await.unwrap();
        assert!(resolved.private, "{reference}");
        assert_eq!(resolved.revision.as_str(), commit);
        let (tree, _) = site.content.fetch(&resolved).await.unwrap();
        assert_eq!(tree.read("a", 10).unwrap(), b"1");
        let stored = serde_json::to_string(&resolved).unwrap();
        assert!(stored.contains("\"private\":true") && !stored.contains("hunter2"), "{stored}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_repository_is_never_shown_the_credential() {
    let root = tempfile::tempdir().unwrap();
    let server = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    let site = Keeper::new(&[&server], |_| {});
    let resolved = site.content.resolve(&git_spec(&format!("{}/r", server.url()), "main")).await.unwrap();
    assert!(!resolved.private);
    site.content.fetch(&resolved).await.unwrap();
    assert_eq!(server.requests().shown, 0);
    // What was let in as public is fetched as everybody would, whatever it has become since.
    drop(server);
    let server = locked(&root);
    let moved = Keeper::new(&[&server], |_| {});
    let url: bindery_core::RepoUrl = format!("{}/r", server.url()).parse().unwrap();
    let gone = fault(moved.content.fetch(&bindery_core::ResolvedRef { repo_url: url, ..resolved }).await);
    assert_eq!((gone.code.as_str(), server.requests().shown), ("repository-not-found", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_private_repositories_are_not_served_nothing_of_them_is_told() {
    let root = tempfile::tempdir().unwrap();
    let server = locked(&root);
    let repo = Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    repo.branch("codename-walrus", "main").unwrap();
    let commit = repo.id("main").unwrap();
    let site = Keeper::new(&[&server], |config| config.private_ok = false);
    for reference in ["main", "codename-walrsu", &commit, &"d".repeat(40)] {
        let refused = fault(site.content.resolve(&git_spec(&format!("{}/r", server.url()), reference)).await);
        assert_eq!((refused.by, refused.code.as_str()), (FaultBy::User, "repository-private"), "{reference}");
        let told = serde_json::to_string(&refused).unwrap();
        assert!(!told.contains("walrus") && !told.contains("hunter2"), "{told}");
        assert!(refused.hint.unwrap().contains("web.private_ok"));
    }
    // Nor is it fetched for a build that was asked for while it was served.
    let before = Keeper::new(&[&server], |_| {});
    let resolved = before.content.resolve(&git_spec(&format!("{}/r", server.url()), "main")).await.unwrap();
    assert_eq!(fault(site.content.fetch(&resolved).await).code, "repository-private");
    let missing = fault(site.content.resolve(&git_spec(&format!("{}/none", server.url()), "main")).await);
    assert_eq!(missing.code, "repository-not-found");
    assert_eq!(server.requests().packs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_taken_finds_nothing() {
    let root = tempfile::tempdir().unwrap();
    let server = locked(&root);
    Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    for credentials in [vec![credential(&server, "other")], Vec::new()] {
        let site = Keeper::new(&[&server], |config| config.credentials = credentials);
        let refused = fault(site.content.resolve(&git_spec(&format!("{}/r", server.url()), "main")).await);
        assert_eq!(refused.code, "repository-not-found");
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}

/// A server that redirects every question elsewhere, and says which heads it was sent.
fn redirecting(to: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let shown = head.to_ascii_lowercase().contains("authorization:");
            heard.lock().unwrap().push(head);
            // Like a host that redirects those only whom it knows.
            let answer =
                if shown { format!("302 Found\r\nLocation: {}", to(&path)) } else { "404 Not Found".to_owned() };
            let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (authority, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_shown_to_no_host_that_a_redirect_leads_to() {
    let root = tempfile::tempdir().unwrap();
    Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    // Elsewhere, where everybody may read.
    let open = GitServer::start(root.path()).unwrap();
    let elsewhere = open.url();
    let (authority, heads) = redirecting(move |path| format!("{elsewhere}{}", path.replace(".git/", "/")));
    let site = Keeper::new(&[&open], |config| {
        config.allow_hosts.push(authority.clone());
        config.credentials[0].host.clone_from(&authority);
    });
    let resolved = site.content.resolve(&git_spec(&format!("http://{authority}/r"), "main")).await.unwrap();
    site.content.fetch(&resolved).await.unwrap();
    assert!(heads.lock().unwrap().iter().any(|head| head.contains(LOGIN)));
    assert_eq!(open.requests().shown, 0);

    // To a host of which the site has a credential too: it is not led there by someone else.
    let server = locked(&root);
    let inside = server.url();
    let (authority, _) = redirecting(move |path| format!("{inside}{}", path.replace(".git/", "/")));
    let site = Keeper::new(&[&server], |config| {
        config.allow_hosts.push(authority.clone());
        config.credentials.push(Credential { host: authority.clone(), ..config.credentials[0].clone() });
    });
    let refused = fault(site.content.resolve(&git_spec(&format!("http://{authority}/r"), "main")).await);
    assert_eq!((refused.code.as_str(), server.requests().shown), ("repository-not-found", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_repository_cannot_have_a_private_one_as_its_submodule() {
    let root = tempfile::tempdir().unwrap();
    let server = locked(&root);
    let secret = Repo::with_files(root.path(), "secret", &[file("a", "1")]).unwrap().id("main").unwrap();
    let public = Site::new();
    let modules = format!("[submodule \"s\"]\n\tpath = s\n\turl = {}/secret\n", server.url());
    let files = [file(".gitmodules", modules), submodule("s", &secret)];
    Repo::with_files(public.root.path(), "outer", &files).unwrap();
    let site = Keeper::new(&[&server, &public.server], |config| config.submodules = true);
    let resolved = site.content.resolve(&public.spec("outer", "main")).await.unwrap();
    let refused = fault(site.content.fetch(&resolved).await);
    assert_eq!((refused.code.as_str(), server.requests().shown), ("submodule-unavailable", 0));
}

#[test]
fn a_credential_that_cannot_be_used_stops_the_service_at_its_start() {
    let mut config = allowing("127.0.0.1:1");
    let host = "https://git.example".to_owned();
    config.credentials = vec![Credential {
        host,
        username: "me".to_owned(),
        password: Some(Secret::new("hunter2")),
        password_file: None,
    }];
    let data = tempfile::tempdir().unwrap();
    let error = HostedContent::new(config, data.path().to_owned()).err().unwrap().to_string();
    assert!(error.starts_with("content.credentials: ") && !error.contains("hunter2"), "{error}");
}
