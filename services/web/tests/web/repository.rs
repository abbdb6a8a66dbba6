//! The page of a repository, and what its history says of the next build.

use bindery_core::seams::ContentProvider as _;
use bindery_core::{BaseRecord, EventBody, Fault, Phase, Provenance, Topic};
use bindery_web::Config;
use serde_json::json;

use crate::site::{COMMIT, Site};

fn provenance(commit: &str) -> Provenance {
    Provenance {
        bindery: "0.1.0".to_owned(),
        recipe: "1".to_owned(),
        repository: "https://example.org/owner/name".to_owned(),
        reference: "HEAD".to_owned(),
        commit: Some(commit.to_owned()),
        base: BaseRecord { name: "base:1".to_owned(), digest: "sha256:0123".to_owned() },
        environment: None,
        plan: json!({
            "python": {"version": "3.11.2", "source": "runtime.txt:1"}, "r": null,
            "used": [{"file": "requirements.txt", "for": "Python <b>packages</b>"}], "ignored": [], "notes": [],
        }),
        bill_of_materials: Some(json!({"components": [{}, {}]})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_repository_tells_its_builds_its_environment_and_how_to_launch_it() {
    let site = Site::new().await;
    let mut first = site.watch("/build/gh/Owner/name/main").await;
    let job = site.claim().await;
    job.say(vec![EventBody::message(Phase::Fetching, "Fetching")]).await;
    let Topic::Build(id) = job.topic() else { unreachable!() };
    site.stores.provenances.keep(id, &provenance(COMMIT)).await.unwrap();
    job.built().await;
    let _launcher = site.launcher();
    first.events().await;
    // Of the same repository through another address, and asked for by the page's own link.
    let second = site.watch("/build/git/https%3A%2F%2Fexample.org%2FOwner%2Fname/v2?as_of=2021-03-01").await;
    let job = site.claim().await;
    let failed = job.topic();
    job.failed(Fault::user("build-step-failed", "no package <numpyy>.").at("requirements.txt", Some(2))).await;

    let page = site.get("/repositories/gh/Owner/name").await;
    assert_eq!(page.status, 200);
    let text = page.text().await;
    for part in [
        &format!("href=\"/builds/{id}/log\""),
        &format!("href=\"/builds/{failed}/log\""),
        &format!("href=\"/v2/gh/Owner/name/{COMMIT}\""),
        &format!("href=\"/v2/git/https%3A%2F%2Fexample.org%2FOwner%2Fname/{COMMIT}?as_of=2021-03-01\""),
        "href=\"/v2/gh/Owner/name/HEAD\"",
        "3.11.2",
        "from runtime.txt:1",
        "Python &lt;b&gt;packages",
        "all 2 packages",
        "no package &lt;numpyy&gt;.",
        &format!("http://{}/v2/gh/Owner/name/HEAD", site.address),
        "badge_logo.svg",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(text.find("Failed").unwrap() < text.find("Built").unwrap(), "the latest is first");
    assert_eq!(site.get("/repositories/gh/owner/NAME").await.text().await.matches("data-result=").count(), 2);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_repository_contacts_nobody_and_starts_nothing() {
    let config = Config { banned_specs: vec!["gh/banned/.*".to_owned()], ..Config::default() };
    let site = Site::with(config, Vec::new()).await;
    for (path, status, location) in [
        ("/repositories/gh/owner/name", 200, None),
        ("/repositories/gl/group%2Fsub%2Fproject", 200, None),
        ("/repositories/zenodo/10.5281/zenodo.7", 200, None),
        ("/repositories/gh/owner/name/", 302, Some("/repositories/gh/owner/name")),
        ("/repositories/gh/owner/name/main", 302, Some("/repositories/gh/owner/name")),
        ("/repositories/gl/group/sub/project", 302, Some("/repositories/gl/group%2Fsub%2Fproject")),
        (
            "/repositories/git/https%3A%2F%2FExample.org%2Fa.git",
            302,
            Some("/repositories/git/https%3A%2F%2Fexample.org%2Fa"),
        ),
        ("/repositories/gh/banned/name", 403, None),
        ("/repositories/gh/owner", 400, None),
        ("/repositories/git/file%3A%2F%2F%2Fetc", 400, None),
        ("/repositories/nope/a/b", 404, None),
        ("/repositories", 404, None),
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{path}");
        if status == 200 {
            assert!(answer.text().await.contains("has not been built here"), "{path}");
        }
    }
    assert_eq!(site.builds().await, 0);
    assert!(site.asked.0.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loading_page_leads_to_the_page_of_its_repository() {
    let site = Site::new().await;
    let text = site.get("/v2/gl/group/sub/project/main").await.text().await;
    assert!(text.contains("href=\"/repositories/gl/group%2Fsub%2Fproject\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_told_how_long_the_builds_before_it_took_and_nothing_where_there_were_none() {
    let site = Site::new().await;
    let _first = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    let estimate = |topic: Topic| format!("/builds/{topic}/estimate");
    let answer = site.get(&estimate(job.topic())).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(answer.json().await, json!({"usual_ms": null, "builds": 0, "running_ms": null}));
    job.say(vec![EventBody::message(Phase::Fetching, "Fetching")]).await;
    assert!(site.get(&estimate(job.topic())).await.json().await["running_ms"].is_u64());
    job.built().await;

    // The same repository on another day is another build.
    let _second = site.watch("/build/gh/owner/name/HEAD?as_of=2021-03-01").await;
    let job = site.claim().await;
    let told = site.get(&estimate(job.topic())).await.json().await;
    assert_eq!((told["builds"].as_u64(), told["usual_ms"].is_u64()), (Some(1), true), "{told}");
    // Its environment is one that was never built.
    job.say(vec![EventBody::planned(json!({"environment_key": "0".repeat(40), "steps": [], "used": []}))]).await;
    let told = site.get(&estimate(job.topic())).await.json().await;
    assert_eq!(told["builds"], 1, "{told}");

    let other = site.watch("/build/gh/owner/other/HEAD").await;
    let job = site.claim().await;
    assert_eq!(site.get(&estimate(job.topic())).await.json().await["builds"], 0);
    assert_eq!(site.get("/builds/b-00000000000000000000000000000000/estimate").await.status, 404);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_told_to_who_asks_for_it_and_not_to_everybody_who_watches() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    let mut watching = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    let address = |path: &str| format!("/builds/{}/notebook?path={path}", job.topic());
    assert_eq!(site.get(&address("dir%2Fa.ipynb")).await.status, 404, "before anything was read");
    let kept = json!({"dir/a.ipynb": {"language": "python", "cut": true, "cells": [
        {"kind": "markdown", "text": "# Title\n<script>alert(1)</script>\n\n[x](javascript:alert(1))"},
        {"kind": "code", "text": "canary = '<b>'", "outputs": ["<i>"]},
    ]}});
    let fetched = EventBody::message(Phase::Fetching, "Fetched 1 file");
    job.say(vec![EventBody { notebooks: Some(kept), ..fetched }]).await;
    let answer = site.get(&address("dir%2Fa.ipynb")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({"path": "dir/a.ipynb", "language": "python", "cut": true, "cells": [
        {"kind": "markdown", "nodes": [
            {"tag": "h3", "children": ["Title"]}, "<script>alert(1)</script>\n", {"tag": "p", "children": ["x"]},
        ]},
        {"kind": "code", "text": "canary = '<b>'", "outputs": ["<i>"]},
    ]});
    assert_eq!(answer.json().await, expected);
    for path in ["", "a.ipynb", "dir", "..%2Fdir%2Fa.ipynb"] {
        assert_eq!(site.get(&address(path)).await.status, 404, "{path}");
    }
    let id = job.topic();
    job.failed(Fault::user("x", "no.")).await;
    let told = watching.events_to_the_end().await;
    assert!(told.iter().any(|event| event.message().starts_with("Fetched")));
    assert!(told.iter().all(|event| !event.value().to_string().contains("canary")));
    let log = site.get(&format!("/builds/{id}/log?format=json")).await.text().await;
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_a_private_repository_are_listed_only_where_the_site_shows_such() {
    for (private_ok, listed) in [(false, 0), (true, 1)] {
        let site = Site::with(Config { private_ok, ..Config::default() }, Vec::new()).await;
        let spec = bindery_core::RepoSpec::parse("gh", "owner/name/main").unwrap();
        let resolved = site.asked.resolve(&spec).await.unwrap();
        let resolved = bindery_core::ResolvedRef { private: true, ..resolved };
        let request = bindery_core::BuildRequest::new(resolved, None, "test");
        site.stores.queue.submit(&request, EventBody::message(Phase::Waiting, "Waiting")).await.unwrap();
        let page = site.get("/repositories/gh/owner/name").await.text().await;
        assert_eq!(page.matches("data-result=").count(), listed, "{private_ok}");
    }
}
