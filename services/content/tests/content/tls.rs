//! Whom we believe.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::support::git_server::GitServer;
use crate::support::hostile::Hostile;
use crate::support::repos::{Repo, file};
use crate::support::tls::{TlsFront, fixture};
use crate::support::{fault, git_spec};
use bindery_content::egress::Lookup;
use bindery_content::{Config, HostedContent};
use bindery_core::FaultBy;
use bindery_core::seams::ContentProvider;

#[derive(Debug)]
struct Always(SocketAddr);

impl Lookup for Always {
    fn lookup(&self, _host: &str, _port: u16, _within: Duration) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

struct Site {
    front: TlsFront,
    _server: GitServer,
    _root: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Repo::with_files(root.path(), "a/b", &[file("a", "1")]).unwrap();
        let server = GitServer::start(root.path()).unwrap();
        let front = TlsFront::start(server.authority());
        Self { front, _server: server, _root: root, data: tempfile::tempdir().unwrap() }
    }

    fn content(&self, hosts: &[&str], trusting: bool) -> HostedContent {
        let config = Config {
            allow_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ca_bundle: trusting.then(|| fixture("ca.pem")),
            ..Config::default()
        };
        HostedContent::with_lookup(config, self.data.path().to_owned(), Arc::new(Always(self.front.address))).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_works_with_an_authority_the_operator_named() {
    let site = Site::new();
    let content = site.content(&["bindery.test"], true);
    let resolved = content.resolve(&git_spec("https://bindery.test/a/b", "HEAD")).await.unwrap();
    let (tree, _) = content.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"1");
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_refused_where_nobody_vouches_for_the_host() {
    let site = Site::new();
    let unknown = site.content(&["bindery.test"], false);
    let refusal = fault(unknown.resolve(&git_spec("https://bindery.test/a/b", "HEAD")).await);
    assert_eq!((refusal.by, refusal.code.as_str(), refusal.retry), (FaultBy::Upstream, "host-not-trusted", false));
    assert!(refusal.hint.unwrap().contains("content.ca_bundle"));

    // A certificate for another name.
    let misnamed = site.content(&["other.example"], true);
    let refusal = fault(misnamed.resolve(&git_spec("https://other.example/a/b", "HEAD")).await);
    assert_eq!(refusal.code, "host-not-trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_https_is_never_left_for_http() {
    let target = Hostile::listener();
    let to = target.url();
    let redirect = Hostile::redirecting(move |path| format!("{to}{path}"));
    let front = TlsFront::start(redirect.authority());
    let config = Config {
        allow_hosts: vec![front.address.to_string(), target.authority()],
        ca_bundle: Some(fixture("ca.pem")),
        ..Config::default()
    };
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(config, data.path().to_owned()).unwrap();
    let refusal = fault(content.resolve(&git_spec(&format!("https://{}/a/b", front.address), "HEAD")).await);
    assert_eq!(refusal.code, "bad-redirect", "{refusal}");
    assert_eq!((redirect.connections(), target.connections()), (1, 0));
}
