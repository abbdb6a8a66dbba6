//! What is answered when there is no session to talk to.

use bindery_core::{SessionEvent, SessionId, StopReason};
use bindery_proxy::Config;

use crate::site::{Reply, Site, empty};
use crate::store::MemoryStore;
use crate::upstream::{mirror, says};

async fn navigate(site: &Site, path: &str) -> Reply {
    let request = site.request("GET", path).header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    site.send(request.body(empty()).unwrap()).await
}

#[tokio::test]
async fn an_ended_session_says_why_and_how_to_go_on() {
    let hub_url = "https://hub.test/base".parse().unwrap();
    let site = Site::with(Config { hub_url, ..Config::default() }).await;
    let id = site.session(mirror().await).await;
    site.stop(id, StopReason::Idle).await;
    let path = format!("/user/{id}/lab");

    let page = navigate(&site, &path).await;
    assert_eq!(page.status, 424);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("It ended because nothing happened in it for a while."), "{}", page.text());
    assert!(
        page.text().contains("href=\"https://hub.test/base/v2/gh/owner/na%3Cme/HEAD?urlpath=lab\""),
        "{}",
        page.text()
    );
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!page.text().contains("<script") && !page.text().contains("style="));

    let json = site.get(&path).await;
    assert_eq!((json.status, json.header("content-type")), (424, "application/json"));
    assert_eq!(json.header("access-control-allow-origin"), "*");
    let fields: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(fields["error"], "session-ended");
    assert_eq!(fields["url"], "https://hub.test/base/v2/gh/owner/na%3Cme/HEAD");

    let preflight = site.send(site.request("OPTIONS", &path).body(empty()).unwrap()).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, "*"));
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
}

#[tokio::test]
async fn an_ended_session_leads_back_to_the_same_file_and_never_repeats_a_token() {
    let hub_url: url::Url = "https://hub.test/".parse().unwrap();
    let site = Site::with(Config { hub_url, domain: Some("sessions.test".into()), ..Config::default() }).await;
    let id = site.session(mirror().await).await;
    site.stop(id, StopReason::Idle).await;
    for (below, expected) in [
        ("", ""),
        ("?token=s3cret", ""),
        ("lab/tree/a%20b.ipynb?token=s3cret", "?urlpath=lab%2Ftree%2Fa%2520b.ipynb"),
        ("lab/tree/%22%3E%3Cb%3E", "?urlpath=lab%2Ftree%2F%2522%253E%253Cb%253E"),
    ] {
        let page = navigate(&site, &format!("/user/{id}/{below}")).await.text();
        let link = format!("href=\"https://hub.test/v2/gh/owner/na%3Cme/HEAD{expected}\"");
        assert!(page.contains(&link) && !page.contains("s3cret"), "{below}: {page}");
    }
    let mut request = site.request("GET", "/lab/tree/a.ipynb").header("accept", "text/html").body(empty()).unwrap();
    request.headers_mut().insert("host", format!("{id}.sessions.test").parse().unwrap());
    let page = site.send(request).await.text();
    assert!(page.contains("HEAD?urlpath=lab%2Ftree%2Fa.ipynb\""), "{page}");
}

#[tokio::test]
async fn every_wrong_address_gets_the_same_answer() {
    let site = Site::start().await;
    let id = SessionId::new();
    let mut answers = Vec::new();
    for path in [
        format!("/user/{id}/"),
        format!("/user/{id}/lab?token=x"),
        "/user/s-zz/".into(),
        "/user/%00/".into(),
        "/user/../../x".into(),
        "/".into(),
        "/favicon.ico".into(),
    ] {
        let mut reply = navigate(&site, &path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        reply.headers.remove("date");
        answers.push((reply.headers.clone(), reply.text()));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert!(answers[0].1.contains("http://127.0.0.1:8585/"));
}

#[tokio::test]
async fn a_websocket_to_an_ended_session_is_answered_at_once() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    site.stop(id, StopReason::Age).await;
    for (name, expected) in [(id, "HTTP/1.1 424"), (SessionId::new(), "HTTP/1.1 404")] {
        let answer = site
            .raw(format!(
                "GET /user/{name}/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with(expected) && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_session_that_is_starting_asks_for_patience() {
    let site = Site::start().await;
    let id = site.queued().await;
    let reply = site.get(&format!("/user/{id}/")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    assert!(!reply.headers.contains_key("refresh"), "a program decides for itself");
    let page = navigate(&site, &format!("/user/{id}/")).await;
    assert_eq!((page.status, page.header("refresh")), (503, "1"));
    assert!(page.text().contains("looks again by itself"), "{}", page.text());
    site.apply(id, SessionEvent::Admitted).await;
    let upstream = mirror().await;
    site.apply(id, SessionEvent::Answering { upstream }).await;
    site.until("it answers before it is verified", || async { site.get(&format!("/user/{id}/")).await.status == 200 })
        .await;
}

#[tokio::test]
async fn a_server_that_does_not_listen_or_hangs_up_is_not_the_visitors_fault() {
    let site = Site::start().await;
    let refused = site.session(([127, 0, 0, 1], 9).into()).await;
    let reply = navigate(&site, &format!("/user/{refused}/")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "2"));
    assert!(reply.text().contains("The session does not answer"));

    for answer in ["", "HTTP/1.1 2", "nonsense\r\n\r\n"] {
        let broken = site.session(says(answer).await).await;
        assert_eq!(site.get(&format!("/user/{broken}/")).await.status, 502, "{answer:?}");
    }
    assert!(site.stats.snapshot().upstream_errors >= 4);
}

#[tokio::test]
async fn nothing_is_denied_before_everything_is_known() {
    let site = Site::over(Config::default(), MemoryStore::silent()).await;
    let path = format!("/user/{}/", SessionId::new());
    let reply = site.get(&path).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    assert_eq!(site.get("/health").await.status, 503);
    site.store.speak();
    site.until("the answer is final", || async { site.get(&path).await.status == 404 }).await;
    assert_eq!(site.get("/health").await.text(), r#"{"ok":true,"routes":0}"#);
}

#[tokio::test]
async fn a_removed_record_is_forgotten() {
    use bindery_core::seams::SessionStore as _;
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    site.store.remove(id).await.unwrap();
    site.until("it is forgotten", || async { site.get(&format!("/user/{id}/")).await.status == 404 }).await;
}
