//! Fan-out: one reader per topic feeds a shared tail in memory; any number of followers index into it.
//!
//! A follower holds only its place, so a slow one delays nobody and loses nothing. The tail goes with its last follower.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{EventStream, StoreError};
use bindery_core::{Event, EventId, Topic};
use futures::stream;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// How many events a follower takes from the shared tail at a time.
const CHUNK: usize = 256;
/// How long to wait before reading again from a store that failed; doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Where a tail's events come from.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    /// The events after `after`, at least one, in order; waits for it. `poke` is notified when there may be one.
    async fn next(&self, topic: Topic, after: EventId, poke: &Notify) -> Result<Vec<Arc<Event>>, StoreError>;
}

/// The tails of all topics that are being followed in this process.
#[derive(Default)]
pub(crate) struct Tails {
    open: Mutex<HashMap<Topic, Entry>>,
}

struct Entry {
    tail: Weak<Tail>,
    /// Apart from the tail, so that poking never holds the last reference to one.
    shared: Arc<Shared>,
}

struct Tail {
    topic: Topic,
    shared: Arc<Shared>,
    tails: Weak<Tails>,
    pump: AbortHandle,
}

#[derive(Default)]
struct Shared {
    log: RwLock<Log>,
    grown: watch::Sender<()>,
    poke: Notify,
}

#[derive(Default)]
struct Log {
    /// The event with id `n` is at `n - 1`.
    events: Vec<Arc<Event>>,
    end: Option<End>,
}

#[derive(Clone)]
enum End {
    Terminal,
    Broken(String),
}

impl Tails {
    /// Follows a topic through its shared tail, which is started when this is its first follower.
    pub(crate) fn follow(self: &Arc<Self>, source: &Arc<dyn Source>, topic: Topic, after: EventId) -> EventStream {
        let tail = {
            let mut open = self.open.lock();
            match open.get(&topic).and_then(|entry| entry.tail.upgrade()) {
                Some(tail) => tail,
                None => {
                    let shared = Arc::new(Shared::default());
                    let pump = tokio::spawn(pump(Arc::clone(source), topic, Arc::clone(&shared))).abort_handle();
                    let tails = Arc::downgrade(self);
                    let tail = Arc::new(Tail { topic, shared: Arc::clone(&shared), tails, pump });
                    open.insert(topic, Entry { tail: Arc::downgrade(&tail), shared });
                    tail
                }
            }
        };
        let grown = tail.shared.grown.subscribe();
        let place = usize::try_from(after.0).unwrap_or(usize::MAX);
        Box::pin(stream::unfold(Follower { tail, grown, place, taken: VecDeque::new(), over: false }, Follower::step))
    }

    /// Says that the topic may have grown.
    pub(crate) fn poke(&self, topic: Topic) {
        if let Some(entry) = self.open.lock().get(&topic) {
            entry.shared.poke.notify_one();
        }
    }

    /// Says that any topic may have grown.
    pub(crate) fn poke_all(&self) {
        for entry in self.open.lock().values() {
            entry.shared.poke.notify_one();
        }
    }

    /// Ends every stream, because the store is closed.
    pub(crate) fn close(&self) {
        for entry in self.open.lock().values() {
            entry.shared.finish(End::Broken("the store is closed".to_owned()));
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.open.lock().len()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.pump.abort();
        if let Some(tails) = self.tails.upgrade() {
            let mut open = tails.open.lock();
            // By now the topic may have a new tail.
            if open.get(&self.topic).is_some_and(|entry| Arc::ptr_eq(&entry.shared, &self.shared)) {
                open.remove(&self.topic);
            }
        }
    }
}

impl Shared {
    fn finish(&self, end: End) {
        self.log.write().end.get_or_insert(end);
        self.grown.send_replace(());
    }

    /// Adds what is new; whether the terminal event is among it.
    fn extend(&self, events: Vec<Arc<Event>>) -> Result<bool, String> {
        let mut log = self.log.write();
        for event in events {
            let expected = log.events.len() as u64 + 1;
            if event.id.0 < expected {
                continue;
            }
            if event.id.0 > expected {
                return Err(format!("event {expected} is missing from the log"));
            }
            let terminal = event.body.phase.is_terminal();
            log.events.push(event);
            if terminal {
                log.end.get_or_insert(End::Terminal);
                break;
            }
        }
        let over = log.end.is_some();
        drop(log);
        self.grown.send_replace(());
        Ok(over)
    }
}

/// The one reader of a topic.
async fn pump(source: Arc<dyn Source>, topic: Topic, shared: Arc<Shared>) {
    let mut delay = RETRY.0;
    loop {
        let after = EventId(shared.log.read().events.len() as u64);
        match source.next(topic, after, &shared.poke).await {
            Ok(events) => {
                delay = RETRY.0;
                match shared.extend(events) {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(reason) => return shared.finish(End::Broken(reason)),
                }
            }
            Err(StoreError::Unavailable(reason)) => {
                if delay == RETRY.0 {
                    tracing::warn!(%topic, reason, "the log cannot be read; trying again");
                }
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(RETRY.1);
            }
            Err(error) => return shared.finish(End::Broken(error.to_string())),
        }
    }
}

struct Follower {
    tail: Arc<Tail>,
    grown: watch::Receiver<()>,
    place: usize,
    taken: VecDeque<Arc<Event>>,
    over: bool,
}

impl Follower {
    async fn step(mut self) -> Option<(Result<Arc<Event>, StoreError>, Self)> {
        loop {
            if let Some(event) = self.taken.pop_front() {
                return Some((Ok(event), self));
            }
            if self.over {
                return None;
            }
            // Before looking, so that growth in between is not missed.
            self.grown.mark_unchanged();
            let end = {
                let log = self.tail.shared.log.read();
                self.taken.extend(log.events.iter().skip(self.place).take(CHUNK).cloned());
                log.end.clone()
            };
            self.place = self.place.saturating_add(self.taken.len());
            if !self.taken.is_empty() {
                continue;
            }
            match end {
                Some(End::Terminal) => return None,
                Some(End::Broken(reason)) => {
                    self.over = true;
                    return Some((Err(StoreError::Unavailable(reason)), self));
                }
                None => {}
            }
            // The sender lives in the tail, which this follower holds.
            if self.grown.changed().await.is_err() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use bindery_core::seams::StoreError;
    use bindery_core::{Event, EventBody, EventId, Fault, LaunchId, Phase, Timestamp, Topic};
    use futures::StreamExt as _;
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::{Source, Tails};

    #[derive(Default)]
    struct Fake {
        events: Mutex<Vec<Arc<Event>>>,
        reads: AtomicUsize,
        outages: AtomicUsize,
    }

    #[async_trait]
    impl Source for Fake {
        async fn next(&self, _: Topic, after: EventId, poke: &Notify) -> Result<Vec<Arc<Event>>, StoreError> {
            loop {
                if self.outages.load(Ordering::SeqCst) > 0 {
                    self.outages.fetch_sub(1, Ordering::SeqCst);
                    return Err(StoreError::Unavailable("down".to_owned()));
                }
                self.reads.fetch_add(1, Ordering::SeqCst);
                let new: Vec<_> = self.events.lock().iter().filter(|event| event.id > after).cloned().collect();
                if !new.is_empty() {
                    return Ok(new);
                }
                poke.notified().await;
            }
        }
    }

    fn event(id: u64, body: EventBody) -> Arc<Event> {
        Arc::new(Event { id: EventId(id), at: Timestamp::from_millis(1), body })
    }

    fn line(id: u64) -> Arc<Event> {
        event(id, EventBody::message(Phase::Launching, format!("line {id}")))
    }

    fn end(id: u64) -> Arc<Event> {
        event(id, EventBody::failed(Fault::us("x", "y")))
    }

    #[tokio::test]
    async fn two_thousand_followers_cost_the_reads_of_one() {
        let fake = Arc::new(Fake::default());
        let source: Arc<dyn Source> = Arc::clone(&fake) as _;
        let tails = Arc::new(Tails::default());
        let topic = Topic::Launch(LaunchId::new());
        let followers: Vec<_> = (0..2000)
            .map(|_| {
                let stream = tails.follow(&source, topic, EventId::START);
                tokio::spawn(stream.map(|event| event.unwrap().id.0).collect::<Vec<_>>())
            })
            .collect();
        for id in 1..=20 {
            fake.events.lock().push(if id == 20 { end(id) } else { line(id) });
            tails.poke(topic);
            tokio::task::yield_now().await;
        }
        for follower in followers {
            assert_eq!(follower.await.unwrap(), (1..=20).collect::<Vec<_>>());
        }
        assert!(fake.reads.load(Ordering::SeqCst) <= 41, "{:?}", fake.reads);
        assert_eq!(tails.len(), 0);
    }

    #[tokio::test]
    async fn a_follower_that_reads_nothing_delays_nobody_and_loses_nothing() {
        let fake = Arc::new(Fake::default());
        fake.events.lock().extend((1..=999).map(line).chain([end(1000)]));
        let source: Arc<dyn Source> = Arc::clone(&fake) as _;
        let tails = Arc::new(Tails::default());
        let topic = Topic::Launch(LaunchId::new());
        let mut slow = tails.follow(&source, topic, EventId::START);
        assert_eq!(slow.next().await.unwrap().unwrap().id, EventId(1));
        let fast = tails.follow(&source, topic, EventId(998));
        assert_eq!(fast.count().await, 2);
        assert_eq!(slow.count().await, 999);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_the_store_is_waited_out() {
        let fake = Arc::new(Fake::default());
        fake.outages.store(20, Ordering::SeqCst);
        fake.events.lock().extend([line(1), end(2)]);
        let source: Arc<dyn Source> = Arc::clone(&fake) as _;
        let tails = Arc::new(Tails::default());
        let stream = tails.follow(&source, Topic::Launch(LaunchId::new()), EventId::START);
        assert_eq!(stream.map(|event| event.unwrap().id.0).collect::<Vec<_>>().await, [1, 2]);
    }

    #[tokio::test]
    async fn the_reader_stops_when_the_last_follower_leaves() {
        let fake = Arc::new(Fake::default());
        let source: Arc<dyn Source> = Arc::clone(&fake) as _;
        let tails = Arc::new(Tails::default());
        let topic = Topic::Launch(LaunchId::new());
        fake.events.lock().push(line(1));
        let mut one = tails.follow(&source, topic, EventId::START);
        let two = tails.follow(&source, topic, EventId::START);
        one.next().await.unwrap().unwrap();
        drop(two);
        assert_eq!(tails.len(), 1);
        drop(one);
        assert_eq!(tails.len(), 0);
        // The aborted reader lets go of the source; the two left are here.
        while Arc::strong_count(&fake) > 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_gap_in_the_log_is_an_error_not_a_silent_skip() {
        let fake = Arc::new(Fake::default());
        fake.events.lock().extend([line(1), line(3)]);
        let source: Arc<dyn Source> = Arc::clone(&fake) as _;
        let tails = Arc::new(Tails::default());
        let mut stream = tails.follow(&source, Topic::Launch(LaunchId::new()), EventId::START);
        let mut outcomes = Vec::new();
        while let Some(event) = stream.next().await {
            outcomes.push(event.is_ok());
        }
        assert_eq!(outcomes, [true, false]);
    }
}
