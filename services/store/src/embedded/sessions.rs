//! Session records: in memory, whole, with the file as what a restart begins from.
//!
//! Every change is visible at once. That a session was asked for and that it is to end is on disk before the caller is answered. The
//! steps of a launch in between, and when it was last used, come to the disk within the flush time: an engine can tell them again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{Session, SessionEvent, SessionId, Timestamp};
use futures::stream;
use parking_lot::Mutex;
use redb::{ReadableDatabase as _, ReadableTable as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Embedded;
use super::file::File;
use super::tables::{self, SESSIONS};
use super::writer::Tx;
use crate::error::unavailable;

/// How many changes a watcher may be behind before it is told everything anew.
const BEHIND: usize = 1024;

/// Every session.
pub(super) struct Sessions {
    state: Mutex<State>,
    /// Told while the state is locked, so that changes are told in their order.
    changes: broadcast::Sender<SessionChange>,
}

#[derive(Default)]
struct State {
    records: HashMap<SessionId, Arc<Session>>,
    /// Those of which the file has an older record.
    waiting: HashSet<SessionId>,
}

impl Sessions {
    /// Those in the file.
    pub(super) fn load(file: &File) -> Result<Self, StoreError> {
        let read = |database: &redb::Database| -> Result<_, StoreError> {
            let txn = database.begin_read().map_err(unavailable)?;
            let table = txn.open_table(SESSIONS).map_err(unavailable)?;
            let mut records = HashMap::new();
            for entry in table.iter().map_err(unavailable)? {
                let (id, value) = entry.map_err(unavailable)?;
                let session: Session = tables::decode(id.value(), value.value())?;
                records.insert(session.id, Arc::new(session));
            }
            Ok(records)
        };
        let records = file.with(read).transpose()?.unwrap_or_default();
        let state = State { records, waiting: HashSet::new() };
        Ok(Self { state: Mutex::new(state), changes: broadcast::Sender::new(BEHIND) })
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }

    /// Writes what waits; part of a batch.
    pub(super) fn flush(sessions: &Arc<Self>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let waiting: Vec<Arc<Session>> = {
            let state = sessions.state.lock();
            state.waiting.iter().filter_map(|id| state.records.get(id).cloned()).collect()
        };
        for session in waiting {
            tx.put(SESSIONS, &session.id.to_string(), session.as_ref())?;
            let sessions = Arc::clone(sessions);
            tx.after(move || {
                let mut state = sessions.state.lock();
                if state.records.get(&session.id).is_some_and(|now| Arc::ptr_eq(now, &session)) {
                    state.waiting.remove(&session.id);
                }
            });
        }
        Ok(())
    }

    fn put(&self, session: Session) {
        let session = Arc::new(session);
        let mut state = self.state.lock();
        state.waiting.insert(session.id);
        state.records.insert(session.id, Arc::clone(&session));
        self.tell(SessionChange::Put(session));
    }

    /// Lets go of a record that the file has no more.
    fn removed(&self, id: SessionId) {
        let mut state = self.state.lock();
        state.waiting.remove(&id);
        if state.records.remove(&id).is_some() {
            self.tell(SessionChange::Removed(id));
        }
    }

    /// The session after the event, and whether that changed it.
    fn apply(&self, id: SessionId, event: SessionEvent) -> Result<(Session, bool), StoreError> {
        let State { records, waiting } = &mut *self.state.lock();
        let session = records.get_mut(&id).ok_or(StoreError::NotFound)?;
        let state = session.state.apply(event)?;
        let changed = state != session.state;
        if changed {
            Arc::make_mut(session).state = state;
            waiting.insert(id);
            self.tell(SessionChange::Put(Arc::clone(session)));
        }
        Ok((Session::clone(session), changed))
    }

    fn touch(&self, seen: &[(SessionId, Timestamp)]) {
        let State { records, waiting } = &mut *self.state.lock();
        for (id, at) in seen {
            if let Some(session) = records.get_mut(id)
                && session.last_seen < *at
            {
                Arc::make_mut(session).last_seen = *at;
                waiting.insert(*id);
            }
        }
    }

    /// An error means that nobody watches.
    fn tell(&self, change: SessionChange) {
        let _ = self.changes.send(change);
    }
}

impl Embedded {
    fn sessions(&self) -> Result<&Arc<Sessions>, StoreError> {
        if self.inner.closed.is_cancelled() {
            return Err(unavailable("the store is closed"));
        }
        Ok(&self.inner.sessions)
    }
}

#[async_trait]
impl SessionStore for Embedded {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        self.sessions()?.put(session.clone());
        // Who asked follows the launch meanwhile, and many launches share one flush.
        self.inner.writer.settled().await
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions()?.state.lock().records.get(&id).map(|session| Session::clone(session)))
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        Ok(self.sessions()?.state.lock().records.values().map(|session| Session::clone(session)).collect())
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        let ends = matches!(event, SessionEvent::StopRequested { .. } | SessionEvent::Gone { .. });
        let (session, changed) = self.sessions()?.apply(id, event)?;
        if ends {
            // Also when it had ended before: by now, that is on disk.
            self.inner.writer.run(|_| Ok(())).await?;
        } else if changed {
            self.inner.writer.wake();
        }
        Ok(session)
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        self.sessions()?.touch(seen);
        self.inner.writer.wake();
        Ok(())
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let sessions = Arc::clone(self.sessions()?);
        let write = move |tx: &mut Tx<'_>| {
            tx.delete(SESSIONS, &id.to_string())?;
            tx.after(move || sessions.removed(id));
            Ok(())
        };
        self.inner.writer.run(write).await
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let sessions = Arc::clone(self.sessions()?);
        let changes = sessions.changes.subscribe();
        let mut watcher = Watcher { sessions, changes, told: HashSet::new(), next: VecDeque::new() };
        watcher.tell_all();
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
    sessions: Arc<Sessions>,
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
                Err(RecvError::Lagged(_)) => self.tell_all(),
            }
        }
    }

    /// Lists and subscribes at one point in the order of changes, so that none is missed and none is told twice.
    fn tell_all(&mut self) {
        let state = self.sessions.state.lock();
        self.changes = self.sessions.changes.subscribe();
        self.next.clear();
        self.next.extend(state.records.values().cloned().map(SessionChange::Put));
        let gone = self.told.iter().filter(|id| !state.records.contains_key(*id)).copied();
        self.next.extend(gone.map(SessionChange::Removed));
        self.next.push_back(SessionChange::Current);
    }
}
