//! The plan of a build: the object that the command prints, on the stream and at an address of its own.

use bindery_core::{EventBody, Fault, Phase};
use bindery_web::Config;
use serde_json::{Value, json};

use crate::client::Frame;
use crate::site::Site;

fn a_plan() -> Value {
    json!({
        "buildpacks": ["python"], "python": {"version": "3.11.2", "source": "base image"}, "r": null, "julia": null,
        "used": [{"file": "requirements.txt", "for": "Python packages"}], "ignored": [], "notes": ["<b>note</b>"], "steps": [],
    })
}

/// Where the plan of the build is that an event belongs to.
fn address_of(events: &[Frame]) -> String {
    let id = events.iter().find_map(|event| event.id.as_deref()).unwrap();
    format!("/builds/{}/plan", id.split('.').next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_on_the_stream_and_at_its_address_and_says_why_while_there_is_none() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let job = site.claim().await;
    let address = format!("/builds/{}/plan", job.topic());
    let early = site.get(&address).await;
    assert_eq!((early.status, early.header("access-control-allow-origin")), (404, Some("*")));
    assert_eq!(early.json().await["message"], "The repository is still being read, so there is no plan yet.");

    // More than one page of the log before it, and some after.
    let word = |number: usize| EventBody::message(Phase::Fetching, format!("note {number}"));
    job.say((0..1200).map(word).collect()).await;
    job.say(vec![EventBody::planned(a_plan())]).await;
    job.say((0..10).map(word).collect()).await;
    let answer = site.get(&address).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json().await, a_plan());

    job.failed(Fault::user("build-step-failed", "no.")).await;
    let events = stream.events_to_the_end().await;
    assert_eq!(address_of(&events), address);
    let planned: Vec<&Frame> = events.iter().filter(|event| event.value().get("plan").is_some()).collect();
    assert_eq!(planned.len(), 1);
    assert_eq!((&planned[0].value()["plan"], planned[0].phase()), (&a_plan(), "building"));
    assert_eq!(site.get(&address).await.json().await, a_plan(), "a build that failed keeps its plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_an_image_that_is_there_is_told_the_build_whose_plan_it_follows() {
    let site = Site::new().await;
    let _launcher = site.launcher();
    let mut first = site.watch("/build/gh/owner/name/HEAD").await.begun().await;
    let job = site.claim().await;
    let address = format!("/builds/{}/plan", job.topic());
    job.say(vec![EventBody::planned(a_plan())]).await;
    job.built().await;
    first.events().await;

    let events = site.watch("/build/gh/owner/name/HEAD").await.events().await;
    let found = events.iter().find(|event| event.phase() == "built").unwrap().value();
    assert_eq!(found["message"], "Found built image, launching...\n");
    assert_eq!(format!("/builds/{}/plan", found["build_id"].as_str().unwrap()), address);
    assert_eq!(site.get(&address).await.json().await, a_plan());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_there_is_not_is_said_to_be_so() {
    let site = Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await;
    for unknown in ["/builds/b-00000000000000000000000000000000/plan", "/builds/x/plan"] {
        assert_eq!(site.get(unknown).await.status, 404, "{unknown}");
    }
    let mut stream = site.watch("/build/gh/owner/name/HEAD").await;
    let job = site.claim().await;
    let address = format!("/builds/{}/plan", job.topic());
    job.failed(Fault::user("bad-file", "no.")).await;
    stream.events_to_the_end().await;
    let answer = site.get(&address).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json().await["message"], "This build ended before there was a plan.");
}
