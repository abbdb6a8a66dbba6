//! Programs that were written for BinderHub: tests/browser/clients.mjs runs them, unmodified, on a page of another origin.

use std::path::Path;
use std::process::Command;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::git_server::GitServer;
use bindery_tests::repos::{Repo, file};
use bindery_tests::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_binderhub_build_launch_and_run_code_from_another_origin() {
    let Some(engine) = Engine::find("clients_of_binderhub") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "embedded", &[file("README.md", "A page runs this.\n"), unique()]).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/clients.mjs");
    let (bindery, repository) = (service.url(""), format!("{}/embedded", git.url()));
    let run = move || {
        Command::new("node").arg(script).env("BINDERY", bindery).env("REPOSITORY", repository).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", service.log());
}
