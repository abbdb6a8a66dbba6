//! Rows that a plan decides: what `bindery plan` prints, asked of the real command, without an engine. What is planned of Julia can
//! be built where its releases can be had, which is no test machine.

use std::process::Command;

use bindery_tests::repos::{file, write};
use bindery_tests::service::binary;
use serde_json::Value;

/// The plan of these files, or what is wrong with them.
#[track_caller]
fn plan(files: &[(&str, &str)]) -> Result<Value, Value> {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
    write(&directory.path().join("repo"), &files).unwrap();
    let output = Command::new(binary().unwrap())
        .args(["plan", "--json", "repo"])
        .current_dir(directory.path())
        .env("BINDERY__DATA_DIR", directory.path().join("data"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    match output.status.code() {
        Some(0) => Ok(answer),
        Some(1) => Err(answer["fault"].clone()),
        code => panic!("exit code {code:?}: {answer}"),
    }
}

/// The Julia planned for a requirement, and where that is asked for.
#[track_caller]
fn julia(compat: &str) -> (String, String) {
    let text = format!("[deps]\n\n[compat]\njulia = \"{compat}\"\n");
    let planned = plan(&[("Project.toml", &text)]).unwrap_or_else(|fault| panic!("{compat}: {fault}"));
    let text = |key: &str| planned["julia"][key].as_str().unwrap().to_owned();
    (text("version"), text("source"))
}

/// What is wrong, and what to do.
fn said(fault: &Value) -> String {
    ["message", "hint"].map(|key| fault[key].as_str().unwrap_or_default()).join(" ")
}

#[test]
fn a36_the_newest_julia_that_a_requirement_allows_is_planned() {
    let newest = plan(&[("Project.toml", "[deps]\n")]).unwrap()["julia"]["version"].as_str().unwrap().to_owned();
    for (compat, version) in [
        ("1.6", newest.as_str()),
        ("1.6, 1.9", &newest),
        (">= 1.2", &newest),
        ("≥1.3", &newest),
        ("=1.3", "1.3.0"),
        ("~1.3", "1.3.1"),
        ("~1.6.2", "1.6.7"),
        ("~1.8, ~1.9", "1.9.4"),
        ("1.4 - 1.5", "1.5.4"),
    ] {
        assert_eq!(julia(compat), (version.to_owned(), "Project.toml:4".to_owned()), "{compat}");
    }
    for compat in ["^0.2.3", "~1.3.5"] {
        let fault = plan(&[("Project.toml", &format!("[compat]\njulia = \"{compat}\"\n"))]).unwrap_err();
        assert_eq!((fault["file"].as_str(), fault["line"].as_u64()), (Some("Project.toml"), Some(2)), "{fault}");
        assert!(said(&fault).contains(compat) && said(&fault).contains(&newest), "{fault}");
    }
}

#[test]
fn a37_the_julia_of_a_manifest_wins_over_what_a_project_allows() {
    let manifest = "julia_version = \"1.7.1\"\nmanifest_format = \"2.0\"\n";
    let files = [("Project.toml", "[compat]\njulia = \"1.9\"\n"), ("Manifest.toml", manifest)];
    let planned = plan(&files).unwrap();
    assert_eq!(planned["julia"]["version"], "1.7.1");
    assert_eq!(planned["julia"]["source"], "Manifest.toml:1");
}

#[test]
fn a38_a_require_file_is_refused_with_what_to_write_instead() {
    let fault = plan(&[("REQUIRE", "julia 0.6\nIJulia\n")]).unwrap_err();
    assert_eq!((fault["by"].as_str(), fault["file"].as_str()), (Some("user"), Some("REQUIRE")), "{fault}");
    assert!(said(&fault).contains("Project.toml"), "{fault}");
}
