//! What a link's ref means, asked of a real git server.

use crate::support::git_server::GitServer;
use crate::support::repos::{Repo, file};
use crate::support::{Site, allowing, fault};
use bindery_content::HostedContent;
use bindery_core::seams::ContentProvider;
use bindery_core::{FaultBy, RepoSpec};

#[tokio::test(flavor = "multi_thread")]
async fn branches_tags_heads_and_commits_resolve_to_their_commit() {
    let site = Site::new();
    let repo = Repo::create(site.root.path(), "a/b").unwrap();
    let first = repo.commit("main", &[file("README", "1")]).unwrap();
    let second = repo.commit("main", &[file("README", "2")]).unwrap();
    repo.branch("release/v1", &first).unwrap();
    repo.tag("v1", &second).unwrap();
    let annotated = repo.annotated_tag("v2", &first).unwrap();
    repo.point("refs/pull/7/head", &first).unwrap();
    for (reference, commit) in [
        ("HEAD", &second),
        ("main", &second),
        ("master", &second),
        ("release/v1", &first),
        ("origin/release/v1", &first),
        ("v1", &second),
        ("v2", &first),
        ("refs/pull/7/head", &first),
        ("refs/heads/main", &second),
        ("pull/7/head", &first),
        (&first[..10], &first),
        (&first, &first),
    ] {
        assert_eq!(site.resolve("a/b", reference).await.unwrap().revision.as_str(), commit, "{reference}");
    }
    assert_ne!(annotated, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_apart() {
    let site = Site::new();
    let repo = Repo::with_files(site.root.path(), "r", &[file("a", "1")]).unwrap();
    repo.branch("develop", "main").unwrap();
    Repo::create(site.root.path(), "empty").unwrap();

    let missing_ref = fault(site.resolve("r", "devlop").await);
    assert_eq!((missing_ref.by, missing_ref.code.as_str()), (FaultBy::User, "ref-not-found"));
    assert_eq!(missing_ref.hint.unwrap(), "Did you mean develop?");

    let missing_repository = fault(site.resolve("nope", "HEAD").await);
    assert_eq!((missing_repository.by, missing_repository.code.as_str()), (FaultBy::User, "repository-not-found"));
    let text = missing_repository.to_string();
    assert!(text.starts_with("Could not resolve ref for git:http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("/nope/HEAD. Double check your URL and that your repo is public."), "{text}");

    assert_eq!(fault(site.resolve("empty", "HEAD").await).code, "repository-empty");
    assert_eq!(fault(site.resolve("r", "0123456").await).code, "ref-not-found");

    let absent = fault(site.fetch("r", &"0".repeat(39).replace('0', "1").replacen('1', "12", 1)).await);
    assert_eq!((absent.by, absent.code.as_str()), (FaultBy::User, "commit-not-found"));

    let gone = {
        let root = tempfile::tempdir().unwrap();
        GitServer::start(root.path()).unwrap().url()
    };
    let data = tempfile::tempdir().unwrap();
    let authority = gone.trim_start_matches("http://").to_owned();
    let content = HostedContent::new(allowing(&authority), data.path().to_owned()).unwrap();
    let down = fault(content.resolve(&crate::support::git_spec(&format!("{gone}/r"), "HEAD")).await);
    assert_eq!((down.by, down.code.as_str(), down.retry), (FaultBy::Upstream, "host-unreachable", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_providers_go_to_the_configured_hosts() {
    let root = tempfile::tempdir().unwrap();
    let server = GitServer::start(root.path()).unwrap();
    let commit = Repo::create(root.path(), "Owner/Repo.git").unwrap().commit("main", &[file("a", "1")]).unwrap();
    let nested = Repo::create(root.path(), "group/sub/project").unwrap().commit("main", &[file("a", "2")]).unwrap();
    let mut config = allowing(&server.authority());
    config.github_url = server.url();
    config.gitlab_url = server.url();
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(config, data.path().to_owned()).unwrap();

    let github = content.resolve(&RepoSpec::parse("gh", "Owner/Repo/HEAD").unwrap()).await.unwrap();
    assert_eq!(github.revision.as_str(), commit);
    assert_eq!(github.ref_url, format!("{}/Owner/Repo/tree/{commit}", server.url()));
    assert_eq!(github.identity, format!("{}/owner/repo", server.url()));
    let gitlab = content.resolve(&RepoSpec::parse("gl", "group%2Fsub%2Fproject/main").unwrap()).await.unwrap();
    assert_eq!(gitlab.revision.as_str(), nested);

    let missing = fault(content.resolve(&RepoSpec::parse("gh", "a/b/c").unwrap()).await);
    assert_eq!(
        missing.to_string(),
        "Could not resolve ref for gh:a/b/c. Double check your URL and that your repo is public."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_forges_are_git_servers_too() {
    let root = tempfile::tempdir().unwrap();
    let server = GitServer::start(root.path()).unwrap();
    let commit = Repo::create(root.path(), "cb/O/R").unwrap().commit("main", &[file("a", "1")]).unwrap();
    Repo::create(root.path(), "bb/o/r.git").unwrap().commit("main", &[file("a", "1")]).unwrap();
    Repo::create(root.path(), "gist/u/0a1b.git").unwrap().commit("main", &[file("a", "1")]).unwrap();
    let mut config = allowing(&server.authority());
    config.codeberg_url = format!("{}/cb", server.url());
    config.bitbucket_url = format!("{}/bb/", server.url());
    config.gist_url = format!("{}/gist", server.url());
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(config, data.path().to_owned()).unwrap();
    for (provider, raw, page, identity) in [
        ("cb", "O/R/main", "cb/O/R/src/commit/", "cb/o/r"),
        ("bb", "o/r/HEAD", "bb/o/r/src/", "bb/o/r"),
        ("gist", "u/0a1b", "gist/u/0a1b/", "gist/0a1b"),
    ] {
        let found = content.resolve(&RepoSpec::parse(provider, raw).unwrap()).await.unwrap();
        assert!(found.ref_url.starts_with(&format!("{}/{page}", server.url())), "{}", found.ref_url);
        assert_eq!(found.identity, format!("{}/{identity}", server.url()));
        let by_git = crate::support::git_spec(found.repo_url.as_str(), found.revision.as_str());
        assert_eq!(content.resolve(&by_git).await.unwrap().identity, found.identity, "{provider}");
        let (tree, _) = content.fetch(&found).await.unwrap();
        assert_eq!(crate::support::paths(&*tree), ["a"], "{provider}");
    }
    let found = content.resolve(&RepoSpec::parse("cb", "O/R/HEAD").unwrap()).await.unwrap();
    assert_eq!(found.persistent_request(), format!("v2/cb/O/R/{commit}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_branch_that_was_renamed_is_told_what_they_get() {
    let site = Site::new();
    Repo::with_files(site.root.path(), "r", &[file("a", "1")]).unwrap();
    let renamed = site.resolve("r", "master").await.unwrap();
    assert_eq!(renamed.notes, ["There is no branch or tag named master; the default branch is used instead."]);
    for reference in ["main", "HEAD"] {
        assert!(site.resolve("r", reference).await.unwrap().notes.is_empty(), "{reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_commit_id_is_taken_at_its_word_without_asking() {
    let site = Site::new();
    let commit = "a".repeat(40);
    assert_eq!(site.resolve("r", &commit).await.unwrap().revision.as_str(), commit);
    assert_eq!(site.server.requests().refs, 0);
}
