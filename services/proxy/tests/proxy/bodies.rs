//! Large and endless bodies: streamed, never collected.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, mpsc};

use crate::site::{Site, bounded, empty};
use crate::upstream::{accept, full, read_head, serve};

const CHUNK: usize = 64 * 1024;
const UP: u64 = 50 << 20;
const DOWN: u64 = 200 << 20;

/// A body of `size` bytes that counts what was taken of it.
fn counted(
    size: u64,
    taken: Arc<AtomicU64>,
) -> impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let frames = stream::iter(0..size / CHUNK as u64).map(move |_| {
        taken.fetch_add(CHUNK as u64, Ordering::SeqCst);
        Ok(Frame::data(chunk.clone()))
    });
    StreamBody::new(frames)
}

/// Waits until a count stands still, and returns it.
async fn settled(count: &AtomicU64) -> u64 {
    let (mut last, mut same) = (0, 0);
    while same < 20 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let now = count.load(Ordering::SeqCst);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_download_waits_for_its_reader() {
    let site = Site::start().await;
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let upstream = serve(move |request| {
        let large = request.uri().path().ends_with("/large");
        let body = counted(DOWN, Arc::clone(&count)).map_err(|never| match never {}).boxed();
        async move { if large { Response::new(body) } else { Response::new(full("")) } }
    })
    .await;
    let id = site.session(upstream).await;
    let response = site.begin(site.request("GET", &format!("/user/{id}/large")).body(empty()).unwrap()).await;
    // The kernel's buffers hold some megabytes; the proxy must hold next to nothing.
    let sent = bounded(settled(&taken)).await;
    assert!(sent < DOWN / 2, "{sent} bytes were taken although nobody read them");
    let mut body = response.into_body();
    let mut received = 0;
    while let Some(frame) = bounded(body.frame()).await {
        received += frame.unwrap().into_data().unwrap().len() as u64;
    }
    assert_eq!(received, DOWN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_waits_for_its_reader() {
    let site = Site::start().await;
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let upstream = serve(move |request| {
        let gate = Arc::clone(&gate);
        async move {
            if request.method() != http::Method::PUT {
                return Response::new(full(""));
            }
            gate.notified().await;
            let mut body = request.into_body();
            let mut received = 0;
            while let Some(Ok(frame)) = body.frame().await {
                received += frame.into_data().map_or(0, |data| data.len());
            }
            Response::new(full(received.to_string()))
        }
    })
    .await;
    let id = site.session(upstream).await;
    let taken = Arc::new(AtomicU64::new(0));
    let size = UP * 2;
    let request = site.request("PUT", &format!("/user/{id}/")).body(counted(size, Arc::clone(&taken))).unwrap();
    let reply = site.send(request);
    let watching = async {
        let sent = bounded(settled(&taken)).await;
        go.notify_one();
        sent
    };
    let (reply, sent) = tokio::join!(reply, watching);
    assert!(sent < size / 2, "{sent} bytes were taken although nobody read them");
    assert_eq!(reply.text(), size.to_string());
}

#[tokio::test]
async fn an_event_is_passed_on_before_the_next_one_is_made() {
    let site = Site::start().await;
    let (events, receiver) = mpsc::channel::<&'static str>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let upstream = accept(move |mut stream| {
        let receiver = Arc::clone(&receiver);
        async move {
            if !read_head(&mut stream).await.contains("/events") {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            while let Some(event) = receiver.lock().await.recv().await {
                stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let id = site.session(upstream).await;
    let response = site.begin(site.request("GET", &format!("/user/{id}/events")).body(empty()).unwrap()).await;
    let mut body = response.into_body();
    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        events.send(event).await.unwrap();
        let frame = bounded(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop(events);
    assert!(bounded(body.frame()).await.is_none());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_passed_on_as_complete() {
    let site = Site::start().await;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let id = site.session(crate::upstream::says(answer).await).await;
        let response = site.begin(site.request("GET", &format!("/user/{id}/")).body(empty()).unwrap()).await;
        assert!(bounded(response.into_body().collect()).await.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_work_for_it() {
    let site = Site::start().await;
    let (arrived, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tell = (Arc::clone(&arrived), Arc::clone(&left));
    let upstream = accept(move |mut stream| {
        let (arrived, left) = tell.clone();
        async move {
            read_head(&mut stream).await;
            arrived.notify_one();
            // The answer never comes; only the end of the connection does.
            read_head(&mut stream).await;
            left.notify_one();
        }
    })
    .await;
    let id = site.session(upstream).await;
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    stream.write_all(format!("GET /user/{id}/slow HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
    bounded(arrived.notified()).await;
    drop(stream);
    bounded(left.notified()).await;
}
