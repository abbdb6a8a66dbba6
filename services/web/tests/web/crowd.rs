//! Many watchers, slow ones, and too many.

use bindery_web::Config;
use futures::future::join_all;
use tokio::net::TcpSocket;

use crate::client::{output, send_from};
use crate::crew::numbered;
use crate::site::Site;

const LINK: &str = "/build/gh/owner/name/HEAD";

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_watchers_of_one_build_each_get_every_line() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    let lines = numbered(100);
    let watchers = || join_all((0..100).map(|_| async { site.watch(LINK).await.begun().await }));
    let mut streams = watchers().await;
    let job = site.claim().await;
    job.lines(&lines[..50]).await;
    // Half of them come late.
    streams.extend(watchers().await);
    job.lines(&lines[50..]).await;
    job.built().await;
    let told = join_all(streams.iter_mut().map(|stream| stream.events())).await;
    for events in &told {
        assert_eq!(output(events), lines);
        assert_eq!(events.last().unwrap().phase(), "ready");
    }
    let urls: std::collections::HashSet<_> =
        told.iter().map(|events| events.last().unwrap().value()["url"].as_str().unwrap()).collect();
    assert_eq!(urls.len(), 200, "each has a session of their own");
    assert_eq!((site.builds().await, site.sessions().await), (1, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_does_not_read_delays_nobody_and_loses_nothing() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    // More than the kernel holds for a connection, and less than a log may have.
    let long = "x".repeat(1000);
    let lines: Vec<String> = (0..8000).map(|number| format!("{number} {long}")).collect();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = send_from(socket, site.address, "GET", LINK, &[("accept", "text/event-stream")]).await.begun().await;
    let mut quick = site.watch(LINK).await.begun().await;
    let job = site.claim().await;
    let told = lines.clone();
    let building = tokio::spawn(async move {
        job.lines(&told).await;
        job.built().await;
    });
    let events = quick.events().await;
    building.await.unwrap();
    assert_eq!(events.last().unwrap().phase(), "ready");
    assert_eq!(output(&events), lines);
    let events = slow.events().await;
    assert_eq!(events.last().unwrap().phase(), "ready");
    assert_eq!(output(&events), lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_refused_and_the_others_go_on() {
    let site = Site::with(Config { max_streams: 2, ..Config::default() }, Vec::new()).await;
    let _launcher = site.launcher();
    let mut first = site.watch(LINK).await.begun().await;
    let second = site.watch(LINK).await;
    let refused = site.watch(LINK).await.events_to_the_end().await;
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].phase(), &refused[0].value()["fault"]["code"]), ("failed", &"too-many-streams".into()));
    assert_eq!(refused[0].value()["status_code"], 503);
    assert_eq!(refused[0].value()["fault"]["by"], "us");
    assert_eq!(site.get("/versions").await.status, 200, "only streams are refused");

    // A place is free again once one has left.
    drop(second);
    site.until_streams(1).await;
    let mut third = site.watch(LINK).await.begun().await;
    let job = site.claim().await;
    job.lines(&numbered(5)).await;
    job.built().await;
    for stream in [&mut first, &mut third] {
        let events = stream.events().await;
        assert_eq!((events.last().unwrap().phase(), output(&events)), ("ready", numbered(5)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_when_everybody_has_left() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    let mut stream = site.watch(LINK).await;
    stream.event().await.unwrap();
    let job = site.claim().await;
    job.lines(&numbered(2)).await;
    drop(stream);
    job.lines(&numbered(4)[2..]).await;
    job.built().await;
    let events = site.watch(LINK).await.events().await;
    assert_eq!(events[0].message(), "Found built image, launching...\n");
    assert_eq!(site.builds().await, 1);
}
