//! Links that ask for the packages of a day.

use bindery_core::{AsOf, EventBody, Phase};
use bindery_web::Config;

use crate::client::Frame;
use crate::crew::Job;
use crate::site::{COMMIT, Site};

fn persistent(events: &[Frame]) -> String {
    events.last().unwrap().value()["binder_persistent_request"].as_str().unwrap().to_owned()
}

async fn finish(job: Job) {
    job.say(vec![EventBody::message(Phase::Building, "x")]).await;
    job.built().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_reaches_the_builder_and_stays_in_the_lasting_link() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    for day in ["2021-03-01", "commit"] {
        let mut stream = site.watch(&format!("/build/gh/owner/name/HEAD?as_of={day}")).await.begun().await;
        let job = site.claim().await;
        assert_eq!(job.request().as_of, Some(day.parse::<AsOf>().unwrap()));
        finish(job).await;
        let lasting = persistent(&stream.events().await);
        assert_eq!(lasting, format!("v2/gh/owner/name/{COMMIT}?as_of={day}"));
        // Whoever follows it gets the very same image, and nothing is built.
        let built = site.builds().await;
        let path = lasting.replacen("v2/", "/build/", 1);
        let again = site.watch(&path).await.events().await;
        assert_eq!((persistent(&again), site.builds().await), (lasting, built));
    }
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let job = site.claim().await;
    assert_eq!(job.request().as_of, None, "without a day it is another build");
    finish(job).await;
    assert_eq!(persistent(&stream.events().await), format!("v2/gh/owner/name/{COMMIT}"));
    assert_eq!(site.builds().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_day_is_the_visitors_fault_and_builds_nothing() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    for day in ["yesterday", "2021-02-30", "2021-3-1", "Commit", "2021-03-01%0A", "%3Cscript%3E", "1990-01-01"] {
        let events = site.watch(&format!("/build/gh/owner/name/HEAD?as_of={day}")).await.events_to_the_end().await;
        assert_eq!(events.len(), 1, "{day}: {events:?}");
        let failed = events[0].value();
        assert_eq!((failed["phase"].as_str(), &failed["status_code"]), (Some("failed"), &400.into()), "{day}");
        assert_eq!((&failed["fault"]["code"], &failed["fault"]["by"]), (&"bad-date".into(), &"user".into()), "{day}");
    }
    assert_eq!(site.builds().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_day_is_none() {
    let site = Site::new().await;
    let _watcher = site.watch("/build/gh/owner/name/HEAD?as_of=").await.begun().await;
    assert_eq!(site.claim().await.request().as_of, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_append_to_a_link_with_a_day_is_not_part_of_the_day() {
    let site = Site::new().await;
    let appended = "?as_of=2021-03-01?urlpath=lab%2Ftree%2Fa.ipynb";
    let page = site.get(&format!("/v2/gh/owner/name/HEAD{appended}")).await.text().await;
    assert!(page.contains("2021-03-01") && !page.contains("2021-03-01?"), "{page}");
    let _watcher = site.watch(&format!("/build/gh/owner/name/HEAD{appended}")).await.begun().await;
    assert_eq!(site.claim().await.request().as_of, Some("2021-03-01".parse::<AsOf>().unwrap()));
}
