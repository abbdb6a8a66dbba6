//! How many sessions one repository may have at once, under whatever name it is launched.

use bindery_core::{SessionEvent, StopReason};
use bindery_web::Config;

use crate::client::Frame;
use crate::crew::numbered;
use crate::site::Site;

async fn site(config: Config) -> Site {
    Site::with(Config { linger_seconds: 0, ..config }, Vec::new()).await
}

fn last(events: &[Frame]) -> (&str, &Frame) {
    let last = events.last().unwrap();
    (last.phase(), last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_has_as_many_sessions_as_its_quota_under_all_its_names() {
    let quota = Config { per_repo_quota: 2, spec_quotas: vec!["0 gh/owner/free/".to_owned()], ..Config::default() };
    let site = site(quota).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    // One repository, as GitHub and as git, and whatever the letter case.
    let links = [
        "gh/Owner/Name/HEAD",
        "git/https%3A%2F%2Fexample.org%2Fowner%2Fname/HEAD",
        "gh/owner/name/main",
        "gh/OWNER/NAME/v1",
    ];
    for link in &links[..2] {
        assert_eq!(last(&site.watch(&format!("/build/{link}")).await.events().await).0, "ready", "{link}");
    }
    for link in links {
        let events = site.watch(&format!("/build/{link}")).await.events_to_the_end().await;
        let (phase, refusal) = last(&events);
        assert_eq!(phase, "failed", "{link}");
        assert!(refusal.message().starts_with("Too many users running https://example.org/"), "{refusal:?}");
        let value = refusal.value();
        assert_eq!((&value["status_code"], &value["fault"]["code"]), (&429.into(), &"repository-quota".into()));
        assert_eq!(
            (&value["fault"]["retry"], events.iter().filter(|event| event.is_terminal()).count()),
            (&true.into(), 1)
        );
        assert!(value["fault"]["hint"].as_str().unwrap().contains("allows 2"), "{value}");
    }
    assert_eq!(site.sessions().await, 2);
    // Another repository has its own, and one of them none.
    for link in ["gh/owner/other/HEAD", "gh/owner/free/HEAD", "gh/owner/free/HEAD", "gh/owner/free/HEAD"] {
        assert_eq!(last(&site.watch(&format!("/build/{link}")).await.events().await).0, "ready", "{link}");
    }
    // One that stops gives its seat back at once.
    let sessions = site.stores.sessions.list().await.unwrap();
    let one = sessions.iter().find(|session| session.request.source.identity.ends_with("/name")).unwrap();
    site.stores.sessions.apply(one.id, SessionEvent::Gone { reason: StopReason::Idle }).await.unwrap();
    assert_eq!(last(&site.watch("/build/gh/owner/name/HEAD").await.events().await).0, "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_at_once_as_many_are_seated_as_there_is_room_for() {
    let site = site(Config { per_repo_quota: 3, rate_limit_builds: 0, ..Config::default() }).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let visits = (0..20).map(|_| async { site.watch("/build/gh/owner/name/HEAD").await.events().await });
    let all = futures::future::join_all(visits).await;
    let ready = all.iter().filter(|events| last(events).0 == "ready").count();
    assert_eq!((ready, site.sessions().await), (3, 3));
    assert!(all.iter().all(|events| last(events).0 == "ready" || last(events).1.value()["status_code"] == 429));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_build_only_to_be_refused() {
    let site = site(Config { per_repo_quota: 1, ..Config::default() }).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    site.watch("/build/gh/owner/name/HEAD").await.events().await;
    // A day is another build.
    let events = site.watch("/build/gh/owner/name/HEAD?as_of=2021-03-01").await.events_to_the_end().await;
    assert_eq!((events.len(), last(&events).0, site.builds().await), (1, "failed", 1));
    // Who wants no session takes no seat.
    let only = site.watch("/build/gh/owner/name/HEAD?as_of=2021-03-01&build_only=true").await.events().await;
    assert_eq!((last(&only).0, site.builds().await), ("ready", 2));
}
