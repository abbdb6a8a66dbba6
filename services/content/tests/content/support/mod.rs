//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

#[path = "../../../../../tests/src/git_server.rs"]
pub mod git_server;
#[path = "../../../../../tests/src/listener.rs"]
pub mod listener;
#[path = "../../../../../tests/src/packed.rs"]
pub mod packed;
#[path = "../../../../../tests/src/repos.rs"]
pub mod repos;

pub mod archive;
pub mod hostile;
pub mod tls;

use std::sync::Arc;

use bindery_content::{Config, HostedContent};
use bindery_core::seams::{ContentProvider, FetchReport};
use bindery_core::{Fault, RepoSpec, ResolvedRef, Tree};
use git_server::{Behaviour, GitServer};

/// A git server, a place for its repositories, and a site that is allowed to fetch from it.
pub struct Site {
    pub root: tempfile::TempDir,
    pub server: GitServer,
    pub data: tempfile::TempDir,
    pub content: HostedContent,
}

impl Site {
    pub fn new() -> Self {
        Self::with(Behaviour::default(), |_| {})
    }

    pub fn with(behaviour: Behaviour, adjust: impl FnOnce(&mut Config)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = GitServer::start_with(root.path(), behaviour).unwrap();
        let mut config = allowing(&server.authority());
        adjust(&mut config);
        let data = tempfile::tempdir().unwrap();
        let content = HostedContent::new(config, data.path().to_owned()).unwrap();
        Self { root, server, data, content }
    }

    /// The spec of a repository of this server by the `git` provider.
    pub fn spec(&self, repository: &str, reference: &str) -> RepoSpec {
        git_spec(&format!("{}/{repository}", self.server.url()), reference)
    }

    pub async fn resolve(&self, repository: &str, reference: &str) -> Result<ResolvedRef, Fault> {
        self.content.resolve(&self.spec(repository, reference)).await
    }

    pub async fn fetch(&self, repository: &str, reference: &str) -> Result<(Arc<dyn Tree>, FetchReport), Fault> {
        let resolved = self.resolve(repository, reference).await?;
        self.content.fetch(&resolved).await
    }

    /// Files and directories in the data directory, below the one this site works in.
    pub fn left_on_disk(&self) -> usize {
        let runs = std::fs::read_dir(self.data.path().join("content")).unwrap();
        runs.map(|run| std::fs::read_dir(run.unwrap().path()).unwrap().count() - 1).sum()
    }
}

/// Settings that allow one loopback server.
pub fn allowing(authority: &str) -> Config {
    Config { allow_hosts: vec![authority.to_owned()], ..Config::default() }
}

pub fn git_spec(url: &str, reference: &str) -> RepoSpec {
    let escaped: String = url
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect();
    RepoSpec::parse("git", &format!("{escaped}/{reference}")).unwrap()
}

/// The paths of a tree.
pub fn paths(tree: &dyn Tree) -> Vec<&str> {
    tree.entries().iter().map(|entry| entry.path.as_str()).collect()
}

/// The fault of a result that must be one.
pub fn fault<T>(result: Result<T, Fault>) -> Fault {
    result.err().expect("should have failed")
}
