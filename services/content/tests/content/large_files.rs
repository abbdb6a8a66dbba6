//! Large files that a repository keeps beside git.

use crate::support::git_server::{Behaviour, LARGE};
use crate::support::repos::{Repo, RepoFile, file, submodule};
use crate::support::{Site, fault};
use bindery_core::FaultBy;
use sha2::{Digest as _, Sha256};

const ATTRIBUTES: &str = "*.csv filter=lfs diff=lfs merge=lfs -text\n";

/// A pointer to `content`, which the site's server has.
fn stored(site: &Site, content: &[u8]) -> String {
    let sha256 = hex::encode(Sha256::digest(content));
    let directory = site.root.path().join(LARGE);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(&sha256), content).unwrap();
    pointer(&sha256, content.len())
}

fn pointer(sha256: &str, size: usize) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

fn repository(site: &Site, name: &str, files: &[RepoFile]) {
    Repo::with_files(site.root.path(), name, &[&[file(".gitattributes", ATTRIBUTES)], files].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_are_replaced_by_what_they_name() {
    let site = Site::new();
    let (one, two) = (vec![b'x'; 100_000], b"a,b\n1,2\n".to_vec());
    let files = [
        file("data/one.csv", stored(&site, &one)),
        file("two.csv", stored(&site, &two)),
        file("again.csv", stored(&site, &two)),
        file("plain.csv", "no pointer\n"),
    ];
    repository(&site, "large", &files);
    let (tree, report) = site.fetch("large", "HEAD").await.unwrap();
    assert_eq!(tree.read("data/one.csv", 1 << 20).unwrap(), one);
    assert_eq!((tree.read("two.csv", 100).unwrap(), tree.read("again.csv", 100).unwrap()), (two.clone(), two));
    assert_eq!(tree.read("plain.csv", 100).unwrap(), b"no pointer\n");
    assert_eq!(tree.entry("data/one.csv").unwrap().size, 100_000);
    assert!(tree.read("data/one.csv", 99_999).is_err());
    assert!(report.bytes > 100_000 && report.notes.is_empty(), "{report:?}");
    // One question, and each content once.
    assert_eq!(site.server.requests().large, 3);
    drop(tree);
    assert_eq!(site.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_attribute_a_pointer_is_a_file_like_any_other() {
    let site = Site::new();
    let text = stored(&site, b"content");
    Repo::with_files(site.root.path(), "plain", &[file("a.csv", &text)]).unwrap();
    let (tree, _) = site.fetch("plain", "HEAD").await.unwrap();
    assert_eq!(tree.read("a.csv", 1000).unwrap(), text.as_bytes());
    assert_eq!(site.server.requests().large, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_fetches_none_names_each() {
    let site = Site::with(Behaviour::default(), |config| config.large_files = false);
    let text = stored(&site, b"content");
    repository(&site, "named", &[file("a.csv", &text)]);
    let (tree, report) = site.fetch("named", "HEAD").await.unwrap();
    assert_eq!(tree.read("a.csv", 1000).unwrap(), text.as_bytes());
    assert!(report.notes.len() == 1 && report.notes[0].contains("a.csv"), "{report:?}");
    assert_eq!(site.server.requests().large, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_large_files_of_a_submodule_come_from_its_own_host() {
    let inner = Site::new();
    let text = stored(&inner, b"inner content");
    repository(&inner, "inner", &[file("data/a.csv", &text)]);
    let commit = inner.resolve("inner", "HEAD").await.unwrap().revision.to_string();
    let authority = inner.server.authority();
    let allow = |config: &mut bindery_content::Config, large: bool| {
        config.allow_hosts.push(authority.clone());
        (config.submodules, config.large_files) = (true, large);
    };
    let modules = format!("[submodule \"m\"]\n\tpath = m\n\turl = {}/inner\n", inner.server.url());
    let files = |outer: &str| [file(".gitmodules", &modules), file("own.csv", outer), submodule("m", &commit)];

    let site = Site::with(Behaviour::default(), |config| allow(config, true));
    let own = stored(&site, b"outer content");
    repository(&site, "outer", &files(&own));
    let (tree, report) = site.fetch("outer", "HEAD").await.unwrap();
    assert_eq!(tree.read("own.csv", 100).unwrap(), b"outer content");
    assert_eq!(tree.read("m/data/a.csv", 100).unwrap(), b"inner content");
    assert!(report.notes.is_empty(), "{report:?}");
    assert_eq!((site.server.requests().large, inner.server.requests().large), (2, 2));

    let site = Site::with(Behaviour::default(), |config| allow(config, false));
    repository(&site, "outer", &files(&own));
    let (tree, report) = site.fetch("outer", "HEAD").await.unwrap();
    assert_eq!(tree.read("m/data/a.csv", 1000).unwrap(), text.as_bytes());
    assert_eq!(report.notes.len(), 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_may_say_where_its_large_files_are() {
    let elsewhere = Site::new();
    let text = stored(&elsewhere, b"content");
    let authority = elsewhere.server.authority();
    let config = |url: &str| file(".lfsconfig", format!("[lfs]\n\turl = {url}\n"));
    let there = format!("{}/any/info/lfs", elsewhere.server.url());

    let site = Site::with(Behaviour::default(), |config| config.allow_hosts.push(authority));
    repository(&site, "pointed", &[file("a.csv", &text), config(&there)]);
    let (tree, _) = site.fetch("pointed", "HEAD").await.unwrap();
    assert_eq!(tree.read("a.csv", 100).unwrap(), b"content");
    assert_eq!((site.server.requests().large, elsewhere.server.requests().large), (0, 2));

    // Only where the site's rules let any repository go.
    let asked = elsewhere.server.requests().large;
    let strict = Site::new();
    for url in
        [there.as_str(), "http://169.254.169.254/lfs", "ssh://h/lfs", "file:///etc", "https://u:p@h/lfs", "no address"]
    {
        let name = format!("r{}", url.len());
        repository(&strict, &name, &[file("a.csv", &text), config(url)]);
        let refused = fault(strict.fetch(&name, "HEAD").await);
        assert_eq!(
            (refused.by, refused.code.as_str()),
            (FaultBy::User, "large-file-unavailable"),
            "{url}: {refused:?}"
        );
    }
    assert_eq!((strict.server.requests().large, elsewhere.server.requests().large), (0, asked));
    // Where there is no large file, it is a file like any other.
    repository(&strict, "none", &[config("ssh://h/lfs")]);
    assert!(strict.fetch("none", "HEAD").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_another_or_too_large_is_refused_by_name() {
    let site = Site::with(Behaviour::default(), |config| (config.max_blob, config.max_bytes) = (50_000, 100_000));
    let missing = pointer(&"0".repeat(64), 5);
    repository(&site, "missing", &[file("a.csv", missing)]);
    let refused = fault(site.fetch("missing", "HEAD").await);
    assert_eq!((refused.by, refused.file.as_deref()), (FaultBy::User, Some("a.csv")), "{refused:?}");
    assert!(refused.message.contains("404 not here"), "{refused}");

    // The host has changed it, shorter, longer or of the same length.
    for other in ["con", "content and more", "CONTENT"] {
        let text = stored(&site, b"content");
        let sha256 = hex::encode(Sha256::digest(b"content"));
        std::fs::write(site.root.path().join(LARGE).join(&sha256), other).unwrap();
        let name = format!("changed-{}", other.len());
        repository(&site, &name, &[file("a.csv", text)]);
        let refused = fault(site.fetch(&name, "HEAD").await);
        assert!(["large-file-unavailable", "repository-too-large"].contains(&refused.code.as_str()), "{refused:?}");
    }

    repository(&site, "one", &[file("a.csv", stored(&site, &[b'x'; 60_000]))]);
    assert_eq!(fault(site.fetch("one", "HEAD").await).code, "repository-too-large");
    let before = site.server.requests().large;
    let many: Vec<RepoFile> = (0..3_u8).map(|n| file(&format!("{n}.csv"), stored(&site, &[n; 40_000]))).collect();
    repository(&site, "many", &many);
    assert_eq!(fault(site.fetch("many", "HEAD").await).code, "repository-too-large");
    assert_eq!(site.server.requests().large, before, "nothing was fetched of what is too much");
    assert_eq!(site.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_can_be_read_after_the_one_who_fetched_it_is_gone() {
    let site = Site::new();
    repository(&site, "outlives", &[file("a.csv", stored(&site, b"content")), file("b.txt", "b")]);
    let (tree, _) = site.fetch("outlives", "HEAD").await.unwrap();
    let Site { content, data, .. } = site;
    drop(content);
    assert_eq!(tree.read("a.csv", 100).unwrap(), b"content");
    assert_eq!(tree.read("b.txt", 100).unwrap(), b"b");
    drop(tree);
    assert_eq!(std::fs::read_dir(data.path().join("content")).unwrap().count(), 0, "something was left on disk");
}
