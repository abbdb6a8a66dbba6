//! Many watchers of one build, the service on one core: whether each gets every line once, how late, and what one costs.
//!
//! `cargo bench -p bindery-tests --bench watchers [-- --watchers 2000 --lines 400 --per-second 20]`; needs no engine. While the
//! build writes, fifty watchers lose their connection and resume by the id of their last event, and fifty reload and read from the
//! beginning; everyone's lines are compared one by one. A line's delay is from just before it is handed to the store to its
//! arrival at a client in the other process, on the other core.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "control_plane/mod.rs"]
mod control_plane;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use bindery_tests::measure::{loads, number};
use control_plane::reader::Reader;
use control_plane::{Process, millis, share, site};
use futures::future::try_join_all;
use tokio::sync::Semaphore;

/// `build_only`: there is nothing to launch.
const LINK: &str = "/build/gh/owner/name/HEAD?build_only=true";
/// Of each kind.
const DISTURBED: usize = 50;

/// What becomes of a watcher on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    /// The connection breaks; the client resumes.
    Drops,
    /// The page is loaded again; it begins from nothing.
    Reloads,
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("site") {
        return site::run().await;
    }
    let (watchers, lines, rate) = (number("watchers", 2000), number("lines", 400), number("per-second", 20));
    let mut service = Process::start(true).await?;
    let address = service.address;
    // The first asks for the build.
    let first = Reader::open(address, LINK, None).await?;
    service.order("claim").await?;
    let before = service.memory()?;
    println!("load {}; {before} KiB with one watcher", loads());

    let opening = Arc::new(Semaphore::new(100));
    let open = |at: usize| {
        let opening = Arc::clone(&opening);
        async move {
            let _turn = opening.acquire().await?;
            let mut reader = Reader::open(address, LINK, None).await?;
            reader.event().await?;
            anyhow::Ok((at, reader))
        }
    };
    let mut readers = try_join_all((1..watchers).map(open)).await?;
    readers.push((0, first));
    let idle = service.memory()?;
    let each = |kib: u64| kib.saturating_sub(before) as f64 / (watchers - 1) as f64;
    println!("{watchers} watchers wait: {idle} KiB, {:.1} KiB each", each(idle));

    let tasks: Vec<_> = readers
        .into_iter()
        .map(|(at, reader)| {
            let fate = match at {
                at if at < DISTURBED => Fate::Drops,
                at if at < 2 * DISTURBED => Fate::Reloads,
                _ => Fate::Stays,
            };
            // Spread over the middle of the log.
            let when = lines / 4 + (at % DISTURBED) * (lines / 2) / DISTURBED;
            tokio::spawn(watch(address, reader, lines, fate, when))
        })
        .collect();
    let (began, cpu) = (std::time::Instant::now(), service.processor_time()?);
    service.order(&format!("lines {lines} {rate}")).await?;
    let (wrote, spent) = (began.elapsed(), service.processor_time()? - cpu);
    let busy = service.memory()?;
    service.order("built").await?;

    let mut delays = Vec::with_capacity(watchers * lines);
    for task in tasks {
        delays.extend(task.await??);
    }
    delays.sort_unstable();
    println!(
        "{lines} lines in {:.1} s, {} arrivals timed, every watcher got every line once; {DISTURBED} resumed, {DISTURBED} reloaded",
        wrote.as_secs_f64(),
        delays.len()
    );
    println!(
        "delay: p50 {}, p99 {}, p99.9 {}, longest {}",
        millis(share(&delays, 500)),
        millis(share(&delays, 990)),
        millis(share(&delays, 999)),
        millis(share(&delays, 1000)),
    );
    println!(
        "the service: {:.0} % of its core, {busy} KiB, {:.1} KiB for each watcher, the log itself counted in",
        100.0 * spent.as_secs_f64() / wrote.as_secs_f64(),
        each(busy)
    );
    println!("load at the end {}", loads());
    Ok(())
}

/// Reads to the end of the build; the delays of lines that were written while it watched.
async fn watch(
    address: SocketAddr,
    mut reader: Reader,
    lines: usize,
    fate: Fate,
    when: usize,
) -> Result<Vec<Duration>> {
    let mut delays = Vec::with_capacity(lines);
    let (mut next, mut undisturbed) = (0, true);
    while next < lines {
        let data = reader
            .event()
            .await
            .with_context(|| format!("after line {next} of {lines}, {fate:?}, disturbed: {}", !undisturbed))?;
        let Some((line, written)) = stamp(&data) else { continue };
        ensure!(line == next, "line {line} came in the place of line {next}");
        next += 1;
        // What one has missed or had before does not come late.
        if undisturbed {
            delays.push(now()?.saturating_sub(written));
        }
        if undisturbed && next == when && fate != Fate::Stays {
            undisturbed = false;
            let id = reader.id.take();
            drop(reader);
            // A browser waits, too.
            tokio::time::sleep(Duration::from_millis(1000)).await;
            match fate {
                Fate::Drops => {
                    let id = id.context("events have ids")?;
                    reader = Reader::open(address, LINK, Some(&id)).await?;
                }
                _ => {
                    reader = Reader::open(address, LINK, None).await?;
                    next = 0;
                }
            }
        }
    }
    Ok(delays)
}

/// The number and the time of a line of the build.
fn stamp(data: &[u8]) -> Option<(usize, Duration)> {
    let text = std::str::from_utf8(data).ok()?;
    let mut parts = text.split('@').skip(1);
    Some((parts.next()?.parse().ok()?, Duration::from_nanos(parts.next()?.parse().ok()?)))
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
