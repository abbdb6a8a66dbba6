//! The contract of session records.

use std::collections::BTreeMap;
use std::sync::Arc;

use bindery_core::seams::{SessionChange, SessionWatch, StoreError};
use bindery_core::{Session, SessionEvent, SessionId, SessionState, StopReason, Timestamp};
use futures::StreamExt as _;

use crate::harness::{Place, session, within};

on_both!(
    a_session_comes_back_as_it_was,
    only_legal_transitions_happen_however_many_try,
    last_seen_never_goes_back,
    the_unknown_is_refused_or_ignored,
    a_watch_tells_what_is_there_then_every_change,
    many_changes_at_once_end_in_the_truth,
);

async fn a_session_comes_back_as_it_was(place: Place) {
    let stores = place.open().await;
    let mut one = session();
    let two = session();
    stores.sessions.put(&one).await.unwrap();
    stores.sessions.put(&two).await.unwrap();
    assert_eq!(stores.sessions.get(one.id).await.unwrap().as_ref(), Some(&one));
    one.state = SessionState::Ready { upstream: "10.0.0.1:8888".parse().unwrap() };
    stores.sessions.put(&one).await.unwrap();
    let mut all = stores.sessions.list().await.unwrap();
    all.sort_by_key(|session| session.id);
    let mut expected = vec![one.clone(), two.clone()];
    expected.sort_by_key(|session| session.id);
    assert_eq!(all, expected);
    stores.sessions.remove(one.id).await.unwrap();
    stores.sessions.remove(one.id).await.unwrap();
    assert_eq!(stores.sessions.get(one.id).await.unwrap(), None);
    assert_eq!(stores.sessions.list().await.unwrap(), [two]);
    stores.close().await;
}

async fn only_legal_transitions_happen_however_many_try(place: Place) {
    let stores = place.open().await;
    let id = session_in(&stores).await.id;
    // All stop it for different reasons: each is told the same, first reason.
    let tasks: Vec<_> = (0..30)
        .map(|code| {
            let sessions = stores.sessions.clone();
            tokio::spawn(async move {
                sessions.apply(id, SessionEvent::Admitted).await.ok();
                let reason = StopReason::Exited { code, out_of_memory: false };
                sessions.apply(id, SessionEvent::Gone { reason }).await.unwrap().state
            })
        })
        .collect();
    let mut states = Vec::new();
    for task in tasks {
        states.push(within(task).await.unwrap());
    }
    let settled = stores.sessions.get(id).await.unwrap().unwrap().state;
    assert!(matches!(settled, SessionState::Stopped { .. }));
    assert!(states.iter().all(|state| *state == settled), "{states:?}");
    for event in [SessionEvent::Admitted, SessionEvent::Verified] {
        let refused = stores.sessions.apply(id, event).await;
        assert!(matches!(refused, Err(StoreError::IllegalTransition(_))), "{refused:?}");
    }
    assert_eq!(stores.sessions.get(id).await.unwrap().unwrap().state, settled);
    stores.close().await;
}

async fn last_seen_never_goes_back(place: Place) {
    let stores = place.open().await;
    let mut expected = session_in(&stores).await;
    let at = Timestamp::from_millis;
    for (seen, then) in [(5_000, 5_000), (4_000, 5_000), (0, 5_000), (6_000, 6_000)] {
        stores.sessions.touch(&[(expected.id, at(seen)), (SessionId::new(), at(9_000))]).await.unwrap();
        assert_eq!(stores.sessions.get(expected.id).await.unwrap().unwrap().last_seen, at(then));
    }
    // What else happens to it does not take it back either.
    let after = stores.sessions.apply(expected.id, SessionEvent::Admitted).await.unwrap();
    expected.last_seen = at(6_000);
    expected.state = SessionState::Starting { upstream: None };
    assert_eq!(after, expected);
    assert_eq!(stores.sessions.list().await.unwrap(), [expected]);
    stores.sessions.touch(&[]).await.unwrap();
    stores.close().await;
}

async fn the_unknown_is_refused_or_ignored(place: Place) {
    let stores = place.open().await;
    let id = SessionId::new();
    assert!(matches!(stores.sessions.apply(id, SessionEvent::Admitted).await, Err(StoreError::NotFound)));
    stores.sessions.touch(&[(id, Timestamp::now())]).await.unwrap();
    stores.sessions.remove(id).await.unwrap();
    assert_eq!(stores.sessions.get(id).await.unwrap(), None);
    assert_eq!(stores.sessions.list().await.unwrap(), []);
    stores.close().await;
}

async fn a_watch_tells_what_is_there_then_every_change(place: Place) {
    let stores = place.open().await;
    let one = session_in(&stores).await;
    let mut watch = stores.sessions.watch().await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(one.clone()))));
    assert_eq!(within(watch.next()).await, Some(SessionChange::Current));

    let two = session_in(&stores).await;
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(two.clone()))));
    let changed = stores.sessions.apply(one.id, SessionEvent::Admitted).await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(changed))));
    stores.sessions.remove(two.id).await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Removed(two.id)));

    stores.close().await;
    assert_eq!(within(watch.next()).await, None);
}

async fn many_changes_at_once_end_in_the_truth(place: Place) {
    let stores = place.open().await;
    let mut watch = stores.sessions.watch().await.unwrap();
    // More than a watcher may be behind; this one does not read until all is over.
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let stores = stores.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    let made = session_in(&stores).await;
                    stores.sessions.apply(made.id, SessionEvent::Admitted).await.unwrap();
                    if (task + number) % 2 == 0 {
                        stores.sessions.remove(made.id).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        within(task).await.unwrap();
    }
    let truth: BTreeMap<_, _> =
        stores.sessions.list().await.unwrap().into_iter().map(|session| (session.id, session)).collect();
    assert_eq!(truth.len(), 600);
    let mut told = BTreeMap::new();
    within(async {
        while told != truth {
            follow(&mut watch, &mut told).await;
        }
    })
    .await;
    stores.close().await;
}

async fn session_in(stores: &bindery_store::Stores) -> Session {
    let made = session();
    stores.sessions.put(&made).await.unwrap();
    made
}

/// Takes one change, and checks that no session goes back to an earlier state.
pub(crate) async fn follow(watch: &mut SessionWatch, told: &mut BTreeMap<SessionId, Session>) {
    match watch.next().await.expect("a watch goes on while the store is open") {
        SessionChange::Put(session) => {
            if let Some(before) = told.insert(session.id, (*session).clone()) {
                assert!(
                    before.state == session.state || before.state == SessionState::Queued,
                    "{before:?} then {session:?}"
                );
            }
        }
        SessionChange::Removed(id) => {
            told.remove(&id);
        }
        SessionChange::Current => {}
    }
}
