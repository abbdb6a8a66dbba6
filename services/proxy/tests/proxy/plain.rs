//! Plain requests: what arrives, what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bindery_core::SessionEvent;
use bindery_core::StopReason;
use bindery_proxy::Config;
use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::site::{Site, bounded, empty};
use crate::upstream::{accept, mirror, read_head, says};

#[tokio::test]
async fn every_method_and_its_body_arrive() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let path = format!("/user/{id}/api/x?a=b");
        let request = site.request(method, &path).body(Full::new(Bytes::from_static(b"12345"))).unwrap();
        let reply = site.send(request).await;
        assert_eq!(reply.status, 200, "{method}");
        assert!(reply.text().starts_with(&format!("{method} {path} HTTP/1.1\n")), "{}", reply.text());
        assert!(reply.text().ends_with("body of 5 bytes\n"), "{method}: {}", reply.text());
    }
}

#[tokio::test]
async fn paths_arrive_as_they_were_sent() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    for tail in [
        "lab/tree/a%20b%2Fc%2fd.ipynb",
        "@jupyterlab/%40jupyterlab",
        "%2e%2e/%2E./x",
        "../../etc/passwd",
        "a//b///c",
        "x;v=1,2?q=%3F&r=a+b&s=%C3%A9&t='()*!~",
        "a?b?c=d/../e",
        "%zz%",
        "[1]|{2}^?`^",
        "?token=abc",
        "",
    ] {
        for name in [id.to_string(), id.to_string().replace('-', "%2d")] {
            let answer = site
                .raw(format!("GET /user/{name}/{tail} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.address))
                .await;
            assert!(answer.contains(&format!("GET /user/{name}/{tail} HTTP/1.1\n")), "{tail}: {answer}");
        }
    }
}

#[tokio::test]
async fn host_origin_and_credentials_arrive_untouched() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    let answer = site
        .raw(format!(
            "GET /user/{id}/ HTTP/1.1\r\nHost: Some.Host:1234\r\nOrigin: https://Some.Host:1234\r\nCookie: a=b; c=\"d\"\r\n\
             Authorization: token t\r\nX-XSRFToken: x\r\nConnection: close\r\n\r\n"
        ))
        .await;
    for line in [
        "host: Some.Host:1234",
        "origin: https://Some.Host:1234",
        "cookie: a=b; c=\"d\"",
        "authorization: token t",
        "x-xsrftoken: x",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line}: {answer}");
    }
    assert!(answer.contains("\nx-forwarded-for: 127.0.0.1\n"), "{answer}");
    assert!(answer.contains("\nx-forwarded-host: Some.Host:1234\n"), "{answer}");
    assert!(answer.contains("\nx-forwarded-port: 1234\n"), "{answer}");
}

#[tokio::test]
async fn a_trusted_hop_is_believed() {
    let trusting = Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    for (config, expected) in [(trusting, "9.9.9.9, 127.0.0.1"), (Config::default(), "127.0.0.1")] {
        let site = Site::with(config).await;
        let id = site.session(mirror().await).await;
        let request = site.request("GET", &format!("/user/{id}/")).header("x-forwarded-for", "9.9.9.9");
        let reply = site.send(request.body(empty()).unwrap()).await;
        assert!(reply.text().contains(&format!("\nx-forwarded-for: {expected}\n")), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_session_answers_at_its_own_host_too() {
    let site = Site::with(Config { domain: Some("apps.test".into()), ..Config::default() }).await;
    let id = site.session(mirror().await).await;
    let ask = |host: String, path: &'static str| {
        site.raw(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    let answer = ask(format!("{id}.apps.test:8586"), "/any/path").await;
    assert!(answer.contains(&format!("\nhost: {id}.apps.test:8586\n")), "{answer}");
    assert!(answer.contains("GET /any/path HTTP/1.1\n"), "{answer}");
    assert!(ask("nobody.apps.test".into(), "/health").await.starts_with("HTTP/1.1 404"), "a malformed host");
    assert!(ask("apps.test".into(), "/health").await.starts_with("HTTP/1.1 200"), "the proxy itself");
}

#[tokio::test]
async fn redirects_are_passed_on_not_followed() {
    let site = Site::start().await;
    let id = site
        .session(says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n").await)
        .await;
    let reply = site.get(&format!("/user/{id}/")).await;
    assert_eq!((reply.status, reply.header("location")), (302, "http://127.0.0.1:1/x"));
}

#[tokio::test]
async fn the_missing_slash_is_added() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    let reply = site.get(&format!("/user/{id}?token=t")).await;
    assert_eq!((reply.status, reply.header("location")), (307, format!("/user/{id}/?token=t").as_str()));
}

#[tokio::test]
async fn responses_without_a_body_stay_without() {
    let site = Site::start().await;
    for (method, answer, expected) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "content-length: 1234"),
        ("GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", "x-a: b"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "etag: \"x\""),
    ] {
        let id = site.session(says(answer).await).await;
        let request = format!("{method} /user/{id}/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let reply = site.raw(request).await;
        assert!(reply.starts_with(&answer[..12]) && reply.contains(expected), "{reply}");
        assert!(reply.ends_with("\r\n\r\n") && !reply.contains("chunked"), "{reply}");
    }
}

#[tokio::test]
async fn an_old_response_without_a_length_comes_whole() {
    let site = Site::start().await;
    let id = site.session(says("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end").await).await;
    assert_eq!(site.get(&format!("/user/{id}/")).await.text(), "until the end");
    let old = site.raw(format!("GET /user/{id}/ HTTP/1.0\r\n\r\n")).await;
    assert!(old.ends_with("\r\n\r\nuntil the end"), "{old}");
}

#[tokio::test]
async fn trailers_come_through() {
    let site = Site::start().await;
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n";
    let id = site.session(says(answer).await).await;
    let request = site.request("GET", &format!("/user/{id}/")).header("te", "trailers");
    let reply = site.send(request.body(empty()).unwrap()).await;
    assert_eq!(reply.text(), "abc");
    assert_eq!(reply.trailers.unwrap().get("x-sum").unwrap(), "6");
}

#[tokio::test]
async fn whoever_asks_first_is_told_to_go_on() {
    let site = Site::start().await;
    let id = site.session(mirror().await).await;
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "PUT /user/{id}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(bounded(read_head(&mut stream)).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    let mut rest = String::new();
    bounded(stream.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && rest.contains("body of 3 bytes"), "{rest}");
}

#[tokio::test]
async fn connections_to_a_session_are_used_again() {
    let site = Site::start().await;
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let upstream = accept(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            while !read_head(&mut stream).await.is_empty() {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.ok();
            }
        }
    })
    .await;
    let id = site.session(upstream).await;
    for _ in 0..50 {
        assert_eq!(site.get(&format!("/user/{id}/")).await.text(), "hi");
    }
    assert!(opened.load(Ordering::SeqCst) < 10, "{} connections", opened.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_connection_the_session_closed_is_not_used_again() {
    let site = Site::start().await;
    // Ends each connection after one answer, without saying so.
    let id = site.session(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await).await;
    for _ in 0..50 {
        let reply = site.get(&format!("/user/{id}/")).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "hi"));
    }
}

#[tokio::test]
async fn a_session_that_moves_is_found_at_its_new_address() {
    let site = Site::start().await;
    let id = site.session(says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold").await).await;
    let upstream = says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew").await;
    site.apply(id, SessionEvent::Answering { upstream }).await;
    site.until("the new address answers", || async { site.get(&format!("/user/{id}/")).await.text() == "new" }).await;
}

#[tokio::test]
async fn what_people_do_is_told_to_the_store_and_what_tabs_do_is_not() {
    let site = Site::with(Config { activity_seconds: 1, drain_seconds: 0, ..Config::default() }).await;
    let upstream = mirror().await;
    let (used, polled) = (site.session(upstream).await, site.session(upstream).await);
    site.send(site.request("PUT", &format!("/user/{used}/api/contents/a")).body(empty()).unwrap()).await;
    site.get(&format!("/user/{polled}/api/kernels")).await;
    site.until("the use is told", || async { site.store.touched().contains(&used) }).await;
    let store = site.finish().await;
    assert_eq!(store.touched(), [used]);
}

#[tokio::test]
async fn the_last_use_is_told_when_the_proxy_ends() {
    let site = Site::with(Config { activity_seconds: 3600, drain_seconds: 0, ..Config::default() }).await;
    let id = site.session(mirror().await).await;
    site.send(site.request("POST", &format!("/user/{id}/api/kernels")).body(empty()).unwrap()).await;
    let store = site.finish().await;
    assert_eq!(store.touched(), [id]);
}

#[tokio::test]
async fn changes_to_other_sessions_do_not_disturb_a_stream() {
    let site = Site::start().await;
    let (release, gate) = tokio::sync::watch::channel(0_u32);
    let upstream = accept(move |mut stream| {
        let mut gate = gate.clone();
        async move {
            if !read_head(&mut stream).await.contains("/stream") {
                return;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await.ok();
            for line in 1..=100 {
                gate.wait_for(|allowed| *allowed >= line).await.ok();
                stream.write_all(b"x").await.ok();
            }
        }
    })
    .await;
    let id = site.session(upstream).await;
    let request = site.request("GET", &format!("/user/{id}/stream")).body(empty()).unwrap();
    let response = site.begin(request).await;
    for line in 1..=100 {
        let other = site.queued().await;
        site.apply(other, SessionEvent::Admitted).await;
        site.apply(other, SessionEvent::Answering { upstream: ([127, 0, 0, 1], 9).into() }).await;
        site.apply(other, SessionEvent::StopRequested { reason: StopReason::Idle }).await;
        if line == 50 {
            site.store.hang_up();
        }
        release.send(line).unwrap();
    }
    assert_eq!(crate::site::read(response).await.body.len(), 100);
}
