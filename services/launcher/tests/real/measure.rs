//! What the launcher adds to an engine's own time. Not a test: it asserts nothing about time and prints what it saw.
//! `cargo test -p bindery-launcher --test engine -- --ignored --nocapture measure`

use std::time::Duration;

use bindery_core::ImageRef;
use bindery_core::seams::{Observed, SessionBackend as _, SessionStore as _};
use tokio::time::Instant;

use super::house::{House, Running, queued, visit};
use crate::support::contract::spec;

/// Answers anything at once: what is left is the engine's own time and ours.
const INSTANT: &str = "import socket
s = socket.create_server(('', 8888))
while True:
    c = s.accept()[0]
    c.recv(65536)
    c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}')
    c.close()
";

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn compare(house: &House, name: &str, image: &ImageRef, rounds: usize) {
    let backend = house.backend();
    let running = Running::start(house).await;
    let (mut bare, mut whole, mut after) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does burdens both alike. The first round warms caches.
    for round in 0..=rounds {
        let spec = spec(image);
        let began = Instant::now();
        let handle = backend.start(&spec).await.unwrap();
        let address = format!("http://{}{}api", handle.upstream, spec.base_path);
        while running.client.get(&address).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let raw = began.elapsed();
        backend.stop(spec.id, Duration::ZERO).await.unwrap();

        let session = queued(image);
        let began = Instant::now();
        running.store.put(&session).await.unwrap();
        let (_, answered) = tokio::join!(running.store.ended(session.request.id), async {
            let upstream = loop {
                if let Ok(Some(Observed { upstream: Some(upstream), .. })) = backend.inspect(session.id).await {
                    break upstream;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let address = format!("http://{upstream}{}api", session.base_path());
            while running.client.get(&address).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Instant::now()
        });
        let ready = running.store.when(session.id, "ready").unwrap();
        let ours = ready.duration_since(began);
        backend.stop(session.id, Duration::ZERO).await.unwrap();
        running.store.until_state(session.id, "stopped").await;
        if round > 0 {
            bare.push(raw);
            whole.push(ours);
            after.push(ready.saturating_duration_since(answered));
        }
    }
    let (bare, whole, after) = (median(bare), median(whole), median(after));
    println!(
        "{name}, median of {rounds}: bare {bare:?}, launched {whole:?}; ready {after:?} after it answered somebody else"
    );
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_what_a_launch_adds() {
    visit(|house| async move {
        let instant = house.image(&["python3", "-S", "-c", INSTANT]).await;
        compare(&house, "a server that answers at once", &instant, 21).await;
        compare(&house, "jupyter", &house.base, 5).await;
    })
    .await;
}
