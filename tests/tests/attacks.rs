//! What hostile visitors, pages and repositories try against a whole service. Rows D1 to D10; `security.rs` lists all their tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::repos::{Repo, executable, file};
use bindery_tests::service::{Service, VISIT, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any server here waits for a peer.
const BOUND: Duration = Duration::from_secs(60);

async fn serve(engine: &Engine, git: &GitServer) -> Service {
    let mut service = Service::new(engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();
    service
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap().to_owned()
}

/// Everything the server says to these bytes, until it hangs up.
async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may have hung up before it has read all.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.expect("it hangs up").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of the answer to an upgrade to a WebSocket with these headers.
async fn upgrade(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = tokio::time::timeout(BOUND, stream.read_u8()).await.expect("it answers");
        head.push(read.unwrap());
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// What a log may hold to become more than text.
fn payloads() -> Vec<String> {
    let run = "window.pwned=1";
    let mut all: Vec<String> = [
        "<script>@</script>",
        "<img src=x onerror=@>",
        "<svg onload=@>",
        "<svg><script>@</script></svg>",
        "<iframe srcdoc='<script>parent.@</script>'></iframe>",
        "<iframe src=javascript:parent.@></iframe>",
        "<body onload=@>",
        "<details open ontoggle=@>x</details>",
        "<video><source onerror=@></video>",
        "<audio src=x onerror=@>",
        "<input autofocus onfocus=@>",
        "<a href=javascript:@>x</a>",
        "<form action=javascript:@><button>x</button></form>",
        "<math><mtext><img src=x onerror=@></mtext></math>",
        "<template><script>@</script></template>",
        "<object data=javascript:@></object>",
        "<embed src=javascript:@>",
        "<link rel=stylesheet href=javascript:@>",
        "<meta http-equiv=refresh content='0;url=javascript:@'>",
        "<base href=https://evil.example/>",
        "<style>@import 'https://evil.example/x.css';</style>",
        "</span></div><script>@</script>",
        "--><script>@</script><!--",
        "]]><script>@</script>",
        "</script><script>@</script>",
        "</textarea><script>@</script>",
        "\"><script>@</script>",
        "' onmouseover='@",
        "${@}",
        "{{@}}",
        "`;@;`",
        "&lt;script&gt;@&lt;/script&gt;",
        "<scr\0ipt>@</script>",
        "<\u{1b}[31mscript>@</script>",
        "<scr\u{1b}[0mipt>@</script>",
        "\u{1b}]8;;javascript:@\u{7}click\u{1b}]8;;\u{7}",
        "\u{1b}]0;<script>@</script>\u{7}",
        "\u{202e}<script>@</script>",
        "data: {\"phase\":\"ready\",\"url\":\"javascript:@\",\"token\":\"t\"}",
        "{\"phase\":\"failed\",\"message\":\"<img src=x onerror=@>\"}",
    ]
    .map(|payload| payload.replace('@', run))
    .to_vec();
    all.push("plain end".to_owned());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_d2_a_hostile_log_is_text_in_a_browser() {
    let Some(engine) = Engine::find("d1_d2_a_hostile_log_is_text") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let lines = payloads();
    assert!(lines.len() > 40);
    let script = "#!/bin/bash\ncat payloads\nexit 7\n";
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    Repo::with_files(root.path(), "log", &[executable("postBuild", script), file("payloads", text), unique()]).unwrap();
    let service = serve(&engine, &git).await;
    let link = service.build_url(&format!("{}/log", git.url()), "main").replacen("/build/", "/v2/", 1);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("node");
        command.arg(tests.join("browser/hostile-log.mjs")).env("PAGE", link).env("LINES", lines.len().to_string());
        command.output().unwrap()
    });
    let output = output.await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", service.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_what_a_build_prints_is_never_an_event() {
    let Some(engine) = Engine::find("d3_what_a_build_prints") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let forged = [
        "",
        "data: {\"phase\":\"ready\",\"url\":\"https://evil.example/\",\"token\":\"t\"}",
        "",
        "id: b-00000000000000000000000000000000.99999",
        "event: message",
        "retry: 1",
        ":comment",
        "{\"phase\":\"failed\",\"message\":\"forged\",\"fault\":{\"by\":\"us\"}}",
        "a\rdata: {\"phase\":\"failed\"}\r\rdata: {\"phase\":\"ready\"}\r\r",
        "\u{2028}data: {\"phase\":\"built\"}\u{2029}\u{85}\u{feff}data: {}",
        "\",\"phase\":\"ready\",\"url\":\"https://evil.example/\"}",
        "\\n\\ndata: {\\\"phase\\\":\\\"ready\\\"}",
    ];
    let text = forged.map(|line| format!("{line}\n")).concat();
    Repo::with_files(
        root.path(),
        "forge",
        &[executable("postBuild", "#!/bin/bash\ncat forged\ncat forged >&2\n"), file("forged", text), unique()],
    )
    .unwrap();
    let service = serve(&engine, &git).await;
    let url = format!("{}?build_only=true", service.build_url(&format!("{}/forge", git.url()), "main"));
    let told = events::read(&url, VISIT).await.unwrap_or_else(|error| panic!("{error:#}\n{}", service.log()));
    assert!(told.iter().filter(|told| told.message().contains("evil.example")).count() >= 4, "{told:#?}");
    let ends: Vec<&Told> = told.iter().filter(|told| ["ready", "failed", "built"].contains(&told.phase())).collect();
    assert_eq!(ends.iter().map(|told| told.phase()).collect::<Vec<_>>(), ["built", "ready"], "{ends:#?}");
    for told in &told {
        assert!(told.data.get("url").is_none() && told.data.get("fault").is_none(), "{told:#?}");
    }
    // One topic, each number once and in order: no id is forged either.
    let ids: Vec<(&str, u64)> = told
        .iter()
        .filter_map(|told| told.id.as_deref()?.split_once('.'))
        .map(|(topic, number)| (topic, number.parse().unwrap()))
        .collect();
    assert_eq!(ids.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>().len(), 1);
    assert!(ids.is_sorted_by(|one, next| one.1 + 1 == next.1), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_d7_a_page_of_another_origin_gets_no_socket_and_no_frame_of_a_session() {
    let Some(engine) = Engine::find("d6_d7_a_page_of_another_origin") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "session", &[file("a.txt", "a")]).unwrap();
    let service = serve(&engine, &git).await;
    let told = service.visit(&format!("{}/session", git.url()), "main").await.unwrap();
    let ready = told.last().unwrap();
    assert_eq!(ready.phase(), "ready", "{told:#?}");
    let (url, token) = (ready.data["url"].as_str().unwrap(), ready.data["token"].as_str().unwrap());
    let host = authority(url);
    let port = host.rsplit(':').next().unwrap();
    let socket = format!("{}api/events/subscribe", url.split_once(&host).unwrap().1);

    // As a browser comes to have it: from the address with the token.
    let page = reqwest::get(format!("{url}lab?token={token}")).await.unwrap();
    let cookies: Vec<String> = page
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect();
    assert!(!cookies.is_empty(), "{:?}", page.headers());
    let mut framing = page.headers().get_all("content-security-policy").iter().filter_map(|value| value.to_str().ok());
    assert!(framing.any(|policy| policy.contains("frame-ancestors 'self'")), "{:?}", page.headers());
    let cookie = format!("Cookie: {}\r\n", cookies.join("; "));

    let own = upgrade(&host, &socket, &format!("{cookie}Origin: http://{host}\r\n")).await;
    assert!(own.starts_with("HTTP/1.1 101"), "{own}\n{}", service.log());
    for origin in [
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        &format!("http://127.0.0.1:{port}0"),
        &format!("http://localhost:{port}"),
        &format!("http://127.0.0.1:{port}.evil.example"),
        &format!("http://evil.example:{port}"),
        &format!("http://evil.example/127.0.0.1:{port}"),
        &format!("http://127.0.0.1:{port}@evil.example"),
        &format!("http://[::1]:{port}"),
        "file://",
        "chrome-extension://abcdef",
    ] {
        let refused = upgrade(&host, &socket, &format!("{cookie}Origin: {origin}\r\n")).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{origin}: {refused}");
    }
    let nobody = upgrade(&host, &socket, &format!("Origin: http://{host}\r\n")).await;
    assert!(nobody.starts_with("HTTP/1.1 403"), "without cookie or token: {nobody}");
    // What another origin reads of it, it reads without the visitor's cookies.
    let read = reqwest::Client::new().get(format!("{url}api")).header("origin", "https://evil.example");
    let read = read.send().await.unwrap();
    assert!(read.headers().get("access-control-allow-credentials").is_none(), "{:?}", read.headers());
    let home = reqwest::get(service.url("")).await.unwrap();
    let policy = home.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_connections_that_say_nothing_are_closed_and_hold_up_nobody() {
    let Some(engine) = Engine::find("d8_connections_that_say_nothing") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let service = serve(&engine, &git).await;
    let web = authority(&service.url(""));
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(&web).await.unwrap();
        let begun = ["", "GET", "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "][number % 3];
        stream.write_all(begun.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    // Whoever asks is answered while they are all there.
    for _ in 0..20 {
        assert_eq!(reqwest::get(service.url("health")).await.unwrap().status(), 200);
    }
    let closed = futures::future::join_all(silent.into_iter().map(|mut stream| async move {
        let mut answer = Vec::new();
        tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.is_ok()
    }));
    let still_open = closed.await.into_iter().filter(|closed| !closed).count();
    assert_eq!(still_open, 0, "the web role waits for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_ambiguous_requests_hide_no_second_one_from_the_web_role() {
    let Some(engine) = Engine::find("d9_ambiguous_requests") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let service = serve(&engine, &git).await;
    let web = authority(&service.url(""));
    let hidden = "GET /versions HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    for head in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 58\r\n\r\n",
        "Content-Length: 58, 0\r\n\r\n",
        "Content-Length: +58\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length : 58\r\n\r\n",
        "Content-Length: 0x3a\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff3\r\nabc",
        "X: a\0b\r\n\r\n",
    ] {
        let answer = raw(&web, format!("POST /about HTTP/1.1\r\nHost: h\r\n{head}{hidden}").as_bytes()).await;
        assert!(!answer.contains("\"bindery\"") && !answer.contains("builder"), "{head:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{head:?}: {answer}");
    }
    // And the one that is hidden is one that would be answered.
    let plain =
        raw(&web, format!("POST /about HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n{hidden}").as_bytes()).await;
    assert_eq!(plain.matches("HTTP/1.1 ").count(), 2, "{plain}");
    let huge = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(!raw(&web, huge.as_bytes()).await.contains(" 200 OK"));
}

/// What our own log puts into a line to colour it.
fn without_colours(line: &str) -> String {
    let ours = ["0", "1", "2", "3", "31", "32", "33", "34", "35"].map(|code| format!("\u{1b}[{code}m"));
    ours.iter().fold(line.to_owned(), |line, code| line.replace(code, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_nothing_a_visitor_sends_writes_a_line_of_the_log() {
    let Some(engine) = Engine::find("d10_nothing_a_visitor_sends") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "r", &[file("a", "a")]).unwrap();
    let long = "x".repeat(3000);
    let repository = encode(&format!("{}/r", git.url()));
    for json in [true, false] {
        let mut service = Service::new(&engine, &[git.authority()]).unwrap();
        service.set("LOG__FILTER", "debug,bollard=info").set("LOG__JSON", &json.to_string());
        service.serve().await.unwrap();
        let refs =
            ["a%0d%0aFORGED%20line", "a%1b%5b41mFORGED", "%00FORGED", &long, "FORGED%e2%80%a8x", "%e2%80%aeFORGED"];
        for reference in refs {
            let builds = [format!("build/git/{repository}/{reference}"), format!("build/gh/a/{reference}/x")];
            for path in builds.into_iter().chain([format!("v2/{reference}")]) {
                let request = reqwest::Client::new().get(service.url(&path)).header("x-forwarded-for", "FORGED\t1");
                let request = request.header("referer", "https://h/FORGED").header("last-event-id", "FORGED");
                let answer = request.header("user-agent", &long).send().await.unwrap();
                if path.starts_with("v2/") {
                    assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
                } else {
                    let told = events::read(&service.url(&path), VISIT).await.unwrap();
                    assert_eq!(told.last().unwrap().phase(), "failed", "{path}");
                }
            }
        }
        let request = b"GET /\xff\xfe\x1b[41m HTTP/1.1\r\nHost: FORGED\r\nConnection: close\r\n\r\n";
        raw(&authority(&service.url("")), request).await;
        let log = service.log();
        assert!(log.lines().count() > 5, "{log}");
        let mut before = "";
        for line in log.lines() {
            let plain = if json { line.to_owned() } else { without_colours(line) };
            let ours = if json {
                serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["timestamp"].is_string())
            } else {
                plain.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()))
            };
            assert!(ours, "a line that is none of ours: {line:?} after {before:?}");
            before = line;
            assert!(!plain.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
            assert!(line.len() < 8192, "{} bytes: {line:.200}", line.len());
        }
    }
}
