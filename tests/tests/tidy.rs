//! The invariants of the architecture, checked on the sources and manifests themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The longest a source file may be, in lines.
const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Value {
    // For this platform only: crates of others were never downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Of each of our crates, the names of what its shipped code depends on.
fn dependencies(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        if !package["source"].is_null() {
            continue;
        }
        let shipped =
            package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
        let names = shipped.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        all.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    all
}

/// Files git tracks, below the root.
fn tracked(patterns: &[&str]) -> Vec<PathBuf> {
    let output = Command::new("git").arg("ls-files").arg("--").args(patterns).current_dir(root()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| root().join(line))
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn crates_import_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("bindery-core", [].as_slice()),
        ("bindery-frontend", &[]),
        ("bindery-tests", &[]),
        ("bindery-buildpacks", &["bindery-core"]),
        ("bindery-content", &["bindery-core"]),
        ("bindery-images", &["bindery-core"]),
        ("bindery-store", &["bindery-core"]),
        ("bindery-launcher", &["bindery-core"]),
        ("bindery-proxy", &["bindery-core"]),
        ("bindery-builder", &["bindery-core", "bindery-buildpacks"]),
        ("bindery-web", &["bindery-core", "bindery-frontend"]),
    ]);
    for (name, dependencies) in dependencies(&metadata()) {
        // The composition root names everyone.
        if name == "bindery" {
            continue;
        }
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table of imports"));
        for dependency in dependencies.iter().filter(|dependency| dependency.starts_with("bindery")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not import {dependency}");
        }
    }
}

#[test]
fn each_outside_world_is_named_by_its_own_crates_only() {
    let owners: [(&str, &[&str]); 7] = [
        ("git2", &["bindery-content"]),
        ("bollard", &["bindery-images", "bindery-launcher"]),
        ("redis", &["bindery-store"]),
        ("redb", &["bindery-store"]),
        ("kube", &["bindery-launcher"]),
        ("actix-web", &["bindery-web", "bindery"]),
        ("hyper", &["bindery-proxy"]),
    ];
    let all = dependencies(&metadata());
    for (outside, owners) in owners {
        for (name, dependencies) in &all {
            assert!(
                !dependencies.contains(outside) || owners.contains(&name.as_str()),
                "{name} must not depend on {outside}; only {owners:?} may"
            );
        }
    }
}

#[test]
fn no_second_tls_provider_and_no_copyleft_is_linked() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(
            !["openssl-sys", "aws-lc-sys", "aws-lc-rs", "native-tls"].contains(&name),
            "{name} is in the dependency tree"
        );
        let licence = package["license"].as_str().unwrap_or_default();
        let copyleft = licence.split(" OR ").all(|choice| choice.contains("GPL") && !choice.contains("MIT"));
        assert!(!copyleft, "{name} is under {licence}");
    }
}

#[test]
fn no_source_file_is_long() {
    for path in tracked(&["*.rs", "*.ts", ":!frontend/ts/api.ts"]) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it", path.display());
    }
}

#[test]
fn every_crate_says_what_it_is_for_and_maps_its_files() {
    for path in tracked(&[
        "services/*/src/lib.rs",
        "buildpacks/src/lib.rs",
        "frontend/src/lib.rs",
        "tests/src/lib.rs",
        "services/bindery/src/main.rs",
    ]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let doc: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(doc.len() >= 4, "{} must open with what the crate is for and a map of its files", path.display());
    }
}

#[test]
fn only_the_composition_root_reads_configuration_from_outside() {
    for path in tracked(&["services/*.rs", "buildpacks/*.rs", "frontend/src/*.rs"]) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may: they are told where the test engine is.
        let is_test = shown.contains("/tests/") || shown.ends_with("tests.rs");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if !is_test && !shown.starts_with("services/bindery/") {
            assert!(!code.contains("env::var"), "{shown} reads the environment; only services/bindery may");
        }
    }
}

#[test]
fn no_unfinished_work_is_left_in_the_code() {
    for path in tracked(&["*.rs", "*.ts"]) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if shown == "tests/tests/tidy.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for sign in ["todo!(", "unimplemented!(", "FIXME", "dbg!(", "#[ignore]"] {
            assert!(!text.contains(sign), "{shown} contains {sign}");
        }
    }
}

#[test]
fn the_top_level_holds_what_the_design_names_and_nothing_else() {
    let named = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE",
        "services",
        "frontend",
        "buildpacks",
        "deploy",
        "tests",
        "clippy.toml",
        "deny.toml",
        "rust-toolchain.toml",
    ];
    let output = Command::new("git").args(["ls-tree", "--name-only", "HEAD"]).current_dir(root()).output().unwrap();
    for name in String::from_utf8(output.stdout).unwrap().lines().filter(|name| !name.starts_with('.')) {
        assert!(named.contains(&name), "{name} is at the top level, where the design does not name it");
    }
}
