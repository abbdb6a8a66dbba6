//! The commands, run as a person runs them.

use std::process::{Command, Output};

use bindery_tests::service::binary;

fn bindery(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(binary().unwrap())
        .args(arguments)
        .env("BINDERY__DATA_DIR", home.path())
        // No engine: a plan needs none.
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const EXAMPLE: &str = include_str!("../../deploy/config.example.toml");

fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

#[test]
fn the_example_configuration_is_accepted_with_every_line_switched_on() {
    let directory = tempfile::tempdir().unwrap();
    // The password has a file in the example.
    let on: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("#password = "))
        .map(|line| format!("{}\n", line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)))
        .collect();
    let path = directory.path().join("all.toml");
    std::fs::write(&path, on).unwrap();
    let output = bindery(&["--config", path.to_str().unwrap(), "check-config"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("launcher.idle_seconds = "));
}

#[test]
fn the_example_configuration_names_every_setting_and_its_default() {
    let mut section = String::new();
    let mut shown = std::collections::BTreeMap::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "))
            && !key.contains(' ')
        {
            shown.insert(format!("{section}{key}"), value.to_owned());
        }
    }
    let output = bindery(&["check-config"]);
    for line in text(&output.stdout).lines() {
        let (key, rest) = line.split_once(" = ").unwrap();
        let (value, origin) = rest.rsplit_once("  # ").unwrap();
        let example = shown.get(key).unwrap_or_else(|| panic!("{key} is not in config.example.toml"));
        if origin == "default" && key != "build.platform" {
            assert_eq!(example, value, "{key}");
        }
    }
}

#[test]
fn a_wrong_setting_is_refused_with_its_file_and_line() {
    let directory = repository(&[("bindery.toml", "[web]\nlisten = \"127.0.0.1:1\"\nlistne = 3\n")]);
    let file = directory.path().join("bindery.toml");
    let output = bindery(&["--config", file.to_str().unwrap(), "check-config"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("bindery.toml:3: "), "{}", text(&output.stderr));
}

#[test]
fn plan_says_what_is_used_what_is_not_and_why() {
    let directory = repository(&[("requirements.txt", "six\n"), ("environment.yml", "dependencies: [scipy]\n")]);
    let output = bindery(&["plan", directory.path().to_str().unwrap()]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("Uses environment.yml") && said.contains("Does not use requirements.txt"), "{said}");
}

#[test]
fn plan_as_json_gives_the_plan_or_the_fault() {
    let directory = repository(&[("requirements.txt", "six\n")]);
    let output = bindery(&["plan", "--json", directory.path().to_str().unwrap()]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["used"][0]["file"], "requirements.txt");
    assert!(plan["environment_key"].is_string() && plan["steps"].is_array());

    let directory = repository(&[("apt.txt", "curl\n$(id)\n")]);
    let output = bindery(&["plan", "--json", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["fault"]["file"].as_str(), answer["fault"]["line"].as_u64()), (Some("apt.txt"), Some(2)));
}

#[test]
fn dockerfile_prints_both_images() {
    let directory = repository(&[("requirements.txt", "six\n"), ("postBuild", "#!/bin/sh\n")]);
    let output = bindery(&["dockerfile", directory.path().to_str().unwrap()]);
    let said = text(&output.stdout);
    assert_eq!(said.matches("\nFROM ").count() + usize::from(said.starts_with("FROM ")), 2, "{said}");
}

#[test]
fn a_build_without_an_engine_says_so_and_fails() {
    let directory = repository(&[("requirements.txt", "six\n")]);
    let output = bindery(&["--json-logs", "build", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["phase"], "failed", "{said}");
}

#[test]
fn what_is_neither_a_directory_nor_an_address_is_refused() {
    let output = bindery(&["plan", "no-such-thing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("neither a directory nor an address"), "{}", text(&output.stderr));
}

#[test]
fn a_healthcheck_of_nothing_fails() {
    assert!(!bindery(&["healthcheck", "--url", "http://127.0.0.1:1/"]).status.success());
}
