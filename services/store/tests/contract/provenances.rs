//! The contract of provenances.

use bindery_core::{BaseRecord, BuildId, Provenance};
use serde_json::json;

use crate::harness::{NOW, Place, built, claim, request, waiting};

on_both!(a_provenance_is_kept_for_its_build, one_that_was_there_is_replaced, it_survives_that_the_image_is_forgotten,);

fn provenance(commit: &str) -> Provenance {
    Provenance {
        bindery: "0.1.0".to_owned(),
        recipe: "1".to_owned(),
        repository: "https://github.com/someone/repo".to_owned(),
        reference: "HEAD".to_owned(),
        commit: Some(commit.to_owned()),
        base: BaseRecord { name: "base".to_owned(), digest: "sha256:0".to_owned() },
        environment: None,
        plan: json!({"steps": [{"run": "uv pip install"}]}),
        bill_of_materials: Some(json!({"components": [{"name": "ünïcode", "version": "1.0"}]})),
    }
}

async fn a_provenance_is_kept_for_its_build(place: Place) {
    let stores = place.open().await;
    let (one, other) = (BuildId::new(), BuildId::new());
    assert_eq!(stores.provenances.provenance(one).await.unwrap(), None);
    stores.provenances.keep(one, &provenance("a")).await.unwrap();
    assert_eq!(stores.provenances.provenance(one).await.unwrap(), Some(provenance("a")));
    assert_eq!(stores.provenances.provenance(other).await.unwrap(), None);
    stores.close().await;
    let stores = place.open().await;
    assert_eq!(stores.provenances.provenance(one).await.unwrap(), Some(provenance("a")));
    stores.close().await;
}

async fn one_that_was_there_is_replaced(place: Place) {
    let stores = place.open().await;
    let build = BuildId::new();
    stores.provenances.keep(build, &provenance("a")).await.unwrap();
    stores.provenances.keep(build, &provenance("b")).await.unwrap();
    assert_eq!(stores.provenances.provenance(build).await.unwrap(), Some(provenance("b")));
    stores.close().await;
}

async fn it_survives_that_the_image_is_forgotten(place: Place) {
    let stores = place.open().await;
    let record = stores.queue.submit(&request(1), waiting()).await.unwrap();
    let claimed = claim(&stores, "w").await;
    stores.provenances.keep(record.id, &provenance("a")).await.unwrap();
    let (outcome, last) = built();
    stores.queue.finish(&claimed.lease, outcome, last).await.unwrap();
    stores.queue.forget(&request(1).key).await.unwrap();
    assert_eq!(stores.provenances.provenance(record.id).await.unwrap(), Some(provenance("a")));
    assert!(stores.queue.claim(&claimed.lease.worker, NOW).await.unwrap().is_none());
    stores.close().await;
}
