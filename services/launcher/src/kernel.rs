//! Whether a notebook server's default kernel computes: the questions JupyterLab asks when a person opens a notebook.

use std::net::SocketAddr;
use std::time::Duration;

use bindery_core::Secret;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::ready::{ANSWER_BYTES, read_at_most};

/// How long one question over HTTP may take. Starting a kernel is one.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to reach a kernel's channels: a server may be told of them before it is done with them.
const PAUSE: Duration = Duration::from_millis(200);
/// The most one message of a kernel may hold.
const MESSAGE_BYTES: usize = 1 << 20;
/// Computes in every language a kernel has been seen for.
const PROGRAM: &str = "1+1";

/// What came of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Computed {
    /// The kernel of this name computed.
    By(String),
    /// The server knows nothing of kernels: it is no Jupyter, and a repository may want it so.
    NotAsked,
    /// It did not; the kernel's name where one was chosen, and why.
    Failed { kernel: Option<String>, reason: String },
}

/// Starts the default kernel of the server at `upstream` and computes on it. Ends when the kernel answers; the caller sets the bound.
pub(crate) async fn compute(
    client: &reqwest::Client,
    upstream: SocketAddr,
    base_path: &str,
    token: &Secret,
) -> Computed {
    let server = Server { client, address: format!("{upstream}{base_path}"), token };
    let Some(specs) = server.ask(reqwest::Method::GET, "api/kernelspecs").await else { return Computed::NotAsked };
    let Some(known) = specs.get("kernelspecs").and_then(Value::as_object) else { return Computed::NotAsked };
    let default = specs.get("default").and_then(Value::as_str).filter(|name| known.contains_key(*name));
    let Some(name) = default.or_else(|| known.keys().next().map(String::as_str)).map(str::to_owned) else {
        return Computed::Failed { kernel: None, reason: "it has no kernel at all".to_owned() };
    };
    let failed = |reason: String| Computed::Failed { kernel: Some(name.clone()), reason };
    let started = server.start(&name).await;
    let Some(id) = started.as_ref().and_then(|kernel| kernel.get("id")).and_then(Value::as_str) else {
        return failed("its server could not start it".to_owned());
    };
    loop {
        match server.run(id).await {
            Ok(Ok(())) => return Computed::By(name),
            Ok(Err(reason)) => return failed(reason),
            Err(error) => {
                tracing::debug!(%error, "a kernel's channels are not there yet");
                sleep(PAUSE).await;
            }
        }
    }
}

struct Server<'a> {
    client: &'a reqwest::Client,
    address: String,
    token: &'a Secret,
}

impl Server<'_> {
    fn credential(&self) -> String {
        format!("token {}", self.token.expose())
    }

    /// What the server says, if it is JSON and no refusal.
    async fn ask(&self, method: reqwest::Method, path: &str) -> Option<Value> {
        self.send(self.client.request(method, format!("http://{}{path}", self.address))).await
    }

    async fn start(&self, kernel: &str) -> Option<Value> {
        let address = format!("http://{}api/kernels", self.address);
        let body = json!({ "name": kernel }).to_string();
        self.send(self.client.post(address).header("Content-Type", "application/json").body(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Option<Value> {
        let request = request.header("Authorization", self.credential()).timeout(ASK_LIMIT);
        let response = request.send().await.ok()?.error_for_status().ok()?;
        serde_json::from_slice(&read_at_most(response, 4 * ANSWER_BYTES).await?).ok()
    }

    /// Runs the program on a kernel: `Err` when its channels could not be used, else what the kernel said.
    async fn run(&self, kernel: &str) -> Result<Result<(), String>, WsError> {
        let address = format!("ws://{}api/kernels/{kernel}/channels", self.address);
        let mut request = address.into_client_request()?;
        if let Ok(credential) = self.credential().parse() {
            request.headers_mut().insert(AUTHORIZATION, credential);
        }
        let limits =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
        let connect = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
        let (mut channels, _) = timeout(ASK_LIMIT, connect).await.map_err(|_| WsError::ConnectionClosed)??;
        channels.send(Message::text(question())).await?;
        while let Some(message) = channels.next().await {
            let Message::Text(text) = message? else { continue };
            if let Some(answer) = serde_json::from_str(&text).ok().and_then(|message| answer(&message)) {
                // The server ends with its container; a close that is not answered is no matter.
                let _ = channels.close(None).await;
                return Ok(answer);
            }
        }
        Ok(Err("it ended before it answered".to_owned()))
    }
}

fn question() -> String {
    json!({
        "header": {
            "msg_id": "bindery-probe", "session": "bindery-probe", "username": "bindery", "date": "2000-01-01T00:00:00Z",
            "msg_type": "execute_request", "version": "5.3",
        },
        "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
        "content": {
            "code": PROGRAM, "silent": false, "store_history": false, "user_expressions": {},
            "allow_stdin": false, "stop_on_error": true,
        },
    })
    .to_string()
}

/// What a message says of the question: nothing, that it was computed, or why not.
fn answer(message: &Value) -> Option<Result<(), String>> {
    let text = |path: &str| message.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match text("/msg_type") {
        "status" if text("/content/execution_state") == "dead" => Some(Err("it died".to_owned())),
        "execute_reply" if text("/parent_header/msg_id") == "bindery-probe" => match text("/content/status") {
            "ok" => Some(Ok(())),
            _ => {
                let why: String = text("/content/evalue").chars().filter(|c| !c.is_control()).take(200).collect();
                Some(Err(format!("{PROGRAM} ended in {}: {why}", text("/content/ename"))))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::answer;
    use serde_json::json;

    #[test]
    fn only_the_reply_to_the_question_is_an_answer() {
        let reply = |id: &str, status: &str| json!({"msg_type": "execute_reply", "parent_header": {"msg_id": id}, "content": {"status": status, "ename": "E", "evalue": "x"}});
        assert_eq!(answer(&reply("bindery-probe", "ok")), Some(Ok(())));
        assert_eq!(answer(&reply("other", "ok")), None);
        assert!(answer(&reply("bindery-probe", "error")).unwrap().unwrap_err().contains("E: x"));
        let status = |state: &str| json!({"msg_type": "status", "content": {"execution_state": state}});
        assert_eq!(answer(&status("busy")), None);
        assert!(answer(&status("dead")).unwrap().is_err());
        assert_eq!(answer(&json!([1, "x"])), None);
    }
}
