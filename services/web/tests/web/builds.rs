//! What a build leaves behind at its permanent address.

use bindery_core::seams::ContentProvider as _;
use bindery_core::{BaseRecord, BuildRequest, EventBody, Phase, Provenance, RepoSpec, ResolvedRef, Topic};
use bindery_web::Config;
use serde_json::{Value, json};

use crate::client::send;
use crate::site::Site;

fn provenance(bill: Option<Value>) -> Provenance {
    Provenance {
        bindery: "0.1.0".to_owned(),
        recipe: "1".to_owned(),
        repository: "https://example.org/owner/name".to_owned(),
        reference: "HEAD".to_owned(),
        commit: None,
        base: BaseRecord { name: "base:1".to_owned(), digest: "sha256:0".to_owned() },
        environment: None,
        plan: json!({"buildpacks": ["python"]}),
        bill_of_materials: bill,
    }
}

async fn json_of(site: &Site, path: &str) -> (u16, Value) {
    let answer = site.get(path).await;
    let status = answer.status;
    (status, serde_json::from_str(&answer.text().await).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provenance_is_there_once_there_is_an_image_and_says_why_until_then() {
    let site = Site::new().await;
    let watching = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    let Topic::Build(id) = job.topic() else { unreachable!() };
    let (status, body) = json_of(&site, &format!("/builds/{id}/provenance")).await;
    assert_eq!((status, body["message"].as_str()), (404, Some("This build has not ended yet.")));

    let bill = json!({"bomFormat": "CycloneDX", "components": [{"name": "six", "version": "1.17.0"}]});
    site.stores.provenances.keep(id, &provenance(Some(bill.clone()))).await.unwrap();
    job.built().await;
    let (status, body) = json_of(&site, &format!("/builds/{id}/provenance")).await;
    assert_eq!((status, body), (200, serde_json::to_value(provenance(Some(bill.clone()))).unwrap()));
    let answer = site.get(&format!("/builds/{id}/bill-of-materials")).await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.cyclonedx+json; version=1.6"));
    assert_eq!(serde_json::from_str::<Value>(&answer.text().await).unwrap(), bill);

    site.stores.provenances.keep(id, &provenance(None)).await.unwrap();
    let (status, body) = json_of(&site, &format!("/builds/{id}/bill-of-materials")).await;
    assert_eq!(status, 404);
    assert!(body["message"].as_str().unwrap().contains("no list of what is installed"));
    drop(watching);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_does_not_exist_has_none() {
    let site = Site::new().await;
    for what in ["provenance", "bill-of-materials"] {
        let answer = site.get(&format!("/builds/b-00000000000000000000000000000000/{what}")).await;
        assert_eq!(answer.status, 404, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_a_build_of_a_private_repository_once_the_site_serves_no_such() {
    for private_ok in [true, false] {
        let api_token = Some(bindery_core::Secret::new("s3cret"));
        let config = Config { private_ok, api_token, linger_seconds: 0, ..Config::default() };
        let site = Site::with(config, Vec::new()).await;
        let _launcher = site.launcher();
        let spec = RepoSpec::parse("gh", "owner/walrus/main").unwrap();
        let resolved = ResolvedRef { private: true, ..site.asked.resolve(&spec).await.unwrap() };
        let request = BuildRequest::new(resolved, None, "test");
        site.stores.queue.submit(&request, EventBody::message(Phase::Waiting, "Waiting")).await.unwrap();
        let job = site.claim().await;
        let Topic::Build(id) = job.topic() else { unreachable!() };
        let notebooks = json!({"canary.ipynb": {"language": "python", "cells": [{"kind": "code", "text": "canary"}]}});
        let fetched = EventBody { notebooks: Some(notebooks), ..EventBody::message(Phase::Fetching, "canary") };
        job.say(vec![fetched, EventBody::planned(json!({"steps": ["canary"]}))]).await;
        site.stores.provenances.keep(id, &provenance(Some(json!({"components": "canary"})))).await.unwrap();
        job.built().await;

        let below = [
            "",
            "/log",
            "/log?format=json",
            "/plan",
            "/notebook?path=canary.ipynb",
            "/estimate",
            "/provenance",
            "/bill-of-materials",
        ];
        for path in below {
            let answer = site.get(&format!("/builds/{id}{path}")).await;
            assert_eq!(answer.status, if private_ok { 200 } else { 403 }, "{path}");
            let text = answer.text().await;
            // Whoever may not see it reads why, and nothing of it.
            assert_eq!(text.contains("not public"), !private_ok, "{path}: {text}");
            assert!(private_ok || !(text.contains("canary") || text.contains("owner/walrus")), "{path}: {text}");
        }
        // Nor on the stream, to one who was watching; which answers in the words of a new visit.
        let resume = format!("/build/gh/owner/walrus/main?last_event_id={id}.1");
        let told = site.watch(&resume).await.events_to_the_end().await;
        let last = told.last().unwrap();
        if private_ok {
            assert_eq!(last.phase(), "ready", "{told:?}");
        } else {
            assert_eq!((told.len(), last.value()["fault"]["code"].as_str()), (1, Some("repository-private")));
            assert_eq!(last.value()["status_code"], 403);
        }
        // The operator ends builds of it all the same: this one has ended.
        let operator = [("authorization", "Bearer s3cret")];
        assert_eq!(send(site.address, "DELETE", &format!("/builds/{id}"), &operator).await.status, 409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_shown_and_saved_under_the_name_of_its_repository_and_commit() {
    let site = Site::new().await;
    for (link, name) in [
        ("gh/owner/my.notebooks/main", "my.notebooks-0123456"),
        ("git/https%3A%2F%2Fh.example%2Fa%22%3Bx%3D%E2%82%AC/main", "a22xE282AC-0123456"),
    ] {
        let _watching = site.watch(&format!("/build/{link}")).await.begun().await;
        let job = site.claim().await;
        let Topic::Build(id) = job.topic() else { unreachable!() };
        for (query, ending) in [("", "log.txt"), ("?format=json", "jsonl")] {
            let answer = site.get(&format!("/builds/{id}/log{query}")).await;
            let expected = format!("inline; filename=\"{name}.{ending}\"");
            assert_eq!(answer.header("content-disposition"), Some(expected.as_str()), "{link}");
        }
        job.failed(bindery_core::Fault::user("x", "y.")).await;
    }
}
