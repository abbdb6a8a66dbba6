//! One commit's content, from a real git server.

use crate::support::git_server::Behaviour;
use crate::support::repos::{Repo, executable, file, symlink};
use crate::support::{Site, fault, paths};
use bindery_core::seams::ContentProvider;
use bindery_core::{EntryKind, TreeError};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_arrives_whole_without_history_and_leaves_nothing_behind() {
    let site = Site::new();
    let repo = Repo::create(site.root.path(), "r").unwrap();
    // Incompressible enough that carrying it would show.
    let old: Vec<u8> = (0..200_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    repo.commit("main", &[file("old.bin", &old)]).unwrap();
    repo.git(&["update-ref", "-d", "refs/heads/scratch"], b"").ok();
    let commit = {
        let id = repo
            .commit("work", &[file("a.txt", "hello"), executable("bin/run", "#!/bin/sh\n"), symlink("link", "a.txt")]);
        id.unwrap()
    };
    let (tree, report) = site.fetch("r", &commit).await.unwrap();
    assert_eq!(paths(&*tree), ["a.txt", "bin/run", "link"]);
    assert_eq!(tree.entry("bin/run").unwrap().kind, EntryKind::Executable);
    assert_eq!(tree.entry("a.txt").unwrap().size, 5);
    assert_eq!(tree.read("a.txt", 100).unwrap(), b"hello");
    assert!(matches!(tree.read("a.txt", 4), Err(TreeError::TooLarge { .. })));
    assert!(matches!(tree.read("link", 100), Err(TreeError::NotAFile(_))));
    assert_eq!(tree.link_target("link").unwrap(), b"a.txt");
    assert!(report.received > 0 && report.received < 10_000, "{report:?}");
    assert_eq!((report.entries, report.bytes), (3, 20));
    assert_eq!(site.left_on_disk(), 1);
    drop(tree);
    assert_eq!(site.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_commit_is_fetched_alone() {
    let site = Site::new();
    let repo = Repo::create(site.root.path(), "r").unwrap();
    let old = repo.commit("main", &[file("a", "old")]).unwrap();
    let big: Vec<u8> = (0..200_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    repo.commit("main", &[file("a", "new"), file("big", &big)]).unwrap();
    let (tree, report) = site.fetch("r", &old).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"old");
    assert!(report.received < 10_000);
    assert_eq!(site.server.requests().packs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hands_out_only_tips_is_asked_for_the_ref() {
    let site = Site::with(Behaviour { tips_only: true, ..Behaviour::default() }, |_| {});
    let repo = Repo::create(site.root.path(), "r").unwrap();
    let first = repo.commit("main", &[file("a", "1")]).unwrap();
    let resolved = site.resolve("r", "main").await.unwrap();
    // An annotated tag's commit is no tip itself.
    repo.annotated_tag("v1", &first).unwrap();
    repo.commit("main", &[file("a", "2")]).unwrap();
    // The branch has moved on since it was resolved.
    let (tree, _) = site.content.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"1");

    let elsewhere = Site::with(Behaviour { tips_only: true, ..Behaviour::default() }, |_| {});
    let repo = Repo::create(elsewhere.root.path(), "r").unwrap();
    let first = repo.commit("main", &[file("a", "1")]).unwrap();
    repo.commit("main", &[file("a", "2")]).unwrap();
    // A bare commit id that is no tip: found in the history of the branches.
    let (tree, _) = elsewhere.fetch("r", &first).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"1");
    // A peeled tag.
    repo.annotated_tag("v2", &first).unwrap();
    let fresh = Site::with(Behaviour { tips_only: true, ..Behaviour::default() }, |_| {});
    let repo = Repo::create(fresh.root.path(), "r").unwrap();
    let first = repo.commit("side", &[file("a", "tagged")]).unwrap();
    repo.commit("main", &[file("a", "main")]).unwrap();
    repo.annotated_tag("v3", &first).unwrap();
    repo.git(&["update-ref", "-d", "refs/heads/side"], b"").unwrap();
    let (tree, _) = fresh.fetch("r", "v3").await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"tagged");
    assert_eq!(fault(fresh.fetch("r", &"e".repeat(40)).await).code, "commit-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_something_else_is_not_a_commit() {
    let site = Site::new();
    let repo = Repo::create(site.root.path(), "r").unwrap();
    repo.commit("main", &[file("a", "1")]).unwrap();
    let tree = repo.id("main^{tree}").unwrap();
    repo.point("refs/tags/tree", &tree).unwrap();
    assert_eq!(fault(site.fetch("r", "tree").await).code, "not-a-commit");
    assert_eq!(site.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_a_limit_names_the_limit() {
    let site = Site::with(Behaviour::default(), |config| {
        config.max_entries = 10;
        config.max_blob = 1000;
        config.max_bytes = 4000;
        config.max_depth = 3;
    });
    let many: Vec<_> = (0..11).map(|i| file(&format!("f{i}"), format!("{i}"))).collect();
    let large: Vec<_> = (0..5).map(|i| file(&format!("f{i}"), format!("{i}").repeat(990))).collect();
    for (name, files, setting) in [
        ("many", many, "max_entries"),
        ("large", large, "max_bytes"),
        ("blob", vec![file("f", "x".repeat(1001))], "max_blob"),
        ("deep", vec![file("a/b/c/d/f", "x")], "max_depth"),
    ] {
        Repo::with_files(site.root.path(), name, &files).unwrap();
        let fault = fault(site.fetch(name, "HEAD").await);
        assert_eq!(fault.code, "repository-too-large", "{name}: {fault}");
        assert!(fault.hint.unwrap().contains(setting), "{name}");
    }
    Repo::with_files(site.root.path(), "fits", &[file("a/b/c/f", "x".repeat(1000))]).unwrap();
    assert!(site.fetch("fits", "HEAD").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_survive_deltas_and_subdirectories() {
    let site = Site::new();
    let text = |i: usize| format!("line of text {i}\n").repeat(400) + &i.to_string();
    let files: Vec<_> = (0..300).map(|i| file(&format!("d{}/e{}/f{i}", i % 7, i % 3), text(i))).collect();
    let repo = Repo::with_files(site.root.path(), "r", &files).unwrap();
    repo.git(&["repack", "-adfq", "--depth=50", "--window=50"], b"").unwrap();
    let (tree, report) = site.fetch("r", "HEAD").await.unwrap();
    assert_eq!(report.entries, 300);
    for i in 0..300 {
        assert_eq!(tree.read(&format!("d{}/e{}/f{i}", i % 7, i % 3), 100_000).unwrap(), text(i).into_bytes());
    }
}
