//! What `bindery plan --json` prints is what its schema says.

use std::path::Path;
use std::process::Command;

use bindery_tests::repos::{RepoFile, executable, file, write};
use bindery_tests::service::binary;
use serde_json::Value;

/// What of `value` is not as `schema` says: the keywords that the schema of plans uses, and no others.
fn wrong(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix('#').unwrap();
                out.extend(wrong(root, root.pointer(name).unwrap(), value, at));
            }
            "oneOf" => {
                let fits = rule.as_array().unwrap().iter().filter(|one| wrong(root, one, value, at).is_empty()).count();
                if fits != 1 {
                    let each = rule.as_array().unwrap().iter().map(|one| wrong(root, one, value, at));
                    out.push(format!("{at} fits {fits} of the forms: {:?}", each.collect::<Vec<_>>()));
                }
            }
            "type" => {
                let names = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                let is = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !names.iter().any(|name| name == is) {
                    out.push(format!("{at} is of type {is}, not {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => out.push(format!("{at} is none of {rule}")),
            "minimum" if value.as_i64() < rule.as_i64() => out.push(format!("{at} is under {rule}")),
            "enum" | "minimum" => {}
            // The only one is a date's.
            "pattern" if value.as_str().unwrap_or_default().len() != 10 => out.push(format!("{at} is no date")),
            "pattern" => {}
            "required" if value.is_object() => {
                let missing = rule.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                out.extend(missing.map(|key| format!("{at} lacks {key}")));
            }
            "properties" if value.is_object() => {
                for (key, value) in value.as_object().unwrap() {
                    if let Some(rule) = rule.get(key) {
                        out.extend(wrong(root, rule, value, &format!("{at}.{key}")));
                    }
                }
            }
            "items" if value.is_array() => {
                for (index, value) in value.as_array().unwrap().iter().enumerate() {
                    out.extend(wrong(root, rule, value, &format!("{at}[{index}]")));
                }
            }
            "required" | "properties" | "items" => {}
            other => panic!("the schema uses {other}, which this test does not know"),
        }
    }
    out
}

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
        assert_eq!(wrong(&schema, &schema, &value, "it"), Vec::<String>::new(), "{value:#}");
    }
    // The check itself can fail.
    let (_, mut value) = planned(&[], &[]);
    value["steps"][0]["needs_content"] = Value::from("yes");
    value.as_object_mut().unwrap().remove("r");
    assert!(!wrong(&schema, &schema, &value, "it").is_empty());
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
