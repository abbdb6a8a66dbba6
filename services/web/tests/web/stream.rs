//! The shapes and order of events on `/build/…`.

use std::collections::HashSet;

use bindery_core::{EventBody, Phase};
use bindery_web::Config;

use crate::client::{output, phases, send};
use crate::crew::{IMAGE, numbered};
use crate::site::{COMMIT, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_is_told_every_step_in_order_and_one_ready() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    assert_eq!(stream.header("content-encoding"), None, "a compressed stream is held back by its compressor");
    let job = site.claim().await;
    job.say(vec![EventBody::message(Phase::Fetching, "Fetching the repository")]).await;
    job.lines(&numbered(3)).await;
    job.say(vec![EventBody::message(Phase::Pushing, "Pushing")]).await;
    job.built().await;
    let events = stream.events().await;

    assert_eq!(phases(&events), ["waiting", "fetching", "building", "pushing", "built", "launching", "ready"]);
    assert_eq!(output(&events), numbered(3));
    assert_eq!(events[0].message(), "Waiting for build to start...\n");
    let built = events.iter().find(|event| event.phase() == "built").unwrap();
    assert_eq!(built.message(), "Built image, launching...\n");
    assert_eq!(built.value()["imageName"], IMAGE);
    let launching: Vec<_> = events.iter().filter(|event| event.phase() == "launching").collect();
    assert_eq!(launching[0].message(), "Launching server...\n");

    let mut seen = HashSet::new();
    for event in &events {
        assert!(event.message().ends_with('\n') && !event.message().ends_with("\n\n"), "{event:?}");
        assert!(event.others.is_empty(), "a field of a name of its own would hide the event: {event:?}");
        assert!(seen.insert(event.id.clone().unwrap()), "an id came twice: {event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_should_know_of_their_link_is_told_whether_there_is_an_image_or_not() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    for last in ["built", "found"] {
        let events = site.watch("/build/gh/owner/name/renamed").await.events().await;
        assert_eq!((events[0].phase(), events[0].message()), ("waiting", "There is no such branch.\n"), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_has_every_key_clients_read() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let events = site.watch("/build/gh/owner/name/main/").await.events().await;
    let ready = events.last().unwrap();
    assert_eq!(ready.phase(), "ready");
    let text = |key: &str| ready.value()[key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned();
    assert!(text("url").starts_with("http://") && text("url").ends_with('/'));
    assert_eq!(text("message"), format!("server running at {}\n", text("url")));
    assert_eq!(text("token").len(), 22);
    assert_eq!(text("image"), IMAGE);
    assert_eq!(text("repo_url"), "https://example.org/owner/name");
    assert_eq!(text("binder_ref_url"), format!("https://example.org/owner/name/tree/{COMMIT}"));
    assert_eq!(text("binder_launch_host"), format!("http://{}/", site.address));
    assert_eq!(text("binder_request"), "v2/gh/owner/name/main");
    assert_eq!(text("binder_persistent_request"), format!("v2/gh/owner/name/{COMMIT}"));
    assert_eq!(text("binder_client_ip"), "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_built_commit_starts_with_its_image() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    site.watch("/build/gh/owner/name/HEAD").await.events().await;
    let events = site.watch("/build/gh/owner/name/HEAD").await.events().await;
    assert_eq!(phases(&events), ["built", "launching", "ready"]);
    assert_eq!(events[0].message(), "Found built image, launching...\n");
    assert_eq!(events[0].value()["imageName"], IMAGE);
    assert_eq!((site.builds().await, site.sessions().await), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_of_one_commit_share_its_build() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    for reference in ["HEAD", "main", "v1", COMMIT] {
        let events = site.watch(&format!("/build/gh/owner/name/{reference}")).await.events().await;
        assert_eq!(events.last().unwrap().phase(), "ready");
    }
    assert_eq!((site.builds().await, site.sessions().await), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn escapes_are_decoded_once_and_after_the_path_is_split() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(Vec::new()), site.launcher());
    let rows = [
        ("gh/owner/name/feature%2Fx", "owner/name", "feature/x"),
        ("gh/owner/name/feature/x", "owner/name", "feature/x"),
        ("gl/group%2Fsub%2Fproject/main", "group/sub/project", "main"),
        ("gl/group/project/main", "group/project", "main"),
        ("git/https%3A%2F%2Fexample.org%2Fa%2Fb.git/main/", "https://example.org/a/b", "main"),
    ];
    for (path, repository, reference) in rows {
        let events = site.watch(&format!("/build/{path}")).await.events().await;
        assert_eq!(events.last().unwrap().phase(), "ready", "{path}: {events:?}");
        let asked = site.asked.0.lock().last().unwrap().clone();
        assert_eq!((asked.repository.as_str(), asked.reference.as_str()), (repository, reference), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_only_builds_ends_with_ready_and_no_session() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    let _builder = site.builder(numbered(2));
    for (message, built) in [("Done! Image built\n", true), ("Done! Found built image\n", false)] {
        let events = site.watch("/build/gh/owner/name/HEAD?build_only=True").await.events_to_the_end().await;
        let (last, before) = events.split_last().unwrap();
        assert_eq!((last.phase(), last.message()), ("ready", message));
        assert_eq!(last.value()["imageName"], IMAGE);
        assert!(before.iter().all(|event| !event.is_terminal()));
        assert_eq!(output(&events).len(), if built { 2 } else { 0 });
    }
    assert_eq!((site.builds().await, site.sessions().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_stays_open_after_ready_and_says_it_is_alive() {
    let config = Config { keepalive_seconds: 1, linger_seconds: 600, ..Config::default() };
    let site = Site::with(config, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    for _path in ["built now", "built before"] {
        let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
        stream.events().await;
        for _ in 0..2 {
            let frame = stream.frame().await.expect("the client closes first");
            assert_eq!(frame.comment.as_deref(), Some("keepalive"));
            assert!(frame.data.is_none() && frame.id.is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_after_its_linger() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let events = site.watch("/build/gh/owner/name/HEAD").await.events_to_the_end().await;
    assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    assert_eq!(events.last().unwrap().phase(), "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reasonable_accept_is_accepted() {
    let site = Site::new().await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let rows: [&[(&str, &str)]; 5] = [
        &[],
        &[("accept", "*/*")],
        &[("accept", "text/event-stream, */*")],
        &[("accept", "text/html;q=0.9, text/event-stream;q=0.1")],
        &[("accept", "text/html"), ("accept", "text/event-stream")],
    ];
    for headers in rows {
        let mut answer = send(site.address, "GET", "/build/gh/owner/name/HEAD", headers).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(answer.events().await.last().unwrap().phase(), "ready", "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_looks_like_an_event_stays_a_line() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    let hostile = [
        "\n\ndata: {\"phase\":\"ready\",\"message\":\"\",\"url\":\"https://evil.example/\"}\n\n",
        "{\"phase\":\"failed\"}",
        "id: 1\r\n\r\nevent: ready",
        "\u{2028}\u{2029}\u{0}\u{1b}[31m",
    ]
    .map(str::to_owned);
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    job.lines(&hostile).await;
    job.built().await;
    let events = stream.events().await;
    assert_eq!(phases(&events), ["waiting", "building", "built", "launching", "ready"]);
    let lines: Vec<_> = events.iter().filter(|event| !event.value()["stream"].is_null()).collect();
    assert_eq!(lines.len(), hostile.len());
    for (line, hostile) in lines.iter().zip(&hostile) {
        assert_eq!(line.message().trim_end(), hostile.trim_end());
    }
}
