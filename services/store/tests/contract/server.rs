//! What only a server can do: go away and come back, and be shared by processes.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{SessionChange, StoreError};
use bindery_core::{BuildState, EventId, Phase, Topic};
use bindery_store::{Config, Error, Stores};
use futures::StreamExt as _;
use parking_lot::Mutex;

use crate::harness::{
    BOUND, NOW, Place, built, claim, eventually, failed, launch, line, read_to_end, request, session, short_lease,
    waiting, within, worker,
};

#[tokio::test]
async fn an_outage_is_an_error_at_once_and_over_when_the_server_is_back() {
    let mut place = Place::redis().await;
    let stores = place.open().await;
    place.kill_server();
    assert!(matches!(within(stores.reachable()).await, Err(StoreError::Unavailable(_))));
    let refused = within(stores.queue.submit(&request(1), waiting())).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    place.start_server().await;
    eventually(|| stores.reachable()).await;
    let one = request(1);
    eventually(|| stores.queue.submit(&one, waiting())).await;
    assert_eq!(stores.queue.depth().await.unwrap(), (1, 0));
    stores.close().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_said_without_repeating_it() {
    let config = Config::default();
    let password = bindery_core::Secret::new("redis://:hunter2@[oops");
    let error = bindery_store::open_redis(&password, &config).await.unwrap_err();
    assert!(matches!(error, Error::Address(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let nobody = bindery_core::Secret::new("redis+unix:///nonexistent/redis.sock");
    let error = within(bindery_store::open_redis(&nobody, &config)).await.unwrap_err();
    assert!(matches!(error, Error::Redis(_)), "{error}");
}

/// Log output, to be read by a test.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_warned_of() {
    for (appendonly, warned) in [("no", true), ("yes", false)] {
        let mut place = Place::embedded();
        place.start_server_that_keeps(appendonly).await;
        let said = Said::default();
        let to = said.clone();
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        let guard = tracing::subscriber::set_default(log);
        place.open().await.close().await;
        drop(guard);
        let text = String::from_utf8(said.0.lock().clone()).unwrap();
        assert_eq!(text.contains("WARN") && text.contains("appendonly"), warned, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_through_a_restart_without_a_lost_or_doubled_line() {
    let mut place = Place::redis().await;
    let stores = place.open().await;
    let topic = launch();
    let mut stream = stores.events.follow(topic, EventId::START).await.unwrap();
    for number in 1..=50 {
        stores.events.append(topic, vec![line(number.to_string())], None).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 30 {
        seen.push(within(stream.next()).await.unwrap().unwrap().id.0);
    }
    place.kill_server();
    place.start_server().await;
    eventually(|| stores.reachable()).await;
    for number in 51..=100 {
        let body = if number == 100 { failed().1 } else { line(number.to_string()) };
        stores.events.append(topic, vec![body], None).await.unwrap();
    }
    seen.extend(within(stream.map(|event| event.unwrap().id.0).collect::<Vec<_>>()).await);
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    stores.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_build_ends_once_though_the_server_is_killed_in_between() {
    const BUILDS: u32 = 120;
    let mut place = Place::redis().await;
    let stores = place.open_with(&short_lease()).await;
    let mut submitted = Vec::new();
    for number in 0..BUILDS {
        submitted.push(stores.queue.submit(&request(number), waiting()).await.unwrap().id);
    }
    let workers: Vec<_> = (0..4).map(|number| tokio::spawn(work(stores.clone(), format!("w{number}")))).collect();
    for part in 1..=3 {
        within(async {
            while done(&stores).await < u64::from(BUILDS) * part / 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        place.kill_server();
        place.start_server().await;
    }
    for worker in workers {
        within(worker).await.unwrap();
    }
    for id in submitted {
        let record = stores.queue.get(id).await.unwrap().unwrap();
        assert!(matches!(record.state, BuildState::Built { .. }), "{record:?}");
        let events = stores.events.history(Topic::Build(id), EventId::START, 1000).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.id.0).collect::<Vec<_>>(),
            (1..=events.len() as u64).collect::<Vec<_>>()
        );
        let ends = events.iter().filter(|event| event.body.phase.is_terminal()).count();
        assert_eq!((ends, events.last().unwrap().body.phase), (1, Phase::Built));
    }
    stores.close().await;
}

/// How many builds are over; zero while the server is away.
async fn done(stores: &Stores) -> u64 {
    match stores.queue.depth().await {
        Ok((queued, running)) => 120 - queued - running,
        Err(_) => 0,
    }
}

/// Builds until nothing is left, giving up only what it has lost.
async fn work(stores: Stores, name: String) {
    let me = worker(&name);
    loop {
        let Some(claimed) = eventually(|| stores.queue.claim(&me, NOW)).await else {
            if eventually(|| stores.queue.depth()).await == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let lease = claimed.lease;
        loop {
            match stores.queue.finish(&lease, built().0, built().1).await {
                Ok(()) | Err(StoreError::LeaseLost) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_builder_that_dies_is_replaced_and_the_visitors_stream_goes_on() {
    let place = Place::redis().await;
    let web = place.open_with(&short_lease()).await;
    let id = web.queue.submit(&request(1), waiting()).await.unwrap().id;
    let topic = Topic::Build(id);
    let visitor = tokio::spawn({
        let web = web.clone();
        async move { read_to_end(&web, topic, EventId::START).await }
    });

    let first = place.open_with(&short_lease()).await;
    let lease = claim(&first, "first").await.lease;
    first.events.append(topic, vec![line("from the first")], Some(lease.fence)).await.unwrap();
    // As good as killed: it neither renews nor finishes nor releases.
    first.close().await;

    let second = place.open_with(&short_lease()).await;
    let claimed = claim(&second, "second").await;
    assert_eq!(claimed.lost_worker, Some(worker("first")));
    second.events.append(topic, vec![line("from the second")], Some(claimed.lease.fence)).await.unwrap();
    second.queue.finish(&claimed.lease, built().0, built().1).await.unwrap();

    let expected =
        [waiting().message, "from the first\n".to_owned(), "from the second\n".to_owned(), built().1.message];
    assert_eq!(within(visitor).await.unwrap(), (1..).zip(expected).collect::<Vec<_>>());
    assert!(matches!(web.queue.find(&request(1).key).await.unwrap().unwrap().state, BuildState::Built { .. }));
    second.close().await;
    web.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_hears_of_what_another_does() {
    let place = Place::redis().await;
    let (one, two) = (place.open().await, place.open().await);
    let waiter = tokio::spawn({
        let queue = two.queue.clone();
        async move { queue.claim(&worker("two"), BOUND).await.unwrap().unwrap().lease.record.id }
    });
    let id = one.queue.submit(&request(1), waiting()).await.unwrap().id;
    assert_eq!(within(waiter).await.unwrap(), id);

    let mut watch = two.sessions.watch().await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Current));
    let made = session();
    one.sessions.put(&made).await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(made.clone()))));
    one.sessions.remove(made.id).await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Removed(made.id)));

    let lease = one.leases.try_acquire("cull", &worker("one"), BOUND).await.unwrap().unwrap();
    assert_eq!(two.leases.try_acquire("cull", &worker("two"), BOUND).await.unwrap(), None);
    one.leases.release(&lease).await.unwrap();
    assert!(two.leases.try_acquire("cull", &worker("two"), BOUND).await.unwrap().is_some());
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_the_whole_set_again_after_an_outage() {
    let mut place = Place::redis().await;
    let stores = place.open().await;
    let kept = session();
    stores.sessions.put(&kept).await.unwrap();
    let mut watch = stores.sessions.watch().await.unwrap();
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(kept.clone()))));
    assert_eq!(within(watch.next()).await, Some(SessionChange::Current));

    place.kill_server();
    place.start_server().await;
    assert_eq!(within(watch.next()).await, Some(SessionChange::Put(Arc::new(kept.clone()))));
    assert_eq!(within(watch.next()).await, Some(SessionChange::Current));

    // And when the server comes back with nothing, what is gone is told to be gone.
    place.kill_server();
    place.forget_data();
    place.start_server().await;
    assert_eq!(within(watch.next()).await, Some(SessionChange::Removed(kept.id)));
    assert_eq!(within(watch.next()).await, Some(SessionChange::Current));
    stores.close().await;
}

#[tokio::test]
async fn services_with_different_prefixes_share_a_server_unseen() {
    let place = Place::redis().await;
    let one = place.open().await;
    let two = place.open_with(&Config { key_prefix: "other".to_owned(), ..Config::default() }).await;
    one.queue.submit(&request(1), waiting()).await.unwrap();
    one.sessions.put(&session()).await.unwrap();
    assert_eq!(two.queue.depth().await.unwrap(), (0, 0));
    assert_eq!(two.sessions.list().await.unwrap(), []);
    assert_eq!(two.queue.claim(&worker("w"), NOW).await.unwrap(), None);
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn what_nobody_will_ask_for_expires() {
    let place = Place::redis().await;
    let stores = place.open().await;
    let client = redis::Client::open(place.url().expose()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut expiring = async || {
        let mut expiring = Vec::new();
        let keys: Vec<String> = redis::cmd("KEYS").arg("{bindery}:*").query_async(&mut raw).await.unwrap();
        for key in keys {
            let millis: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut raw).await.unwrap();
            if millis >= 0 && !key.contains(":call:") && !key.contains(":health") {
                expiring.push(key.replace("{bindery}:", ""));
            }
        }
        expiring.sort();
        expiring
    };
    let id = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let lease = claim(&stores, "w").await.lease;
    stores.queue.finish(&lease, built().0, built().1).await.unwrap();
    assert_eq!(expiring().await, [""; 0], "a build whose image is there is kept");
    stores.queue.forget(&request(1).key).await.unwrap();
    let gone = [format!("build:{id}"), format!("log:{id}"), format!("meta:{id}")];
    assert_eq!(expiring().await, gone);

    let failing = stores.queue.submit(&request(2), waiting()).await.unwrap().id;
    let lease = claim(&stores, "w").await.lease;
    stores.queue.finish(&lease, failed().0, failed().1).await.unwrap();
    let launched = launch();
    stores.events.append(launched, vec![line("a")], None).await.unwrap();
    let mut expected = gone.to_vec();
    expected.extend([
        format!("build:{failing}"),
        format!("log:{failing}"),
        format!("meta:{failing}"),
        format!("key:{}", request(2).key),
        format!("log:{launched}"),
        format!("meta:{launched}"),
    ]);
    expected.sort();
    assert_eq!(expiring().await, expected);
    stores.close().await;
}
