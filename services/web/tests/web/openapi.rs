//! The description of the API says what the service does: every route is in it, and every answer is one that it names.

use std::collections::BTreeSet;

use bindery_core::{BaseRecord, Fault, Provenance, Secret};
use bindery_web::Config;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::send;
use crate::crew::numbered;
use crate::site::{Part, Site};

/// Routes for people, and those that only repeat another.
const UNDESCRIBED: [&str; 9] = [
    "/",
    "/about",
    "/launch",
    "/v2/{provider}/{spec}",
    "/repositories/{provider}/{spec}",
    "/repo/{tail}",
    "/static/{name}",
    "/assets/images/badge.svg",
    "/favicon.ico",
];

fn described() -> Value {
    serde_json::from_str(&bindery_web::description().unwrap()).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "as snapshots are, it is renewed when the one who runs the test says so")]
fn the_description_is_the_one_that_is_committed() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let description = bindery_web::description().unwrap();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(file, &description).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap() == description,
        "the API has changed: run this test with INSTA_UPDATE=always, look at what changed, then `npm run api` in frontend/"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = described();
    let methods = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut names = BTreeSet::new();
    for operation in methods {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "two operations are named {name}");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn every_route_is_described_or_is_a_page() {
    let table = include_str!("../../src/app.rs");
    let pattern = regex::Regex::new(r#"(?:program|resource|route)\(\s*"(/[^"]*)""#).unwrap();
    let routes: BTreeSet<String> = pattern.captures_iter(table).map(|found| found[1].replace(":.*}", "}")).collect();
    assert!(routes.len() > 20, "the route table is not read: {routes:?}");
    let document = described();
    let mut known: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    for page in UNDESCRIBED {
        assert!(known.insert(page.to_owned()), "{page} is described and listed as not described");
    }
    assert_eq!(routes, known);
}

#[test]
fn every_schema_that_is_named_is_there() {
    let text = bindery_web::description().unwrap();
    let document = described();
    let references = regex::Regex::new(r##""#/components/schemas/([^"]+)""##).unwrap();
    let named: BTreeSet<_> = references.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    assert!(named.contains("BuildEvent") && named.contains("Build"), "{named:?}");
    for name in named {
        assert!(document["components"]["schemas"][&name].is_object(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_with_the_address_of_the_site_and_open_to_others() {
    let config = Config { public_url: Some("https://hub.example/binder/".to_owned()), ..Config::default() };
    let site = Site::with(config, Vec::new()).await;
    let headers = [("origin", "https://tools.example")];
    let answer = send(site.address, "GET", "/binder/api/openapi.json", &headers).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let mut served = answer.json().await;
    let servers = served.as_object_mut().unwrap().remove("servers").unwrap();
    assert_eq!(servers[0]["url"], "https://hub.example/binder");
    assert_eq!(served, described());
}

/// A site on which each described answer can be had: a build that is done, one that failed, one that waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_what_is_described() {
    let api_token = Some(Secret::new("s3cret"));
    let parts = vec![Part { name: "engine", ok: false, required: true }];
    let site = Site::with(Config { linger_seconds: 0, api_token, ..Config::default() }, parts).await;
    let _launcher = site.launcher();
    let mut done = site.watch("/build/gh/owner/done/HEAD").await.begun().await;
    let job = site.claim().await;
    job.lines(&numbered(2)).await;
    let built = job.lease().record.id;
    site.stores.provenances.keep(built, &provenance()).await.unwrap();
    job.built().await;
    done.events_to_the_end().await;
    let mut bad = site.watch("/build/gh/owner/bad/HEAD").await.begun().await;
    let job = site.claim().await;
    let failed = job.lease().record.id;
    job.failed(Fault::user("x", "y.").at("requirements.txt", Some(3))).await;
    bad.events_to_the_end().await;

    let document = described();
    let operator = [("authorization", "Bearer s3cret")];
    let mut asked = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            for id in [built.to_string(), failed.to_string(), "b-0".to_owned()] {
                let target = path.replace("{id}", &id).replace("{provider}", "gh").replace("{spec}", "owner/done/HEAD");
                for headers in [operator.as_slice(), &[]] {
                    let answer = send(site.address, &method, &target, headers).await;
                    let status = answer.status.to_string();
                    let kind = answer.header("content-type").unwrap_or_default().to_owned();
                    let kind = kind.split(';').next().unwrap_or_default();
                    let response = &operation["responses"][&status];
                    assert!(response.is_object(), "{method} {target} answered {status}, which is not described");
                    let content = &response["content"][kind];
                    assert!(content.is_object(), "{method} {target} answered {status} as {kind:?}: not described");
                    asked.insert((method.clone(), path.clone()));
                    if kind == "application/json" {
                        check(&document, &content["schema"], &answer.json().await, &target);
                    } else if kind == "application/x-ndjson" || kind == "text/event-stream" {
                        let text = answer.text().await;
                        for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                            check(&document, &content["schema"], &serde_json::from_str(line).unwrap(), &target);
                        }
                    }
                }
            }
        }
    }
    assert!(asked.len() >= 17, "{asked:?}");
    for id in [built, failed] {
        let log = site.get(&format!("/builds/{id}/log?format=json")).await.text().await;
        let response = &document["paths"]["/builds/{id}/log"]["get"]["responses"]["200"];
        for line in log.lines() {
            let schema = &response["content"]["application/x-ndjson"]["schema"];
            check(&document, schema, &serde_json::from_str(line).unwrap(), "a log in JSON");
        }
    }
}

fn provenance() -> Provenance {
    Provenance {
        bindery: "0".into(),
        recipe: "r".into(),
        repository: "https://example.org/r".into(),
        reference: "HEAD".into(),
        commit: None,
        base: BaseRecord { name: "b".into(), digest: "sha256:0".into() },
        environment: None,
        plan: serde_json::json!({"steps": []}),
        bill_of_materials: Some(serde_json::json!({"bomFormat": "CycloneDX"})),
    }
}

/// A schema of the description, which allows no key that it does not name.
fn closed(document: &Value, schema: &Value) -> Validator {
    let mut schema = schema.clone();
    let mut components = document["components"].clone();
    close(&components.clone(), &mut schema, true);
    for component in components["schemas"].as_object_mut().unwrap().values_mut() {
        // As a whole it may be a part of another.
        close(&document["components"], component, false);
    }
    schema["components"] = components;
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Closes every object in `schema`; itself where it stands for a whole value.
fn close(components: &Value, schema: &mut Value, whole: bool) {
    let names_keys = |schema: &Value| schema["properties"].is_object() || schema["allOf"].is_array();
    let named = schema["$ref"].as_str().map(|name| name.rsplit('/').next().unwrap());
    let keys = names_keys(schema) || named.is_some_and(|name| names_keys(&components["schemas"][name]));
    let Some(map) = schema.as_object_mut() else { return };
    for (keyword, part) in map.iter_mut() {
        match keyword.as_str() {
            "properties" => part.as_object_mut().unwrap().values_mut().for_each(|one| close(components, one, true)),
            "items" | "additionalProperties" => close(components, part, true),
            "oneOf" => part.as_array_mut().unwrap().iter_mut().for_each(|one| close(components, one, true)),
            "allOf" => part.as_array_mut().unwrap().iter_mut().for_each(|one| close(components, one, false)),
            _ => {}
        }
    }
    if whole && keys && !map.contains_key("additionalProperties") {
        map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// Whether a value is as its schema says, and has no key that the schema does not name.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let wrong: Vec<_> = closed(document, schema).iter_errors(value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{place}: {wrong:#?} in {value}");
}

#[test]
fn what_is_not_as_described_is_found() {
    let document = described();
    let is_one = |schema: Value, value: Value| closed(&document, &schema).is_valid(&value);
    let said = json!({"$ref": "#/components/schemas/Message"});
    assert!(is_one(said.clone(), json!({"message": "x"})));
    for wrong in [json!({}), json!({"message": 1}), json!({"message": "x", "more": 1}), json!([])] {
        assert!(!is_one(said.clone(), wrong.clone()), "{wrong}");
    }
    let list = json!({"type": "array", "items": said});
    assert!(!is_one(list, json!([{"message": "x"}, {"message": "x", "more": 1}])), "nor deeper in it");
}
