//! What `bindery plan --json` prints is what its schema says.

use std::path::Path;
use std::process::Command;

use bindery_tests::repos::{RepoFile, executable, file, write};
use bindery_tests::service::binary;
use serde_json::Value;

fn planned(files: &[RepoFile], arguments: &[&str]) -> (Option<i32>, Value) {
    let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(directory.path(), files).unwrap();
    let output = Command::new(binary().unwrap())
        .args(["plan", "--json"])
        .args(arguments)
        .arg(directory.path())
        .env("BINDERY__DATA_DIR", home.path())
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn plans_and_refusals_are_as_their_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildpacks/plan.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let script = executable("postBuild", "#!/bin/sh\n");
    let cases: [(&[RepoFile], &[&str], i32); 7] = [
        (&[], &[], 0),
        (&[file("requirements.txt", "six\n-e .\n"), file("setup.py", ""), script], &["--as-of", "2021-03-01"], 0),
        (&[file("binder/apt.txt", "curl\n"), file("requirements.txt", "six\n")], &[], 0),
        (&[file("runtime.txt", "r-4.2-2024-01-31\n"), file("install.R", "install.packages('x')\n")], &[], 0),
        (&[file("Dockerfile", "FROM quay.io/jupyter/minimal-notebook:2025-01-06\nRUN id\n")], &[], 0),
        (&[file("apt.txt", "curl\n$(id)\n")], &[], 1),
        (&[file("binder/x", ""), file(".binder/x", "")], &[], 1),
    ];
    for (files, arguments, code) in cases {
        let (ended, value) = planned(files, arguments);
        assert_eq!(ended, Some(code), "{value:#}");
        let wrong: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}: {value:#}");
    }
    // The schema refuses what is no plan.
    let (_, mut value) = planned(&[], &[]);
    value["steps"][0]["needs_content"] = Value::from("yes");
    value.as_object_mut().unwrap().remove("r");
    assert!(!schema.is_valid(&value));
}

#[test]
fn a_date_is_shown_with_what_chose_it() {
    let (_, plan) = planned(&[file("requirements.txt", "six\n")], &["--as-of", "2021-03-01"]);
    assert_eq!(
        (plan["as_of"]["date"].as_str(), plan["as_of"]["source"].as_str()),
        (Some("2021-03-01"), Some("asked for"))
    );
    let (code, refused) = planned(&[], &["--as-of", "commit"]);
    assert_eq!((code, refused["fault"]["code"].as_str()), (Some(1), Some("commit-without-date")), "{refused}");
}
