//! An HTTP server on loopback that gives the answers a test put into it, and nothing else.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::listener::Listener;

/// Answers by path and query; everything else is 404.
#[derive(Debug)]
pub struct Answers {
    shared: Arc<Shared>,
    listener: Listener,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

#[derive(Debug, Clone)]
enum Answer {
    Body(Vec<u8>),
    To(String),
}

impl Answers {
    /// Starts on a free port of loopback, with no answer to anything.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serve(stream, &serving))?;
        Ok(Self { shared, listener })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// `127.0.0.1:<port>`, as an allow-list names it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// Answers `path` with a file.
    pub fn file(&self, path: &str, content: impl Into<Vec<u8>>) {
        locked(&self.shared.answers).insert(path.to_owned(), Answer::Body(content.into()));
    }

    /// Answers `path` with JSON.
    pub fn json(&self, path: &str, answer: &Value) {
        self.file(path, answer.to_string());
    }

    /// Sends whoever asks for `path` to `to`.
    pub fn redirect(&self, path: &str, to: &str) {
        locked(&self.shared.answers).insert(path.to_owned(), Answer::To(to.to_owned()));
    }

    /// What was asked so far, whole heads of requests.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        locked(&self.shared.asked).clone()
    }
}

/// What a test that failed while it held a lock left there is as good as before.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    // No question that is asked here has a body.
    while reader.read_line(&mut head)? > 2 {}
    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    locked(&shared.asked).push(head);
    let answer = locked(&shared.answers).get(&path).cloned();
    let (status, location, body) = match answer {
        Some(Answer::Body(body)) => ("200 OK", String::new(), body),
        Some(Answer::To(to)) => ("302 Found", format!("Location: {to}\r\n"), Vec::new()),
        None => ("404 Not Found", String::new(), b"{}".to_vec()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{location}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}
