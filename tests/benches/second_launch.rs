//! What a launch of a built commit adds to its container's own start.
//!
//! `cargo bench -p bindery-tests --bench second_launch [-- --rounds 15]`, with the variables of `tests/run`; `BINDERY_TEST_BINARY`
//! names a release binary. In each round, one after the other: a visit of a built commit, from the request to `ready` on its
//! stream; and the limit, a container of the same image with the same flags, arguments and environment, made by the engine's
//! API and asked every 5 ms until it answers.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bindery_tests::bare::Bare;
use bindery_tests::measure::{Series, Site, circumstances, head, loads, number};
use bindery_tests::repos::{Repo, file};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(mut site) = Site::open("second_launch").await? else { return Ok(()) };
    let rounds = number("rounds", 15);
    Repo::with_files(site.root.path(), "plain", &[file("README.md", "measured\n")])?;
    site.visit("plain", "main").await.context("the first visit")?;
    let container = site.service.engine().containers(site.service.instance())?.pop().context("no session")?;
    let bare = Bare::like(site.service.engine(), &container).await?;
    site.end_sessions().await?;

    println!("{}", circumstances(site.service.engine())?);
    let mut resolved = Series::new("visit: request to built (ref listed, image found)");
    let mut running = Series::new("visit: request to container runs");
    let mut visits = Series::new("visit: request to ready, through the proxy");
    let mut limits = Series::new("limit: engine API create, start, /api answers");
    let mut differences = Vec::new();
    let before = (site.git.requests(), site.processor_time()?);
    for round in 0..=rounds {
        // Neither is always the one that comes after the other's removal.
        let mut limit = None;
        if round % 2 == 1 {
            limit = Some(limited(&bare).await?);
        }
        let visit = site.visit("plain", "main").await?;
        ensure!(!visit.log().contains("Fetch"), "it was fetched: {}", visit.log());
        ensure!(visit.log().starts_with("Found built image"), "it was built: {}", visit.log());
        site.end_sessions().await?;
        let limit = match limit {
            Some(limit) => limit,
            None => limited(&bare).await?,
        };
        // The first round warms up.
        if round > 0 {
            resolved.push(visit.at("built")?);
            running.push(visit.when("The container runs")?);
            visits.push(visit.at("ready")?);
            limits.push(limit);
            differences.push(visit.at("ready")?.as_secs_f64() - limit.as_secs_f64());
        }
    }
    ensure!(site.git.requests().packs == before.0.packs, "a pack was fetched");
    let processor = site.processor_time()?.saturating_sub(before.1).as_secs_f64() * 1000.0;

    println!("{}", head());
    for series in [&resolved, &running, &visits, &limits] {
        println!("{}", series.row());
    }
    let median = visits.median().as_secs_f64() - limits.median().as_secs_f64();
    println!("added by Bindery, difference of the medians: {:.0} ms (target: below 150 ms)", median * 1000.0);
    let least = visits.percentile(0).as_secs_f64() - limits.percentile(0).as_secs_f64();
    differences.sort_by(f64::total_cmp);
    let within = differences.get(differences.len() / 2).copied().unwrap_or_default();
    println!(
        "difference of the minima: {:.0} ms; median of the differences within rounds: {:.0} ms",
        least * 1000.0,
        within * 1000.0
    );
    #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
    let each = processor / (rounds + 1) as f64;
    println!("processor time of the service: {each:.0} ms a launch, its end included; packs fetched: 0");
    println!("load at the end {}", loads());
    Ok(())
}

async fn limited(bare: &Bare) -> anyhow::Result<Duration> {
    let (id, time) = bare.launch().await?;
    bare.remove(&id).await?;
    Ok(time)
}
