//! Each way to fail is one `failed` event, and disturbs nobody else.

use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{SessionStore, SessionWatch, StoreError};
use bindery_core::{Fault, Session, SessionEvent, SessionId, SessionState, StopReason, Timestamp};
use bindery_web::Config;

use crate::client::{Frame, output, send};
use crate::crew::numbered;
use crate::site::Site;

/// A site whose streams end with their visit, so that "exactly one" can be seen.
async fn brisk() -> Site {
    Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await
}

/// The one terminal event, which must be a failure.
fn failure(events: &[Frame]) -> &Frame {
    let terminal: Vec<_> = events.iter().filter(|event| event.is_terminal()).collect();
    assert_eq!(terminal.len(), 1, "{events:?}");
    let last = events.last().unwrap();
    assert_eq!(last.phase(), "failed");
    assert!(last.message().ends_with('\n') && last.message().trim().len() > 5, "{last:?}");
    for key in ["by", "code", "message"] {
        assert!(last.value()["fault"][key].is_string(), "{last:?} has no {key}");
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resolved_fails_once_with_a_status_of_its_own() {
    let site = brisk().await;
    let rows = [
        ("nope/owner/name/HEAD", 400, "No provider found for prefix nope\n", "bad-spec"),
        (
            "gh/org/repo",
            400,
            "Spec is not of the form \"user/repo/ref\", provided: \"org/repo\". Did you mean \"org/repo/HEAD\"?\n",
            "bad-spec",
        ),
        ("gh/owner/name/gone", 404, "there is no branch, tag or commit named \"gone\".\n", "ref-not-found"),
        ("gh/owner/unreachable/HEAD", 502, "the host does not answer.\n", "host-unreachable"),
    ];
    for (path, status, message, code) in rows {
        let events = site.watch(&format!("/build/{path}")).await.events_to_the_end().await;
        assert_eq!(events.len(), 1, "{path}: {events:?}");
        let failed = failure(&events);
        assert_eq!(failed.message(), message, "{path}");
        assert_eq!(failed.value()["status_code"], status, "{path}");
        assert_eq!(failed.value()["fault"]["code"], code, "{path}");
    }
    assert_eq!((site.builds().await, site.sessions().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_fail_as_events_and_start_nothing() {
    let site = brisk().await;
    let git =
        ["file%3A%2F%2F%2Fetc%2Fpasswd", "ext%3A%3Ash%20-c%20id", "--upload-pack%3Did", "https%3A%2F%2Fu%3Ap%40h%2Fa"];
    let mut paths: Vec<String> = git.iter().map(|address| format!("git/{address}/HEAD")).collect();
    for reference in ["-x", "a..b", "%00", "%ff%fe", "%E2%80%AEx", "a%0Ab", "refs%2F%2Fx", "x.lock"] {
        paths.push(format!("gh/owner/name/{reference}"));
    }
    paths.push(format!("gh/owner/name/{}", "a".repeat(5000)));
    for path in paths {
        let events = site.watch(&format!("/build/{path}")).await.events_to_the_end().await;
        assert_eq!(failure(&events).value()["fault"]["by"], "user", "{path}");
    }
    assert_eq!((site.builds().await, site.sessions().await), (0, 0));
    assert!(site.asked.0.lock().is_empty(), "nothing of this may reach a host");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_wanted_as_a_stream_is_refused_in_one() {
    let site = brisk().await;
    let mut answer = send(site.address, "GET", "/build/gh/owner/name/HEAD", &[("accept", "text/html")]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    let events = answer.events_to_the_end().await;
    let failed = failure(&events);
    assert_eq!(failed.message(), "Missing Accept header: text/event-stream\n");
    assert_eq!(failed.value()["status_code"], 400);
    assert_eq!((site.builds().await, site.sessions().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_is_told_once_with_place_and_log() {
    let site = brisk().await;
    let mut streams = [
        site.watch("/build/gh/owner/name/HEAD").await.begun().await,
        site.watch("/build/gh/owner/name/main").await.begun().await,
    ];
    let job = site.claim().await;
    job.lines(&numbered(2500)).await;
    let fault = Fault::user("build-step-failed", "the package index has no such package.")
        .at("requirements.txt", Some(3))
        .hint("Correct the name.");
    job.failed(fault).await;
    for stream in &mut streams {
        let events = stream.events_to_the_end().await;
        assert_eq!(output(&events), numbered(2500));
        let failed = failure(&events);
        let fault = &failed.value()["fault"];
        let cause = "requirements.txt:3: the package index has no such package. Correct the name.\n";
        let address = format!("The whole log: {}\n", fault["log_url"].as_str().unwrap());
        assert_eq!(failed.message(), format!("{cause}{address}"));
        assert_eq!((fault["by"].as_str(), fault["file"].as_str()), (Some("user"), Some("requirements.txt")));
        assert_eq!(fault["line"], 3);

        let log = site.path_of(fault["log_url"].as_str().unwrap());
        let answer = site.get(&log).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        let text = answer.text().await;
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("line ")).collect();
        assert_eq!(lines, numbered(2500));
        assert!(text.contains("requirements.txt:3: the package index has no such package."), "{text}");

        let record = site.get(log.strip_suffix("/log").unwrap()).await.json().await;
        assert_eq!((record["state"].as_str(), &record["fault"]["code"]), (Some("failed"), &fault["code"]));
    }
    assert_eq!((site.builds().await, site.sessions().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_is_tried_again_by_the_next_visit() {
    let site = brisk().await;
    let _launcher = site.launcher();
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    site.claim().await.failed(Fault::upstream("index-down", "the package index does not answer.")).await;
    failure(&stream.events().await);
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    job.lines(&numbered(2)).await;
    job.built().await;
    let events = stream.events().await;
    assert_eq!((events.last().unwrap().phase(), output(&events)), ("ready", numbered(2)));
    assert_eq!(site.builds().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_launch_is_told_once() {
    let site = brisk().await;
    let _builder = site.builder(numbered(1));
    let mut wanted = site.wanted().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let session = wanted.next().await;
    wanted.failed(&session, Fault::user("never-answered", "the server in the image never answered.")).await;
    let events = stream.events_to_the_end().await;
    let failed = failure(&events);
    assert_eq!(failed.message(), "the server in the image never answered.\n");
    assert!(failed.value()["fault"]["log_url"].is_null(), "it is the build that has a log");
    assert_eq!((site.builds().await, site.sessions().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_vanished_is_built_again_without_a_word_of_failure() {
    let site = brisk().await;
    let _builder = site.builder(numbered(2));
    let mut wanted = site.wanted().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let session = wanted.next().await;
    wanted.ready(&session).await;
    stream.events_to_the_end().await;

    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let session = wanted.next().await;
    wanted.failed(&session, Fault::us("image-missing", "the image is not in the engine.")).await;
    let session = wanted.next().await;
    wanted.ready(&session).await;
    let events = stream.events_to_the_end().await;
    assert!(events.iter().all(|event| event.phase() != "failed"), "{events:?}");
    assert_eq!((events.last().unwrap().phase(), output(&events)), ("ready", numbered(2)));
    assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    assert_eq!(site.builds().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_vanishes_twice_is_told() {
    let site = brisk().await;
    let _builder = site.builder(numbered(2));
    let mut wanted = site.wanted().await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    for _ in 0..2 {
        let session = wanted.next().await;
        wanted.failed(&session, Fault::us("image-missing", "the image is not in the engine.")).await;
    }
    let events = stream.events_to_the_end().await;
    assert_eq!(failure(&events).value()["fault"]["code"], "image-missing");
    assert_eq!((site.builds().await, site.sessions().await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_visitors_failure_is_not_anothers() {
    let site = brisk().await;
    let _builder = site.builder(numbered(3));
    let mut wanted = site.wanted().await;
    let mut good = site.watch("/build/gh/owner/name/HEAD").await;
    let first = wanted.next().await;
    for path in ["gh/owner/name/gone", "nope/x", "gh/owner/unreachable/HEAD"] {
        failure(&site.watch(&format!("/build/{path}")).await.events_to_the_end().await);
    }
    let mut bad = site.watch("/build/gh/owner/name/HEAD").await;
    let second = wanted.next().await;
    wanted.failed(&second, Fault::us("no-seat", "the engine refused.")).await;
    failure(&bad.events_to_the_end().await);
    wanted.ready(&first).await;
    assert_eq!(good.events_to_the_end().await.last().unwrap().phase(), "ready");
}

/// Session records that cannot be made durable.
struct FullDisk(Arc<dyn SessionStore>);

#[async_trait]
impl SessionStore for FullDisk {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        self.0.put(session).await?;
        Err(StoreError::Unavailable("no space left on device".to_owned()))
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.0.get(id).await
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        self.0.list().await
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        self.0.apply(id, event).await
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        self.0.touch(seen).await
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        self.0.remove(id).await
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        self.0.watch().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_recorded_is_told_and_ended() {
    let config = Config { linger_seconds: 0, ..Config::default() };
    let site = Site::over(config, Vec::new(), |sessions| Arc::new(FullDisk(sessions))).await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    site.claim().await.built().await;
    let events = stream.events_to_the_end().await;
    let failed = failure(&events);
    assert_eq!(failed.value()["fault"]["by"], "us", "{failed:?}");
    let states: Vec<_> = site.stores.sessions.list().await.unwrap().into_iter().map(|session| session.state).collect();
    assert_eq!(states, [SessionState::Stopped { reason: StopReason::LaunchFailed }]);
}
