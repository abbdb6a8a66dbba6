//! What the service itself adds to a launch: from the request for a built commit to `ready` on its stream, where a session's own start takes
//! no time.
//!
//! `cargo bench -p bindery-tests --bench launches [-- --alone 500 --clients 1000 --per-second 100]`; needs no engine. One client, one launch
//! after the other; then many clients who come one after the other at a steady rate and all keep their streams; then as many at the
//! same moment, which measures how many launches a second there can be. Every launch is the whole way: ref resolved, image
//! found, session recorded, admitted, started, asked directly and through the proxy, told. The peer in the same rows is what a service
//! that answers for what it was asked waits for at some time: one durable write of the file system.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "control_plane/mod.rs"]
mod control_plane;

use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bindery_tests::measure::{loads, number};
use control_plane::reader::Reader;
use control_plane::{Process, millis, share, site};
use futures::future::try_join_all;

const LINK: &str = "/build/gh/owner/name/HEAD";

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("site") {
        return site::run().await;
    }
    let (alone, clients, rate) = (number("alone", 500), number("clients", 1000), number("per-second", 100).max(1));
    let mut service = Process::start(false).await?;
    let address = service.address;
    let first = tokio::spawn(launch(address));
    service.order("claim").await?;
    service.order("built").await?;
    drop(first.await??);
    println!("load {}; {} KiB before", loads(), service.memory()?);

    row("peer: one durable write", durable_writes(alone)?);
    let mut times = Vec::new();
    for _ in 0..alone {
        let (stream, time) = launch(address).await?;
        drop(stream);
        times.push(time);
    }
    row("one client, one launch after the other", times);

    let began = tokio::time::Instant::now();
    let arriving = (0..clients).map(|at| async move {
        tokio::time::sleep_until(began + Duration::from_secs_f64(at as f64 / rate as f64)).await;
        launch(address).await
    });
    let (streams, times): (Vec<Reader>, Vec<Duration>) = try_join_all(arriving).await?.into_iter().unzip();
    row(&format!("{clients} clients, {rate} a second"), times);
    println!("{} KiB with {clients} streams open and {} sessions", service.memory()?, alone + clients + 1);
    drop(streams);

    let (began, cpu) = (Instant::now(), service.processor_time()?);
    let launches = try_join_all((0..clients).map(|_| launch(address))).await?;
    let took = began.elapsed();
    row(&format!("{clients} clients at the same moment"), launches.into_iter().map(|(_, time)| time).collect());
    let each = (service.processor_time()? - cpu) / u32::try_from(clients)?;
    let rate = clients as f64 / took.as_secs_f64();
    println!("{rate:.0} launches a second, {} of processor time each; load at the end {}", millis(each), loads());
    Ok(())
}

/// From before the connection is made to the event; the stream stays open.
async fn launch(address: SocketAddr) -> Result<(Reader, Duration)> {
    let began = Instant::now();
    let mut stream = Reader::open(address, LINK, None).await?;
    loop {
        let data = stream.event().await?;
        let event: serde_json::Value = serde_json::from_slice(&data)?;
        match event["phase"].as_str() {
            Some("ready") => return Ok((stream, began.elapsed())),
            Some("failed") => bail!("{event}"),
            _ => {}
        }
    }
}

/// A page of a file, written and synced, again and again.
fn durable_writes(count: usize) -> Result<Vec<Duration>> {
    let mut file = tempfile::tempfile()?;
    let write = |_| {
        let began = Instant::now();
        file.rewind()?;
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        Ok(began.elapsed())
    };
    (0..count).map(write).collect()
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |thousandths| millis(share(&times, thousandths));
    println!("{name:<42} {:>5}  p50 {:>10}  p99 {:>10}  longest {:>10}", times.len(), at(500), at(990), at(1000));
}
