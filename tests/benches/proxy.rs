//! What the proxy costs: requests a second, time and processor time per request, memory per idle WebSocket.
//!
//! `cargo bench -p bindery-proxy --bench proxy`. The server behind, the proxy and the load are separate processes on loopback, so
//! the figures are for comparing one run's rows with each other. Another proxy can be put beside it: start it so that it
//! sends everything to 127.0.0.1:18701, and name it: `... --bench proxy -- --beside NAME=PORT`.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bindery_core::seams::{SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{
    ImageRef, LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionEvent, SessionId, SessionState, Timestamp,
};
use bindery_proxy::{Config, Proxy};
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const UPSTREAM: u16 = 18701;
const PROXY: u16 = 18702;
/// How many sessions the proxy knows. The load goes to one of them.
const ROUTES: usize = 10_000;
const SESSION: &str = "s-00000000000040008000000000000001";
const LOAD: Duration = Duration::from_secs(5);
const IDLE_SOCKETS: u32 = 1000;
const ECHOES: usize = 5000;
const LARGE: usize = 1 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.first().map(String::as_str) {
        Some("upstream") => runtime.block_on(upstream()),
        Some("proxy") => runtime.block_on(proxy()),
        _ => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &[String]) -> Result<()> {
    let _upstream = Part::start("upstream", UPSTREAM).await?;
    let proxy = Part::start("proxy", PROXY).await?;
    let before = proxy.memory()?;
    let mut sockets = Vec::new();
    for _ in 0..IDLE_SOCKETS {
        let mut socket = websocket(PROXY).await?;
        echo(&mut socket).await?;
        sockets.push(socket);
    }
    let each = (proxy.memory()?.saturating_sub(before)) as f64 / f64::from(IDLE_SOCKETS);
    drop(sockets);
    println!("proxy      {each:.1} KiB per idle WebSocket, {before} KiB before the first");
    let beside = arguments.iter().position(|argument| argument == "--beside").and_then(|at| arguments.get(at + 1));
    let mut rows = vec![("direct", UPSTREAM), ("proxy", PROXY)];
    if let Some((name, port)) = beside.and_then(|beside| beside.split_once('=')) {
        rows.push((name, port.parse()?));
    }
    println!(
        "{:<10} {:>6} {:>6} {:>10} {:>10} {:>10} {:>12}",
        "", "", "conns", "req/s", "p50 us", "p99 us", "cpu us/req"
    );
    for (path, connections) in [("small", 1), ("small", 32), ("large", 8)] {
        for (name, port) in &rows {
            let before = proxy.cpu()?;
            let mut times = load(*port, path, connections).await?;
            let cpu = (proxy.cpu()? - before).as_micros() / times.len() as u128;
            let cpu = if *name == "proxy" { cpu.to_string() } else { "-".into() };
            let rate = times.len() as f64 / LOAD.as_secs_f64();
            let (p50, p99) = percentiles(&mut times);
            println!("{name:<10} {path:>6} {connections:>6} {rate:>10.0} {p50:>10} {p99:>10} {cpu:>12}");
        }
    }
    for (name, port) in &rows {
        let mut times = echoes(*port).await?;
        let (p50, p99) = percentiles(&mut times);
        println!("{name:<10} WebSocket echo: p50 {p50} us, p99 {p99} us");
    }
    Ok(())
}

fn percentiles(times: &mut [Duration]) -> (u128, u128) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_micros);
    (at(50), at(99))
}

/// A process of this bench, ended with it.
struct Part(Child);

impl Part {
    async fn start(role: &str, port: u16) -> Result<Self> {
        let part = Self(Command::new(std::env::current_exe()?).arg(role).spawn()?);
        for _ in 0..200 {
            if get(port, "small").await.is_ok() {
                return Ok(part);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{role} did not start; is port {port} taken?")
    }

    fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let after_name = stat.rsplit_once(") ").context("stat")?.1;
        let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory in KiB.
    fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The time of each request that `connections` made one after the other for a while.
async fn load(port: u16, path: &'static str, connections: usize) -> Result<Vec<Duration>> {
    let until = Instant::now() + LOAD;
    let visitors = (0..connections).map(|_| {
        tokio::spawn(async move {
            let mut stream = connect(port).await?;
            let (mut times, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
            while Instant::now() < until {
                let begun = Instant::now();
                ask(&mut stream, path, &mut buffer).await?;
                times.push(begun.elapsed());
            }
            anyhow::Ok(times)
        })
    });
    let mut all = Vec::new();
    for visitor in futures::future::join_all(visitors).await {
        all.extend(visitor??);
    }
    Ok(all)
}

async fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn get(port: u16, path: &str) -> Result<()> {
    ask(&mut connect(port).await?, path, &mut vec![0; 64 * 1024]).await
}

async fn ask(stream: &mut TcpStream, path: &str, buffer: &mut [u8]) -> Result<()> {
    let request = format!(
        "GET /user/{SESSION}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Language: en\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nCookie: _xsrf=2|aaaaaaaa|bbbbbbbbbbbbbbbb|1700000000\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let (head, mut have) = read_head(stream, buffer).await?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{head}");
    }
    let length = if path == "large" { LARGE } else { SMALL.len() };
    while have < length {
        match stream.read(buffer).await? {
            0 => bail!("the answer broke off"),
            read => have += read,
        }
    }
    Ok(())
}

/// Reads to the end of a head; the head, and how many bytes came after it.
async fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(String, usize)> {
    let mut head = Vec::new();
    loop {
        let read = stream.read(buffer).await?;
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 {
            bail!("the connection ended");
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let after = head.len() - end - 4;
            head.truncate(end);
            return Ok((String::from_utf8_lossy(&head).into_owned(), after));
        }
    }
}

async fn websocket(port: u16) -> Result<TcpStream> {
    let mut stream = connect(port).await?;
    let request = format!(
        "GET /user/{SESSION}/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let (head, _) = read_head(&mut stream, &mut [0; 1024]).await?;
    if !head.starts_with("HTTP/1.1 101") {
        bail!("{head}");
    }
    Ok(stream)
}

async fn echo(socket: &mut TcpStream) -> Result<()> {
    let frame = b"\x81\x85\0\0\0\0hello";
    socket.write_all(frame).await?;
    socket.read_exact(&mut [0; 11]).await?;
    Ok(())
}

async fn echoes(port: u16) -> Result<Vec<Duration>> {
    let mut socket = websocket(port).await?;
    let mut times = Vec::new();
    for _ in 0..ECHOES {
        let begun = Instant::now();
        echo(&mut socket).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

const SMALL: &str = r#"{"version": "2.21.1"}"#;

/// A server that does as little as can be done.
async fn upstream() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", UPSTREAM)).await?;
    let answer = |body: &[u8]| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        Arc::new([head.as_bytes(), body].concat())
    };
    let (small, large) = (answer(SMALL.as_bytes()), answer(&vec![b'x'; LARGE]));
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (small, large) = (Arc::clone(&small), Arc::clone(&large));
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((head, _)) = read_head(&mut stream, &mut buffer).await {
                if head.contains("websocket") {
                    stream
                        .write_all(
                            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                        )
                        .await?;
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await?;
                    break;
                }
                stream.write_all(if head.contains("/large") { &large } else { &small }).await?;
            }
            anyhow::Ok(())
        });
    }
}

async fn proxy() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", PROXY)).await?;
    let mut sessions = vec![session(SESSION.parse()?)?];
    for _ in 1..ROUTES {
        sessions.push(session(SessionId::new())?);
    }
    let proxy = Proxy::new(Config::default(), Arc::new(Fixed(sessions)));
    Ok(proxy.run(listener, CancellationToken::new()).await?)
}

fn session(id: SessionId) -> Result<Session> {
    let source = LaunchSource {
        repo_url: String::new(),
        identity: String::new(),
        ref_url: String::new(),
        request: "v2/gh/owner/name/HEAD".into(),
        persistent_request: String::new(),
        launch_host: String::new(),
        client_ip: String::new(),
    };
    let image = ImageRef { name: "bindery/x:1".parse()?, id: "sha256:0".into(), registry_digest: None };
    let request = LaunchRequest { id: LaunchId::new(), image, source };
    let mut session = Session::queued(id, request, Secret::new("token"), Timestamp::now());
    session.state = SessionState::Ready { upstream: ([127, 0, 0, 1], UPSTREAM).into() };
    Ok(session)
}

/// Sessions that never change.
struct Fixed(Vec<Session>);

#[async_trait]
impl SessionStore for Fixed {
    async fn put(&self, _: &Session) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.0.iter().find(|session| session.id == id).cloned())
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        Ok(self.0.clone())
    }

    async fn apply(&self, _: SessionId, _: SessionEvent) -> Result<Session, StoreError> {
        Err(StoreError::NotFound)
    }

    async fn touch(&self, _: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn remove(&self, _: SessionId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let told: Vec<_> = self.0.iter().cloned().map(|session| SessionChange::Put(Arc::new(session))).collect();
        let current = [SessionChange::Current];
        Ok(futures::stream::iter(told.into_iter().chain(current)).chain(futures::stream::pending()).boxed())
    }
}
