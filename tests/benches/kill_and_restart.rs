//! How long open sessions are away when the service is killed and started again.
//!
//! `cargo bench -p bindery-tests --bench kill_and_restart [-- --rounds 10 --sessions 8]`, with the variables of `tests/run`;
//! `BINDERY_TEST_BINARY` names a release binary. In each round: `kill -9` of `serve`, a new process at once, and every session asked
//! every few milliseconds until it answers. Each session must be the very container it was.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::ensure;
use bindery_tests::measure::{Series, Site, circumstances, head, loads, number};
use bindery_tests::process::until;
use bindery_tests::repos::{Repo, file};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(mut site) = Site::open("kill_and_restart").await? else { return Ok(()) };
    let (rounds, sessions) = (number("rounds", 10), number("sessions", 8));
    Repo::with_files(site.root.path(), "open", &[file("README.md", "kept open\n")])?;
    let mut urls = Vec::new();
    for _ in 0..sessions {
        urls.push(site.visit("open", "main").await?.field("url").to_owned());
    }
    let mut before = site.service.engine().containers(site.service.instance())?;
    before.sort();
    ensure!(before.len() == sessions, "{} containers for {sessions} sessions", before.len());

    println!("{}", circumstances(site.service.engine())?);
    let mut first = Series::new("start of the process to the first session's answer");
    let mut all = Series::new("start of the process to every session's answer");
    for _ in 0..rounds {
        site.service.kill_all();
        let began = Instant::now();
        site.service.start_role("serve")?;
        let answers = futures::future::try_join_all(urls.iter().map(|url| answered(url, began))).await?;
        first.push(answers.iter().min().copied().unwrap_or_default());
        all.push(answers.iter().max().copied().unwrap_or_default());
        site.service.well().await?;
    }
    let mut after = site.service.engine().containers(site.service.instance())?;
    after.sort();
    ensure!(before == after, "sessions are not the containers they were");

    println!("{}", head());
    println!("{}\n{}", first.row(), all.row());
    println!("{sessions} sessions (target: all within 2000 ms); load at the end {}", loads());
    Ok(())
}

async fn answered(url: &str, began: Instant) -> anyhow::Result<Duration> {
    let api = format!("{url}api");
    let ask = || async { reqwest::get(&api).await.ok().filter(|answer| answer.status() == 200).map(|_| ()) };
    until(Duration::from_secs(60), ask).await?;
    Ok(began.elapsed())
}
