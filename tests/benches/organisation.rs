//! Every repository of a directory, visited as a person would: what was planned, and how it ended.
//!
//! `cargo bench -p bindery-tests --bench organisation -- --in DIRECTORY`, with the variables of `tests/run`. The directory holds bare
//! clones; each is visited at its HEAD. A repository that cannot be built is a row with the fault that a visitor reads, not an error
//! of the bench; a stream that breaks off is one. `BINDER_EXAMPLES.md` beside this file has a result.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use bindery_tests::engine::Engine;
use bindery_tests::git_server::GitServer;
use bindery_tests::measure::{Visit, circumstances, loads};
use bindery_tests::service::Service;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(engine) = Engine::find("organisation") else { return Ok(()) };
    let mut arguments = std::env::args().skip_while(|argument| argument != "--in");
    let root = PathBuf::from(arguments.nth(1).context("say where the clones are: -- --in DIRECTORY")?);
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&root)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let git = GitServer::start(&root)?;
    let mut service = Service::new(&engine, &[git.authority()])?;
    service.serve().await?;
    println!("{}", circumstances(&engine)?);
    println!("| repository | used | not used | ended |\n|---|---|---|---|");
    let mut ready = 0;
    for name in &names {
        let visit = Visit::make(&service.build_url(&format!("{}/{name}", git.url()), "HEAD")).await?;
        let last = visit.last().with_context(|| format!("{name}: no event"))?;
        ensure!(last.is_terminal(), "{name}: the stream broke off: {last:?}");
        let ended = if last.phase() == "ready" {
            ready += 1;
            format!("ready in {:.1} s", visit.at("ready")?.as_secs_f64())
        } else {
            fault(last)
        };
        let log = visit.log();
        println!(
            "| {name} | {} | {} | {} |",
            files(&log, "Using "),
            files(&log, "Not using "),
            ended.replace('|', "\\|")
        );
        engine.remove_containers(service.instance());
    }
    println!("\n{ready} of {} became notebooks; load at the end {}", names.len(), loads());
    Ok(())
}

/// What the log says of each file after these words, as `<words><file>: <why>`.
fn files(log: &str, words: &str) -> String {
    let file = |line: &str| {
        let (file, _) = line.strip_prefix(words)?.split_once(": ")?;
        (!file.contains(' ')).then(|| format!("`{file}`"))
    };
    log.lines().filter_map(file).collect::<Vec<_>>().join(", ")
}

/// Whose fault it is, where, and what: as the page shows it.
fn fault(last: &bindery_tests::events::Told) -> String {
    let fault = &last.data["fault"];
    let text = |key: &str| fault.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let place = match (text("file"), fault.get("line").and_then(serde_json::Value::as_u64)) {
        (file, Some(line)) if !file.is_empty() => format!("{file}:{line}: "),
        (file, None) if !file.is_empty() => format!("{file}: "),
        _ => String::new(),
    };
    format!("{} fault: {place}{}", text("by"), text("message"))
}
