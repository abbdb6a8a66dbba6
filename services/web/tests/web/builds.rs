//! What a build leaves behind at its permanent address.

use bindery_core::{BaseRecord, Provenance, Topic};
use serde_json::{Value, json};

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
