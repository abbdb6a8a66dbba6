//! Who is told that something changed. Every change publishes one short message; each process listens on one connection of its
//! own and wakes whoever waits here. A message may be lost, so it carries nothing but a hint: who is woken reads the truth, and
//! who is not reads it now and then anyway.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bindery_core::{SessionId, Topic};
use futures::StreamExt as _;
use redis::{Cmd, RedisResult};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::timeout;

use super::server::Server;
use crate::tail::Tails;

/// How long it may be silent before we say something ourselves, to hear whether the connection lives.
const SILENCE: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long to wait before connecting again.
const RETRY: Duration = Duration::from_millis(200);
/// How many changes of sessions a watcher may be behind before it is told everything anew.
const BEHIND: usize = 1024;

/// A hint about session records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint {
    /// This one changed.
    Session(SessionId),
    /// Hints may have been lost.
    Lost,
}

/// Who waits in this process.
pub(super) struct Wakes {
    pub(super) tails: Arc<Tails>,
    pub(super) queue: Notify,
    pub(super) sessions: broadcast::Sender<Hint>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self { tails: Arc::default(), queue: Notify::new(), sessions: broadcast::Sender::new(BEHIND) }
    }
}

impl Wakes {
    fn take(&self, message: &str) {
        match message.split_once(' ') {
            Some(("e", topic)) => {
                if let Ok(topic) = topic.parse::<Topic>() {
                    self.tails.poke(topic);
                }
            }
            Some(("s", id)) => {
                if let Ok(id) = id.parse() {
                    // An error means that nobody watches.
                    let _ = self.sessions.send(Hint::Session(id));
                }
            }
            _ if message == "q" => self.queue.notify_one(),
            _ => {}
        }
    }

    fn all(&self) {
        self.tails.poke_all();
        self.queue.notify_waiters();
        self.queue.notify_one();
        let _ = self.sessions.send(Hint::Lost);
    }
}

/// Listens until the store is closed or dropped, through any number of outages. Tells `first` once it hears.
pub(super) async fn listen(server: Arc<Server>, wakes: Weak<Wakes>, first: oneshot::Sender<()>) {
    let mut down = false;
    let mut first = Some(first);
    loop {
        let heard = tokio::select! {
            () = server.closed.cancelled() => return,
            heard = hear(&server, &wakes, &mut first) => heard,
        };
        match heard {
            Ok(()) if wakes.strong_count() == 0 => return,
            Ok(()) => down = false,
            Err(error) => {
                if !down {
                    tracing::warn!(%error, "the Redis server is gone; trying to reach it again");
                }
                down = true;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Listens on one connection until it ends.
async fn hear(server: &Arc<Server>, wakes: &Weak<Wakes>, first: &mut Option<oneshot::Sender<()>>) -> RedisResult<()> {
    let connect = async {
        let mut connection = server.client.get_async_pubsub().await?;
        connection.subscribe(server.key("wake")).await?;
        RedisResult::Ok(connection.into_on_message())
    };
    let mut messages = timeout(CONNECT, connect).await.map_err(std::io::Error::other)??;
    // What happened before this connection listened.
    match wakes.upgrade() {
        Some(wakes) => wakes.all(),
        None => return Ok(()),
    }
    if let Some(first) = first.take() {
        let _ = first.send(());
    }
    let mut quiet = false;
    loop {
        let message = timeout(SILENCE, messages.next()).await;
        let Some(wakes) = wakes.upgrade() else { return Ok(()) };
        match message {
            Ok(Some(message)) => {
                quiet = false;
                wakes.take(&message.get_payload::<String>()?);
            }
            Ok(None) => return Ok(()),
            Err(_) if quiet => return Ok(()),
            Err(_) => {
                quiet = true;
                let server = Arc::clone(server);
                // Apart, because it may take longer than the silence.
                tokio::spawn(async move {
                    let _ = server.command::<i64>(&Cmd::publish(server.key("wake"), "p")).await;
                });
            }
        }
    }
}
