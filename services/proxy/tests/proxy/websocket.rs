//! WebSockets: spliced as they are, closed when they must be.

use std::net::SocketAddr;
use std::sync::Arc;

use bindery_core::StopReason;
use bindery_core::seams::SessionStore as _;
use bindery_proxy::Config;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async, connect_async};

use crate::site::{Site, bounded, empty};
use crate::upstream::{accept, read_head, says};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PROTOCOL: &str = "v1.kernel.websocket.jupyter.org";

/// Echoes messages; `close` closes with 4001; `ping` pings and says what came back.
async fn echo() -> SocketAddr {
    accept(|stream| async move {
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let choose = |request: &Request, mut response: Response| {
            if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
            }
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, choose).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) if text == "close" => {
                    let frame = CloseFrame { code: CloseCode::from(4001), reason: "because".into() };
                    socket.send(Message::Close(Some(frame))).await.ok();
                }
                Message::Text(text) if text == "ping" => {
                    socket.send(Message::Ping(Bytes::from_static(b"are you there"))).await.ok();
                }
                Message::Pong(payload) => {
                    socket.send(Message::text(format!("pong {}", String::from_utf8_lossy(&payload)))).await.ok();
                }
                Message::Text(_) | Message::Binary(_) => {
                    socket.send(message).await.ok();
                }
                _ => {}
            }
        }
    })
    .await
}

async fn open(site: &Site, id: impl std::fmt::Display) -> (Socket, Option<String>) {
    let mut request = format!("ws://{}/user/{id}/api/kernels/1/channels", site.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", PROTOCOL.parse().unwrap());
    let (socket, response) = bounded(connect_async(request)).await.unwrap();
    let protocol = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned());
    (socket, protocol)
}

async fn close_code(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    // Reading on to the end sends the answer to the close.
    while let Some(Ok(message)) = bounded(socket.next()).await {
        if let Message::Close(Some(frame)) = message {
            code = Some(frame.code.into());
        }
    }
    code
}

#[tokio::test]
async fn messages_come_back_and_the_subprotocol_is_agreed_on() {
    let site = Site::start().await;
    let id = site.session(echo().await).await;
    let (mut socket, protocol) = open(&site, id).await;
    assert_eq!(protocol.as_deref(), Some(PROTOCOL));
    for message in [Message::text("hello"), Message::binary(vec![0_u8; 200]), Message::text("é".repeat(70_000))] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(bounded(socket.next()).await.unwrap().unwrap(), message);
    }
    let stats = site.stats.snapshot();
    assert_eq!((stats.open_tunnels, stats.tunnels_opened, site.stats.connections()), (1, 1, vec![(id, 1)]));
}

#[tokio::test]
async fn messages_of_eight_mebibytes_pass() {
    let site = Site::start().await;
    let id = site.session(echo().await).await;
    let (mut socket, _) = open(&site, id).await;
    let message = Message::binary((0..8 << 20).map(|n: u32| n.to_le_bytes()[0]).collect::<Vec<_>>());
    let (mut sink, mut stream) = (&mut socket).split();
    let (sent, received) = bounded(async { tokio::join!(sink.send(message.clone()), stream.next()) }).await;
    sent.unwrap();
    assert!(received.unwrap().unwrap() == message, "the message came back changed");
}

#[tokio::test]
async fn pings_and_custom_close_codes_pass() {
    let site = Site::start().await;
    let id = site.session(echo().await).await;
    let (mut socket, _) = open(&site, id).await;
    socket.send(Message::text("ping")).await.unwrap();
    assert_eq!(bounded(socket.next()).await.unwrap().unwrap(), Message::Ping(Bytes::from_static(b"are you there")));
    // Reading on sends the pong.
    assert_eq!(bounded(socket.next()).await.unwrap().unwrap(), Message::text("pong are you there"));
    socket.send(Message::text("close")).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(4001));
    site.until("the tunnel is gone", || async { site.stats.snapshot().open_tunnels == 0 }).await;
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let site = Site::start().await;
    let id = site.session(says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await).await;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let answer = site.raw(format!("GET /user/{id}/ws HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("\r\n\r\nno"), "{answer}");
}

#[tokio::test]
async fn bytes_sent_together_with_the_handshake_are_not_lost() {
    let site = Site::start().await;
    let upstream = accept(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(format!("{head}early").as_bytes()).await.ok();
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..read]).await.ok();
        }
    })
    .await;
    let id = site.session(upstream).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!("GET /user/{id}/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    stream.write_all(format!("{head}\u{1}\u{2}\u{3}not http at all\r\n").as_bytes()).await.unwrap();
    let answer = bounded(read_head(&mut stream)).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let mut rest = vec![0; "early\u{1}\u{2}\u{3}not http at all\r\n".len()];
    bounded(stream.read_exact(&mut rest)).await.unwrap();
    assert_eq!(rest, b"early\x01\x02\x03not http at all\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_websockets_are_open_at_once() {
    let site = Site::start().await;
    let id = site.session(echo().await).await;
    let mut sockets = Vec::new();
    for _ in 0..300 {
        sockets.push(open(&site, id).await.0);
    }
    assert_eq!(site.stats.snapshot().open_tunnels, 300);
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(number.to_string())).await.unwrap();
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(bounded(socket.next()).await.unwrap().unwrap(), Message::text(number.to_string()));
    }
    drop(sockets);
    site.until("every tunnel is gone", || async { site.stats.snapshot().open_tunnels == 0 }).await;
}

#[tokio::test]
async fn a_visitor_who_vanishes_ends_the_session_side_too() {
    let site = Site::start().await;
    let ended = Arc::new(Notify::new());
    let tell = Arc::clone(&ended);
    let upstream = accept(move |stream| {
        let tell = Arc::clone(&tell);
        async move {
            if let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await {
                while let Some(Ok(_)) = socket.next().await {}
                tell.notify_one();
            }
        }
    })
    .await;
    let id = site.session(upstream).await;
    let (socket, _) = bounded(connect_async(format!("ws://{}/user/{id}/ws", site.address))).await.unwrap();
    drop(socket);
    bounded(ended.notified()).await;
    site.until("the tunnel is gone", || async { site.stats.snapshot().open_tunnels == 0 }).await;
}

#[tokio::test]
async fn a_session_that_ends_closes_its_websockets_and_no_others() {
    let site = Site::start().await;
    let upstream = echo().await;
    let (ends, stays) = (site.session(upstream).await, site.session(upstream).await);
    let mut ending = [open(&site, ends).await.0, open(&site, ends).await.0];
    let (mut staying, _) = open(&site, stays).await;
    // An echo first: the tunnel stands, and what comes next comes after it.
    for socket in &mut ending {
        socket.send(Message::text("x")).await.unwrap();
        bounded(socket.next()).await.unwrap().unwrap();
    }
    site.stop(ends, StopReason::Idle).await;
    for socket in &mut ending {
        assert_eq!(close_code(socket).await, Some(1001));
    }
    staying.send(Message::text("still here")).await.unwrap();
    assert_eq!(bounded(staying.next()).await.unwrap().unwrap(), Message::text("still here"));
    site.store.remove(stays).await.unwrap();
    assert_eq!(close_code(&mut staying).await, Some(1001));
}

#[tokio::test]
async fn what_is_typed_counts_as_use_and_pings_do_not() {
    let site = Site::with(Config { activity_seconds: 3600, drain_seconds: 0, ..Config::default() }).await;
    let upstream = echo().await;
    let (typed, pinged) = (site.session(upstream).await, site.session(upstream).await);
    let (mut typing, _) = open(&site, typed).await;
    let (mut pinging, _) = open(&site, pinged).await;
    typing.send(Message::text("x")).await.unwrap();
    bounded(typing.next()).await.unwrap().unwrap();
    pinging.send(Message::Ping(Bytes::from_static(b"1"))).await.unwrap();
    assert_eq!(bounded(pinging.next()).await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"1")));
    let store = site.finish().await;
    assert_eq!(store.touched(), [typed]);
}

#[tokio::test]
async fn a_proxy_that_ends_says_goodbye_to_open_websockets() {
    let site = Site::with(Config { drain_seconds: 1, ..Config::default() }).await;
    let id = site.session(echo().await).await;
    let (mut socket, _) = open(&site, id).await;
    site.end.cancel();
    // While it drains, open tunnels go on.
    socket.send(Message::text("going on")).await.unwrap();
    assert_eq!(bounded(socket.next()).await.unwrap().unwrap(), Message::text("going on"));
    assert_eq!(close_code(&mut socket).await, Some(1001));
    drop(socket);
    site.finish().await;
}

#[tokio::test]
async fn other_upgrades_are_not_passed_on() {
    let site = Site::start().await;
    let id = site.session(crate::upstream::mirror().await).await;
    let request = site.request("GET", &format!("/user/{id}/")).header("upgrade", "h2c").header("connection", "upgrade");
    let reply = site.send(request.body(empty()).unwrap()).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.text().contains("upgrade"), "{}", reply.text());
}

#[tokio::test]
async fn nothing_is_put_into_the_middle_of_a_frame() {
    let site = Site::start().await;
    let upstream = accept(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        // The beginning of a text frame of 100 bytes.
        stream.write_all(format!("{head}\u{1}dhalf").as_bytes()).await.ok();
        read_head(&mut stream).await;
    })
    .await;
    let id = site.session(upstream).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!("GET /user/{id}/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    bounded(read_head(&mut stream)).await;
    let mut begun = [0; 6];
    bounded(stream.read_exact(&mut begun)).await.unwrap();
    site.store.remove(id).await.unwrap();
    let mut rest = Vec::new();
    bounded(stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!((&begun, rest.as_slice()), (b"\x01dhalf", [].as_slice()));
}
