//! What every repository has: the base, where its files are looked for, which Python it gets, what its image leaves behind.

use std::path::Path;
use std::process::Command;

use bindery_tests::engine::Engine;
use bindery_tests::repos::file;

use crate::support::{Shared, Workshop, base_python, build, inspect, refuse};

/// A repository that asks for nothing.
static PLAIN: Shared = Shared::new();

fn plain() -> Vec<bindery_tests::repos::RepoFile> {
    vec![file("README.md", "hello")]
}

#[test]
fn a01_without_environment_files_the_image_is_a_working_server_and_the_log_says_so() {
    let Some(image) = PLAIN.image("a01", plain) else { return };
    assert!(image.log.contains("No environment files found"), "{}", image.log);
    image.python("import jupyter_server");
    assert_eq!(image.sh("cat README.md"), "hello");
    // The image's own command, asked until it answers.
    let server = image.start(&["-e", "JUPYTER_TOKEN=secret"]);
    let ask = "import time, urllib.request\nfor _ in range(600):\n    try:\n        \
               print(urllib.request.urlopen('http://127.0.0.1:8888/api').read().decode())\n        break\n    \
               except OSError:\n        time.sleep(0.2)\nelse:\n    raise SystemExit('no answer')";
    let answer = server.exec(&["python", "-c", ask]);
    assert!(answer.contains("\"version\""), "{answer}");
}

#[test]
fn a06_files_in_binder_hide_those_at_the_top() {
    let files = [
        file("binder/requirements.txt", "six==1.16.0\n"),
        file("requirements.txt", "six==1.15.0\ntoolz\n"),
        file("apt.txt", "tree\n"),
    ];
    let Some(image) = build("a06", &files) else { return };
    let version =
        "import importlib.metadata as m; print(m.version('six'), 'toolz' in {d.name for d in m.distributions()})";
    assert_eq!(image.python(version), "1.16.0 False");
    for hidden in ["requirements.txt", "apt.txt"] {
        assert!(image.log.contains(&format!("Not using {hidden}: ")), "{}", image.log);
    }
}

#[test]
fn a07_binder_and_dot_binder_together_are_refused_naming_both() {
    let files = [file("binder/requirements.txt", "six\n"), file(".binder/apt.txt", "tree\n")];
    let Some(failure) = refuse("a07", &files) else { return };
    assert!(failure.said().contains("binder/") && failure.said().contains(".binder/"), "{failure:#?}");
    assert_eq!(failure.fault["by"], "user");
}

#[test]
fn a08_an_empty_binder_directory_gives_the_default_and_says_what_it_hides() {
    let files = [file("binder/.gitkeep", ""), file("requirements.txt", "toolz\n")];
    let Some(image) = build("a08", &files) else { return };
    assert!(image.log.contains("Not using requirements.txt: binder/ exists"), "{}", image.log);
    assert!(image.log.contains("binder/ has no environment files"), "{}", image.log);
    assert_eq!(image.python("import importlib.util as u; print(u.find_spec('toolz'))"), "None");
}

#[test]
fn a14_runtime_txt_names_the_python_by_series_or_major() {
    let Some(workshop) = Workshop::find("a14") else { return };
    let series = base_python(&workshop.engine);
    for asked in [series.as_str(), "3"] {
        let image = workshop.build(&[file("runtime.txt", format!("python-{asked}\n"))]);
        assert!(image.sh("python -V").starts_with(&format!("Python {series}.")), "python-{asked}");
        assert!(image.log.contains("Using runtime.txt: the Python version"), "{}", image.log);
    }
}

#[test]
fn a15_a_patch_release_pins_the_series_and_says_that_it_does() {
    let Some(workshop) = Workshop::find("a15") else { return };
    let series = base_python(&workshop.engine);
    // One that the base does not have.
    let image = workshop.build(&[file("runtime.txt", format!("python-{series}.99\n"))]);
    assert!(image.sh("python -V").starts_with(&format!("Python {series}.")));
    assert!(image.log.contains("runtime.txt:1 names a patch release"), "{}", image.log);
}

#[test]
fn a16_a_runtime_txt_that_is_none_is_refused_with_line_and_grammar() {
    for (content, place) in [
        ("python3.8\n", "runtime.txt:1"),
        ("", "runtime.txt:1"),
        ("\nabc\n", "runtime.txt:2"),
        ("python-3.11-2024-13-01\n", "runtime.txt:1"),
    ] {
        let Some(failure) = refuse("a16", &[file("runtime.txt", content)]) else { return };
        assert_eq!(failure.place(), place, "{content:?}: {failure:#?}");
        assert!(failure.said().contains("python-3.11"), "{content:?}: {failure:#?}");
    }
}

#[test]
fn a48_tmp_home_and_root_are_left_nearly_empty() {
    let Some(image) = PLAIN.image("a48", plain) else { return };
    let sizes = image.run_with(&["--user", "root", "--entrypoint", "du"], &["-sk", "/tmp", "/root", "/home/jovyan"]);
    let sizes: Vec<(u64, String)> = sizes
        .out
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(size, path)| (size.parse().unwrap(), path.to_owned()))
        .collect();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes.iter().all(|(kilobytes, _)| *kilobytes <= 1024), "{sizes:?}");
}

#[test]
fn a49_building_an_unchanged_repository_again_runs_nothing_and_gives_the_same_image() {
    let Some(workshop) = Workshop::find("a49") else { return };
    let files = [file("requirements.txt", "six==1.16.0\n"), file("data.csv", "1,2\n")];
    let (first, second) = (workshop.build(&files), workshop.build(&files));
    assert_ne!(first.name, second.name, "two directories are two repositories");
    assert_eq!(first.inspect("{{.Id}}"), second.inspect("{{.Id}}"));
    assert!(second.log.contains("Environment unchanged"), "{}", second.log);
    let ran: Vec<_> = second.steps().into_iter().filter(|(_, status)| status != "cached").collect();
    assert!(ran.iter().all(|(name, _)| !name.contains("install")), "{ran:?}");
}

#[test]
fn a49_the_same_environment_has_the_same_layers_on_whatever_engine_it_is_built() {
    let Some(engine) = Engine::find("a49") else { return };
    let files = [file("requirements.txt", "toolz==1.0.0\n"), file("apt.txt", "hello\n")];
    let layers = |image: &str| -> Vec<String> {
        let listed = inspect(&engine, image, "{{range .RootFS.Layers}}{{.}} {{end}}");
        listed.split_whitespace().map(str::to_owned).collect()
    };
    let built: Vec<Vec<String>> = (0..2)
        .map(|number| {
            // A base that no step was ever run on, as on another engine: nothing comes from a cache of layers.
            let base = format!("bindery-test-{}/base:{number}", uuid::Uuid::new_v4().simple());
            let container = engine.docker(&["create", &engine.base_image]).unwrap();
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("unique"), &base).unwrap();
            let source = directory.path().join("unique");
            engine.docker(&["cp", source.to_str().unwrap(), &format!("{}:/srv/unique", container.trim())]).unwrap();
            engine.docker(&["commit", container.trim(), &base]).unwrap();
            engine.docker(&["rm", container.trim()]).unwrap();
            let workshop = Workshop::with("a49", &[("BUILD__BASE_IMAGE", &base)]).unwrap();
            let image = workshop.build(&files);
            let ran = image.steps().iter().filter(|(_, status)| status == "done").count();
            let below = layers(&base).len();
            let added = layers(&image.environment()).split_off(below);
            drop((image, workshop));
            engine.docker(&["rmi", "--force", &base]).unwrap();
            assert!(ran >= 2, "both installations ran");
            added
        })
        .collect();
    assert_eq!(built[0].len(), 3, "Debian packages, Python packages, and the list of what is installed");
    assert_eq!(built[0], built[1]);
}

#[test]
fn a53_the_base_keeps_the_docker_stacks_contract() {
    let Some(engine) = Engine::find("a53") else { return };
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/stack/contract-tests");
    let output: std::process::Output =
        Command::new(checks).arg(&engine.base_image).env("DOCKER_HOST", &engine.docker_host).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
