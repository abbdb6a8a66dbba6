//! Sessions as the store remembers them, and the containers they run in.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;

use super::StoreError;
use crate::{Fault, ImageRef, Secret, Session, SessionEvent, SessionId, Timestamp};

/// A change to the set of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// This session exists, like this.
    Put(Arc<Session>),
    /// This session's record is gone.
    Removed(SessionId),
    /// Every session that existed when the watch began has been told.
    Current,
}

/// First every session there is as [`SessionChange::Put`], then [`SessionChange::Current`], then every change. Changes to one
/// session come in order; intermediate ones may be left out. After a store outage the whole set is told again.
pub type SessionWatch = Pin<Box<dyn Stream<Item = SessionChange> + Send>>;

/// Session records.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Adds a session; one with an id that exists is replaced. Watchers may hear of it earlier, but it is durable when this returns. After
    /// an error it may be there all the same.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn put(&self, session: &Session) -> Result<(), StoreError>;

    /// The session with that id.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Every session.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn list(&self) -> Result<Vec<Session>, StoreError>;

    /// Applies an event to the session's state, atomically, by [`crate::SessionState::apply`]; the session after it. That it is to end or
    /// has ended is durable when this returns; a step of its launch may be lost with the process, and is then found out again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::IllegalTransition`].
    async fn apply(&self, id: SessionId, event: SessionEvent) -> Result<Session, StoreError>;

    /// Moves `last_seen` forward, never back. Unknown ids are ignored.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), StoreError>;

    /// Removes the record. One that does not exist is fine.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn remove(&self, id: SessionId) -> Result<(), StoreError>;

    /// Watches the set of sessions; see [`SessionWatch`]. `touch` alone need not be told.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn watch(&self) -> Result<SessionWatch, StoreError>;
}

/// A container to start.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// The session's id; becomes the container's name and label.
    pub id: SessionId,
    /// The image, started by its recorded id.
    pub image: ImageRef,
    /// The URL path its server must serve under: `/user/<id>/`.
    pub base_path: String,
    /// Its server's token; given in the environment, never in argv.
    pub token: Secret,
    /// Further environment.
    pub env: Vec<(String, String)>,
}

/// A started container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHandle {
    /// The engine's id of it.
    pub container: String,
    /// Where its server will answer.
    pub upstream: SocketAddr,
}

/// A container the engine has, seen by its label.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The session it belongs to.
    pub id: SessionId,
    /// The engine's id of it.
    pub container: String,
    /// Where its server answers, while it runs.
    pub upstream: Option<SocketAddr>,
    /// Its exit code, and whether it was killed for memory, once it has ended.
    pub exited: Option<(i64, bool)>,
}

/// Makes processes exist, notices when they do not, ends them.
#[async_trait]
pub trait SessionBackend: Send + Sync {
    /// Creates and starts a container. On error nothing is left behind.
    ///
    /// # Errors
    /// `image-missing` when the engine does not have the image; otherwise whose fault it is and why.
    async fn start(&self, spec: &SessionSpec) -> Result<ContainerHandle, Fault>;

    /// Every session container the engine has, running or not.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn list(&self) -> Result<Vec<Observed>, Fault>;

    /// One session's container.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn inspect(&self, id: SessionId) -> Result<Option<Observed>, Fault>;

    /// Waits until the session's container has ended, at most `wait`; what became of it, or `None` when it still runs.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn wait(&self, id: SessionId, wait: Duration) -> Result<Option<Observed>, Fault>;

    /// The last lines the container wrote, at most `lines`.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn last_lines(&self, id: SessionId, lines: usize) -> Result<Vec<String>, Fault>;

    /// Stops with `grace` between the polite signal and the other one, and removes the container. One that is gone is fine.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn stop(&self, id: SessionId, grace: Duration) -> Result<(), Fault>;

    /// Whether the engine answers, for health checks. Bounded in time.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn reachable(&self) -> Result<(), Fault>;

    /// Containers that were made longer than `age` ago, for whoever removes what a process that died has left.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn older_than(&self, age: Duration) -> Result<Vec<SessionId>, Fault> {
        let _ = age;
        Ok(Vec::new())
    }

    /// What a session's container was started with, read back from the container itself, for a record that was lost. `None` when
    /// there is no such container or it does not say.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn recover(&self, id: SessionId) -> Result<Option<SessionSpec>, Fault> {
        let _ = id;
        Ok(None)
    }
}
