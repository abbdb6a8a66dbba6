//! Who waits for a builder is told their place, and how it changes.

use bindery_core::Secret;
use bindery_web::Config;

use crate::client::{Answer, Frame, send};
use crate::crew::numbered;
use crate::site::Site;

async fn site() -> Site {
    let api_token = Some(Secret::new("s3cret"));
    Site::with(Config { linger_seconds: 0, queue_seconds: 1, api_token, ..Config::default() }, Vec::new()).await
}

/// The next event that says this.
async fn until(stream: &mut Answer, phase: &str) -> Frame {
    loop {
        let event = stream.event().await.expect("it must be told");
        if event.phase() == phase {
            return event;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_their_place_and_each_change_of_it() {
    let site = site().await;
    let _launcher = site.launcher();
    let mut first = site.watch("/build/gh/owner/a/HEAD").await.begun().await;
    let mut second = site.watch("/build/gh/owner/b/HEAD").await.begun().await;
    let mut third = site.watch("/build/gh/owner/c/HEAD").await.begun().await;
    let told = until(&mut third, "queued").await;
    assert_eq!((&told.value()["position"], &told.id), (&3.into(), &None), "it is in no log");
    assert_eq!(told.message(), "Waiting for a builder: number 3 in the queue\n");
    assert!(told.value()["build_id"].as_str().unwrap().starts_with("b-"));

    let job = site.claim().await;
    assert_eq!(until(&mut third, "queued").await.value()["position"], 2);
    // Ended by the operator, before it began.
    let list = send(site.address, "GET", "/builds", &[("authorization", "Bearer s3cret")]).await.json().await;
    let waiting = &list["builds"][1];
    assert_eq!(waiting["state"], "queued");
    let target = format!("/builds/{}", waiting["id"].as_str().unwrap());
    let ended = send(site.address, "DELETE", &target, &[("authorization", "Bearer s3cret")]).await;
    assert_eq!((ended.status, ended.json().await["fault"]["code"].clone()), (200, "cancelled".into()));
    let events = second.events_to_the_end().await;
    assert_eq!(events.last().unwrap().value()["fault"]["code"], "cancelled");
    assert_eq!(until(&mut third, "queued").await.value()["position"], 1);

    // Who has been taken up is told no place again.
    job.lines(&numbered(2)).await;
    job.built().await;
    let job = site.claim().await;
    job.lines(&numbered(2)).await;
    assert_eq!(until(&mut third, "building").await.message(), "line 0\n");
    job.built().await;
    let rest = third.events().await;
    assert!(rest.iter().all(|event| event.phase() != "queued"), "{rest:?}");
    assert_eq!(first.events().await.last().unwrap().phase(), "ready");
    assert_eq!(site.builds().await, 3);
}
