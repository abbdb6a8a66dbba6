//! The queue's contract.

use std::collections::HashSet;

use bindery_core::seams::StoreError;
use bindery_core::{BuildRequest, BuildState, EventId, Phase, RepoSpec, ResolvedRef, Topic};
use bindery_store::Config;

use crate::harness::{
    BOUND, NOW, Place, all_events, built, cancelled, claim, failed, line, read_to_end, request, short_lease, waiting,
    within, worker,
};

on_both!(
    a_thousand_requests_for_one_key_are_one_build,
    different_keys_are_different_builds_served_oldest_first,
    a_finished_build_is_joined_and_a_failed_one_is_not,
    the_day_that_is_asked_for_is_another_build_and_is_kept,
    a_claim_waits_for_a_build,
    a_claim_of_nothing_ends_after_its_wait,
    each_build_goes_to_one_worker,
    a_released_build_is_queued_again_and_its_attempt_does_not_count,
    a_lease_that_is_renewed_does_not_expire,
    an_expired_lease_goes_to_another_worker_and_the_old_one_can_write_nothing,
    a_worker_that_is_late_but_not_replaced_may_go_on,
    a_build_that_loses_every_worker_ends_as_failed,
    builds_wait_in_the_order_in_which_they_are_taken_up,
    a_waiting_build_that_is_cancelled_is_never_taken_up,
    a_running_build_that_is_cancelled_is_lost_to_its_worker,
    what_has_ended_cannot_be_cancelled,
    only_a_finished_build_can_be_forgotten,
    unknown_things_are_absent,
    recent_lists_newest_first,
    the_builds_of_a_repository_are_found_by_either_of_its_names,
);

async fn a_thousand_requests_for_one_key_are_one_build(place: Place) {
    let stores = place.open().await;
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let queue = stores.queue.clone();
            tokio::spawn(async move { queue.submit(&request(1), waiting()).await.unwrap().id })
        })
        .collect();
    let mut seen = HashSet::new();
    for task in tasks {
        seen.insert(within(task).await.unwrap());
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(stores.queue.depth().await.unwrap(), (1, 0));
    let id = seen.into_iter().next().unwrap();
    assert_eq!(all_events(&stores, Topic::Build(id)).await, [(1, waiting().message)]);
    let record = stores.queue.find(&request(1).key).await.unwrap().unwrap();
    assert_eq!((record.id, record.attempt, record.state.clone()), (id, 0, BuildState::Queued));
    assert_eq!(record.request, request(1));
    assert_eq!(stores.queue.get(id).await.unwrap(), Some(record));
    stores.close().await;
}

async fn different_keys_are_different_builds_served_oldest_first(place: Place) {
    let stores = place.open().await;
    let mut submitted = Vec::new();
    for number in 0..5 {
        submitted.push(stores.queue.submit(&request(number), waiting()).await.unwrap().id);
    }
    let mut claimed = Vec::new();
    for _ in 0..5 {
        claimed.push(claim(&stores, "w").await.lease.record.id);
    }
    assert_eq!(claimed, submitted);
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 5));
    stores.close().await;
}

async fn the_day_that_is_asked_for_is_another_build_and_is_kept(place: Place) {
    let stores = place.open().await;
    let mut ids = HashSet::new();
    for day in [None, Some("2021-03-01"), Some("2021-03-02"), Some("commit")] {
        let asked = BuildRequest::new(request(1).resolved, day.map(|day| day.parse().unwrap()), "test");
        let record = stores.queue.submit(&asked, waiting()).await.unwrap();
        assert!(ids.insert(record.id), "{day:?} is a build of its own");
        assert_eq!(stores.queue.submit(&asked, waiting()).await.unwrap().id, record.id);
        assert_eq!(stores.queue.get(record.id).await.unwrap().unwrap().request, asked);
        assert_eq!(stores.queue.find(&asked.key).await.unwrap().unwrap().request.as_of, asked.as_of);
        let claimed = claim(&stores, "w").await.lease.record;
        assert_eq!((claimed.id, claimed.request), (record.id, asked));
    }
    stores.close().await;
}

async fn a_finished_build_is_joined_and_a_failed_one_is_not(place: Place) {
    let stores = place.open().await;
    let first = stores.queue.submit(&request(1), waiting()).await.unwrap();
    let lease = claim(&stores, "w").await.lease;
    let (outcome, last) = failed();
    stores.queue.finish(&lease, outcome, last).await.unwrap();
    let record = stores.queue.get(first.id).await.unwrap().unwrap();
    assert!(matches!(record.state, BuildState::Failed { .. }), "{record:?}");

    let second = stores.queue.submit(&request(1), waiting()).await.unwrap();
    assert_ne!(second.id, first.id);
    let lease = claim(&stores, "w").await.lease;
    assert_eq!((lease.record.id, lease.record.attempt), (second.id, 1));
    stores.events.append(Topic::Build(second.id), vec![line("one"), line("two")], Some(lease.fence)).await.unwrap();
    let (outcome, last) = built();
    stores.queue.finish(&lease, outcome.clone(), last.clone()).await.unwrap();
    let joined = stores.queue.submit(&request(1), waiting()).await.unwrap();
    assert_eq!(joined.id, second.id);
    assert!(matches!(joined.state, BuildState::Built { .. }), "{joined:?}");
    let events = read_to_end(&stores, Topic::Build(second.id), EventId::START).await;
    let expected = [waiting().message, "one\n".to_owned(), "two\n".to_owned(), last.message.clone()];
    assert_eq!(events, (1..).zip(expected).collect::<Vec<_>>());

    // Said twice, because the answer may have been lost: what was said first stands. The lease went with it.
    stores.queue.finish(&lease, failed().0, failed().1).await.unwrap();
    assert_eq!(stores.queue.get(second.id).await.unwrap(), Some(joined));
    assert!(matches!(stores.queue.renew(&lease).await, Err(StoreError::LeaseLost)));
    let late = stores.events.append(Topic::Build(second.id), vec![line("late")], Some(lease.fence)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 0));
    stores.close().await;
}

async fn a_claim_waits_for_a_build(place: Place) {
    let stores = place.open().await;
    let waiters: Vec<_> = (0..3)
        .map(|number| {
            let queue = stores.queue.clone();
            tokio::spawn(async move { queue.claim(&worker(&format!("w{number}")), BOUND).await.unwrap().unwrap() })
        })
        .collect();
    let mut submitted = HashSet::new();
    for number in 0..3 {
        submitted.insert(stores.queue.submit(&request(number), waiting()).await.unwrap().id);
    }
    let mut claimed = HashSet::new();
    for waiter in waiters {
        claimed.insert(within(waiter).await.unwrap().lease.record.id);
    }
    assert_eq!(claimed, submitted);
    stores.close().await;
}

async fn a_claim_of_nothing_ends_after_its_wait(place: Place) {
    let stores = place.open().await;
    assert_eq!(within(stores.queue.claim(&worker("w"), NOW)).await.unwrap(), None);
    // Longer than the client's own default bound on an answer.
    let wait = std::time::Duration::from_millis(700);
    assert_eq!(within(stores.queue.claim(&worker("w"), wait)).await.unwrap(), None);
    stores.close().await;
}

async fn each_build_goes_to_one_worker(place: Place) {
    let stores = place.open().await;
    for number in 0..40 {
        stores.queue.submit(&request(number), waiting()).await.unwrap();
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let queue = stores.queue.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(claimed) = queue.claim(&worker(&format!("w{number}")), NOW).await.unwrap() {
                    assert_eq!(claimed.lost_worker, None);
                    mine.push((claimed.lease.record.id, claimed.lease.fence));
                }
                mine
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(within(worker).await.unwrap());
    }
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), 40);
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 40));
    stores.close().await;
}

async fn a_released_build_is_queued_again_and_its_attempt_does_not_count(place: Place) {
    let stores = place.open().await;
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let mut last_fence = None;
    for _ in 0..10 {
        let claimed = claim(&stores, "w").await;
        assert_eq!((claimed.lease.record.id, claimed.lease.record.attempt, &claimed.lost_worker), (id, 1, &None));
        assert!(last_fence < Some(claimed.lease.fence), "fences grow");
        last_fence = Some(claimed.lease.fence);
        stores.queue.release(&claimed.lease).await.unwrap();
        let after = stores.events.append(Topic::Build(id), vec![line("late")], last_fence).await;
        assert!(matches!(after, Err(StoreError::LeaseLost)), "{after:?}");
        assert!(matches!(stores.queue.renew(&claimed.lease).await, Err(StoreError::LeaseLost)));
    }
    assert_eq!(stores.queue.get(id).await.unwrap().unwrap().attempt, 0);
    stores.close().await;
}

async fn a_lease_that_is_renewed_does_not_expire(place: Place) {
    let config = Config { lease_seconds: 3.0, ..Config::default() };
    let stores = place.open_with(&config).await;
    stores.queue.submit(&request(1), waiting()).await.unwrap();
    let lease = claim(&stores, "w").await.lease;
    let other = tokio::spawn({
        let queue = stores.queue.clone();
        async move { queue.claim(&worker("other"), std::time::Duration::from_secs(6)).await.unwrap() }
    });
    while !other.is_finished() {
        stores.queue.renew(&lease).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(other.await.unwrap(), None);
    stores.close().await;
}

async fn an_expired_lease_goes_to_another_worker_and_the_old_one_can_write_nothing(place: Place) {
    let stores = place.open_with(&short_lease()).await;
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let topic = Topic::Build(id);
    let old = claim(&stores, "old").await.lease;
    stores.events.append(topic, vec![line("before")], Some(old.fence)).await.unwrap();

    let new = claim(&stores, "new").await;
    assert_eq!(new.lost_worker, Some(worker("old")));
    assert_eq!((new.lease.record.id, new.lease.record.attempt), (id, 2));
    assert!(new.lease.fence > old.fence);

    assert!(matches!(
        stores.events.append(topic, vec![line("stale")], Some(old.fence)).await,
        Err(StoreError::LeaseLost)
    ));
    assert!(matches!(stores.queue.renew(&old).await, Err(StoreError::LeaseLost)));
    assert!(matches!(stores.queue.release(&old).await, Err(StoreError::LeaseLost)));
    let (outcome, last) = built();
    assert!(matches!(stores.queue.finish(&old, outcome.clone(), last.clone()).await, Err(StoreError::LeaseLost)));

    stores.events.append(topic, vec![line("after")], Some(new.lease.fence)).await.unwrap();
    stores.queue.finish(&new.lease, outcome, last.clone()).await.unwrap();
    let events = read_to_end(&stores, topic, EventId::START).await;
    let expected = [waiting().message, "before\n".to_owned(), "after\n".to_owned(), last.message];
    assert_eq!(events, (1..).zip(expected).collect::<Vec<_>>());
    stores.close().await;
}

async fn a_worker_that_is_late_but_not_replaced_may_go_on(place: Place) {
    let stores = place.open_with(&short_lease()).await;
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let lease = claim(&stores, "w").await.lease;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    stores.queue.renew(&lease).await.unwrap();
    stores.events.append(Topic::Build(id), vec![line("still here")], Some(lease.fence)).await.unwrap();
    let (outcome, last) = built();
    stores.queue.finish(&lease, outcome, last).await.unwrap();
    stores.close().await;
}

async fn a_build_that_loses_every_worker_ends_as_failed(place: Place) {
    let config = Config { max_attempts: 2, ..short_lease() };
    let stores = place.open_with(&config).await;
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    assert_eq!(claim(&stores, "w1").await.lease.record.attempt, 1);
    let lease = claim(&stores, "w2").await.lease;
    assert_eq!(lease.record.attempt, 2);
    stores.events.append(Topic::Build(id), vec![line("half way")], Some(lease.fence)).await.unwrap();

    // Somebody must look for it to be given up.
    let nothing = within(stores.queue.claim(&worker("w3"), std::time::Duration::from_secs(2))).await.unwrap();
    assert_eq!(nothing, None);
    let record = stores.queue.get(id).await.unwrap().unwrap();
    assert!(matches!(record.state, BuildState::Failed { .. }), "{record:?}");
    assert!(matches!(stores.queue.renew(&lease).await, Err(StoreError::LeaseLost)));
    let late = stores.queue.finish(&lease, built().0, built().1).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");

    let events = stores.events.history(Topic::Build(id), EventId::START, 100).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!((events.len(), last.id, last.body.phase), (3, EventId(3), Phase::Failed));
    let fault = last.body.fault.as_ref().unwrap();
    assert_eq!(fault.code, "build-workers-lost");
    assert!(fault.message.contains("w2"), "{fault}");
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 0));
    assert_ne!(stores.queue.submit(&request(1), waiting()).await.unwrap().id, id);
    stores.close().await;
}

async fn builds_wait_in_the_order_in_which_they_are_taken_up(place: Place) {
    let stores = place.open().await;
    assert_eq!(stores.queue.waiting().await.unwrap(), []);
    let mut submitted = Vec::new();
    for number in 0..4 {
        submitted.push(stores.queue.submit(&request(number), waiting()).await.unwrap().id);
    }
    assert_eq!(stores.queue.waiting().await.unwrap(), submitted);
    let first = claim(&stores, "w").await.lease;
    let second = claim(&stores, "w").await.lease;
    assert_eq!(stores.queue.waiting().await.unwrap(), submitted[2..]);
    // It has its old place again.
    stores.queue.release(&first).await.unwrap();
    assert_eq!(stores.queue.waiting().await.unwrap(), [submitted[0], submitted[2], submitted[3]]);
    let (outcome, last) = built();
    stores.queue.finish(&second, outcome, last).await.unwrap();
    assert_eq!(stores.queue.waiting().await.unwrap(), [submitted[0], submitted[2], submitted[3]]);
    stores.close().await;
}

async fn a_waiting_build_that_is_cancelled_is_never_taken_up(place: Place) {
    let stores = place.open().await;
    let first = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let second = stores.queue.submit(&request(2), waiting()).await.unwrap().id;
    let (fault, last) = cancelled();
    assert!(stores.queue.cancel(first, fault.clone(), last.clone()).await.unwrap());
    let record = stores.queue.get(first).await.unwrap().unwrap();
    assert!(matches!(&record.state, BuildState::Failed { fault: why, .. } if *why == fault), "{record:?}");
    assert_eq!(record.attempt, 0);
    assert_eq!(stores.queue.waiting().await.unwrap(), [second]);
    assert_eq!(stores.queue.depth().await.unwrap(), (1, 0));
    let events = read_to_end(&stores, Topic::Build(first), EventId::START).await;
    assert_eq!(events, [(1, waiting().message), (2, last.message)]);
    assert_eq!(claim(&stores, "w").await.lease.record.id, second);
    assert_eq!(within(stores.queue.claim(&worker("w"), NOW)).await.unwrap(), None);
    // Asked for again, it is another build.
    assert_ne!(stores.queue.submit(&request(1), waiting()).await.unwrap().id, first);
    stores.close().await;
}

async fn a_running_build_that_is_cancelled_is_lost_to_its_worker(place: Place) {
    let stores = place.open().await;
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let lease = claim(&stores, "w").await.lease;
    stores.events.append(Topic::Build(id), vec![line("one")], Some(lease.fence)).await.unwrap();
    let (fault, last) = cancelled();
    assert!(stores.queue.cancel(id, fault, last.clone()).await.unwrap());
    assert!(matches!(stores.queue.renew(&lease).await, Err(StoreError::LeaseLost)));
    assert!(matches!(stores.queue.release(&lease).await, Err(StoreError::LeaseLost)));
    let late = stores.events.append(Topic::Build(id), vec![line("late")], Some(lease.fence)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let late = stores.queue.finish(&lease, built().0, built().1).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let events = read_to_end(&stores, Topic::Build(id), EventId::START).await;
    assert_eq!(events, [(1, waiting().message), (2, "one\n".to_owned()), (3, last.message)]);
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 0));
    assert_eq!(within(stores.queue.claim(&worker("w"), NOW)).await.unwrap(), None);
    stores.close().await;
}

async fn what_has_ended_cannot_be_cancelled(place: Place) {
    let stores = place.open().await;
    let (fault, last) = cancelled();
    assert!(!stores.queue.cancel(bindery_core::BuildId::new(), fault.clone(), last.clone()).await.unwrap());
    for (outcome, end) in [built(), failed()] {
        let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
        let lease = claim(&stores, "w").await.lease;
        stores.queue.finish(&lease, outcome, end).await.unwrap();
        let record = stores.queue.get(id).await.unwrap();
        assert!(!stores.queue.cancel(id, fault.clone(), last.clone()).await.unwrap());
        assert_eq!(stores.queue.get(id).await.unwrap(), record);
        assert_eq!(all_events(&stores, Topic::Build(id)).await.len(), 2);
        stores.queue.forget(&request(1).key).await.unwrap();
    }
    stores.close().await;
}

async fn only_a_finished_build_can_be_forgotten(place: Place) {
    let stores = place.open().await;
    let key = request(1).key;
    stores.queue.forget(&key).await.unwrap();
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    stores.queue.forget(&key).await.unwrap();
    assert_eq!(stores.queue.find(&key).await.unwrap().unwrap().id, id);
    let lease = claim(&stores, "w").await.lease;
    stores.queue.forget(&key).await.unwrap();
    assert_eq!(stores.queue.find(&key).await.unwrap().unwrap().id, id);
    let (outcome, last) = built();
    stores.queue.finish(&lease, outcome, last).await.unwrap();
    stores.queue.forget(&key).await.unwrap();
    assert_eq!(stores.queue.find(&key).await.unwrap(), None);
    // Its log has a permanent address.
    assert_eq!(all_events(&stores, Topic::Build(id)).await.len(), 2);
    assert_ne!(stores.queue.submit(&request(1), waiting()).await.unwrap().id, id);
    stores.close().await;
}

async fn unknown_things_are_absent(place: Place) {
    let stores = place.open().await;
    assert_eq!(stores.queue.find(&request(1).key).await.unwrap(), None);
    assert_eq!(stores.queue.get(bindery_core::BuildId::new()).await.unwrap(), None);
    assert_eq!(stores.queue.recent(10).await.unwrap(), []);
    assert_eq!(stores.queue.depth().await.unwrap(), (0, 0));
    stores.reachable().await.unwrap();
    stores.close().await;
}

async fn recent_lists_newest_first(place: Place) {
    let stores = place.open().await;
    let mut submitted = Vec::new();
    for number in 0..6 {
        submitted.push(stores.queue.submit(&request(number), waiting()).await.unwrap().id);
    }
    submitted.reverse();
    let recent: Vec<_> = stores.queue.recent(4).await.unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(recent, submitted[..4]);
    stores.close().await;
}

async fn the_builds_of_a_repository_are_found_by_either_of_its_names(place: Place) {
    let stores = place.open().await;
    // One repository through two providers, and another whose name begins alike.
    let of = |commit: u32, provider: &str, raw: &str, identity: &str| {
        let spec = RepoSpec::parse(provider, raw).unwrap();
        let resolved = ResolvedRef { spec, identity: identity.to_owned(), ..request(commit).resolved };
        BuildRequest::new(resolved, None, "test")
    };
    let one = "https://example.org/a/b";
    let wanted = [
        of(1, "gh", "A/b/main", one),
        of(2, "git", "https%3A%2F%2Fexample.org%2Fa%2Fb/main", one),
        of(3, "gh", "a/b/HEAD", one),
        of(4, "gh", "a/bc/HEAD", "https://example.org/a/bc"),
    ];
    let mut ids = Vec::new();
    for request in &wanted {
        ids.push(stores.queue.submit(request, waiting()).await.unwrap().id);
        // Joining it is no other build.
        stores.queue.submit(request, waiting()).await.unwrap();
    }
    for (name, limit, expected) in [
        (one, 10, vec![ids[2], ids[1], ids[0]]),
        (one, 2, vec![ids[2], ids[1]]),
        ("gh/a/b", 10, vec![ids[2], ids[0]]),
        ("git/https%3A%2F%2Fexample.org%2Fa%2Fb", 10, vec![ids[1]]),
        ("gh/a/bc", 10, vec![ids[3]]),
        ("gh/a", 10, vec![]),
        ("", 10, vec![]),
    ] {
        let found = stores.queue.of_repository(name, limit).await.unwrap();
        assert_eq!(found.iter().map(|record| record.id).collect::<Vec<_>>(), expected, "{name:?} {limit}");
    }
    stores.close().await;
}
