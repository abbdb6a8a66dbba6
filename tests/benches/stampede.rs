//! Many launches of one built commit at once: when the first, the middle and the last visitor have a notebook.
//!
//! `cargo bench -p bindery-tests --bench stampede [-- --visitors 8 --rounds 3]`, with the variables of `tests/run`;
//! `BINDERY_TEST_BINARY` names a release binary. The peer is as many containers of the same image with the same flags, all made at
//! once by the engine's API with nothing to hold them back.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::Context as _;
use bindery_tests::bare::Bare;
use bindery_tests::measure::{Series, Site, circumstances, head, loads, number};
use bindery_tests::repos::{Repo, file};
use futures::future::try_join_all;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(site) = Site::open("stampede").await? else { return Ok(()) };
    let (visitors, rounds) = (number("visitors", 8).max(1), number("rounds", 3));
    Repo::with_files(site.root.path(), "plain", &[file("README.md", "measured\n")])?;
    site.visit("plain", "main").await.context("the first visit")?;
    let container = site.service.engine().containers(site.service.instance())?.pop().context("no session")?;
    let bare = Bare::like(site.service.engine(), &container).await?;
    site.end_sessions().await?;

    println!("{}{visitors} visitors at once", circumstances(site.service.engine())?);
    let rows = |who: &str| ["first", "middle", "last"].map(|which| Series::new(&format!("{who}: the {which}")));
    let (mut ours, mut peer) = (rows("visitors, request to ready"), rows("peer, all containers made at once"));
    for _ in 0..rounds {
        let visits = try_join_all((0..visitors).map(|_| site.visit("plain", "main"))).await?;
        let times = visits.iter().map(|visit| visit.at("ready")).collect::<anyhow::Result<Vec<Duration>>>()?;
        note(&mut ours, times);
        site.end_sessions().await?;
        let made = try_join_all((0..visitors).map(|_| bare.launch())).await?;
        for (id, _) in &made {
            bare.remove(id).await?;
        }
        note(&mut peer, made.into_iter().map(|(_, time)| time).collect());
    }
    println!("{}", head());
    for series in ours.iter().chain(&peer) {
        println!("{}", series.row());
    }
    println!("load at the end {}", loads());
    Ok(())
}

fn note(rows: &mut [Series; 3], times: Vec<Duration>) {
    let mut all = Series::new("");
    times.into_iter().for_each(|time| all.push(time));
    for (row, percent) in rows.iter_mut().zip([0, 50, 100]) {
        row.push(all.percentile(percent));
    }
}
