//! Servers that do not behave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

type Answer = dyn Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// Answers each request as it likes; counts connections.
pub struct Hostile {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Hostile {
    /// `answer` gets the request line, e.g. `GET /a HTTP/1.1`, after it what it was shown as authorization, if anything, and the
    /// stream.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let answer: Arc<Answer> = Arc::new(answer);
        let (counted, stop) = (Arc::clone(&connections), Arc::clone(&stopping));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let request = read_request(&stream).unwrap_or_default();
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        Self { address, connections, stopping }
    }

    /// Accepts and answers nothing but 404; for counting who came.
    pub fn listener() -> Self {
        Self::start(|_, stream| {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        })
    }

    /// Redirects everything to what `location` says, given the path and query.
    pub fn redirecting(location: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |request, stream| {
            let path = request.split_whitespace().nth(1).unwrap_or_default();
            let to = location(path);
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// The request line and what is shown as authorization; the rest of the header and the body are passed over.
fn read_request(stream: &TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut shown) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            shown = format!(" {}", value.trim());
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    Ok(first.trim_end().to_owned() + &shown)
}

/// An advertisement over HTTP of one branch `main` at `id`, with its header.
pub fn advertisement(id: &str) -> Vec<u8> {
    let lines = [
        "# service=git-upload-pack\n".to_owned(),
        String::new(),
        format!("{id} HEAD\0symref=HEAD:refs/heads/main\n"),
        format!("{id} refs/heads/main\n"),
        String::new(),
    ];
    let body: String = lines
        .iter()
        .map(|l| if l.is_empty() { "0000".to_owned() } else { format!("{:04x}{l}", l.len() + 4) })
        .collect();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body.bytes());
    answer
}

/// The header of an answer that carries a pack.
pub const PACK_HEADER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\nConnection: close\r\n\r\n";

/// `data` as packets of the side band.
pub fn side_band(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(60_000) {
        out.extend(format!("{:04x}\u{1}", chunk.len() + 5).bytes());
        out.extend(chunk);
    }
    out
}

/// A whole answer to a request for objects: the pack and nothing else.
pub fn pack_answer(pack: &[u8]) -> Vec<u8> {
    let mut answer = PACK_HEADER.to_vec();
    answer.extend(b"0008NAK\n");
    answer.extend(side_band(pack));
    answer.extend(b"0000");
    answer
}

/// A server whose `main` is `commit`, and whose answer to any request for objects is `pack`.
pub fn serving_pack(commit: &str, pack: Vec<u8>) -> Hostile {
    let (refs, pack) = (advertisement(commit), pack_answer(&pack));
    Hostile::start(move |request, stream| stream.write_all(if request.starts_with("GET") { &refs } else { &pack }))
}
