//! What the operator's programs do with builds.

use bindery_core::Secret;
use bindery_core::seams::StoreError;
use bindery_web::Config;
use serde_json::Value;

use crate::client::{Answer, send};
use crate::crew::numbered;
use crate::site::Site;

const OPERATOR: (&str, &str) = ("authorization", "Bearer s3cret");

async fn site() -> Site {
    let api_token = Some(Secret::new("s3cret"));
    Site::with(Config { linger_seconds: 0, api_token, ..Config::default() }, Vec::new()).await
}

async fn as_operator(site: &Site, method: &str, target: &str) -> Answer {
    send(site.address, method, target, &[OPERATOR]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_listed_the_latest_first_and_as_many_as_asked_for() {
    let site = site().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    for name in ["a", "b", "c"] {
        site.watch(&format!("/build/gh/owner/{name}/HEAD")).await.events().await;
    }
    let names = |list: &Value| -> Vec<String> {
        let builds = list["builds"].as_array().unwrap();
        builds.iter().map(|build| build["repo_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let list = as_operator(&site, "GET", "/builds").await.json().await;
    assert_eq!(names(&list), ["c", "b", "a"]);
    assert_eq!(list["builds"][0]["state"], "built");
    assert_eq!(names(&as_operator(&site, "GET", "/builds?limit=2").await.json().await), ["c", "b"]);
    for limit in ["0", "501", "-1", "x", ""] {
        assert_eq!(as_operator(&site, "GET", &format!("/builds?limit={limit}")).await.status, 400, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_is_lost_to_its_worker_and_told_to_who_watches() {
    let site = site().await;
    let mut streams = [
        site.watch("/build/gh/owner/name/HEAD").await.begun().await,
        site.watch("/build/gh/owner/name/main").await.begun().await,
    ];
    let job = site.claim().await;
    job.lines(&numbered(2)).await;
    let target = format!("/builds/{}", job.lease().record.id);
    let answer = as_operator(&site, "DELETE", &target).await;
    assert_eq!(answer.status, 200);
    let record = answer.json().await;
    assert_eq!((&record["state"], &record["fault"]["code"]), (&"failed".into(), &"cancelled".into()));
    for stream in &mut streams {
        let events = stream.events_to_the_end().await;
        assert_eq!(events.last().unwrap().value()["fault"]["code"], "cancelled");
        assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    }
    let renewed = site.stores.queue.renew(job.lease()).await;
    assert!(matches!(renewed, Err(StoreError::LeaseLost)), "{renewed:?}");
    assert_eq!(as_operator(&site, "DELETE", &target).await.status, 409, "it has ended");

    // The next visit is a new build.
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let events = site.watch("/build/gh/owner/name/HEAD").await.events().await;
    assert_eq!((events.last().unwrap().phase(), site.builds().await), ("ready", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_lists_or_cancels() {
    let site = site().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let job = site.claim().await;
    let target = format!("/builds/{}", job.lease().record.id);
    for headers in [vec![], vec![("authorization", "Bearer wrong")], vec![("cookie", "api_token=s3cret")]] {
        for (method, path) in [("DELETE", target.as_str()), ("GET", "/builds")] {
            let answer = send(site.address, method, path, &headers).await;
            assert_eq!(answer.status, 401, "{method} {path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let asked = [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
    let preflight = send(site.address, "OPTIONS", &target, &asked).await;
    assert!(!preflight.header("access-control-allow-methods").unwrap_or_default().contains("DELETE"));
    let _launcher = site.launcher();
    job.built().await;
    assert_eq!(stream.events().await.last().unwrap().phase(), "ready");

    let nobody = Site::new().await;
    assert_eq!(as_operator(&nobody, "GET", "/builds").await.status, 401, "without a token there is no operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_waits_is_cancelled_before_it_begins() {
    let site = site().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let list = as_operator(&site, "GET", "/builds").await.json().await;
    assert_eq!(list["builds"][0]["state"], "queued");
    let target = format!("/builds/{}", list["builds"][0]["id"].as_str().unwrap());
    let answer = as_operator(&site, "DELETE", &target).await;
    assert_eq!((answer.status, answer.json().await["state"].clone()), (200, "failed".into()));
    assert_eq!(stream.events_to_the_end().await.last().unwrap().value()["fault"]["code"], "cancelled");
    assert_eq!(site.stores.queue.depth().await.unwrap(), (0, 0), "nobody takes it up");
    assert_eq!(as_operator(&site, "DELETE", &target).await.status, 409, "it has ended");
    assert_eq!(as_operator(&site, "DELETE", "/builds/b-00000000000000000000000000000000").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_json_is_every_event_with_its_place_and_time() {
    let site = site().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let job = site.claim().await;
    job.lines(&numbered(1500)).await;
    let target = format!("/builds/{}/log?format=json", job.lease().record.id);
    job.failed(bindery_core::Fault::user("x", "y.")).await;
    stream.events_to_the_end().await;
    let answer = site.get(&target).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let text = answer.text().await;
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    assert!(events.iter().all(|event| event["at"].as_u64().is_some_and(|at| at > 1_600_000_000_000)));
    assert_eq!(events.iter().filter(|event| !event["stream"].is_null()).count(), 1500);
    assert_eq!(events.last().unwrap()["fault"]["code"], "x");
}
