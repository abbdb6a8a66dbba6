//! Session records in Redis: a hash of records, and apart from it when each was last seen, so that neither change undoes the other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{Session, SessionEvent, SessionId, Timestamp};
use futures::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::wake::Hint;
use super::{Inner, Remote};
use crate::error::unreadable;

/// How often a watcher reads everything, whatever it was told.
const LOOK: Duration = Duration::from_secs(30);
/// How long to wait before a failed reading is tried again.
const RETRY: Duration = Duration::from_millis(200);

#[async_trait]
impl SessionStore for Remote {
    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        self.change("put", session.id, &encode(session)?, "").await.map(drop)
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(one(&self.inner, id).await?.map(|(session, _)| session))
    }

    async fn list(&self) -> Result<Vec<Session>, StoreError> {
        Ok(all(&self.inner).await?.into_values().map(|(session, _)| session).collect())
    }

    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError> {
        loop {
            let (mut session, stored) = one(&self.inner, id).await?.ok_or(StoreError::NotFound)?;
            let state = session.state.apply(event.clone())?;
            if state == session.state {
                return Ok(session);
            }
            session.state = state;
            // Each round that finds a change means that somebody else has got on, so this ends.
            if self.change("swap", id, &encode(&session)?, &stored).await? {
                return Ok(session);
            }
        }
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        let args: Vec<String> = seen.iter().flat_map(|(id, at)| [id.to_string(), at.as_millis().to_string()]).collect();
        self.script(|scripts| &scripts.touch, &args).await.map(drop)
    }

    async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        self.change("remove", id, "", "").await.map(drop)
    }

    async fn watch(&self) -> Result<SessionWatch, StoreError> {
        let mut watcher = Watcher {
            // Not held, so that a watcher does not keep the store open.
            inner: std::sync::Arc::downgrade(&self.inner),
            // Before reading, so that no change in between is missed.
            hints: self.inner.wakes.sessions.subscribe(),
            told: HashMap::new(),
            next: VecDeque::new(),
        };
        watcher.tell_all(&self.inner).await?;
        let closed = self.inner.server.closed.clone();
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

impl Remote {
    /// Whether it was done; only a swap may not be.
    async fn change(&self, what: &str, id: SessionId, record: &str, replaces: &str) -> Result<bool, StoreError> {
        let args = [what.to_owned(), id.to_string(), record.to_owned(), replaces.to_owned()];
        let reply = self.script(|scripts| &scripts.session, &args).await?;
        Ok(reply.first().is_some_and(|answer| answer == "ok"))
    }
}

/// A record, and the very text of it.
type Stored = (Session, String);

async fn one(inner: &Inner, id: SessionId) -> Result<Option<Stored>, StoreError> {
    let (server, name) = (&inner.server, id.to_string());
    let mut read = redis::pipe();
    read.atomic().hget(server.key("sessions"), &name).hget(server.key("seen"), &name);
    let (record, seen): (Option<String>, Option<u64>) = server.commands(&read).await?;
    record.map(|text| decode(&name, text, seen)).transpose()
}

async fn all(inner: &Inner) -> Result<HashMap<SessionId, Stored>, StoreError> {
    let server = &inner.server;
    let mut read = redis::pipe();
    read.atomic().hgetall(server.key("sessions")).hgetall(server.key("seen"));
    let (records, seen): (HashMap<String, String>, HashMap<String, u64>) = server.commands(&read).await?;
    let stored = records.into_iter().map(|(name, text)| {
        let stored = decode(&name, text, seen.get(&name).copied())?;
        Ok((stored.0.id, stored))
    });
    stored.collect()
}

fn encode(session: &Session) -> Result<String, StoreError> {
    serde_json::to_string(session).map_err(|error| unreadable(&session.id.to_string(), error))
}

fn decode(name: &str, text: String, seen: Option<u64>) -> Result<Stored, StoreError> {
    let mut session: Session = serde_json::from_str(&text).map_err(|error| unreadable(name, error))?;
    session.last_seen = session.last_seen.max(Timestamp::from_millis(seen.unwrap_or(0)));
    Ok((session, text))
}

struct Watcher {
    inner: Weak<Inner>,
    hints: broadcast::Receiver<Hint>,
    /// What this watcher was told of each session: the text of its record.
    told: HashMap<SessionId, String>,
    next: VecDeque<SessionChange>,
}

impl Watcher {
    async fn next(&mut self) -> Option<SessionChange> {
        loop {
            if let Some(change) = self.next.pop_front() {
                return Some(change);
            }
            let hint = timeout(LOOK, self.hints.recv()).await;
            // An outage is waited out, then everything is told again.
            let mut told = match hint {
                Ok(Ok(Hint::Session(id))) => {
                    let inner = self.inner.upgrade()?;
                    self.tell_one(&inner, id).await
                }
                Ok(Ok(Hint::Lost) | Err(RecvError::Lagged(_))) => {
                    let inner = self.inner.upgrade()?;
                    self.tell_all(&inner).await
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => {
                    let inner = self.inner.upgrade()?;
                    self.tell_changes(&inner).await
                }
            };
            while let Err(error) = told {
                tracing::debug!(%error, "session records cannot be read; trying again");
                tokio::time::sleep(RETRY).await;
                let inner = self.inner.upgrade()?;
                told = self.tell_all(&inner).await;
            }
        }
    }

    async fn tell_one(&mut self, inner: &Inner, id: SessionId) -> Result<(), StoreError> {
        let stored = one(inner, id).await?;
        self.tell(id, stored);
        Ok(())
    }

    async fn tell_changes(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let stored = all(inner).await?;
        let gone: Vec<SessionId> = self.told.keys().filter(|id| !stored.contains_key(id)).copied().collect();
        for id in gone {
            self.tell(id, None);
        }
        for (id, stored) in stored {
            self.tell(id, Some(stored));
        }
        Ok(())
    }

    /// The whole set, as at the beginning.
    async fn tell_all(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let stored = all(inner).await?;
        let gone: Vec<SessionId> = self.told.drain().map(|(id, _)| id).filter(|id| !stored.contains_key(id)).collect();
        self.next.extend(gone.into_iter().map(SessionChange::Removed));
        for (id, stored) in stored {
            self.tell(id, Some(stored));
        }
        self.next.push_back(SessionChange::Current);
        Ok(())
    }

    /// Tells what is new about one session.
    fn tell(&mut self, id: SessionId, stored: Option<Stored>) {
        match stored {
            Some((session, text)) => {
                if self.told.get(&id) != Some(&text) {
                    self.told.insert(id, text);
                    self.next.push_back(SessionChange::Put(Arc::new(session)));
                }
            }
            None => {
                if self.told.remove(&id).is_some() {
                    self.next.push_back(SessionChange::Removed(id));
                }
            }
        }
    }
}
