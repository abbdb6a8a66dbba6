//! The same job by separate processes over Redis and a registry, as deploy/compose.yaml runs them.

use std::time::Duration;

use bindery_tests::engine::{Engine, unique};
use bindery_tests::events::{self, Told};
use bindery_tests::git_server::GitServer;
use bindery_tests::redis::Redis;
use bindery_tests::registry::Registry;
use bindery_tests::repos::{Repo, file};
use bindery_tests::service::{Service, VISIT};

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_killed_in_mid_build_is_replaced_and_the_visitor_s_stream_goes_on() {
    let Some(engine) = Engine::find("a_builder_killed_in_mid_build") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let slow = "#!/bin/bash\nfor i in $(seq 60); do echo tick $i; sleep 0.2; done\n";
    Repo::with_files(
        root.path(),
        "roles",
        &[file("requirements.txt", "six==1.16.0\n"), file("postBuild", slow), unique()],
    )
    .unwrap();
    let redis = Redis::start().await.unwrap();
    let registry = Registry::start().await.unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service
        .set("REDIS__URL", &redis.url())
        .set("REGISTRY__URL", &registry.url())
        .set("STORE__LEASE_SECONDS", "6")
        .set("BUILDER__HEARTBEAT_SECONDS", "2");
    for role in ["web", "launcher", "proxy", "builder"] {
        service.start_role(role).unwrap();
    }
    service.well().await.unwrap();

    let url = service.build_url(&format!("{}/roles", git.url()), "main");
    let visitor = tokio::spawn({
        let url = url.clone();
        async move { events::read(&url, VISIT).await }
    });
    let ticking = |told: &Told| told.message().contains("tick 5");
    events::read_until(&url, None, VISIT, ticking).await.unwrap_or_else(|error| panic!("{error:#}\n{}", service.log()));
    service.role("builder").unwrap().kill();
    service.start_role("builder").unwrap();

    let told = visitor.await.unwrap().unwrap_or_else(|error| panic!("{error:#}\n{}", service.log()));
    assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}\n{}", service.log());
    let text: String = told.iter().map(Told::message).collect();
    assert!(text.contains("The builder was lost"), "{text}");
    let build: Vec<u64> = told
        .iter()
        .filter_map(|told| told.id.as_deref()?.strip_prefix("b-")?.split_once('.')?.1.parse().ok())
        .collect();
    assert_eq!(build, (1..=build.len() as u64).collect::<Vec<_>>(), "no event is lost or doubled");
    assert_eq!(told.iter().filter(|told| told.phase() == "built").count(), 1);

    let pushed = registry.catalog().await.unwrap();
    assert_eq!(pushed, ["bindery/env", "bindery/repo"], "both images are in the registry");
    let ready = told.last().unwrap();
    let api = format!("{}api/status", ready.data["url"].as_str().unwrap());
    let token = format!("token {}", ready.data["token"].as_str().unwrap());
    let answer = reqwest::Client::new().get(api).header("authorization", token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_role_and_redis_may_restart_while_a_session_goes_on() {
    let Some(engine) = Engine::find("the_web_role_and_redis_may_restart") else { return };
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    Repo::with_files(root.path(), "steady", &[file("a.txt", "a")]).unwrap();
    let mut redis = Redis::start().await.unwrap();
    let mut service = Service::new(&engine, &[git.authority()]).unwrap();
    service.set("REDIS__URL", &redis.url());
    for role in ["web", "launcher", "proxy", "builder"] {
        service.start_role(role).unwrap();
    }
    service.well().await.unwrap();
    let address = format!("{}/steady", git.url());
    let told = service.visit(&address, "main").await.unwrap();
    assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}\n{}", service.log());
    let session = format!("{}api", told.last().unwrap().data["url"].as_str().unwrap());

    redis.crash_and_restart().await.unwrap();
    assert_eq!(reqwest::get(&session).await.unwrap().status(), 200, "the proxy needs no store to route");
    service.role("web").unwrap().terminate(Duration::from_secs(30)).await.unwrap();
    assert_eq!(reqwest::get(&session).await.unwrap().status(), 200, "a session needs no web role");
    service.start_role("web").unwrap();
    service.well().await.unwrap();
    let told = service.visit(&address, "main").await.unwrap();
    assert_eq!(told.last().unwrap().phase(), "ready", "{told:#?}\n{}", service.log());
    assert_eq!(told[0].message(), "Found built image, launching...\n", "what was built is remembered");
}
