//! Session records in the file.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{Session, SessionEvent, SessionId, Timestamp};
use futures::stream;
use redb::ReadableTable;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::tables::{self, SESSIONS};
use super::{Embedded, Inner};
use crate::error::unavailable;

/// How many changes a watcher may be behind before it is told everything anew.
const BEHIND: usize = 1024;
/// How long to wait before a failed listing is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Where changes are told.
pub(super) struct Changes(broadcast::Sender<SessionChange>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    fn tell(&self, change: SessionChange) {
        // An error means that nobody watches.
        let _ = self.0.send(change);
    }
}

#[async_trait]
impl SessionStore for Embedded {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        let (inner, session) = (Arc::clone(&self.inner), session.clone());
        self.inner
            .writer
            .run(move |tx| {
                tx.put(SESSIONS, &session.id.to_string(), &session)?;
                tx.after(move || inner.sessions.tell(SessionChange::Put(Box::new(session))));
                Ok(())
            })
            .await
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.inner
            .writer
            .read(move |txn| tables::read(&txn.open_table(SESSIONS).map_err(unavailable)?, &id.to_string()))
            .await
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        self.inner.writer.read(|txn| all(&txn.open_table(SESSIONS).map_err(unavailable)?)).await
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.inner
            .writer
            .run(move |tx| {
                let name = id.to_string();
                let mut session: Session = tx.get(SESSIONS, &name)?.ok_or(StoreError::NotFound)?;
                let state = session.state.apply(event)?;
                if state != session.state {
                    session.state = state;
                    tx.put(SESSIONS, &name, &session)?;
                    let told = session.clone();
                    tx.after(move || inner.sessions.tell(SessionChange::Put(Box::new(told))));
                }
                Ok(session)
            })
            .await
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.inner
            .writer
            .run(move |tx| {
                for (id, at) in seen {
                    let name = id.to_string();
                    if let Some(mut session) = tx.get::<Session>(SESSIONS, &name)?
                        && session.last_seen < at
                    {
                        session.last_seen = at;
                        tx.put(SESSIONS, &name, &session)?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        self.inner
            .writer
            .run(move |tx| {
                if tx.delete(SESSIONS, &id.to_string())? {
                    tx.after(move || inner.sessions.tell(SessionChange::Removed(id)));
                }
                Ok(())
            })
            .await
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let mut watcher = Watcher {
            // Not held, so that a watcher does not keep the store open.
            inner: Arc::downgrade(&self.inner),
            changes: self.inner.sessions.0.subscribe(),
            told: HashSet::new(),
            next: VecDeque::new(),
        };
        watcher.tell_all(&self.inner).await?;
        let closed = self.inner.closed.clone();
        Ok(Box::pin(stream::unfold(watcher, move |mut watcher| {
            let closed = closed.clone();
            async move {
                tokio::select! {
                    biased;
                    () = closed.cancelled() => None,
                    change = watcher.next() => change.map(|change| (change, watcher)),
                }
            }
        })))
    }
}

struct Watcher {
    inner: std::sync::Weak<Inner>,
    changes: broadcast::Receiver<SessionChange>,
    /// The sessions this watcher has been told of and not been told are gone.
    told: HashSet<SessionId>,
    next: VecDeque<SessionChange>,
}

impl Watcher {
    async fn next(&mut self) -> Option<SessionChange> {
        loop {
            if let Some(change) = self.next.pop_front() {
                match &change {
                    SessionChange::Put(session) => {
                        self.told.insert(session.id);
                    }
                    SessionChange::Removed(id) => {
                        self.told.remove(id);
                    }
                    SessionChange::Current => {}
                }
                return Some(change);
            }
            match self.changes.recv().await {
                Ok(change) => self.next.push_back(change),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => loop {
                    let inner = self.inner.upgrade()?;
                    if self.tell_all(&inner).await.is_ok() {
                        break;
                    }
                    drop(inner);
                    tokio::time::sleep(RETRY).await;
                },
            }
        }
    }

    /// Lists and subscribes at one point in the order of changes, so that none is missed and none is told twice.
    async fn tell_all(&mut self, inner: &Arc<Inner>) -> Result<(), StoreError> {
        let sender = inner.sessions.0.clone();
        let (answer, subscribed) = tokio::sync::oneshot::channel();
        let sessions = inner
            .writer
            .run(move |tx| {
                let sessions = all(&tx.txn().open_table(SESSIONS).map_err(unavailable)?)?;
                tx.after(move || {
                    let _ = answer.send(sender.subscribe());
                });
                Ok(sessions)
            })
            .await?;
        self.changes = subscribed.await.map_err(unavailable)?;
        let there: HashSet<SessionId> = sessions.iter().map(|session| session.id).collect();
        self.next.clear();
        self.next.extend(sessions.into_iter().map(|session| SessionChange::Put(Box::new(session))));
        self.next.extend(self.told.difference(&there).copied().map(SessionChange::Removed));
        self.next.push_back(SessionChange::Current);
        Ok(())
    }
}

fn all(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Vec<Session>, StoreError> {
    let mut sessions = Vec::new();
    for entry in table.iter().map_err(unavailable)? {
        let (id, value) = entry.map_err(unavailable)?;
        sessions.push(tables::decode(id.value(), value.value())?);
    }
    Ok(sessions)
}
