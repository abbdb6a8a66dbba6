//! What other programs read: health, versions, metrics, providers, and who may read them from elsewhere.

use bindery_web::Config;

use crate::client::{send, within};
use crate::crew::numbered;
use crate::site::{Part, Site};

fn part(name: &'static str, ok: bool, required: bool) -> Part {
    Part { name, ok, required }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_says_what_clients_recognise() {
    let site = Site::new().await;
    let answer = site.get("/versions").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let versions = answer.json().await;
    for key in ["binderhub", "bindery", "builder"] {
        assert!(versions[key].is_string(), "{versions}");
    }
    assert!(versions["builder_info"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_keeps_the_order_of_its_checks() {
    let parts =
        vec![part("Docker registry", true, true), part("sessions", true, true), part("Pod quota", false, false)];
    let site = Site::with(Config::default(), parts).await;
    for _ in 0..2 {
        let answer = site.get("/health").await;
        assert_eq!(answer.status, 200, "what is not required does not count");
        let health = answer.json().await;
        assert_eq!(health["ok"], true);
        let names: Vec<_> = health["checks"].as_array().unwrap().iter().map(|check| &check["service"]).collect();
        assert_eq!(names, ["Docker registry", "sessions", "Pod quota"]);
        assert_eq!(health["checks"][0].get("_ignore_failure"), None);
        assert_eq!(
            (&health["checks"][2]["ok"], &health["checks"][2]["_ignore_failure"]),
            (&false.into(), &true.into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_503_when_something_required_is_unwell() {
    let site = Site::with(Config::default(), vec![part("registry", true, true), part("engine", false, true)]).await;
    let answer = site.get("/health").await;
    assert_eq!(answer.status, 503);
    let health = answer.json().await;
    assert_eq!(health["ok"], false);
    assert_eq!(health["checks"][1]["reason"], "out of order");
    assert_eq!(send(site.address, "HEAD", "/health", &[]).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_visits_and_name_no_repository() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    site.watch("/build/gh/owner/secret-name/HEAD").await.events().await;
    site.watch("/build/gh/owner/secret-name/gone").await.events().await;
    let answer = site.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text().await;
    assert!(text.contains("bindery_event_streams "), "{text}");
    assert!(text.contains("bindery_visit_faults_total{by=\"user\"} 1"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("secret-name"), "a visitor must not choose a label");
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_made_for_binderhub_find_their_metrics() {
    let site = Site::new().await;
    let (mut wanted, mut first) = (site.wanted().await, site.watch("/build/gh/owner/name/HEAD").await.begun().await);
    let mut second = site.watch("/build/gh/owner/name/main").await.begun().await;
    let job = site.claim().await;
    let during = site.get("/metrics").await.text().await;
    assert!(during.contains("binderhub_inprogress_builds 1\n"), "two visitors, one build: {during}");
    job.built().await;
    let sessions = [wanted.next().await, wanted.next().await];
    let during = site.get("/metrics").await.text().await;
    assert!(during.contains("binderhub_inprogress_launches 2\n"), "{during}");
    wanted.ready(&sessions[0]).await;
    wanted.failed(&sessions[1], bindery_core::Fault::us("x", "y.")).await;
    first.events().await;
    second.events().await;
    let mut bad = site.watch("/build/gl/owner%2Fbad/HEAD").await.begun().await;
    site.claim().await.failed(bindery_core::Fault::user("x", "y.")).await;
    bad.events().await;
    // What is built already is a launch and no build.
    let mut again = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let session = wanted.next().await;
    wanted.ready(&session).await;
    again.events().await;
    let text = site.get("/metrics").await.text().await;
    for line in [
        "binderhub_build_count_total{status=\"success\",provider=\"GitHub\"} 1",
        "binderhub_build_count_total{status=\"failure\",provider=\"GitLab\"} 1",
        "binderhub_build_time_seconds_count{status=\"success\"} 1",
        "binderhub_build_time_seconds_bucket{le=\"7200.0\",status=\"failure\"} 1",
        "binderhub_launch_count_total{status=\"success\",provider=\"GitHub\"} 2",
        "binderhub_launch_count_total{status=\"failure\",provider=\"GitHub\"} 1",
        "binderhub_launch_time_seconds_count{status=\"success\",retries=\"0\"} 2",
        "binderhub_launch_time_seconds_bucket{le=\"600.0\",status=\"failure\",retries=\"-1\"} 1",
        "binderhub_inprogress_builds 0",
        "binderhub_inprogress_launches 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(!text.contains("owner"), "no visitor chooses a label");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_leaves_is_not_in_progress_for_ever() {
    let site = Site::new().await;
    let visitor = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    assert!(site.get("/metrics").await.text().await.contains("binderhub_inprogress_builds 1\n"));
    drop(visitor);
    within(async { while !site.get("/metrics").await.text().await.contains("binderhub_inprogress_builds 0\n") {} })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_are_listed_in_the_order_of_the_form() {
    let site = Site::with(Config { images: true, ..Config::default() }, Vec::new()).await;
    let providers = site.get("/api/repoproviders").await.json().await;
    let ids: Vec<_> = providers.as_array().unwrap().iter().map(|provider| &provider["id"]).collect();
    assert_eq!(ids, bindery_core::Provider::ALL.map(bindery_core::Provider::id));
    for provider in providers.as_array().unwrap() {
        for key in ["displayName", "spec", "repo", "ref"] {
            assert!(!provider[key].is_null(), "{provider} has no {key}");
        }
    }
}

const OPEN: [&str; 5] = ["/versions", "/health", "/api/repoproviders", "/build/nope/x", "/build/gh/owner/name/gone"];

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_read_is_open_to_every_origin_by_default() {
    let site = Site::new().await;
    for path in OPEN {
        let answer = send(site.address, "GET", path, &[("origin", "https://book.example")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
    }
    let page = send(site.address, "GET", "/", &[("origin", "https://book.example")]).await;
    assert_eq!(page.header("access-control-allow-origin"), None, "pages are for people");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_origins_a_site_names_may_read_it() {
    let config = Config { cors_allow_origin: vec!["https://book.example/".to_owned()], ..Config::default() };
    let site = Site::with(config, Vec::new()).await;
    for path in OPEN {
        let answer = send(site.address, "GET", path, &[("origin", "https://book.example")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://book.example"), "{path}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{path}: a cache must tell origins apart");
        for origin in ["https://evil.example", "https://book.example.evil.example", "null"] {
            let answer = send(site.address, "GET", path, &[("origin", origin)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path} {origin}");
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("Origin")), "{path} {origin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_a_preflight_and_starts_nothing() {
    let site = Site::new().await;
    let headers = [
        ("origin", "https://book.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,x-xsrftoken"),
    ];
    for path in ["/build/gh/owner/name/HEAD", "/versions", "/health", "/api/repoproviders"] {
        let answer = send(site.address, "OPTIONS", path, &headers).await;
        assert!(matches!(answer.status, 200 | 204), "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        let allowed = answer.header("access-control-allow-headers").unwrap().to_owned();
        for name in ["authorization", "x-xsrftoken", "cache-control", "last-event-id", "content-type", "accept"] {
            assert!(allowed.split(", ").any(|known| known == name), "{path}: {name} is not in {allowed}");
        }
        assert!(answer.header("access-control-allow-methods").unwrap().contains("GET"), "{path}");
        assert!(answer.leftover().await.is_empty(), "{path}: a preflight has no event stream");
    }
    assert_eq!(site.builds().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_says_who_the_visitor_is() {
    for (trusted, expected) in [(vec!["127.0.0.0/8".parse().unwrap()], "198.51.100.7"), (Vec::new(), "127.0.0.1")] {
        let site = Site::with(Config { trusted_proxies: trusted, ..Config::default() }, Vec::new()).await;
        let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
        let headers = [("x-forwarded-for", "203.0.113.1, 198.51.100.7")];
        let events = site.watch_with("/build/gh/owner/name/HEAD", &headers).await.events().await;
        assert_eq!(events.last().unwrap().value()["binder_client_ip"], expected);
    }
}
