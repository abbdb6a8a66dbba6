//! What a new commit costs that touches no environment file, with a large environment and with none.
//!
//! `cargo bench -p bindery-tests --bench new_commit [-- --rounds 9]`, with the variables of `tests/run`; `BINDERY_TEST_BINARY`
//! names a release binary. In each round, one after the other: a commit to the README of a repository with a large environment,
//! visited; the same for a repository without one; and the limit, the same commit cloned by git at depth 1 and copied onto the
//! same environment by a plain build of the same engine.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bindery_tests::engine::Engine;
use bindery_tests::measure::{Series, Site, circumstances, docker_build, head, loads, number};
use bindery_tests::repos::{Repo, file};
use tokio::time::Instant;

/// Much in few files, so that making it takes a download rather than compiling.
const LARGE: &str = "pyarrow==18.1.0\nopencv-python-headless==4.10.0.84\nllvmlite==0.43.0\npolars==1.17.1\nduckdb==1.1.3\n\
                     scipy==1.14.1\nplotly==5.24.1\n";
const ENOUGH: u64 = 500_000_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(site) = Site::open("new_commit").await? else { return Ok(()) };
    let rounds = number("rounds", 9);
    let large =
        Repo::with_files(site.root.path(), "large", &[file("requirements.txt", LARGE), file("README.md", "0")])?;
    let small = Repo::with_files(site.root.path(), "small", &[file("README.md", "0")])?;
    let first = site.visit("large", "main").await.context("building the large environment")?;
    site.visit("small", "main").await?;
    site.end_sessions().await?;
    let engine = site.service.engine().clone();
    let size = size(&engine, first.field("image"))?.saturating_sub(size(&engine, &engine.base_image)?);
    ensure!(size >= ENOUGH, "the environment is {size} bytes only");

    println!("{}", circumstances(&engine)?);
    println!(
        "the large environment adds {} MB to its base; its first build took {:.1} s",
        size / 1_000_000,
        first.at("built")?.as_secs_f64()
    );
    let mut rows = Rows::new();
    for round in 0..=rounds {
        let text = format!("round {round}");
        let commit = large.commit("main", &[file("README.md", &text)])?;
        let visit = site.visit("large", "main").await?;
        let log = visit.log();
        ensure!(log.contains("Environment unchanged"), "the environment was not found: {log}");
        ensure!(!log.contains("install Python packages"), "packages were installed: {log}");
        site.end_sessions().await?;
        small.commit("main", &[file("README.md", &text)])?;
        let without = site.visit("small", "main").await?;
        site.end_sessions().await?;
        let limit = limit(&engine, &site.address("large"), &commit, first.field("image"))?;
        // The first round warms up.
        if round > 0 {
            rows.large.0.push(visit.at("built")?);
            rows.large.1.push(visit.at("ready")?);
            rows.small.0.push(without.at("built")?);
            rows.small.1.push(without.at("ready")?);
            rows.limit.push(limit);
        }
        if round == rounds {
            println!("the last visit:\n{}", visit.timeline());
        }
    }
    rows.print();
    println!("load at the end {}", loads());
    Ok(())
}

struct Rows {
    large: (Series, Series),
    small: (Series, Series),
    limit: Series,
}

impl Rows {
    fn new() -> Self {
        Self {
            large: (
                Series::new("large environment: request to built, may be launched"),
                Series::new("large environment: request to ready"),
            ),
            small: (Series::new("no environment: request to built"), Series::new("no environment: request to ready")),
            limit: Series::new("limit: git clone, docker build of FROM and COPY"),
        }
    }

    fn print(&self) {
        println!("{}", head());
        for series in [&self.large.0, &self.large.1, &self.small.0, &self.small.1, &self.limit] {
            println!("{}", series.row());
        }
        println!(
            "large environment, request to built: {:.2} s (target: below 2 s, however large)",
            self.large.0.median().as_secs_f64()
        );
    }
}

fn size(engine: &Engine, image: &str) -> anyhow::Result<u64> {
    Ok(engine.docker(&["image", "inspect", "--format", "{{.Size}}", image])?.trim().parse()?)
}

fn limit(engine: &Engine, repository: &str, commit: &str, image: &str) -> anyhow::Result<Duration> {
    let scratch = tempfile::tempdir()?;
    let began = Instant::now();
    let cloned = Command::new("git")
        .args(["clone", "--quiet", "--depth=1", repository, "content"])
        .current_dir(scratch.path())
        .status()?;
    ensure!(cloned.success(), "git clone failed");
    let dockerfile = format!("FROM {image}\nCOPY --chown=1000:100 content /home/jovyan/\n");
    std::fs::write(scratch.path().join("Dockerfile"), dockerfile)?;
    let tag = format!("bindery-bench/limit:{commit}");
    docker_build(engine, Path::new(scratch.path()), &["--tag", &tag])?;
    let took = began.elapsed();
    engine.docker(&["rmi", "--force", &tag])?;
    Ok(took)
}
