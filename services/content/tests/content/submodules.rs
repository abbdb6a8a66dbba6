//! Security reference B4: repositories inside repositories.

use crate::support::git_server::Behaviour;
use crate::support::hostile::Hostile;
use crate::support::repos::{Repo, file, submodule};
use crate::support::{Site, fault, paths};
use bindery_core::EntryKind;

fn modules(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(path, url)| format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n")).collect()
}

fn site(submodules: bool) -> Site {
    Site::with(Behaviour::default(), |config| config.submodules = submodules)
}

/// A repository `outer` with `a` at `lib/a`, which itself has `b` at `b`.
fn nested(site: &Site) {
    let c = Repo::create(site.root.path(), "group/c").unwrap().commit("main", &[file("c.txt", "c")]).unwrap();
    let b = Repo::create(site.root.path(), "group/b").unwrap();
    let b = b
        .commit("main", &[file("b.txt", "b"), file(".gitmodules", modules(&[("c", "../c")])), submodule("c", &c)])
        .unwrap();
    let a = Repo::create(site.root.path(), "group/a").unwrap();
    let a = a
        .commit("main", &[file("a.txt", "a"), file(".gitmodules", modules(&[("b", "../b.git")])), submodule("b", &b)])
        .unwrap();
    let address = format!("{}/group/a", site.server.url());
    let outer = [file("top.txt", "top"), file(".gitmodules", modules(&[("lib/a", &address)])), submodule("lib/a", &a)];
    Repo::with_files(site.root.path(), "outer", &outer).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_submodules_are_left_alone_unless_a_site_wants_them() {
    let site = site(false);
    nested(&site);
    let (tree, _) = site.fetch("outer", "HEAD").await.unwrap();
    assert_eq!(paths(&*tree), [".gitmodules", "lib/a", "top.txt"]);
    assert_eq!(tree.entry("lib/a").unwrap().kind, EntryKind::Submodule);
    assert!(tree.read("lib/a", 10).is_err());
    assert_eq!(site.server.requests().packs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_wanted_submodules_are_fetched_two_deep_and_no_deeper() {
    let site = site(true);
    nested(&site);
    let (tree, report) = site.fetch("outer", "HEAD").await.unwrap();
    assert_eq!(
        paths(&*tree),
        [
            ".gitmodules",
            "lib/a/.gitmodules",
            "lib/a/a.txt",
            "lib/a/b/.gitmodules",
            "lib/a/b/b.txt",
            "lib/a/b/c",
            "top.txt",
        ]
    );
    assert_eq!(tree.read("lib/a/b/b.txt", 10).unwrap(), b"b");
    assert_eq!(tree.entry("lib/a/b/c").unwrap().kind, EntryKind::Submodule);
    assert_eq!((site.server.requests().packs, report.entries), (3, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_each_submodules_address_passes_the_same_gate() {
    let inside = Hostile::listener();
    let commit = "b".repeat(40);
    let secret = tempfile::tempdir().unwrap();
    let local = Repo::with_files(secret.path(), "local", &[file("a", "1")]).unwrap();
    for address in [
        format!("file://{}", local.path().display()),
        local.path().display().to_string(),
        "ext::sh -c 'touch /tmp/pwned'".to_owned(),
        "--upload-pack=touch /tmp/pwned".to_owned(),
        "ssh://-oProxyCommand=x/y".to_owned(),
        "git@github.com:a/b".to_owned(),
        format!("http://{}/r", inside.authority()),
        format!("https://{}/r", inside.authority()),
        format!("git://{}/r", inside.authority()),
        "http://169.254.169.254/latest".to_owned(),
        "https://user:ghp_CANARY@example.org/r".to_owned(),
        "https://localhost/r".to_owned(),
    ] {
        let site = site(true);
        let files = [file(".gitmodules", modules(&[("sub", &address)])), submodule("sub", &commit)];
        Repo::with_files(site.root.path(), "r", &files).unwrap();
        let fault = fault(site.fetch("r", "HEAD").await);
        assert_eq!(
            (fault.code.as_str(), fault.file.as_deref()),
            ("submodule-unavailable", Some(".gitmodules")),
            "{address}"
        );
        assert!(!fault.to_string().contains("CANARY"), "{fault}");
        assert_eq!(site.left_on_disk(), 0);
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_repository_of_submodules_is_stopped_by_count_and_by_the_common_limits() {
    let site = site(true);
    let inner = Repo::create(site.root.path(), "inner").unwrap().commit("main", &[file("a", "1")]).unwrap();
    let names: Vec<String> = (0..40).map(|i| format!("m{i}")).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "../inner")).collect();
    let mut files = vec![file(".gitmodules", modules(&pairs))];
    files.extend(names.iter().map(|name| submodule(name, &inner)));
    Repo::with_files(site.root.path(), "many", &files).unwrap();
    let fault = fault(site.fetch("many", "HEAD").await);
    assert!(fault.message.contains("more than 32"), "{fault}");
    // All the same commit, so it was fetched once.
    assert_eq!(site.server.requests().packs, 2);

    // One that contains itself ends at the depth limit, not in a loop.
    let looping = Repo::create(site.root.path(), "loop").unwrap();
    let first = looping.commit("main", &[file("a", "1")]).unwrap();
    looping
        .commit("main", &[file(".gitmodules", modules(&[("again", "../loop")])), submodule("again", &first)])
        .unwrap();
    let (tree, _) = site.fetch("loop", "HEAD").await.unwrap();
    assert_eq!(paths(&*tree), [".gitmodules", "a", "again/a"]);

    // A link in the place of `.gitmodules`, or none at all, is no instruction.
    let odd = [
        crate::support::repos::symlink(".gitmodules", "other"),
        file("other", modules(&[("x", "../inner")])),
        submodule("x", &inner),
    ];
    Repo::with_files(site.root.path(), "odd", &odd).unwrap();
    let (tree, _) = site.fetch("odd", "HEAD").await.unwrap();
    assert_eq!(tree.entry("x").unwrap().kind, EntryKind::Submodule);
}
