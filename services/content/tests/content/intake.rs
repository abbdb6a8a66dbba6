//! Security reference A1, A2, A6, A7, A8, A9, A10: what a link may say, and what asking costs the host.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::git_server::{Behaviour, GitServer};
use crate::support::hostile::Hostile;
use crate::support::repos::{Repo, file};
use crate::support::{Site, allowing, fault, git_spec};
use bindery_core::seams::ContentProvider;
use bindery_core::{FaultBy, GitRef, RepoSpec, RepoUrl};
use futures::future::join_all;
use proptest::prelude::*;

/// `text` as one part of a path, as a browser would write it.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Provider, address or name, ref; the first two escaped as the provider wants them.
const OPTIONS: [(&str, &str, &str); 20] = [
    ("git", "--upload-pack=touch /tmp/pwned;false", "HEAD"),
    ("git", "--upload-pack=x", "HEAD"),
    ("git", "-u", "HEAD"),
    ("git", "-", "HEAD"),
    ("git", "--", "HEAD"),
    ("git", "-oProxyCommand=x", "HEAD"),
    ("git", "--exec=x", "HEAD"),
    ("git", " --upload-pack=x", "HEAD"),
    ("git", "https://-oProxyCommand=x/y/\n", "HEAD"),
    ("git", "https://h/r", "--upload-pack=x"),
    ("git", "https://h/r", "-x"),
    ("git", "https://h/r", "--"),
    ("git", "https://h/r", "--output=/etc/passwd"),
    ("gh", "--upload-pack=x/b", "HEAD"),
    ("gh", "-a/b", "HEAD"),
    ("gh", "a/-b", "HEAD"),
    ("gh", "a/b", "--upload-pack=x"),
    ("gh", "a/b", "-"),
    ("gl", "-a/b", "HEAD"),
    ("gl", "a/-b", "HEAD"),
];

fn raw(provider: &str, repository: &str, reference: &str) -> String {
    let repository = if provider == "gh" { repository.replacen('=', "%3D", 9) } else { escape(repository) };
    format!("{repository}/{}", escape(reference))
}

#[test]
fn a1_nothing_that_could_be_an_option_is_a_spec() {
    for (provider, repository, reference) in OPTIONS {
        let text = raw(provider, repository, reference);
        assert!(RepoSpec::parse(provider, &text).is_err(), "{provider}/{text}");
    }
}

proptest! {
    #[test]
    fn a1_no_part_of_any_spec_starts_with_a_dash(provider in "gh|gl|git", raw in "(-|%2D|https%3A%2F%2F|[a-z/%.=-]){0,20}") {
        if let Ok(spec) = RepoSpec::parse(&provider, &raw) {
            prop_assert!(!spec.repository.starts_with('-'));
            prop_assert!(!spec.reference.as_str().starts_with('-'));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_repository_full_of_commands_runs_none_of_them() {
    let site = Site::new();
    let canary = site.root.path().join("canary");
    let touch = format!("#!/bin/sh\ntouch {}\n", canary.display());
    let repo =
        Repo::with_files(site.root.path(), "r", &[file("a", "1"), file(".gitattributes", "* filter=evil\n")]).unwrap();
    for hook in ["post-checkout", "post-merge", "pre-receive", "reference-transaction"] {
        let path = repo.path().join("hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &touch).unwrap();
    }
    site.fetch("r", "HEAD").await.unwrap();
    assert!(!canary.exists());
}

#[test]
fn a2_only_addresses_of_git_servers_are_addresses() {
    for address in [
        "ext::sh -c touch% /tmp/pwned",
        "ext::sh",
        "EXT::sh",
        "fd::17",
        "fd::0/foo",
        "file:///etc",
        "FILE:///etc",
        "File://localhost/etc",
        "file:/etc",
        "/etc/passwd",
        "//etc/passwd",
        "../..",
        ".",
        "~/x",
        "C:\\x",
        "\\\\host\\share",
        "ssh://h/r",
        "ssh://-oProxyCommand=x/y",
        "git@-oProxyCommand=x:y",
        "git@github.com:a/b",
        "git+ssh://h/r",
        "ssh+git://h/r",
        "rsync://h/r",
        "ftp://h/r",
        "ftps://h/r",
        "http+unix://x/y",
        "javascript:alert(1)",
        "data:text/plain,x",
        "gopher://h/r",
        "dict://h:1/r",
        "transport::https://h/r",
        "https::https://h/r",
        "persistent-https://h/r",
        "https:h/r",
        "https:///r",
        "https:/h/r",
        "h/r",
        "h:r",
        "https://h/r\n",
        "https://h/r\r\nHost: x",
        "https://h/r\0",
        " https://h/r",
        "https://h/r ",
        "ht\ttps://h/r",
        "https://h\\@e/r",
        "https://h/\u{202e}r",
        "https://h/r?service=x",
        "https://h/r#x",
        "https://h",
        "https://h/",
        "https://",
        "https://h:99999/r",
        "https://h:x/r",
        "https://[::1/r",
        "https://h/../",
        "https://%/r",
        "https://h%00/r",
        "https://a b/r",
    ] {
        assert!(address.parse::<RepoUrl>().is_err(), "{address:?}");
        assert!(RepoSpec::parse("git", &format!("{}/HEAD", escape(address))).is_err(), "{address:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_local_repository_is_not_reached_by_any_link() {
    let site = Site::new();
    let repo = Repo::with_files(site.root.path(), "secret", &[file("a", "1")]).unwrap();
    let path = repo.path().display().to_string();
    for address in [path.clone(), format!("file://{path}"), format!("file://localhost{path}")] {
        assert!(RepoSpec::parse("git", &format!("{}/HEAD", escape(&address))).is_err());
    }
    // Nor by a path that leaves the server's own directory.
    let (root, hidden) = (tempfile::tempdir().unwrap(), "hidden");
    Repo::with_files(root.path(), hidden, &[file("a", "1")]).unwrap();
    std::fs::create_dir(root.path().join("served")).unwrap();
    let server = GitServer::start(&root.path().join("served")).unwrap();
    let data = tempfile::tempdir().unwrap();
    let content = bindery_content::HostedContent::new(allowing(&server.authority()), data.path().to_owned()).unwrap();
    for tail in ["..%2fhidden", "x/..%2f..%2fhidden", "%2e%2e/hidden"] {
        let address = format!("{}/{tail}", server.url());
        let Ok(spec) = RepoSpec::parse("git", &format!("{}/HEAD", escape(&address))) else { continue };
        assert_eq!(fault(content.resolve(&spec).await).code, "repository-not-found", "{tail}");
    }
}

#[test]
fn a6_credentials_in_an_address_are_refused_and_never_repeated() {
    const CANARY: &str = "ghp_CANARY0123456789";
    for address in [
        format!("https://user:{CANARY}@example.org/a/b"),
        format!("https://{CANARY}@example.org/a/b"),
        format!("https://:{CANARY}@example.org/a/b"),
        format!("https://{CANARY}:x-oauth-basic@github.com/a/b"),
        format!("git://user:{CANARY}@example.org/a/b"),
        format!("HTTPS://user:{CANARY}@example.org/a/b.git"),
        format!("https://example.org/a/b?access_token={CANARY}"),
        format!("https://example.org/a/b#{CANARY}"),
    ] {
        let error = address.parse::<RepoUrl>().unwrap_err();
        assert!(!error.to_string().contains(CANARY) && !format!("{error:?}").contains(CANARY), "{error:?}");
        let error = RepoSpec::parse("git", &format!("{}/HEAD", escape(&address))).unwrap_err();
        assert!(!error.to_string().contains(CANARY) && !format!("{error:?}").contains(CANARY), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_credentials_a_redirect_carries_are_neither_used_nor_shown() {
    const CANARY: &str = "ghp_CANARY0123456789";
    let target = Hostile::listener();
    let to = target.authority();
    let server =
        Hostile::redirecting(move |_| format!("http://user:{CANARY}@{to}/r/info/refs?service=git-upload-pack"));
    let mut config = allowing(&server.authority());
    config.allow_hosts.push(target.authority());
    let data = tempfile::tempdir().unwrap();
    let content = bindery_content::HostedContent::new(config, data.path().to_owned()).unwrap();
    let fault = fault(content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await);
    assert!(!format!("{fault:?}").contains(CANARY), "{fault:?}");
    assert_eq!(target.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_refs_made_to_be_confused_are_kept_apart() {
    let site = Site::new();
    let repo = Repo::create(site.root.path(), "r").unwrap();
    let good = repo.commit("main", &[file("a", "good")]).unwrap();
    let evil = repo.commit("other", &[file("a", "evil")]).unwrap();
    // A branch named like the commit; a tag like a branch; a branch like a full ref; a name below another's.
    repo.point(&format!("refs/heads/{good}"), &evil).unwrap();
    repo.branch("v1", &good).unwrap();
    repo.tag("v1", &evil).unwrap();
    repo.branch("refs/tags/v2", &evil).unwrap();
    repo.tag("v2", &good).unwrap();
    repo.branch("release/v3", &evil).unwrap();
    repo.tag("v3", &good).unwrap();
    repo.branch("x/HEAD", &evil).unwrap();
    repo.branch("origin/y", &good).unwrap();
    repo.branch("y", &evil).unwrap();
    for reference in [good.as_str(), "v1", "refs/tags/v2", "v2", "v3", "tags/v3", "HEAD", "origin/y", "heads/v1"] {
        assert_eq!(site.resolve("r", reference).await.unwrap().revision.as_str(), good, "{reference}");
    }
    // What is fetched for a commit id is that commit, whatever has its name.
    let (tree, _) = site.fetch("r", &good).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"good");
    for reference in ["@{-1}", "@", "a..b", "main~1", "main^", "main:a", "refs/heads/*", ":/text", "HEAD^{tree}"] {
        assert!(reference.parse::<GitRef>().is_err(), "{reference}");
    }
}

/// `git check-ref-format` itself, on the cases where a parser and it could part ways.
#[test]
fn a7_the_ref_grammar_is_gits() {
    let cases = [
        "a",
        "a/b",
        "a//b",
        "a/",
        "/a",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a.lockx",
        "a..b",
        "a.b.c",
        "@",
        "@a",
        "a@",
        "a@b",
        "a@{b",
        "a{b",
        "a}b",
        "a b",
        "a~b",
        "a^b",
        "a:b",
        "a?b",
        "a*b",
        "a[b",
        "a]b",
        "a\\b",
        "a\u{7f}",
        "a\u{1}b",
        "é",
        "日本",
        "a/b/c/d",
        "HEAD",
        "refs/heads/a",
        "a-b",
        "a--b",
        "a_b",
        "a#b",
        "a%b",
        "a&b",
        "a'b",
        "a\"b",
        "a;b",
        "a|b",
        "a$b",
        "a`b",
        "a(b",
        "a!b",
        "a,b",
        "a=b",
        "a+b",
        "a<b",
        "a>b",
        "0",
        "00000000",
    ];
    for case in cases {
        let git = std::process::Command::new("git")
            .args(["check-ref-format", "--allow-onelevel", case])
            .status()
            .unwrap()
            .success();
        assert_eq!(case.parse::<GitRef>().is_ok(), git, "{case:?}");
    }
}

#[test]
fn a8_every_spelling_of_an_address_is_one_address() {
    let spellings = [
        "https://example.org/a/b",
        "https://example.org/a/b.git",
        "https://example.org/a/b/",
        "https://example.org/a/b.git/",
        "https://example.org/a/b//",
        "https://example.org//a//b",
        "https://example.org:443/a/b",
        "HTTPS://example.org/a/b",
        "https://EXAMPLE.org/a/b",
        "https://example.org/./a/b",
        "https://example.org/x/../a/b",
        "https://example.org/x/%2e%2e/a/b",
        "https://example.org/%2e/a/b",
        "https://example.org/a/b/.",
        "https://example.org/a/b/c/..",
    ];
    let canonical: BTreeSet<String> = spellings.iter().map(|url| url.parse::<RepoUrl>().unwrap().to_string()).collect();
    assert_eq!(canonical.into_iter().collect::<Vec<_>>(), ["https://example.org/a/b"]);
    let different: BTreeSet<String> = [
        "https://example.org/a/b",
        "https://example.org/A/b",
        "https://example.org/a/c",
        "https://example.org:8443/a/b",
        "http://example.org/a/b",
        "https://www.example.org/a/b",
        "https://example.org/a-b",
        "https://example.org/a_b",
    ]
    .iter()
    .map(|url| url.parse::<RepoUrl>().unwrap().to_string())
    .collect();
    assert_eq!(different.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_all_spellings_are_one_repository_and_one_question_to_the_host() {
    let site = Site::new();
    Repo::with_files(site.root.path(), "a/b", &[file("a", "1")]).unwrap();
    let base = site.server.url();
    let mut identities = BTreeSet::new();
    for spelling in ["/a/b", "/a/b.git", "/a/b/", "//a//b", "/./a/b", "/x/../a/b"] {
        let resolved = site.content.resolve(&git_spec(&format!("{base}{spelling}"), "main")).await.unwrap();
        identities.insert(resolved.identity);
    }
    assert_eq!((identities.len(), site.server.requests().refs), (1, 1));
}

#[test]
fn a9_huge_and_unreadable_input_is_refused_before_it_is_parsed() {
    let mega = "a".repeat(1 << 20);
    for provider in ["gh", "gl", "git"] {
        for text in [
            mega.clone(),
            format!("{mega}/b/HEAD"),
            format!("a/b/{}", "r".repeat(256)),
            format!("a/{}/HEAD", "n".repeat(300)),
            format!("https%3A%2F%2Fh%2F{}/HEAD", "a".repeat(2100)),
            "a/b/%00".to_owned(),
            "a/b/c\0".to_owned(),
            "a/b/%0d%0aX-Injected:%201".to_owned(),
            "a/b/c\r\n".to_owned(),
            "a%0a/b/HEAD".to_owned(),
            "a/b/%c0%ae%c0%ae".to_owned(),
            "a/b/%ff%fe".to_owned(),
            "a/b/%e2%80%ae".to_owned(),
            "a/b\u{202e}cod/HEAD".to_owned(),
            "a/b/%E2%81%A6x".to_owned(),
            "%".to_owned(),
            "%2".to_owned(),
            "/".repeat(1000),
            String::new(),
        ] {
            let Err(error) = RepoSpec::parse(provider, &text) else { panic!("{provider}: {text:.60}") };
            let shown = error.to_string();
            assert!(shown.len() < 600 && !shown.contains(['\r', '\n', '\0', '\u{202e}']), "{shown:.200}");
        }
    }
    assert!(RepoSpec::parse(&mega, "a/b/c").unwrap_err().to_string().len() < 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_thousand_clicks_are_one_question() {
    let site = Arc::new(Site::new());
    let commit = Repo::create(site.root.path(), "r").unwrap().commit("main", &[file("a", "1")]).unwrap();
    let clicks = (0..1000).map(|i| {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.resolve("r", if i % 2 == 0 { "main" } else { "HEAD" }).await })
    });
    for click in join_all(clicks).await {
        assert_eq!(click.unwrap().unwrap().revision.as_str(), commit);
    }
    assert_eq!(site.server.requests().refs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_thousand_clicks_on_what_is_missing_are_few_questions() {
    let site = Arc::new(Site::new());
    let clicks = (0..1000).map(|_| {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.resolve("nope", "HEAD").await })
    });
    for click in join_all(clicks).await {
        assert_eq!(fault(click.unwrap()).code, "repository-not-found");
    }
    // Two spellings of the address, once; a slow machine may see a failure expire.
    assert!(site.server.requests().refs <= 8, "{:?}", site.server.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_one_host_is_asked_only_so_fast() {
    let site = Site::with(Behaviour::default(), |config| {
        config.host_burst = 3;
        config.host_per_second = 1;
        config.resolve_seconds = 1;
        config.ref_cache_seconds = 0;
    });
    Repo::with_files(site.root.path(), "r", &[file("a", "1")]).unwrap();
    let questions = join_all((0..20).map(|i| {
        let repository = format!("r{}", if i == 0 { "" } else { "x" }).repeat(1) + &"y".repeat(i);
        let site = &site;
        async move { site.resolve(&repository, "HEAD").await }
    }))
    .await;
    let busy: Vec<_> =
        questions.into_iter().filter_map(Result::err).filter(|fault| fault.code == "host-busy").collect();
    assert!(busy.len() >= 10, "{}", busy.len());
    assert!(busy.iter().all(|fault| fault.by == FaultBy::Us && fault.retry));
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_who_asks_may_leave_and_the_next_in_line_still_gets_an_answer() {
    let site = Arc::new(Site::new());
    Repo::with_files(site.root.path(), "r", &[file("a", "1")]).unwrap();
    for _ in 0..20 {
        let first = tokio::spawn({
            let site = Arc::clone(&site);
            async move { site.resolve("r", "HEAD").await }
        });
        tokio::task::yield_now().await;
        first.abort();
        site.resolve("r", "HEAD").await.unwrap();
    }
}
