//! What installing thirty packages costs when they were downloaded before, against a plain Dockerfile.
//!
//! `cargo bench -p bindery-tests --bench thirty_packages [-- --rounds 3]`, with the variables of `tests/run`;
//! `BINDERY_TEST_BINARY` names a release binary. In each round, one after the other: a commit that lists the same packages in
//! another order, visited, from the request to `built`; and the peer, `pip install --no-cache-dir` of the same list in a plain
//! Dockerfile on the same base, built without cache by the same engine.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bindery_tests::engine::Engine;
use bindery_tests::measure::{Series, Site, circumstances, docker_build, head, loads, number};
use bindery_tests::repos::{Repo, file};
use tokio::time::Instant;

const PACKAGES: [&str; 30] = [
    "altair==5.4.1",
    "beautifulsoup4==4.12.3",
    "bokeh==3.5.2",
    "click==8.1.7",
    "folium==0.17.0",
    "h5py==3.12.1",
    "ipympl==0.9.4",
    "jinja2==3.1.4",
    "lxml==5.3.0",
    "matplotlib==3.9.2",
    "networkx==3.3",
    "nltk==3.9.1",
    "numpy==1.26.4",
    "openpyxl==3.1.5",
    "pandas==2.2.3",
    "pillow==10.4.0",
    "plotly==5.24.1",
    "pytest==8.3.3",
    "pyyaml==6.0.2",
    "requests==2.32.3",
    "rich==13.9.2",
    "scikit-learn==1.5.2",
    "scipy==1.13.1",
    "seaborn==0.13.2",
    "sqlalchemy==2.0.35",
    "statsmodels==0.14.4",
    "sympy==1.13.3",
    "tabulate==0.9.0",
    "tqdm==4.66.5",
    "xarray==2024.9.0",
];
/// Where this system keeps its certificate authorities; builds must trust them where a proxy answers for the package index.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(site) = Site::open("thirty_packages").await? else { return Ok(()) };
    let rounds = number("rounds", 3);
    let engine = site.service.engine().clone();
    println!("{}", circumstances(&engine)?);
    let repo = Repo::with_files(site.root.path(), "thirty", &[file("requirements.txt", requirements(0))])?;
    let cold = site.visit("thirty", "main").await.context("the first build")?;
    site.end_sessions().await?;
    println!("ours with nothing downloaded: {:.1} s", cold.at("built")?.as_secs_f64());

    let mut ours = Series::new("ours: request to built, downloads cached");
    let mut peer = Series::new("peer: docker build, pip install --no-cache-dir");
    for round in 1..=rounds {
        repo.commit("main", &[file("requirements.txt", requirements(round))])?;
        let visit = site.visit("thirty", "main").await?;
        ensure!(visit.log().contains("install Python packages"), "nothing was installed: {}", visit.log());
        site.end_sessions().await?;
        ours.push(visit.at("built")?);
        forget(&engine, visit.field("image"))?;
        let plain = plain(&engine, &requirements(round))?;
        println!("round {round}: ours {:.1} s, peer {:.1} s", visit.at("built")?.as_secs_f64(), plain.as_secs_f64());
        peer.push(plain);
        if round == rounds {
            println!("the last visit:\n{}", visit.timeline());
        }
    }
    println!("{}", head());
    println!("{}\n{}", ours.row(), peer.row());
    let ratio = ours.median().as_secs_f64() / peer.median().as_secs_f64();
    println!("ratio of the medians: {ratio:.2} (target: at most 0.5)");
    println!("load at the end {}", loads());
    Ok(())
}

/// The list, begun at another place each round.
fn requirements(round: usize) -> String {
    PACKAGES.iter().cycle().skip(round).take(PACKAGES.len()).fold(String::new(), |list, package| list + package + "\n")
}

fn plain(engine: &Engine, requirements: &str) -> anyhow::Result<Duration> {
    let scratch = tempfile::tempdir()?;
    let base = &engine.base_image;
    let authorities = std::fs::read(AUTHORITIES).unwrap_or_default();
    let lent = if authorities.is_empty() {
        ""
    } else {
        "--mount=type=bind,source=authorities.pem,target=/dev/shm/authorities.pem PIP_CERT=/dev/shm/authorities.pem "
    };
    let dockerfile = format!(
        "FROM {base}\nCOPY requirements.txt /tmp/\nRUN {lent}pip install --no-cache-dir -r /tmp/requirements.txt\n"
    );
    std::fs::write(scratch.path().join("authorities.pem"), authorities)?;
    std::fs::write(scratch.path().join("Dockerfile"), dockerfile)?;
    std::fs::write(scratch.path().join("requirements.txt"), requirements)?;
    let tag = "bindery-bench/plain:1";
    let began = Instant::now();
    docker_build(engine, scratch.path(), &["--no-cache", "--tag", tag])?;
    let took = began.elapsed();
    engine.docker(&["rmi", "--force", tag])?;
    Ok(took)
}

/// Removes a session image and its environment image, so that the disk holds the next round.
fn forget(engine: &Engine, image: &str) -> anyhow::Result<()> {
    let label = "{{index .Config.Labels \"io.bindery.environment\"}}";
    let key = engine.docker(&["image", "inspect", "--format", label, image])?;
    engine.docker(&["rmi", "--force", image])?;
    for name in engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?.lines() {
        if name.ends_with(&format!(":{}", key.trim())) {
            engine.docker(&["rmi", "--force", name])?;
        }
    }
    Ok(())
}
