//! What must not pass: ambiguous requests in, headers beyond the path out.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::site::Site;
use crate::upstream::{accept, says};

/// Requests that two parsers could read differently. `ID` stands for the session.
const SMUGGLING: &[&str] = &[
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nXX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n 2\r\n\r\nX",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nContent_Length: 1\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "POST /user/ID/ HTTP/1.1\r\nHost: h\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /user/ID/ HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\nHost: h\n\n",
    "GET /user/ID/ HTTP/1.1\r\nHost: h\r\nX: 1\nContent-Length: 5\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
    "GET http://other/user/ID/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /user/ID/ HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nabc",
];

/// Bodies whose chunks two parsers could read differently.
const CHUNKS: &[&str] = &[
    "3\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "-1\r\n\r\n",
    "3 ;\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "ffffffffffffffff3\r\nabc",
    "3\r\nabc\r\n0\r\nX: 1\n\r\n",
];

/// A server that keeps every byte it gets and answers each head it sees.
async fn recorder() -> (std::net::SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&bytes);
    let address = accept(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                record.lock().extend_from_slice(&buffer[..read]);
                if buffer[..read].windows(4).any(|four| four == b"\r\n\r\n") {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.ok();
                }
            }
        }
    })
    .await;
    (address, bytes)
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_reach_no_session() {
    let site = Site::start().await;
    let (upstream, seen) = recorder().await;
    let id = site.session(upstream).await;
    seen.lock().clear();
    for request in SMUGGLING {
        let answer = site.raw(request.replace("ID", &id.to_string())).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer:?}");
    }
    assert_eq!(String::from_utf8_lossy(&seen.lock()), "");
}

#[tokio::test]
async fn an_ambiguous_body_is_never_followed_by_another_request() {
    let site = Site::start().await;
    let (upstream, seen) = recorder().await;
    let id = site.session(upstream).await;
    for body in CHUNKS {
        let head = format!("POST /user/{id}/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        site.raw(format!("{head}{body}GET /user/{id}/smuggled HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    }
    let seen = String::from_utf8_lossy(&seen.lock()).into_owned();
    assert!(seen.contains("POST ") && !seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_one_by_one() {
    let site = Site::start().await;
    let id = site.session(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await).await;
    let post = format!("POST /user/{id}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    let chunked =
        format!("POST /user/{id}/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let last = format!("GET /user/{id}/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = site.raw([post.clone(), chunked, post, last].concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "{answer}");
}

#[tokio::test]
async fn a_session_cannot_reach_beyond_its_path() {
    let site = Site::start().await;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nService-Worker-Allowed: /\r\nClear-Site-Data: \"*\"\r\n\
        Strict-Transport-Security: max-age=9\r\nNEL: {}\r\nReport-To: {}\r\nSet-Cookie: a=b; Domain=x; Path=/\r\n\
        Set-Cookie: __Host-s=1; Secure; Path=/\r\nSet-Cookie: _xsrf=2; Path=/user/ID/; HttpOnly\r\nX-Kept: yes\r\n\r\n";
    let id = site.session(says(answer).await).await;
    let reply = site.get(&format!("/user/{id}/")).await;
    for gone in ["service-worker-allowed", "clear-site-data", "strict-transport-security", "nel", "report-to"] {
        assert!(!reply.headers.contains_key(gone), "{gone}");
    }
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies, [format!("a=b; Path=/user/{id}/"), format!("_xsrf=2; HttpOnly; Path=/user/{id}/")]);
    assert_eq!(reply.header("x-kept"), "yes");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "same-origin");
}
