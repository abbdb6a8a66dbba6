//! A Python of the kernel's own: another than the base's, fetched from a mirror that `tests/python_mirror.sh` makes of Debian's
//! packages and serves on the engine's network. The next Debian has one series, so the other ones are pictures of plans in
//! `buildpacks`.

use std::sync::Arc;

use bindery_tests::engine::Engine;
use bindery_tests::repos::{RepoFile, file};

use crate::support::{Image, Server, Shared, Workshop, base_python, refuse};

/// The series the mirror has.
const SERIES: &str = "3.13";
/// Where an environment of the kernel's own is.
const KERNEL: &str = "/opt/conda/envs/kernel";

/// The mirror.
static MIRROR: Shared<Server> = Shared::new();

/// A workshop of a site that can fetch a Python from the mirror; what keeps the mirror there.
#[track_caller]
fn site(test: &str, settings: &[(&str, &str)]) -> Option<(Arc<Workshop>, Arc<Server>)> {
    let mirror = MIRROR.get(|| {
        let engine = Engine::find(test)?;
        let options = ["--no-healthcheck", "--user", "root", "--entrypoint", "bash"];
        let script = include_str!("../../python_mirror.sh");
        Some(Server::start(&engine, &options, &engine.base_image, &["-c", script]))
    })?;
    mirror.until(&["curl", "-fsS", "http://127.0.0.1:8000/downloads.json"]);
    let list = format!("http://{}:8000/downloads.json", mirror.address());
    let pythons = format!("[\"{SERIES}\"]");
    let own = [("BUILD__PYTHONS", pythons.as_str()), ("BUILD__PYTHON_MIRROR", list.as_str())];
    Some((Workshop::with(test, &[own.as_slice(), settings].concat())?, mirror))
}

/// What the default kernel, a terminal and the server say they run on: `3.13 3.13 3.11`.
#[track_caller]
fn pythons(image: &Image) -> String {
    let program = "import sys; print('%d.%d' % sys.version_info[:2], end='')";
    let terminal = image.sh(&format!("bash -ic \"python -c \\\"{program}\\\"\" 2>/dev/null"));
    format!("{} {terminal} {}", image.kernel(program), image.python(program))
}

/// A project that asks for these Pythons.
fn project(requires_python: &str) -> RepoFile {
    let text = format!("[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \"{requires_python}\"\n");
    file("pyproject.toml", text)
}

#[test]
fn a14_runtime_txt_gives_another_python_than_the_bases_own() {
    let Some((workshop, _mirror)) = site("a14", &[]) else { return };
    let own = base_python(&workshop.engine);
    let image = workshop.build(&[file("runtime.txt", format!("python-{SERIES}\n"))]);
    assert_eq!(pythons(&image), format!("{SERIES} {SERIES} {own}"));
}

#[test]
fn a15_a_patch_release_of_another_python_pins_its_series() {
    let Some((workshop, _mirror)) = site("a15", &[]) else { return };
    let own = base_python(&workshop.engine);
    // One that there will never be.
    let image = workshop.build(&[file("runtime.txt", format!("python-{SERIES}.99\n"))]);
    assert_eq!(pythons(&image), format!("{SERIES} {SERIES} {own}"));
    assert!(image.log.contains("runtime.txt:1 names a patch release"), "{}", image.log);
}

#[test]
fn a17_requires_python_chooses_an_allowed_python_and_the_bases_own_where_it_will_do() {
    let Some((workshop, _mirror)) = site("a17", &[]) else { return };
    let own = base_python(&workshop.engine);
    for (range, chosen) in [("==3.13.*", SERIES), (">=3.11.2,<3.12", own.as_str()), (">=3.10", own.as_str())] {
        let image = workshop.build(&[project(range)]);
        assert_eq!(pythons(&image), format!("{chosen} {chosen} {own}"), "{range}");
        assert!(image.log.contains("Using pyproject.toml: "), "{}", image.log);
    }
    let failure = workshop.try_build(&[project(">=4")]).expect_err("there is no such Python");
    assert_eq!((failure.code, failure.place().as_str()), (Some(1), "pyproject.toml:4"), "{failure:#?}");
    for said in [">=4", own.as_str(), SERIES] {
        assert!(failure.said().contains(said), "{said}: {failure:#?}");
    }
}

#[test]
fn a18_two_files_that_ask_for_different_pythons_are_both_named() {
    let Some(failure) = refuse("a18", &[file("runtime.txt", "python-3.11\n"), project(">=3.12")]) else { return };
    assert_eq!(failure.fault["by"], "user", "{failure:#?}");
    for said in ["runtime.txt:1", "pyproject.toml:4", "no Python is both"] {
        assert!(failure.said().contains(said), "{said}: {failure:#?}");
    }
}

#[test]
fn a23_a_python_version_file_gives_notebooks_that_python_and_leaves_the_servers_alone() {
    let Some((workshop, _mirror)) = site("a23", &[("BUILD__PROBE", "true")]) else { return };
    let own = base_python(&workshop.engine);
    let image =
        workshop.build(&[file(".python-version", format!("{SERIES}\n")), file("requirements.txt", "six==1.17.0\n")]);
    assert_eq!(pythons(&image), format!("{SERIES} {SERIES} {own}"));
    // As every image is before it is called built.
    assert!(image.log.contains("The server answers, and the kernel python3 computes."), "{}", image.log);
    let listed = image.sh("jupyter kernelspec list --json 2>/dev/null");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let kernels: Vec<&String> = listed["kernelspecs"].as_object().unwrap().keys().collect();
    assert_eq!(kernels, ["python3"]);
    // What the repository asks for is the kernel's; the server has what the base gave it.
    assert_eq!(image.kernel("import six; print(six.__file__.split('/lib/')[0], end='')"), KERNEL);
    let of_base = "import importlib.metadata as m; print(sorted((d.name, d.version) for d in m.distributions()))";
    let base = image.workshop.engine.docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        &image.workshop.engine.base_image,
        "python",
        "-c",
        of_base,
    ]);
    assert_eq!(image.python(of_base), base.unwrap().trim());
    // The mirror's, and no one else's.
    image.sh(&format!("ls {KERNEL}/interpreter/cpython-{SERIES}.*/lib/own/libc.so.6"));
}

#[test]
fn a29_every_way_to_ask_for_a_python_is_honoured() {
    let Some((workshop, _mirror)) = site("a29", &[]) else { return };
    let own = base_python(&workshop.engine);
    for asked in ["python>=3.12", "conda-forge::python=3.13", "python 3.13"] {
        let image = workshop.build(&[file("environment.yml", format!("dependencies:\n  - {asked}\n"))]);
        assert_eq!(pythons(&image), format!("{SERIES} {SERIES} {own}"), "{asked}");
    }
}
