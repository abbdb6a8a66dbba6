//! What survives a restart and `kill -9`, of the process or of the server.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildState, EventId, SessionEvent, SessionId, StopReason, Timestamp, Topic};
use bindery_store::{Config, Error};
use futures::StreamExt as _;

use crate::harness::{
    BOUND, NOW, Place, all_events, built, claim, eventually, failed, ids, launch, line, request, session, waiting,
    within, worker,
};

on_both!(everything_survives_a_restart, a_closed_store_refuses_everything);

async fn everything_survives_a_restart(mut place: Place) {
    let config = Config { lease_seconds: 2.0, ..Config::default() };
    let mut stores = place.open_with(&config).await;
    let lost = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let lost_lease = claim(&stores, "lost").await.lease;
    stores.events.append(Topic::Build(lost), vec![line("one"), line("two")], Some(lost_lease.fence)).await.unwrap();
    let done = stores.queue.submit(&request(2), waiting()).await.unwrap().id;
    let done_lease = claim(&stores, "w").await.lease;
    stores.queue.finish(&done_lease, built().0, built().1).await.unwrap();
    let queued = stores.queue.submit(&request(3), waiting()).await.unwrap().id;
    let launched = launch();
    stores.events.append(launched, vec![line("a"), failed().1], None).await.unwrap();
    let kept = session();
    stores.sessions.put(&kept).await.unwrap();
    stores.sessions.apply(kept.id, SessionEvent::Admitted).await.unwrap();
    stores.sessions.touch(&[(kept.id, Timestamp::from_millis(77_000))]).await.unwrap();
    let named = stores.leases.try_acquire("cull", &worker("w"), Duration::from_millis(1)).await.unwrap().unwrap();
    let before = (
        stores.queue.recent(10).await.unwrap(),
        stores.sessions.list().await.unwrap(),
        all_events(&stores, Topic::Build(lost)).await,
        all_events(&stores, launched).await,
    );

    if place.is_redis() {
        place.kill_server();
        place.start_server().await;
        eventually(|| stores.reachable()).await;
    } else {
        stores.close().await;
        stores = place.open_with(&config).await;
    }

    let after = (
        stores.queue.recent(10).await.unwrap(),
        stores.sessions.list().await.unwrap(),
        all_events(&stores, Topic::Build(lost)).await,
        all_events(&stores, launched).await,
    );
    assert_eq!(after, before);
    assert_eq!(stores.queue.submit(&request(2), waiting()).await.unwrap().id, done);

    // The build that lost its worker and the one that waits are both claimed, in either order.
    let mut claimed = BTreeMap::new();
    for _ in 0..2 {
        let found = claim(&stores, "new").await;
        claimed.insert(found.lease.record.id, found);
    }
    let taken = claimed.remove(&lost).unwrap();
    assert_eq!(taken.lost_worker, Some(worker("lost")));
    assert!(taken.lease.fence > lost_lease.fence);
    assert_eq!(claimed.remove(&queued).unwrap().lost_worker, None);
    let stale = stores.events.append(Topic::Build(lost), vec![line("stale")], Some(lost_lease.fence)).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    let last = stores.events.append(Topic::Build(lost), vec![line("three")], Some(taken.lease.fence)).await.unwrap();
    assert_eq!(last, EventId(4));
    let late = stores.events.append(launched, vec![line("late")], None).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let named_again = stores.leases.try_acquire("cull", &worker("w"), BOUND).await.unwrap().unwrap();
    assert!(named_again.fence > named.fence);
    stores.close().await;
}

async fn a_closed_store_refuses_everything(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let mut stream = stores.events.follow(topic, EventId::START).await.unwrap();
    let waiter = tokio::spawn({
        let queue = stores.queue.clone();
        async move { queue.claim(&worker("w"), BOUND).await }
    });
    stores.events.append(topic, vec![line("a")], None).await.unwrap();
    assert!(within(stream.next()).await.unwrap().is_ok());
    stores.close().await;
    assert!(within(stream.next()).await.unwrap().is_err());
    assert!(within(stream.next()).await.is_none());
    assert!(matches!(within(waiter).await.unwrap(), Err(StoreError::Unavailable(_))));
    assert!(within(stores.reachable()).await.is_err());
    assert!(within(stores.queue.submit(&request(1), waiting())).await.is_err());
    assert!(within(stores.queue.depth()).await.is_err());
    assert!(within(stores.sessions.list()).await.is_err());
    assert!(within(stores.events.follow(topic, EventId::START)).await.is_err());
    stores.close().await;
}

#[tokio::test]
async fn embedded_a_file_in_use_is_refused_until_it_is_closed() {
    let place = Place::embedded();
    let stores = place.open().await;
    let refused = bindery_store::open_embedded(&place.file(), &Config::default()).await;
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    stores.close().await;
    place.open().await.close().await;
}

#[tokio::test]
async fn embedded_a_file_that_is_not_ours_is_refused() {
    let place = Place::embedded();
    std::fs::write(place.file(), "# a text file, and a long one\n".repeat(500)).unwrap();
    let refused = bindery_store::open_embedded(&place.file(), &Config::default()).await;
    assert!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
    let nowhere = place.file().join("below-a-file");
    let refused = bindery_store::open_embedded(&nowhere, &Config::default()).await;
    assert!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
}

/// What the process that is killed does: sessions and builds without end, saying what is done. Not a test of its own.
#[tokio::test]
#[ignore = "run by embedded_nothing_acknowledged_is_lost_by_kill_9"]
async fn embedded_child() {
    let stores = bindery_store::open_embedded(std::path::Path::new("bindery.redb"), &Config::default()).await.unwrap();
    for number in 0.. {
        let session = session();
        stores.sessions.put(&session).await.unwrap();
        println!("asked {}", session.id);
        stores.sessions.apply(session.id, SessionEvent::Admitted).await.unwrap();
        if number % 2 == 0 {
            stores.sessions.apply(session.id, SessionEvent::StopRequested { reason: StopReason::Idle }).await.unwrap();
            println!("stopping {}", session.id);
        }
        let id = stores.queue.submit(&request(number), waiting()).await.unwrap().id;
        println!("submitted {id}");
        let lease = claim(&stores, "child").await.lease;
        for text in ["one", "two", "three"] {
            stores.events.append(Topic::Build(id), vec![line(text)], Some(lease.fence)).await.unwrap();
        }
        if number % 3 == 0 {
            println!("left {id}");
            continue;
        }
        stores.queue.finish(&lease, built().0, built().1).await.unwrap();
        println!("finished {id}");
    }
}

/// What it says of a build or a session.
const SAID: [&str; 5] = ["asked", "stopping", "submitted", "left", "finished"];

#[tokio::test]
async fn embedded_nothing_acknowledged_is_lost_by_kill_9() {
    for lines in [10, 40, 93] {
        let place = Place::embedded();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "survival::embedded_child", "--ignored", "--nocapture"])
            .current_dir(place.file().parent().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said: Vec<(String, String)> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .filter_map(|line| {
                // The test harness writes its own words in front of the first.
                let line = line.unwrap();
                let mut words = line.rsplit(' ');
                let id = words.next()?.to_owned();
                Some((words.next()?.to_owned(), id)).filter(|(what, _)| SAID.contains(&what.as_str()))
            })
            .take(lines)
            .collect();
        assert_eq!(said.len(), lines);
        child.kill().unwrap();
        child.wait().unwrap();

        let stores = place.open().await;
        let mut left = 0;
        for (what, id) in &said {
            if let Ok(id) = id.parse::<SessionId>() {
                let session = stores.sessions.get(id).await.unwrap().expect("an acknowledged session is there");
                assert!(what == "asked" || session.state.name() == "stopping", "{session:?}");
                continue;
            }
            let id: BuildId = id.parse().unwrap();
            let record = stores.queue.get(id).await.unwrap().expect("an acknowledged build is there");
            let events = all_events(&stores, Topic::Build(id)).await;
            assert_eq!(ids(&events), (1..=events.len() as u64).collect::<Vec<_>>());
            match what.as_str() {
                "finished" => {
                    assert!(matches!(record.state, BuildState::Built { .. }), "{record:?}");
                    let expected = [&waiting().message, "one\n", "two\n", "three\n", &built().1.message];
                    assert_eq!(events.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), expected);
                }
                "left" => {
                    assert!(matches!(record.state, BuildState::Running { .. }), "{record:?}");
                    left += 1;
                }
                _ => assert_eq!(events[0].1, waiting().message),
            }
        }
        // What was running can be claimed at once, though its lease would have gone on.
        let mut found = 0;
        while let Some(claimed) = stores.queue.claim(&worker("new"), NOW).await.unwrap() {
            found += u32::from(claimed.lost_worker == Some(worker("child")));
        }
        assert!(found >= left && left > 0, "{found} {left}");
        stores.close().await;
    }
}
