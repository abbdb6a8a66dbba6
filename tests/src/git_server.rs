//! A git server on loopback for tests: `git http-backend` behind a few lines of HTTP, counting what is asked of it. Files in
//! [`LARGE`] below its root are handed out by Git LFS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::listener::Listener;

/// The directory of large files, each named by its SHA-256.
pub const LARGE: &str = "large-files";

/// Serves every repository below a directory by the smart HTTP protocol, until dropped.
#[derive(Debug)]
pub struct GitServer {
    shared: Arc<Shared>,
    listener: Listener,
}

/// How the server differs from plain `git http-backend`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behaviour {
    /// Hands out only objects that a ref names, as git does where `uploadpack.allowReachableSHA1InWant` is off and the
    /// protocol is not HTTP, and as some other servers do over HTTP too.
    pub tips_only: bool,
    /// What must stand in `Authorization` for anything to be found; there is nothing for whoever shows nothing, or something else.
    pub login: Option<&'static str>,
}

/// What was asked for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Lists of refs.
    pub refs: usize,
    /// Packs.
    pub packs: usize,
    /// Large files, and questions about them.
    pub large: usize,
    /// Anything else.
    pub other: usize,
    /// Those of all that showed a credential.
    pub shown: usize,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    behaviour: Behaviour,
    refs: AtomicUsize,
    packs: AtomicUsize,
    large: AtomicUsize,
    other: AtomicUsize,
    shown: AtomicUsize,
}

impl GitServer {
    /// Serves the repositories below `root` on a free port of loopback.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start(root: &Path) -> io::Result<Self> {
        Self::start_with(root, Behaviour::default())
    }

    /// The same, with differences.
    ///
    /// # Errors
    /// As [`GitServer::start`].
    pub fn start_with(root: &Path, behaviour: Behaviour) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            behaviour,
            refs: AtomicUsize::new(0),
            packs: AtomicUsize::new(0),
            large: AtomicUsize::new(0),
            other: AtomicUsize::new(0),
            shown: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serve(stream, &serving))?;
        Ok(Self { shared, listener })
    }

    /// `http://127.0.0.1:<port>`; a repository's address is this, `/`, and its directory below the root.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// `127.0.0.1:<port>`, as an allow-list names it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// What was asked for so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests {
            refs: self.shared.refs.load(Ordering::SeqCst),
            packs: self.shared.packs.load(Ordering::SeqCst),
            large: self.shared.large.load(Ordering::SeqCst),
            other: self.shared.other.load(Ordering::SeqCst),
            shown: self.shared.shown.load(Ordering::SeqCst),
        }
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    content_type: String,
    content_encoding: String,
    host: String,
    authorization: String,
    body: Vec<u8>,
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = read_request(&mut BufReader::new(stream))?;
    if !request.authorization.is_empty() {
        shared.shown.fetch_add(1, Ordering::SeqCst);
    }
    if shared.behaviour.login.is_some_and(|login| request.authorization != login) {
        return Answer { status: "401 Unauthorized", body: Vec::new() }.send(stream);
    }
    if let Some(answer) = large_files(shared, &request) {
        shared.large.fetch_add(1, Ordering::SeqCst);
        return answer.send(stream);
    }
    let counter = match (request.method.as_str(), request.path.as_str()) {
        ("GET", path) if path.ends_with("/info/refs") && request.query.contains("service=git-upload-pack") => {
            &shared.refs
        }
        ("POST", path) if path.ends_with("/git-upload-pack") => &shared.packs,
        _ => &shared.other,
    };
    counter.fetch_add(1, Ordering::SeqCst);
    let mut stream = stream;
    if shared.behaviour.tips_only
        && request.method == "POST"
        && let Some(refused) = not_a_tip(shared, &request)
    {
        let message = format!("ERR upload-pack: not our ref {refused}");
        let packet = format!("{:04x}{message}", message.len() + 4);
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n{packet}",
            packet.len()
        );
    }
    let child = backend(shared, &request)?;
    relay(child, &request.body, &mut stream)
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: String::new(),
        content_encoding: String::new(),
        host: String::new(),
        authorization: String::new(),
        body: Vec::new(),
    };
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "content-type" => value.clone_into(&mut request.content_type),
            "content-encoding" => value.clone_into(&mut request.content_encoding),
            "host" => value.clone_into(&mut request.host),
            "authorization" => value.clone_into(&mut request.authorization),
            _ => {}
        }
    }
    if chunked {
        read_chunks(reader, &mut request.body)?;
    } else {
        reader.take(length).read_to_end(&mut request.body)?;
    }
    Ok(request)
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        reader.take(size).read_to_end(body)?;
        // The line end after the chunk.
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn backend(shared: &Shared, request: &Request) -> io::Result<Child> {
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", &request.content_type)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env_remove("GIT_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if !request.content_encoding.is_empty() {
        command.env("HTTP_CONTENT_ENCODING", &request.content_encoding);
    }
    command.spawn()
}

/// Turns the program's answer into an HTTP one, streaming.
fn relay(mut child: Child, body: &[u8], stream: &mut impl Write) -> io::Result<()> {
    if let Some(mut input) = child.stdin.take() {
        // It may answer without reading all of it.
        let _ = input.write_all(body);
    }
    let result = child.stdout.take().map_or_else(
        || Err(io::Error::other("git has no output")),
        |output| relay_output(&mut BufReader::new(output), stream),
    );
    if result.is_err() {
        let _ = child.kill();
    }
    child.wait()?;
    result
}

fn relay_output(output: &mut impl BufRead, stream: &mut impl Write) -> io::Result<()> {
    let (mut status, mut headers) = ("200 OK".to_owned(), String::new());
    loop {
        let mut line = String::new();
        if output.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        match line.strip_prefix("Status:") {
            Some(given) => given.trim().clone_into(&mut status),
            None => headers.push_str(&format!("{}\r\n", line.trim_end())),
        }
    }
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n")?;
    io::copy(output, stream)?;
    stream.flush()
}

struct Answer {
    status: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn send(&self, mut stream: &TcpStream) -> io::Result<()> {
        let length = self.body.len();
        write!(stream, "HTTP/1.1 {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n", self.status)?;
        stream.write_all(&self.body)
    }
}

/// The basic transfer of Git LFS: where files are, and each of them to whoever shows the header it was given with.
fn large_files(shared: &Shared, request: &Request) -> Option<Answer> {
    if let Some(name) = request.path.strip_prefix(&format!("/{LARGE}/")) {
        let admitted = request.authorization == "test";
        let content = std::fs::read(shared.root.join(LARGE).join(name)).ok().filter(|_| admitted);
        return Some(match content {
            Some(body) => Answer { status: "200 OK", body },
            None => Answer { status: "404 Not Found", body: Vec::new() },
        });
    }
    request.path.strip_suffix("/info/lfs/objects/batch")?;
    let question = String::from_utf8_lossy(&request.body).into_owned();
    let objects: Vec<String> = question
        .split("\"oid\":\"")
        .skip(1)
        .filter_map(|rest| rest.get(..64))
        .map(|oid| {
            if shared.root.join(LARGE).join(oid).is_file() {
                let href = format!("http://{}/{LARGE}/{oid}", request.host);
                format!(
                    r#"{{"oid":"{oid}","size":1,"actions":{{"download":{{"href":"{href}","header":{{"Authorization":"test"}}}}}}}}"#
                )
            } else {
                format!(r#"{{"oid":"{oid}","size":1,"error":{{"code":404,"message":"not here"}}}}"#)
            }
        })
        .collect();
    Some(Answer { status: "200 OK", body: format!(r#"{{"objects":[{}]}}"#, objects.join(",")).into_bytes() })
}

/// The first object asked for that no ref names.
fn not_a_tip(shared: &Shared, request: &Request) -> Option<String> {
    let repository = request.path.trim_start_matches('/').trim_end_matches("/git-upload-pack");
    let tips = Command::new("git")
        .arg("-C")
        .arg(shared.root.join(repository))
        .args(["for-each-ref", "--format=%(objectname)"])
        .output()
        .ok()?;
    let tips = String::from_utf8_lossy(&tips.stdout).into_owned();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let wants = body.split("want ").skip(1).filter_map(|rest| rest.get(..40));
    wants.map(str::to_owned).find(|want| !tips.lines().any(|tip| tip == want))
}
