//! Packages of another day, from the real index: the versions that could be had then, and no newer ones.

use std::process::Command;

use bindery_tests::engine::Engine;
use bindery_tests::repos::{RepoFile, file, write};
use bindery_tests::service::binary;
use uuid::Uuid;

/// Builds `files` as of `day`; what `program` prints, run by the Python that notebooks run on.
#[track_caller]
fn as_of(engine: &Engine, day: &str, files: &[RepoFile], program: &str) -> String {
    let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(directory.path(), files).unwrap();
    let prefix = format!("bindery-test-{}", Uuid::new_v4().simple());
    let output = Command::new(binary().unwrap())
        .args(["build", "--as-of", day, directory.path().to_str().unwrap()])
        .env("DOCKER_HOST", &engine.docker_host)
        .env("BINDERY__DATA_DIR", home.path())
        .env("BINDERY__BUILD__BASE_IMAGE", &engine.base_image)
        .env("BINDERY__REGISTRY__PREFIX", &prefix)
        // Test machines are often nearly full.
        .env("BINDERY__IMAGES__MIN_FREE_BYTES", "1000000")
        .env("BINDERY__IMAGES__MIN_FREE_PERCENT", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let run = |words: &[&str]| engine.docker(&[&["run", "--rm", "--network", "none", &image], words].concat());
    let script = "exec \"$KERNEL_PYTHON_PREFIX\"/bin/python -c \"$0\"";
    let said = run(&["bash", "-c", script, program]);
    let server = run(&["python", "-c", "import jupyter_server, requests; print(requests.__version__ > '2.31')"]);
    let filter = format!("reference={prefix}/*");
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &filter]).unwrap();
    for image in listed.lines() {
        let _ = engine.docker(&["rmi", "--force", image]);
    }
    assert_eq!(server.unwrap().trim(), "True", "the server keeps its own packages");
    said.unwrap().trim().to_owned()
}

#[test]
fn loose_pins_get_the_versions_of_the_day() {
    let Some(engine) = Engine::find("packages of a day") else { return };
    let program =
        "import idna, requests, urllib3, ipykernel; print(requests.__version__, urllib3.__version__, idna.__version__)";
    let files = [file("requirements.txt", "requests\n")];
    assert_eq!(as_of(&engine, "2023-06-01", &files, program), "2.31.0 2.0.2 3.4");
}

#[test]
fn packages_older_than_the_python_are_those_of_the_day_and_the_kernel_still_starts() {
    let Some(engine) = Engine::find("packages before the Python") else { return };
    // docopt has no wheel: it is built by tools that know this Python.
    let program = "import docopt, requests, urllib3, ipykernel.kernelapp as k; print(requests.__version__, urllib3.__version__, docopt.__version__)";
    let files = [file("requirements.txt", "requests\ndocopt\n")];
    assert_eq!(as_of(&engine, "2021-06-01", &files, program), "2.25.1 1.26.5 0.6.2");
}
