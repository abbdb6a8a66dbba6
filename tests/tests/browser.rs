//! A person with a browser: tests/browser/main-job.mjs drives Chromium against a real service, tests/browser/pages.mjs through every
//! page and state of its pages, tests/browser/long-log.mjs against a log that no service need write.

use std::path::Path;
use std::process::Command;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::git_server::GitServer;
use bindery_tests::process::until;
use bindery_tests::repos::{Repo, executable, file};
use bindery_tests::service::{Service, VISIT};

const NOTEBOOK: &str = r##"{"cells":[{"cell_type":"code","execution_count":null,"id":"one","metadata":{},"outputs":[],"source":[]},
{"cell_type":"markdown","id":"two","metadata":{},"source":["# Rivers\n","A [link](https://example.org/) and <img src=x onerror=alert(1)>"]},
{"cell_type":"code","execution_count":1,"id":"three","metadata":{},"source":"1 < 2","outputs":[
{"output_type":"execute_result","execution_count":1,"metadata":{},"data":{"text/plain":"True","text/html":"<b>bold</b>"}}]}],
"metadata":{"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"}},"nbformat":4,"nbformat_minor":5}"##;

/// Kills the service and starts it again once this file is there.
async fn restart_when_asked(service: &mut Service, asked: &Path) {
    until(VISIT, || async { asked.exists().then_some(()) }).await.unwrap();
    service.kill_all();
    service.serve().await.unwrap();
}

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
    // The browser asks for it in the middle of a build.
    let restart = root.path().join("restart");
    let browser = tokio::task::spawn_blocking({
        let (home, url, artefacts, restart) = (service.url(""), git.url(), artefacts.clone(), restart.clone());
        move || {
            Command::new("node")
                .arg(tests.join("browser/main-job.mjs"))
                .env("HOME_PAGE", home)
                .env("REPOSITORY", format!("{url}/person"))
                .env("FAILING_REPOSITORY", format!("{url}/failing"))
                .env("ARTEFACTS", &artefacts)
                .env("RESTART", &restart)
                .output()
                .unwrap()
        }
    });
    tokio::pin!(browser);
    let output = tokio::select! {
        output = &mut browser => output.unwrap(),
        () = restart_when_asked(&mut service, &restart) => browser.await.unwrap(),
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", service.log());
    for name in ["home", "build", "reconnecting", "failure", "lab"] {
        assert!(tests.join(format!("artefacts/{name}.png")).is_file(), "{name}.png was not kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_state_is_for_everybody_in_light_and_dark_on_a_phone_and_a_desk() {
    let Some(engine) = Engine::find("every_page_and_state") else { return };
    let mut service = Service::new(&engine, &[]).unwrap();
    service.set("WEB__BANNED_SPECS", "gh/banned/");
    service.serve().await.unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let artefacts = tests.join("artefacts/pages");
    std::fs::create_dir_all(&artefacts).unwrap();
    let mut script = Command::new("node");
    script
        .arg(tests.join("browser/pages.mjs"))
        .env("HOME_PAGE", service.url(""))
        .env("NO_SESSION", service.proxy_url("user/s-00000000000000000000000000000000/"))
        .env("ARTEFACTS", &artefacts);
    let output = tokio::task::spawn_blocking(move || script.output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", service.log());
    println!("{said}");
}

#[test]
fn a_log_of_a_hundred_thousand_lines_is_followed_whole_and_the_page_stays_small() {
    if std::env::var("BINDERY_TEST_DOCKER_HOST").is_err() && std::env::var("CI").is_err() {
        eprintln!("skipped: tests/run installs the browser that this needs");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/long-log.mjs");
    let output = Command::new("node").arg(script).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
