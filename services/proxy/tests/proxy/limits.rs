//! Visitors and servers that are slow, silent or too many.

use bindery_proxy::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::site::{Site, bounded, empty};
use crate::upstream::{accept, mirror, read_head};

fn impatient() -> Config {
    Config {
        header_seconds: 1,
        body_seconds: 1,
        keep_alive_seconds: 1,
        first_byte_seconds: 1,
        drain_seconds: 0,
        ..Config::default()
    }
}

/// Whether the proxy hangs up, with or without an answer.
async fn hangs_up(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    bounded(stream.read_to_end(&mut answer)).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let site = Site::with(impatient()).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let trickling = async {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").await.unwrap();
        let mut answer = [0; 1];
        loop {
            tokio::select! {
                read = stream.read(&mut answer) => return read,
                () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
            }
            stream.write_all(b"x").await?;
        }
    };
    assert!(!matches!(bounded(trickling).await, Ok(1..)), "it was answered");
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let site = Site::with(impatient()).await;
    let id = site.session(mirror().await).await;
    for begin in [
        String::new(),
        "GET".into(),
        format!("POST /user/{id}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"),
        format!("POST /user/{id}/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"),
    ] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let answer = hangs_up(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{begin:?}: {answer}");
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed() {
    let site = Site::with(impatient()).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(hangs_up(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_session_that_never_answers_is_given_up() {
    let site = Site::with(impatient()).await;
    let upstream = accept(|mut stream| async move { while !read_head(&mut stream).await.is_empty() {} }).await;
    let id = site.session(upstream).await;
    let reply = site.get(&format!("/user/{id}/")).await;
    assert_eq!(reply.status, 504);
    let upload =
        site.request("PUT", &format!("/user/{id}/")).body(http_body_util::Full::new(bytes::Bytes::from_static(b"abc")));
    assert_eq!(site.send(upload.unwrap()).await.status, 504);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let site = Site::with(Config { max_header_bytes: 8192, ..Config::default() }).await;
    let id = site.session(mirror().await).await;
    for (size, expected) in [(4_000, 200), (9_000, 431), (100_000, 431)] {
        let request = site.request("GET", &format!("/user/{id}/")).header("cookie", "x".repeat(size));
        assert_eq!(site.send(request.body(empty()).unwrap()).await.status, expected, "{size}");
    }
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let site = Site::with(Config { max_connections_per_ip: 3, ..Config::default() }).await;
    site.until("earlier connections are closed", || async { site.stats.snapshot().open_connections == 0 }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        read_head(&mut stream).await;
        held.push(stream);
    }
    assert_eq!(site.raw("GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await, "");
    assert!(site.stats.snapshot().refused_connections >= 1);
    drop(held);
    site.until("there is room again", || async {
        site.raw("GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test]
async fn what_was_begun_is_finished_when_the_proxy_ends() {
    let site = Site::with(Config { drain_seconds: 60, ..Config::default() }).await;
    let (arrived, go) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let gates = (arrived.clone(), go.clone());
    let upstream = accept(move |mut stream| {
        let (arrived, go) = gates.clone();
        async move {
            read_head(&mut stream).await;
            arrived.notify_one();
            go.notified().await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await.ok();
        }
    })
    .await;
    let id = site.session(upstream).await;
    let request = site.request("GET", &format!("/user/{id}/")).body(empty()).unwrap();
    let ending = async {
        arrived.notified().await;
        site.end.cancel();
        site.until("no more connections are taken", || async { TcpStream::connect(site.address).await.is_err() }).await;
        go.notify_one();
    };
    let (reply, ()) = tokio::join!(site.send(request), ending);
    assert_eq!(reply.text(), "done");
    site.finish().await;
}

#[tokio::test]
async fn connections_to_sessions_that_are_gone_leave_nothing_behind() {
    let site = Site::start().await;
    let id = site.session(([127, 0, 0, 1], 9).into()).await;
    for number in 0..300 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let upgrade = if number % 2 == 0 { "Upgrade: websocket\r\nConnection: Upgrade\r\n" } else { "" };
        stream.write_all(format!("GET /user/{id}/ HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n").as_bytes()).await.unwrap();
    }
    site.until("every connection is gone", || async { site.stats.snapshot().open_connections == 0 }).await;
}
