//! Real public repositories, built and launched: what was planned, how long it took, and that what they hold is there.
//!
//! `cargo bench -p bindery-tests --bench repositories -- --in DIRECTORY`, with the variables of `tests/run`. The directory holds a
//! bare clone of each repository below, as `<owner>/<name>`; `REPOSITORIES.md` beside this file has the commands and a result.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use bindery_tests::git_server::GitServer;
use bindery_tests::measure::{Visit, circumstances, loads};
use bindery_tests::service::Service;
use bindery_tests::{engine::Engine, events::Told};

/// A repository at a commit, a file that must be there, and a command that must succeed in a session.
struct Real {
    name: &'static str,
    commit: &'static str,
    holds: &'static str,
    works: &'static str,
}

const REPOSITORIES: [Real; 7] = [
    Real {
        name: "numpy/numpy-tutorials",
        commit: "d8a82a1b792f24a52eebcf0ae5ec73ccacfef685",
        holds: "content",
        works: "python -c 'import numpy, scipy, pooch, matplotlib, pandas, imageio'",
    },
    Real {
        name: "binder-examples/apt_install",
        commit: "9d3102b9cd84bc7322779216f6493f6cbe8d82bb",
        holds: "index.ipynb",
        works: "/usr/games/cowsay hello",
    },
    Real {
        name: "binder-examples/jupyter-stacks",
        commit: "b33625eac93e25f8433ed56f6ad09f000f2987e8",
        // Its Dockerfile copies nothing.
        holds: "",
        works: "python -c 'import vdom'",
    },
    Real {
        name: "Visualize-ML/Book3_Elements-of-Mathematics",
        commit: "d1d0db94152b96c9029f605a4170cd148fe65b16",
        holds: "Book3_Ch01_Python_Codes",
        works: "test $(du -sm /home/jovyan | cut -f1) -gt 50",
    },
    Real {
        name: "AngryMaciek/angry-moran-simulator",
        commit: "c985db0e55bce5fea5a95a0f6ecf238bd98c5d92",
        holds: "binder",
        // Not the directory of that name in the repository.
        works: "cd / && python -c 'import moranpycess'",
    },
    Real {
        name: "AudioSceneDescriptionFormat/splines",
        commit: "2370b24f53416bed8f8faaf26bc80151d15b9538",
        holds: "doc",
        works: "cd / && python -c 'import splines, sympy, scipy'",
    },
    Real {
        name: "unicode-org/cldr-json",
        commit: "b08a82b582f1120d630d623f9e5073316741574d",
        holds: "cldr-json",
        works: "test $(find /home/jovyan -type f | wc -l) -gt 28000",
    },
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(engine) = Engine::find("repositories") else { return Ok(()) };
    let mut arguments = std::env::args().skip_while(|argument| argument != "--in");
    let root = PathBuf::from(arguments.nth(1).context("say where the clones are: -- --in DIRECTORY")?);
    let git = GitServer::start(&root)?;
    let mut service = Service::new(&engine, &[git.authority()])?;
    service.serve().await?;
    println!("{}", circumstances(&engine)?);
    println!("| repository | commit | fetched | planned | built | ready | there |\n|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for real in &REPOSITORIES {
        if !root.join(real.name).exists() {
            println!("| {} | not among the clones |||||", real.name);
            continue;
        }
        match launch(&service, &git, real).await {
            Ok(row) => println!("{row}"),
            Err(error) => {
                println!("| {} | {} | failed: {error} ||||", real.name, short(real.commit));
                failed.push(real.name);
            }
        }
        engine.remove_containers(service.instance());
    }
    println!("\nload at the end {}", loads());
    ensure!(failed.is_empty(), "these failed: {}", failed.join(", "));
    Ok(())
}

async fn launch(service: &Service, git: &GitServer, real: &Real) -> anyhow::Result<String> {
    let visit = Visit::make(&service.build_url(&format!("{}/{}", git.url(), real.name), real.commit)).await?;
    let ready = visit.last().context("no event")?;
    if ready.phase() != "ready" {
        bail!("{}", ready.message());
    }
    let contents = contents(ready).await?;
    ensure!(
        contents.contains(&format!("\"{}\"", real.holds)) || real.holds.is_empty(),
        "no {} among its files",
        real.holds
    );
    let engine = service.engine();
    let container = engine.containers(service.instance())?.pop().context("no container")?;
    engine.docker(&["exec", &container, "bash", "-c", real.works])?;
    let log = visit.log();
    // `Using <file>: <what for>`; installers say "Using" too.
    let used = |line: &str| {
        let (file, purpose) = line.strip_prefix("Using ")?.split_once(": ")?;
        (!file.contains(' ')).then(|| format!("{file}: {purpose}"))
    };
    let planned: Vec<String> = log.lines().filter_map(used).collect();
    let planned = if planned.is_empty() { "nothing but its files".to_owned() } else { planned.join("; ") };
    let fetched = log.lines().find_map(|line| line.strip_prefix("Fetched ")).unwrap_or("nothing");
    Ok(format!(
        "| {} | {} | {fetched} | {} | {:.1} s | {:.1} s | `{}` |",
        real.name,
        short(real.commit),
        planned,
        visit.at("built")?.as_secs_f64(),
        visit.at("ready")?.as_secs_f64(),
        real.works.replace('|', "\\|")
    ))
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// The list of files of a ready session, as its own server gives it.
async fn contents(ready: &Told) -> anyhow::Result<String> {
    let text = |name: &str| ready.data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let request = reqwest::Client::new().get(format!("{}api/contents/", text("url")));
    let answer = request.header("authorization", format!("token {}", text("token"))).send().await?;
    ensure!(answer.status() == 200, "the list of files: {}", answer.status());
    Ok(answer.text().await?)
}
