//! What the launcher adds to an engine's own time. Not a test: it asserts nothing about time and prints what it saw.
//! `cargo test -p bindery-launcher --test engine -- --ignored --nocapture measure`

use std::time::Duration;

use bindery_core::seams::{SessionBackend as _, SessionStore as _};
use bindery_launcher::request_stop;
use tokio::time::Instant;

use super::house::{Running, queued, visit};
use crate::support::contract::spec;

const ROUNDS: usize = 7;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_what_a_launch_adds() {
    visit(|house| async move {
        let backend = house.backend();
        let running = Running::start(&house).await;
        let (mut bare, mut whole) = (Vec::new(), Vec::new());
        // In turns, so that whatever else the machine does burdens both alike. The first round warms caches.
        for round in 0..=ROUNDS {
            let spec = spec(&house.base);
            let began = Instant::now();
            let handle = backend.start(&spec).await.unwrap();
            let address = format!("http://{}{}api", handle.upstream, spec.base_path);
            while running.client.get(&address).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let raw = began.elapsed();
            backend.stop(spec.id, Duration::from_secs(10)).await.unwrap();

            let session = queued(&house.base);
            let began = Instant::now();
            running.store.put(&session).await.unwrap();
            running.store.ended(session.request.id).await;
            let ours = began.elapsed();
            request_stop(running.store.as_ref(), session.id).await.unwrap();
            running.store.until_state(session.id, "stopped").await;
            println!("round {round}: bare {raw:?}, launched {ours:?}");
            if round > 0 {
                bare.push(raw);
                whole.push(ours);
            }
        }
        let (bare, whole) = (median(bare), median(whole));
        println!("median of {ROUNDS}: bare {bare:?}, launched {whole:?}, added {:?}", whole.saturating_sub(bare));
    })
    .await;
}
