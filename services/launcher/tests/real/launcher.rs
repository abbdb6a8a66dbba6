//! The whole role.

use std::time::Duration;

use bindery_core::seams::{SessionBackend as _, SessionStore as _};
use bindery_core::{Phase, Session, SessionState, StopReason};
use bindery_launcher::{Config, request_stop};
use bollard::models::ContainerConfig;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use futures::SinkExt as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::house::{Running, queued, visit, visit_with};

async fn ready(running: &Running, session: &Session) -> Session {
    running.store.put(session).await.unwrap();
    let told = running.store.ended(session.request.id).await;
    let last = told.last().unwrap();
    assert_eq!(last.phase, Phase::Ready, "{told:#?}");
    running.store.get(session.id).await.unwrap().unwrap()
}

async fn stop(running: &Running, session: &Session) {
    request_stop(running.store.as_ref(), session.id).await.unwrap();
    running.store.until_state(session.id, "stopped").await;
}

#[tokio::test]
async fn jupyter_answers_under_its_address_to_its_token_only() {
    visit(|house| async move {
        let running = Running::start(&house).await;
        let session = ready(&running, &queued(&house.base)).await;
        assert_eq!(running.get(&session, "api").await, 200);
        assert_eq!(running.get(&session, "api/status").await, 200);
        assert_eq!(running.get(&session, "lab").await, 200);
        let mut stranger = session.clone();
        stranger.token = bindery_core::Secret::new("guess");
        assert_eq!(running.get(&stranger, "api/status").await, 403);
        let lines = house.backend().last_lines(session.id, 1000).await.unwrap();
        assert!(!lines.join("\n").contains(session.token.expose()), "the token is not in the log");
        stop(&running, &session).await;
    })
    .await;
}

#[tokio::test]
async fn each_way_to_fail_is_told_once_and_leaves_nothing() {
    let small = |config| Config { ready_seconds: 5, memory_bytes: 64 << 20, ..config };
    visit_with(small, |house| async move {
        let eat = "x = []\nwhile True: x.append(bytearray(1 << 20))";
        let no_server = "echo 'looking for a server' >&2; PATH=/usr/bin:/bin exec \"$@\"";
        let stranger = ContainerConfig { user: Some("nobody-here".to_owned()), ..ContainerConfig::default() };
        let cases = [
            (
                house.image(&["sh", "-c", "echo 'bad start script' >&2; exit 1"]).await,
                "server-exited",
                "bad start script",
            ),
            (house.image(&["sh", "-c", no_server, "sh"]).await, "server-missing", "jupyter-notebook"),
            (house.image(&["python3", "-c", eat]).await, "session-out-of-memory", ""),
            (house.image(&["sh", "-c", "echo waiting; sleep 3600"]).await, "server-silent", "waiting"),
            (house.image(&["/no/such/program"]).await, "server-missing", "/no/such/program"),
            (house.variant(stranger).await, "image-unrunnable", ""),
        ];
        let running = Running::start(&house).await;
        for (image, code, line) in cases {
            let session = queued(&image);
            running.store.put(&session).await.unwrap();
            let told = running.store.ended(session.request.id).await;
            assert_eq!(house.containers().await, Vec::<String>::new(), "{code}: nothing is left when it is told");
            assert_eq!(told.last().unwrap().fault.as_ref().unwrap().code, code, "{told:#?}");
            let text: String = told.iter().map(|body| body.message.as_str()).collect();
            assert!(text.contains(line), "{code}: {text}");
            let ended = running.store.until_state(session.id, "stopped").await;
            assert_eq!(ended.state, SessionState::Stopped { reason: StopReason::LaunchFailed });
        }
    })
    .await;
}

/// Starts a kernel in the session and has it compute for ever.
async fn keep_busy(running: &Running, session: &Session) {
    let address = format!("{}user/{}/api/kernels", running.proxy, session.id);
    let authorization = format!("token {}", session.token.expose());
    let request = running.client.post(address).header("Authorization", &authorization).body("{}");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    let kernel: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let proxy = running.proxy.as_str().replacen("http", "ws", 1);
    let address = format!("{proxy}user/{}/api/kernels/{}/channels", session.id, kernel["id"].as_str().unwrap());
    let mut request = address.into_client_request().unwrap();
    request.headers_mut().insert("Authorization", authorization.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let message = serde_json::json!({
        "channel": "shell", "parent_header": {}, "metadata": {}, "buffers": [],
        "header": {"msg_id": "1", "session": "1", "username": "", "msg_type": "execute_request", "version": "5.3", "date": ""},
        "content": {"code": "while True: pass", "silent": false, "store_history": true, "user_expressions": {},
                    "allow_stdin": false, "stop_on_error": true},
    });
    socket.send(message.to_string().into()).await.unwrap();
    // The person goes; the computation stays.
    let busy = async {
        loop {
            let address = format!("{}user/{}/api/kernels?no_track_activity=1", running.proxy, session.id);
            let request = running.client.get(address).header("Authorization", &authorization);
            let text = request.send().await.unwrap().text().await.unwrap();
            if text.contains("\"busy\"") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), busy).await.unwrap();
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn an_idle_jupyter_ends_though_it_is_watched_and_a_silent_computation_does_not() {
    visit_with(
        |config| Config { idle_seconds: 8, poll_seconds: 1, ..config },
        |house| async move {
            let running = Running::start(&house).await;
            let busy = ready(&running, &queued(&house.base)).await;
            keep_busy(&running, &busy).await;
            let idle = ready(&running, &queued(&house.base)).await;
            let ended = running.store.until_state(idle.id, "stopped").await;
            assert_eq!(ended.state, SessionState::Stopped { reason: StopReason::Idle });
            assert_eq!(running.store.get(busy.id).await.unwrap().unwrap().state.name(), "ready");
            stop(&running, &busy).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_session_removed_or_killed_by_hand_is_noticed() {
    visit(|house| async move {
        let running = Running::start(&house).await;
        let (removed, killed) =
            (ready(&running, &queued(&house.base)).await, ready(&running, &queued(&house.base)).await);
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        house.docker.remove_container(&format!("bindery-{}", removed.id), Some(options)).await.unwrap();
        let ended = running.store.until_state(removed.id, "stopped").await;
        assert!(matches!(ended.state, SessionState::Stopped { reason: StopReason::Lost | StopReason::Exited { .. } }));
        house.docker.kill_container(&format!("bindery-{}", killed.id), None).await.unwrap();
        let ended = running.store.until_state(killed.id, "stopped").await;
        let reason = StopReason::Exited { code: 137, out_of_memory: false };
        assert_eq!(ended.state, SessionState::Stopped { reason });
    })
    .await;
}

#[tokio::test]
async fn after_a_crash_the_next_launcher_goes_on_with_everything() {
    visit(|house| async move {
        let running = Running::start(&house).await;
        let open = ready(&running, &queued(&house.base)).await;
        let lost = ready(&running, &queued(&house.base)).await;
        let starting = queued(&house.base);
        running.store.put(&starting).await.unwrap();
        running.store.until_state(starting.id, "starting").await;
        let (store, proxy) = running.crash();
        store.lose(lost.id);
        let running = Running::start_with(&house, store, proxy);
        assert_eq!(running.get(&open, "api/status").await, 200);
        let told = running.store.ended(starting.request.id).await;
        assert_eq!(told.last().unwrap().phase, Phase::Ready);
        let back = running.store.until_state(lost.id, "ready").await;
        assert_eq!(back.token, lost.token);
        assert_eq!(running.get(&back, "api/status").await, 200);
        assert_eq!(house.containers().await.len(), 3, "none doubled");
        let of_open = running.store.states().into_iter().filter(|(id, _)| *id == open.id).map(|(_, state)| state);
        assert_eq!(of_open.collect::<Vec<_>>(), ["queued", "starting", "starting", "ready"], "it never left");
        for session in [&open, &starting, &back] {
            stop(&running, session).await;
        }
    })
    .await;
}
