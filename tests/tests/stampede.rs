//! Everybody clicks at once.

use std::collections::BTreeSet;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::repos::{Repo, file};
use bindery_tests::service::{Service, VISIT};

const VISITORS: usize = 50;
/// Fewer seats than visitors, so that some get a place in the queue; all of them would take this machine's memory.
const SEATS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_for_one_unbuilt_commit_are_one_build_with_fifty_complete_logs() {
    let Some(engine) = Engine::find("fifty_requests_for_one_unbuilt_commit") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let files = [
        file("requirements.txt", "six==1.16.0\n"),
        file("postBuild", "#!/bin/bash\nfor i in $(seq 200); do echo line $i; sleep 0.01; done\n"),
        unique(),
    ];
    Repo::with_files(root.path(), "crowd", &files).unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.set("LAUNCHER__MAX_SESSIONS", &SEATS.to_string());
    service.serve().await.unwrap();

    let url = service.build_url(&format!("{}/crowd", git.url()), "main");
    // Enough for a visitor: a session, or a place in the queue.
    let seated = |told: &Told| told.is_terminal() || told.phase() == "queued";
    let visits = (0..VISITORS).map(|_| events::read_until(&url, None, VISIT, seated));
    let visits: Vec<Vec<Told>> = futures::future::join_all(visits)
        .await
        .into_iter()
        .map(|visit| visit.unwrap_or_else(|error| panic!("{error:#}\n{}", service.log())))
        .collect();

    for visit in &visits {
        assert_ne!(visit.last().unwrap().phase(), "failed", "{:#?}", visit.last());
    }
    let build_log = |visit: &[Told]| {
        let end = visit.iter().position(|told| told.phase() == "built").unwrap();
        visit[..=end].to_vec()
    };
    let first = build_log(&visits[0]);
    assert!(first.len() > 200, "the log has every line: {}", first.len());
    for visit in &visits {
        assert_eq!(build_log(visit), first, "every visitor is told the same build, id by id");
    }
    assert_eq!(git.requests().packs, 1, "one build fetches once");

    let ready: BTreeSet<&str> = visits.iter().filter_map(|visit| visit.last().unwrap().data["url"].as_str()).collect();
    let queued = visits.iter().filter(|visit| visit.last().unwrap().phase() == "queued").count();
    assert!(!ready.is_empty() && ready.len() <= SEATS, "{} sessions for {SEATS} seats", ready.len());
    assert_eq!(ready.len() + queued, VISITORS);
    assert!(engine.containers(service.instance()).unwrap().len() <= SEATS);
}
