//! Who may start something: tokens of pages, limits, lists, and pages of other sites.

use bindery_core::Secret;
use bindery_web::Config;
use serde_json::Value;

use crate::client::{Answer, Frame, send};
use crate::crew::numbered;
use crate::site::Site;

/// A site behind a proxy on loopback, so that visitors have addresses of their own; its streams end with their visit.
fn proxied() -> Config {
    Config { linger_seconds: 0, trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() }
}

const ALICE: (&str, &str) = ("x-forwarded-for", "203.0.113.1");
const BOB: (&str, &str) = ("x-forwarded-for", "203.0.113.2");

async fn visit(site: &Site, target: &str, headers: &[(&str, &str)]) -> Vec<Frame> {
    site.watch_with(target, headers).await.events_to_the_end().await
}

fn refusal(events: &[Frame]) -> (&str, &str, i64) {
    assert_eq!(events.len(), 1, "{events:?}");
    let data = events[0].value();
    assert_eq!(events[0].phase(), "failed");
    (data["fault"]["code"].as_str().unwrap(), events[0].message(), data["status_code"].as_i64().unwrap())
}

async fn page_config(answer: Answer) -> Value {
    let text = answer.text().await;
    let json = text.split("window.pageConfig = ").nth(1).unwrap().split(";</script>").next().unwrap();
    serde_json::from_str(json.trim()).unwrap()
}

async fn token_of(site: &Site, link: &str) -> String {
    page_config(site.get(&format!("/v2/{link}")).await).await["buildToken"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_beyond_the_limit_are_refused_with_the_time_that_is_left() {
    let site = Site::with(Config { rate_limit_builds: 2, ..proxied() }, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    for (number, remaining) in [("1", "2"), ("2", "1")] {
        let mut answer = site.watch_with(&format!("/build/gh/owner/name{number}/HEAD"), &[ALICE]).await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(remaining));
        assert!(answer.header("x-ratelimit-reset").unwrap().parse::<u64>().unwrap() > 1_600_000_000);
        assert_eq!(answer.events_to_the_end().await.last().unwrap().phase(), "ready");
    }
    let events = visit(&site, "/build/gh/owner/name3/HEAD", &[ALICE]).await;
    let (code, message, status) = refusal(&events);
    assert_eq!((code, status), ("rate-limited", 429));
    let seconds = events[0].value()["retry_after"].as_u64().unwrap();
    // Two in an hour is one in half an hour.
    assert!((1..=1800).contains(&seconds), "{seconds}");
    assert_eq!(message, format!("Rate limit exceeded. Try again in {seconds} seconds.\n"));
    assert_eq!(events[0].value()["fault"]["retry"], true);
    assert_eq!(site.builds().await, 2);

    // What is there already costs nothing, and others have their own.
    for _ in 0..3 {
        assert_eq!(visit(&site, "/build/gh/owner/name1/HEAD", &[ALICE]).await.last().unwrap().phase(), "ready");
    }
    assert_eq!(visit(&site, "/build/gh/owner/name3/HEAD", &[BOB]).await.last().unwrap().phase(), "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_a_build_costs_nothing() {
    let site = Site::with(Config { rate_limit_builds: 1, ..proxied() }, Vec::new()).await;
    let _launcher = site.launcher();
    let mut first = site.watch_with("/build/gh/owner/name/HEAD", &[ALICE]).await.begun().await;
    let mut joined = site.watch_with("/build/gh/owner/name/main", &[ALICE]).await.begun().await;
    site.claim().await.built().await;
    for stream in [&mut first, &mut joined] {
        assert_eq!(stream.events().await.last().unwrap().phase(), "ready");
    }
    assert_eq!(refusal(&visit(&site, "/build/gh/owner/other/HEAD", &[ALICE]).await).0, "rate-limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoofed_address_buys_no_allowance() {
    let config = Config { rate_limit_builds: 1, ban_networks: vec!["198.51.100.0/24".parse().unwrap()], ..proxied() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let claims = |first: &str| ("x-forwarded-for", format!("{first}, 203.0.113.1"));
    for (number, first) in ["10.0.0.1", "127.0.0.1", "192.0.2.7", "2001:db8::1"].into_iter().enumerate() {
        let (name, value) = claims(first);
        let events = visit(&site, &format!("/build/gh/owner/n{number}/HEAD"), &[(name, &value)]).await;
        let expected = if number == 0 { "ready" } else { "failed" };
        assert_eq!(events.last().unwrap().phase(), expected, "{first}");
    }
    let (name, value) = ("x-forwarded-for", "203.0.113.9, 198.51.100.7");
    assert_eq!(refusal(&visit(&site, "/build/gh/owner/name/HEAD", &[(name, value)]).await).0, "network-banned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_ours_may_start_what_it_is_for_however_often() {
    let site = Site::with(Config { rate_limit_builds: 1, ..proxied() }, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    for number in 0..3 {
        let link = format!("gh/owner/name{number}/feature%2Fx");
        let token = token_of(&site, &link).await;
        let mut answer = site.watch_with(&format!("/build/{link}?build_token={token}"), &[ALICE]).await;
        assert_eq!(answer.header("x-ratelimit-limit"), None);
        assert_eq!(answer.events_to_the_end().await.last().unwrap().phase(), "ready");
    }
    let config = page_config(site.get("/").await).await;
    assert!(config["buildToken"].is_null(), "a page for no link has no token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_for_this_is_refused() {
    let site = Site::with(Config { build_token_secret: Some(Secret::new("00ff")), ..proxied() }, Vec::new()).await;
    let token = token_of(&site, "gh/owner/name/HEAD").await;
    let at = |link: &str, token: &str| format!("/build/{link}?build_token={token}");
    let rows = [
        (at("gh/owner/other/HEAD", &token), vec![]),
        (at("gh/owner/name/HEAD", &token[..token.len() - 4]), vec![]),
        (at("gh/owner/name/HEAD", "x"), vec![]),
        (at("gh/owner/name/HEAD", &token), vec![("origin", "https://evil.example")]),
    ];
    for (target, headers) in rows {
        let events = visit(&site, &target, &headers).await;
        let (code, message, status) = refusal(&events);
        assert_eq!((code, status), ("build-token-invalid", 403), "{target}");
        assert!(message.starts_with("Invalid build token"), "{message}");
    }
    assert_eq!(site.builds().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_open_longer_than_its_token_lives_resumes_where_it_was() {
    let site = Site::with(Config { build_token_secret: Some(Secret::new("00ff")), ..proxied() }, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let link = "/build/gh/owner/name/HEAD?build_token=of.another.process";
    let told = site.watch("/build/gh/owner/name/HEAD").await.events_to_the_end().await;
    let first = told[0].id.clone().unwrap();
    for (target, headers) in
        [(link.to_owned(), vec![("last-event-id", first.as_str())]), (format!("{link}&last_event_id={first}"), vec![])]
    {
        let events = visit(&site, &target, &headers).await;
        assert_eq!(events.last().unwrap().phase(), "ready", "{target}");
    }
    assert_eq!(refusal(&visit(&site, link, &[]).await).0, "build-token-invalid", "one that begins is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_whose_token_is_no_longer_good_goes_on_with_what_it_was_watching_and_starts_nothing_else() {
    let site = Site::with(Config { linger_seconds: 0, ..proxied() }, Vec::new()).await;
    let link = "gh/owner/name/HEAD";
    let token = token_of(&site, link).await;
    let mut first = site.watch_with(&format!("/build/{link}?build_token={token}"), &[ALICE]).await;
    let seen = first.event().await.unwrap().id.unwrap();
    drop(first);
    // As after a restart with another secret, or after longer than a token lasts.
    let mut again = site.watch_with(&format!("/build/{link}?build_token=old&last_event_id={seen}"), &[ALICE]).await;
    let job = site.claim().await;
    let _launcher = site.launcher();
    job.built().await;
    assert_eq!(again.events_to_the_end().await.last().unwrap().phase(), "ready");
    let unknown = format!("b-{}.1", "0".repeat(32));
    for target in [
        format!("/build/gh/owner/other/HEAD?build_token=old&last_event_id={unknown}"),
        "/build/gh/owner/other/HEAD?build_token=old&last_event_id=x".to_owned(),
    ] {
        let events = visit(&site, &target, &[]).await;
        let (code, _, status) = refusal(&events);
        assert_eq!((code, status), ("build-token-invalid", 403), "{target}");
    }
    assert_eq!(site.builds().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_token_is_required_only_our_pages_and_the_operator_start_anything() {
    let config = Config { require_build_token: true, api_token: Some(Secret::new("s3cret")), ..proxied() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let link = "gh/owner/name/HEAD";
    for headers in [vec![], vec![("authorization", "Bearer wrong")]] {
        assert_eq!(refusal(&visit(&site, &format!("/build/{link}"), &headers).await).0, "build-token-required");
    }
    let token = token_of(&site, link).await;
    for (target, headers) in [
        (format!("/build/{link}?build_token={token}"), vec![]),
        (format!("/build/{link}"), vec![("authorization", "Bearer s3cret")]),
    ] {
        assert_eq!(visit(&site, &target, &headers).await.last().unwrap().phase(), "ready", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_starts_nothing_out_of_sight() {
    let site = Site::with(proxied(), Vec::new()).await;
    for mode in ["no-cors", "navigate", "same-origin"] {
        let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
        assert_eq!(refusal(&visit(&site, "/build/gh/owner/name/HEAD", &headers).await).0, "cross-site", "{mode}");
    }
    let config = Config { cors_allow_origin: vec!["https://book.example".to_owned()], ..proxied() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let stream = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let of = |origin| [stream.as_slice(), &[("origin", origin)]].concat();
    let target = "/build/gh/owner/name/HEAD";
    assert_eq!(refusal(&visit(&site, target, &of("https://evil.example")).await).0, "cross-site");
    assert_eq!(site.builds().await, 0);
    assert_eq!(visit(&site, target, &of("https://book.example")).await.last().unwrap().phase(), "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_network_is_told_so_and_still_sees_badges_and_health() {
    let config = Config { ban_networks: vec!["203.0.113.0/28".parse().unwrap()], ..proxied() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let events = visit(&site, "/build/gh/owner/name/HEAD", &[ALICE]).await;
    assert_eq!(refusal(&events), ("network-banned", "Requests from 203.0.113.0/28 are not allowed\n", 403));
    for (path, status) in [
        ("/", 403),
        ("/v2/gh/owner/name/HEAD", 403),
        ("/nowhere", 403),
        ("/health", 200),
        ("/versions", 200),
        ("/badge_logo.svg", 200),
    ] {
        let answer = send(site.address, "GET", path, &[ALICE]).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let elsewhere = ("x-forwarded-for", "203.0.113.77");
    assert_eq!(send(site.address, "GET", "/", &[elsewhere]).await.status, 200);
    assert_eq!(visit(&site, "/build/gh/owner/name/HEAD", &[elsewhere]).await.last().unwrap().phase(), "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_repository_is_banned_under_every_name() {
    let config = Config {
        banned_specs: vec!["gh/evil/".to_owned(), "https://example\\.org/owner/banned$".to_owned()],
        ..proxied()
    };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let rows = [
        ("gh/Evil/name/HEAD", false),
        ("gh/owner/banned/HEAD", true),
        ("git/https%3A%2F%2Fexample.org%2Fowner%2Fbanned/HEAD", true),
    ];
    for (link, asks) in rows {
        let before = site.asked.0.lock().len();
        let events = visit(&site, &format!("/build/{link}"), &[]).await;
        let (code, message, status) = refusal(&events);
        assert_eq!((code, status), ("not-allowed", 403), "{link}");
        let said = "is not allowed to launch. Please contact admins for more info!\n";
        assert!(message.starts_with("Sorry, ") && message.ends_with(said), "{message}");
        assert_eq!(site.asked.0.lock().len() > before, asks, "{link}: a link on the list reaches no host");
    }
    assert_eq!(site.builds().await, 0);
    assert_eq!(visit(&site, "/build/gh/owner/fine/HEAD", &[]).await.last().unwrap().phase(), "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_launch_is_a_line_in_the_file_that_the_site_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("launches.jsonl");
    let config = Config { launch_events: path.display().to_string(), ..proxied() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let headers = [("origin", "https://book.example"), ALICE];
    visit(&site, "/build/gh/owner/name/main", &headers).await;
    let text = crate::client::within(async {
        loop {
            match std::fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => break text,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    let line: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["spec"], &line["status"]), (&"owner/name/main".into(), &"success".into()));
    assert_eq!((&line["version"], &line["request_origin"]), (&6.into(), &"https://book.example".into()));
    assert!(!text.contains("203.0.113"), "the visitor's address is nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_address_of_the_providers_still_answers() {
    let site = Site::new().await;
    let config = site.get("/_config").await.json().await;
    assert_eq!(config["gh"]["tag_text"], "Git ref (branch, tag, or commit)");
    assert_eq!(config["gh"]["ref_prop_disabled"], false);
    assert!(config["gl"]["text"].is_string());
}
