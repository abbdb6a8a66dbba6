//! The service is killed at the worst moment and started again.

use std::time::Duration;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::process::until;
use bindery_tests::repos::{Repo, file};
use bindery_tests::service::{Service, VISIT};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_kill_of_the_service_and_an_interrupted_build_is_finished_once() {
    let Some(engine) = Engine::find("sessions_survive_a_kill") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "open", &[file("a.txt", "a")]).unwrap();
    let slow = "#!/bin/bash\nfor i in $(seq 40); do echo tick $i; sleep 0.2; done\n";
    Repo::with_files(root.path(), "slow", &[file("postBuild", slow), unique()]).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();

    let mut sessions = Vec::new();
    for _ in 0..2 {
        let told = service.visit(&format!("{}/open", git.url()), "main").await.unwrap();
        assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}");
        sessions.push(told.last().unwrap().data["url"].as_str().unwrap().to_owned());
    }
    let slow_url = service.build_url(&format!("{}/slow", git.url()), "main");
    let ticking = |told: &Told| told.message().contains("tick 5");
    let before = events::read_until(&slow_url, None, VISIT, ticking).await.unwrap();
    let last_seen = before.last().unwrap().id.clone().unwrap();

    service.kill_all();
    for url in &sessions {
        assert!(reqwest::get(format!("{url}api")).await.is_err(), "nothing listens while the service is dead");
    }
    service.serve().await.unwrap();

    let started = std::time::Instant::now();
    for url in &sessions {
        let answers = || async {
            reqwest::get(format!("{url}api")).await.ok().filter(|answer| answer.status() == 200).map(|_| ())
        };
        until(Duration::from_secs(30), answers)
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}\n{}", service.log()));
    }
    println!("sessions answered again {:?} after the service was well", started.elapsed());

    // The visitor's own reconnect goes on after the last event it saw.
    let after = events::read_until(&slow_url, Some(&last_seen), VISIT, Told::is_terminal).await.unwrap();
    assert_eq!(after.last().unwrap().phase(), "ready", "{after:#?}\n{}", service.log());
    let number = |told: &Told| -> Option<(String, u64)> {
        let (topic, number) = told.id.as_deref()?.split_once('.')?;
        Some((topic.to_owned(), number.parse().ok()?))
    };
    let topic = number(before.last().unwrap()).unwrap().0;
    let ids: Vec<u64> = before
        .iter()
        .chain(&after)
        .filter_map(number)
        .filter(|(of, _)| *of == topic)
        .map(|(_, number)| number)
        .collect();
    let expected: Vec<u64> = (1..=ids.len() as u64).collect();
    assert_eq!(ids, expected, "no event of the build is lost or doubled");
    assert_eq!(after.iter().filter(|told| told.phase() == "built").count(), 1, "the build ended once");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_the_service_ends_soon_and_leaves_its_sessions_running() {
    let Some(engine) = Engine::find("asked_to_stop_the_service_ends_soon") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "kept", &[file("a.txt", "a")]).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.serve().await.unwrap();
    let told = service.visit(&format!("{}/kept", git.url()), "main").await.unwrap();
    assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}");
    service.role("serve").unwrap().terminate(Duration::from_secs(30)).await.unwrap();
    let running = engine
        .docker(&["ps", "--quiet", "--filter", &format!("label=io.bindery.instance={}", service.instance())])
        .unwrap();
    assert_eq!(running.split_whitespace().count(), 1);
}
