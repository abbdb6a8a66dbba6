//! A plain HTTP client: it shows headers as they were sent, reads event streams frame by frame, and hangs up when told.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A bound on waits that must end; reaching it is a failure.
const BOUND: Duration = Duration::from_secs(90);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.expect("this should have happened long ago")
}

/// The head of an answer, and its body as it arrives. Dropping it hangs up.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    socket: TcpStream,
    /// Bytes read and not yet taken apart.
    raw: Vec<u8>,
    /// The body, taken out of its chunks.
    body: Vec<u8>,
    framing: Framing,
}

enum Framing {
    Chunked,
    Length(usize),
    Ended,
}

/// One server-sent event or comment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) id: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) comment: Option<String>,
    /// Names of fields other than `id` and `data`.
    pub(crate) others: Vec<String>,
}

/// Sends one request.
pub(crate) async fn send(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    send_from(TcpSocket::new_v4().unwrap(), address, method, target, headers).await
}

/// Sends one request over a socket of the caller's making.
pub(crate) async fn send_from(
    socket: TcpSocket,
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Answer {
    within(async {
        let mut socket = socket.connect(address).await.unwrap();
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = find(&raw, b"\r\n\r\n") {
                break at;
            }
            assert_ne!(socket.read_buf(&mut raw).await.unwrap(), 0, "hung up before the head: {target}");
        };
        let head = String::from_utf8(raw.drain(..end + 4).collect()).unwrap();
        let mut lines = head.lines();
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let framing = if value("transfer-encoding") == Some("chunked") {
            Framing::Chunked
        } else {
            Framing::Length(value("content-length").map_or(0, |length| length.parse().unwrap()))
        };
        // Neither has a body, whatever its headers say.
        let framing = if method == "HEAD" || status == 304 { Framing::Ended } else { framing };
        Answer { status, headers, socket, raw, body: Vec::new(), framing }
    })
    .await
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The rest of the body as text.
    pub(crate) async fn text(mut self) -> String {
        within(async { while self.more().await {} }).await;
        String::from_utf8(self.body).unwrap()
    }

    pub(crate) async fn json(self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Everything that still comes on the connection, for answers that must have no body.
    pub(crate) async fn leftover(mut self) -> Vec<u8> {
        within(self.socket.read_to_end(&mut self.raw)).await.unwrap();
        self.raw
    }

    /// The next frame; `None` once the stream has ended.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        within(async {
            loop {
                if let Some(at) = find(&self.body, b"\n\n") {
                    let text = String::from_utf8(self.body.drain(..at + 2).collect()).unwrap();
                    return Some(Frame::parse(&text));
                }
                if !self.more().await {
                    assert!(self.body.is_empty(), "the stream ended inside an event");
                    return None;
                }
            }
        })
        .await
    }

    /// Waits for the first event to arrive, and leaves it to be read: the visit has then joined its build.
    pub(crate) async fn begun(mut self) -> Self {
        within(async {
            while find(&self.body, b"data: ").is_none() {
                assert!(self.more().await, "the stream ended before its first event");
            }
        })
        .await;
        self
    }

    /// The next event, past comments and the like.
    pub(crate) async fn event(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.data.is_some() {
                return Some(frame);
            }
        }
    }

    /// Every event up to the terminal one, which must be there.
    pub(crate) async fn events(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        loop {
            let event = self.event().await.expect("a stream must not end before its terminal event");
            let ended = event.is_terminal();
            all.push(event);
            if ended {
                return all;
            }
        }
    }

    /// Every event until the stream ends by itself.
    pub(crate) async fn events_to_the_end(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Some(event) = self.event().await {
            all.push(event);
        }
        all
    }

    /// Reads a little more of the body; false once there is no more.
    async fn more(&mut self) -> bool {
        loop {
            match self.framing {
                Framing::Ended => return false,
                Framing::Length(0) => self.framing = Framing::Ended,
                Framing::Length(left) if !self.raw.is_empty() => {
                    let taken = left.min(self.raw.len());
                    self.body.extend(self.raw.drain(..taken));
                    self.framing = Framing::Length(left - taken);
                    return true;
                }
                Framing::Chunked => {
                    if let Some((head, size)) = chunk(&self.raw)
                        && self.raw.len() >= head + size + 2
                    {
                        self.raw.drain(..head);
                        self.body.extend(self.raw.drain(..size));
                        self.raw.drain(..2);
                        if size > 0 {
                            return true;
                        }
                        self.framing = Framing::Ended;
                        continue;
                    }
                    assert_ne!(self.socket.read_buf(&mut self.raw).await.unwrap(), 0, "cut off inside a chunk");
                }
                Framing::Length(_) => {
                    assert_ne!(self.socket.read_buf(&mut self.raw).await.unwrap(), 0, "cut off inside the body");
                }
            }
        }
    }
}

/// The length of a chunk's head, and its size.
fn chunk(raw: &[u8]) -> Option<(usize, usize)> {
    let end = find(raw, b"\r\n")?;
    let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
    Some((end + 2, size))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

impl Frame {
    fn parse(text: &str) -> Self {
        let mut frame = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.split_once(':').unwrap() {
                ("", comment) => frame.comment = Some(comment.to_owned()),
                ("id", id) => frame.id = Some(id.trim_start().to_owned()),
                ("data", data) => {
                    assert!(frame.data.is_none(), "an event is one line of data: {text}");
                    frame.data = Some(serde_json::from_str(data).unwrap());
                }
                (other, _) => frame.others.push(other.to_owned()),
            }
        }
        // Of every event of every test: BinderHub's clients are deaf to named ones, and show each one's line.
        assert!(!frame.others.iter().any(|name| name == "event"), "an event has a name of its own: {text}");
        if let Some(data) = &frame.data {
            assert!(data["message"].as_str().is_some_and(|line| line.ends_with('\n')), "an event has no line: {text}");
        }
        frame
    }

    pub(crate) fn value(&self) -> &Value {
        self.data.as_ref().unwrap()
    }

    pub(crate) fn phase(&self) -> &str {
        self.value()["phase"].as_str().unwrap()
    }

    pub(crate) fn message(&self) -> &str {
        self.value()["message"].as_str().unwrap()
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.phase(), "ready" | "failed")
    }
}

/// The lines a build's steps wrote, in the order they came.
pub(crate) fn output(events: &[Frame]) -> Vec<String> {
    let lines = events.iter().filter(|event| !event.value()["stream"].is_null());
    lines.map(|event| event.message().trim_end().to_owned()).collect()
}

/// The phases in order, each once in a row.
pub(crate) fn phases(events: &[Frame]) -> Vec<String> {
    let mut all: Vec<String> = events.iter().map(|event| event.phase().to_owned()).collect();
    all.dedup();
    all
}
