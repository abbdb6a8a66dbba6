//! Session records in memory, with a watch.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{Session, SessionEvent, SessionId, Timestamp};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[derive(Default)]
pub(crate) struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<SessionId, Session>,
    watchers: Vec<UnboundedSender<SessionChange>>,
    touched: Vec<(SessionId, Timestamp)>,
    /// While set, a watch tells nothing.
    silent: bool,
}

impl MemoryStore {
    pub(crate) fn silent() -> Arc<Self> {
        let store = Self::default();
        store.inner.lock().silent = true;
        Arc::new(store)
    }

    /// Tells the watchers what they were not told.
    pub(crate) fn speak(&self) {
        let mut inner = self.inner.lock();
        inner.silent = false;
        let all: Vec<_> = inner.sessions.values().cloned().map(|s| SessionChange::Put(Arc::new(s))).collect();
        for change in all.into_iter().chain([SessionChange::Current]) {
            inner.tell(&change);
        }
    }

    /// Ends every watch, as a store that restarts does.
    pub(crate) fn hang_up(&self) {
        self.inner.lock().watchers.clear();
    }

    pub(crate) fn touched(&self) -> Vec<SessionId> {
        self.inner.lock().touched.iter().map(|(id, _)| *id).collect()
    }
}

impl Inner {
    fn tell(&mut self, change: &SessionChange) {
        if !self.silent {
            self.watchers.retain(|watcher| watcher.send(change.clone()).is_ok());
        }
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.sessions.insert(session.id, session.clone());
        inner.tell(&SessionChange::Put(Arc::new(session.clone())));
        Ok(())
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.inner.lock().sessions.get(&id).cloned())
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        Ok(self.inner.lock().sessions.values().cloned().collect())
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        let mut session = self.get(id).await?.ok_or(StoreError::NotFound)?;
        session.state = session.state.apply(event)?;
        self.put(&session).await?;
        Ok(session)
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        self.inner.lock().touched.extend_from_slice(seen);
        Ok(())
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.sessions.remove(&id);
        inner.tell(&SessionChange::Removed(id));
        Ok(())
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let (sender, receiver) = unbounded_channel();
        let mut inner = self.inner.lock();
        if !inner.silent {
            for session in inner.sessions.values() {
                sender.send(SessionChange::Put(Arc::new(session.clone()))).ok();
            }
            sender.send(SessionChange::Current).ok();
        }
        inner.watchers.push(sender);
        let changes = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|change| (change, receiver))
        });
        Ok(changes.boxed())
    }
}
