//! The store in Redis, for any number of processes.
//!
//! A build is one hash; the queue is a sorted set in the order of asking, the running builds a sorted set by the end of their
//! lease. Not a stream with a consumer group: its pending list would be a second truth about who holds what, beside status,
//! attempt and fence, and could not change with them in one step. Event logs are streams with our own ids, `1-0`, `2-0`, …
//!
//! | key, after `{prefix}:` | what |
//! |---|---|
//! | `build:<id>` | hash: request, created, attempt, status, worker, fence, outcome, seq, key |
//! | `key:<image key>` | the id of the latest build with that key |
//! | `queue`, `running`, `recent` | sorted sets of build ids: by seq, by end of lease, by seq |
//! | `repository:<name>` | sorted set of the ids of a repository's builds, by seq |
//! | `log:<topic>`, `meta:<topic>` | stream of events; hash: last, bytes, ended, capped |
//! | `provenance:<build id>` | JSON, compressed |
//! | `lease:<name>` | hash: fence, holder, until |
//! | `sessions`, `seen` | hashes by session id: the record; when it was last seen |
//! | `seq`, `fence` | numbers that only grow |
//! | `call:<uuid>` | the answer to a call, for a minute, in case it is repeated |
//! | `wake` | the channel of `wake.rs` |

mod events;
mod leases;
mod provenances;
mod queue;
mod scripts;
mod server;
mod sessions;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::Secret;
use bindery_core::seams::StoreError;
use redis::{Client, Cmd};

use self::scripts::Scripts;
use self::server::Server;
use self::wake::Wakes;
use crate::error::unavailable;
use crate::stores::Medium;
use crate::tail::Source;
use crate::{Config, Error};

/// How long a health check may take.
const HEALTH_BOUND: Duration = Duration::from_secs(3);
/// How long opening may take.
const OPEN_BOUND: Duration = Duration::from_secs(15);

/// The store. Clones share it.
#[derive(Clone)]
pub(crate) struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    server: Arc<Server>,
    scripts: Scripts,
    wakes: Arc<Wakes>,
    source: Arc<dyn Source>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.closed.cancel();
        self.wakes.tails.close();
    }
}

/// Connects.
pub(crate) async fn open(url: &Secret, config: &Config) -> Result<Remote, Error> {
    let client = Client::open(url.expose()).map_err(|error| Error::Address(error.to_string()))?;
    let connecting = Server::connect(client, &config.key_prefix);
    let server = tokio::time::timeout(OPEN_BOUND, connecting)
        .await
        .map_err(|_| Error::Redis("it does not answer".to_owned()))?
        .map_err(|error| Error::Redis(error.to_string()))?;
    let server = Arc::new(server);
    check_durability(&server).await?;
    let wakes = Arc::new(Wakes::default());
    let (heard, hears) = tokio::sync::oneshot::channel();
    tokio::spawn(wake::listen(Arc::clone(&server), Arc::downgrade(&wakes), heard));
    tokio::time::timeout(OPEN_BOUND, hears)
        .await
        .map_err(|_| Error::Redis("its messages cannot be listened to".to_owned()))?
        .map_err(|error| Error::Redis(error.to_string()))?;
    let source = Arc::new(events::Reader { server: Arc::clone(&server) });
    Ok(Remote { inner: Arc::new(Inner { config: config.clone(), server, scripts: Scripts::new(), wakes, source }) })
}

/// Says so when a restart of the server would forget everything.
async fn check_durability(server: &Server) -> Result<(), Error> {
    server.command::<String>(&Cmd::ping()).await.map_err(|error| Error::Redis(error.to_string()))?;
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("appendonly");
    match server.command::<Vec<String>>(&ask).await.as_deref() {
        Ok([_, value]) if value == "no" => tracing::warn!(
            "the Redis server does not keep its data (appendonly is \"no\"): when it restarts, builds, logs and session records \
             are lost; set `appendonly yes`"
        ),
        Ok(_) => {}
        // Hosted servers refuse the question.
        Err(error) => tracing::debug!(%error, "cannot tell whether the Redis server keeps its data"),
    }
    Ok(())
}

#[async_trait]
impl Medium for Remote {
    async fn reachable(&self) -> Result<(), StoreError> {
        let server = &self.inner.server;
        let mut write = redis::cmd("SET");
        write.arg(server.key("health")).arg("1").arg("EX").arg("60");
        let written = tokio::time::timeout(HEALTH_BOUND, server.command::<String>(&write)).await;
        written.map_err(|_| unavailable("the Redis server does not answer"))??;
        Ok(())
    }

    async fn close(&self) {
        self.inner.server.closed.cancel();
        self.inner.wakes.tails.close();
    }
}
