//! Any sequence of calls to the queue has the effect it has on a model small enough to be seen to be right.

use std::collections::{BTreeSet, HashMap};

use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildLease, BuildState, Fence, Topic};
use bindery_store::{Config, Stores};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use crate::harness::{NOW, Place, all_events, built, cancelled, failed, line, request, waiting, worker};

#[derive(Debug, Clone)]
enum Call {
    Submit(u32),
    Claim,
    /// The number picks one of all leases ever given, lost ones included.
    Append(usize),
    Renew(usize),
    Finish(usize, bool),
    Release(usize),
    Forget(u32),
    /// The number picks one of all builds.
    Cancel(usize),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (0..4_u32).prop_map(Call::Submit),
        3 => Just(Call::Claim),
        3 => any::<usize>().prop_map(Call::Append),
        1 => any::<usize>().prop_map(Call::Renew),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(lease, good)| Call::Finish(lease, good)),
        1 => any::<usize>().prop_map(Call::Release),
        1 => (0..4_u32).prop_map(Call::Forget),
        1 => any::<usize>().prop_map(Call::Cancel),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Running(Fence),
    Over { good: bool, by: Fence },
}

struct Build {
    key: u32,
    state: State,
    attempt: u32,
    log: Vec<String>,
}

/// What must be true.
#[derive(Default)]
struct Model {
    builds: HashMap<BuildId, Build>,
    latest: HashMap<u32, BuildId>,
    /// Ids sort by the time of asking.
    queued: BTreeSet<BuildId>,
    leases: Vec<BuildLease>,
}

impl Model {
    async fn step(&mut self, stores: &Stores, call: Call) {
        match call {
            Call::Submit(key) => {
                let record = stores.queue.submit(&request(key), waiting()).await.unwrap();
                let joined = self
                    .latest
                    .get(&key)
                    .filter(|id| !matches!(self.builds[id].state, State::Over { good: false, .. }));
                if let Some(id) = joined {
                    assert_eq!(record.id, *id);
                } else {
                    assert!(!self.builds.contains_key(&record.id));
                    let log = vec![waiting().message];
                    self.builds.insert(record.id, Build { key, state: State::Queued, attempt: 0, log });
                    self.latest.insert(key, record.id);
                    self.queued.insert(record.id);
                }
            }
            Call::Claim => {
                let claimed = stores.queue.claim(&worker("w"), NOW).await.unwrap();
                assert_eq!(claimed.as_ref().map(|claimed| claimed.lease.record.id), self.queued.pop_first());
                if let Some(claimed) = claimed {
                    assert_eq!(claimed.lost_worker, None);
                    let build = self.builds.get_mut(&claimed.lease.record.id).unwrap();
                    build.attempt += 1;
                    build.state = State::Running(claimed.lease.fence);
                    assert_eq!(claimed.lease.record.attempt, build.attempt);
                    assert!(self.leases.iter().all(|lease| lease.fence < claimed.lease.fence));
                    self.leases.push(claimed.lease);
                }
            }
            Call::Append(pick) => {
                let Some((lease, holds)) = self.pick(pick) else { return };
                let id = lease.record.id;
                let result =
                    stores.events.append(Topic::Build(id), vec![line("x"), line("y")], Some(lease.fence)).await;
                if holds {
                    let log = &mut self.builds.get_mut(&id).unwrap().log;
                    log.extend(["x\n".to_owned(), "y\n".to_owned()]);
                    assert_eq!(result.unwrap().0, log.len() as u64);
                } else {
                    assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
                }
            }
            Call::Renew(pick) => {
                let Some((lease, holds)) = self.pick(pick) else { return };
                check(stores.queue.renew(&lease).await, holds);
            }
            Call::Finish(pick, good) => {
                let Some((lease, holds)) = self.pick(pick) else { return };
                let (outcome, last) = if good { built() } else { failed() };
                let result = stores.queue.finish(&lease, outcome, last.clone()).await;
                let build = self.builds.get_mut(&lease.record.id).unwrap();
                let repeated = matches!(build.state, State::Over { by, .. } if by == lease.fence);
                check(result, holds || repeated);
                if holds {
                    build.state = State::Over { good, by: lease.fence };
                    build.log.push(last.message);
                }
            }
            Call::Release(pick) => {
                let Some((lease, holds)) = self.pick(pick) else { return };
                check(stores.queue.release(&lease).await, holds);
                if holds {
                    let build = self.builds.get_mut(&lease.record.id).unwrap();
                    build.attempt -= 1;
                    build.state = State::Queued;
                    self.queued.insert(lease.record.id);
                }
            }
            Call::Cancel(pick) => {
                let mut ids: Vec<_> = self.builds.keys().copied().collect();
                ids.sort();
                let Some(id) = pick.checked_rem(ids.len()).map(|pick| ids[pick]) else { return };
                let (fault, last) = cancelled();
                let ended = stores.queue.cancel(id, fault, last.clone()).await.unwrap();
                let build = self.builds.get_mut(&id).unwrap();
                assert_eq!(ended, !matches!(build.state, State::Over { .. }));
                if ended {
                    // No lease's holder did it.
                    build.state = State::Over { good: false, by: Fence(u64::MAX) };
                    build.log.push(last.message);
                    self.queued.remove(&id);
                }
            }
            Call::Forget(key) => {
                stores.queue.forget(&request(key).key).await.unwrap();
                if let Some(id) = self.latest.get(&key)
                    && matches!(self.builds[id].state, State::Over { .. })
                {
                    self.latest.remove(&key);
                }
            }
        }
    }

    /// A lease, and whether it is still the current one.
    fn pick(&self, pick: usize) -> Option<(BuildLease, bool)> {
        let lease = self.leases.get(pick.checked_rem(self.leases.len())?)?.clone();
        let holds = self.builds[&lease.record.id].state == State::Running(lease.fence);
        Some((lease, holds))
    }

    async fn check(&self, stores: &Stores) {
        let running = self.builds.values().filter(|build| matches!(build.state, State::Running(_))).count();
        assert_eq!(stores.queue.depth().await.unwrap(), (self.queued.len() as u64, running as u64));
        assert_eq!(stores.queue.waiting().await.unwrap(), self.queued.iter().copied().collect::<Vec<_>>());
        for (id, build) in &self.builds {
            let record = stores.queue.get(*id).await.unwrap().unwrap();
            let state = match &record.state {
                BuildState::Queued => State::Queued,
                BuildState::Running { fence, .. } => State::Running(*fence),
                BuildState::Built { .. } | BuildState::Failed { .. } => build.state,
            };
            assert_eq!((state, record.attempt, &record.request), (build.state, build.attempt, &request(build.key)));
            if let State::Over { good, .. } = build.state {
                assert_eq!(matches!(record.state, BuildState::Built { .. }), good);
            }
            let log: Vec<_> = all_events(stores, Topic::Build(*id)).await;
            assert_eq!(log, (1..).zip(build.log.iter().cloned()).collect::<Vec<_>>());
        }
        for key in 0..4 {
            let found = stores.queue.find(&request(key).key).await.unwrap().map(|record| record.id);
            assert_eq!(found, self.latest.get(&key).copied());
        }
        let mut ids: Vec<_> = self.builds.keys().copied().collect();
        ids.sort_by(|a, b| b.cmp(a));
        let recent: Vec<_> = stores.queue.recent(usize::MAX).await.unwrap().iter().map(|record| record.id).collect();
        assert_eq!(recent, ids);
    }
}

fn check(result: Result<(), StoreError>, holds: bool) {
    match result {
        Ok(()) => assert!(holds, "a lost lease was taken for good"),
        Err(StoreError::LeaseLost) => assert!(!holds, "a good lease was taken for lost"),
        Err(error) => panic!("{error}"),
    }
}

/// `open` gives an empty store for each case.
fn run(runtime: &tokio::runtime::Runtime, open: impl AsyncFn(u32) -> (Stores, Option<Place>)) {
    let case = std::cell::Cell::new(0);
    // A case that fails is printed whole; there is no file of them.
    let cases = Cases { cases: 48, failure_persistence: None, max_shrink_iters: 200, ..Cases::default() };
    TestRunner::new(cases)
        .run(&prop::collection::vec(call(), 1..60), |calls| {
            case.set(case.get() + 1);
            runtime.block_on(async {
                let (stores, _place) = open(case.get()).await;
                let mut model = Model::default();
                for call in calls {
                    model.step(&stores, call).await;
                }
                model.check(&stores).await;
                stores.close().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_embedded_queue_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    run(&runtime, async |_| {
        let place = Place::embedded();
        (place.open().await, Some(place))
    });
}

#[test]
fn the_redis_queue_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = runtime.block_on(Place::redis());
    run(&runtime, async |case| {
        let config = Config { key_prefix: format!("case-{case}"), ..Config::default() };
        (place.open_with(&config).await, None)
    });
}
