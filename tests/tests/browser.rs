//! A person with a browser: tests/browser/main-job.mjs drives Chromium against a real service.

use std::path::Path;
use std::process::Command;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::git_server::GitServer;
use bindery_tests::repos::{Repo, executable, file};
use bindery_tests::service::Service;

const NOTEBOOK: &str = r#"{"cells":[{"cell_type":"code","execution_count":null,"id":"one","metadata":{},"outputs":[],"source":[]}],
"metadata":{"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"}},"nbformat":4,"nbformat_minor":5}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pastes_an_address_and_runs_a_cell() {
    let Some(engine) = Engine::find("a_person_pastes_an_address") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let ticks = "#!/bin/bash\nfor i in $(seq 30); do echo tick $i; sleep 0.2; done\n";
    let files = [
        file("index.ipynb", NOTEBOOK),
        file("requirements.txt", "six==1.16.0\n"),
        executable("postBuild", ticks),
        unique(),
    ];
    Repo::with_files(root.path(), "person", &files).unwrap();
    let failing = [file("requirements.txt", "six\nbindery-no-such-package-anywhere==1\n")];
    Repo::with_files(root.path(), "failing", &failing).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();

    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let artefacts = tests.join("artefacts");
    std::fs::create_dir_all(&artefacts).unwrap();
    let output = tokio::task::spawn_blocking({
        let (home, url) = (service.url(""), git.url());
        move || {
            Command::new("node")
                .arg(tests.join("browser/main-job.mjs"))
                .env("HOME_PAGE", home)
                .env("REPOSITORY", format!("{url}/person"))
                .env("FAILING_REPOSITORY", format!("{url}/failing"))
                .env("ARTEFACTS", &artefacts)
                .output()
                .unwrap()
        }
    })
    .await
    .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", service.log());
    for name in ["home", "build", "failure", "lab"] {
        assert!(tests.join(format!("artefacts/{name}.png")).is_file(), "{name}.png was not kept");
    }
}
