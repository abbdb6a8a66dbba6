//! Sessions and events in memory, by the seams' words.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{EventLog, EventStream, SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{Event, EventBody, EventId, Fence, LaunchId, Session, SessionEvent, SessionId, Timestamp, Topic};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

#[derive(Default)]
struct Sessions {
    all: HashMap<SessionId, Session>,
    watchers: Vec<mpsc::UnboundedSender<SessionChange>>,
    /// Every state any session was in, in order.
    history: Vec<(SessionId, &'static str, Instant)>,
}

impl Sessions {
    fn tell(&mut self, change: &SessionChange) {
        if let SessionChange::Put(session) = change {
            self.history.push((session.id, session.state.name(), Instant::now()));
        }
        self.watchers.retain(|watcher| watcher.send(change.clone()).is_ok());
    }
}

/// Both stores.
pub(crate) struct MemoryStore {
    sessions: Mutex<Sessions>,
    events: Mutex<HashMap<Topic, Vec<Arc<Event>>>>,
    appended: watch::Sender<u64>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { sessions: Mutex::default(), events: Mutex::default(), appended: watch::Sender::new(0) }
    }
}

impl MemoryStore {
    /// The bodies of a launch's log once it has ended.
    pub(crate) async fn ended(&self, launch: LaunchId) -> Vec<EventBody> {
        let all = async {
            let stream = self.follow(Topic::Launch(launch), EventId::START).await.unwrap();
            stream.map(|event| event.unwrap().body.clone()).collect().await
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("the launch ends")
    }

    /// The session once this is true of it; `None` once it has no record.
    pub(crate) async fn until(&self, id: SessionId, what: &str, is: impl Fn(Option<&Session>) -> bool) {
        let mut watch = self.watch().await.unwrap();
        let wait = async {
            while !is(self.get(id).await.unwrap().as_ref()) {
                watch.next().await;
            }
        };
        if tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.is_err() {
            panic!("{id} is not {what} but {:?}", self.get(id).await);
        }
    }

    /// The session once it is in the state of that name.
    pub(crate) async fn until_state(&self, id: SessionId, name: &str) -> Session {
        self.until(id, name, |session| session.is_some_and(|session| session.state.name() == name)).await;
        self.get(id).await.unwrap().unwrap()
    }

    /// Every state any session was in, in order.
    pub(crate) fn states(&self) -> Vec<(SessionId, &'static str)> {
        self.sessions.lock().history.iter().map(|(id, state, _)| (*id, *state)).collect()
    }

    /// When a session came to the state of that name.
    pub(crate) fn when(&self, id: SessionId, name: &str) -> Option<Instant> {
        let sessions = self.sessions.lock();
        sessions.history.iter().find(|(of, state, _)| *of == id && *state == name).map(|(_, _, at)| *at)
    }

    /// Forgets a session without a word, as a store that lost its data.
    pub(crate) fn lose(&self, id: SessionId) {
        self.sessions.lock().all.remove(&id);
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        let mut sessions = self.sessions.lock();
        sessions.all.insert(session.id, session.clone());
        sessions.tell(&SessionChange::Put(Arc::new(session.clone())));
        Ok(())
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions.lock().all.get(&id).cloned())
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        Ok(self.sessions.lock().all.values().cloned().collect())
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        let mut sessions = self.sessions.lock();
        let session = sessions.all.get_mut(&id).ok_or(StoreError::NotFound)?;
        session.state = session.state.apply(event)?;
        let session = session.clone();
        sessions.tell(&SessionChange::Put(Arc::new(session.clone())));
        Ok(session)
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        let mut sessions = self.sessions.lock();
        for (id, at) in seen {
            if let Some(session) = sessions.all.get_mut(id) {
                session.last_seen = session.last_seen.max(*at);
            }
        }
        Ok(())
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let mut sessions = self.sessions.lock();
        sessions.all.remove(&id);
        sessions.tell(&SessionChange::Removed(id));
        Ok(())
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut sessions = self.sessions.lock();
        for session in sessions.all.values() {
            let _ = sender.send(SessionChange::Put(Arc::new(session.clone())));
        }
        let _ = sender.send(SessionChange::Current);
        sessions.watchers.push(sender);
        Ok(UnboundedReceiverStream::new(receiver).boxed())
    }
}

#[async_trait]
impl EventLog for MemoryStore {
    async fn append(&self, topic: Topic, bodies: Vec<EventBody>, _: Option<Fence>) -> Result<EventId, StoreError> {
        let mut events = self.events.lock();
        let log = events.entry(topic).or_default();
        for body in bodies {
            assert!(
                !log.iter().any(|event| event.body.phase.is_terminal()),
                "nothing follows the end of a launch, but {body:?} does"
            );
            let id = EventId(log.len() as u64 + 1);
            log.push(Arc::new(Event { id, at: Timestamp::now(), body }));
        }
        let last = EventId(log.len() as u64);
        drop(events);
        self.appended.send_modify(|count| *count += 1);
        Ok(last)
    }

    async fn history(&self, topic: Topic, after: EventId, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        let events = self.events.lock();
        Ok(events.get(&topic).into_iter().flatten().filter(|event| event.id > after).take(limit).cloned().collect())
    }

    async fn follow(&self, topic: Topic, mut after: EventId) -> Result<EventStream, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut appended = self.appended.subscribe();
        let mut page = self.history(topic, after, usize::MAX).await?;
        // Comes back only when the log has ended, which is all the tests want.
        loop {
            for event in page {
                after = event.id;
                let last = event.body.phase.is_terminal();
                let _ = sender.send(Ok(event));
                if last {
                    return Ok(UnboundedReceiverStream::new(receiver).boxed());
                }
            }
            let _ = appended.changed().await;
            page = self.history(topic, after, usize::MAX).await?;
        }
    }
}
