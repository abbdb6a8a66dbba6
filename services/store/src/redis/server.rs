//! The connection: one that all commands share and that heals itself, with a bound and one repetition for every command.

use std::time::Duration;

use bindery_core::seams::StoreError;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Script};
use tokio_util::sync::CancellationToken;

use crate::error::unavailable;

/// How long an answer may take. The client's own default of 500 ms is less than a busy server takes to write its file.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a command may take with its repetition and reconnecting.
const WHOLE: Duration = Duration::from_secs(12);
/// How long to wait before the repetition: the first command after an outage only finds it out.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Server {
    pub(super) client: Client,
    manager: ConnectionManager,
    /// What every key starts with; its braces keep all keys on one shard.
    pub(super) prefix: String,
    pub(super) closed: CancellationToken,
}

impl Server {
    pub(super) async fn connect(client: Client, key_prefix: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(CONNECT))
            .set_number_of_retries(4)
            .set_max_delay(Duration::from_millis(500));
        let manager = ConnectionManager::new_with_config(client.clone(), config).await?;
        Ok(Self { client, manager, prefix: format!("{{{key_prefix}}}"), closed: CancellationToken::new() })
    }

    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    /// Runs a script, which must bear being repeated: by its nature, or by the name in its first argument.
    pub(super) async fn script(&self, script: &Script, args: &[&str]) -> Result<Vec<String>, StoreError> {
        let call = uuid::Uuid::new_v4().simple().to_string();
        let mut invocation = script.key(&self.prefix);
        invocation.arg(&call);
        for arg in args {
            invocation.arg(*arg);
        }
        let invocation = &invocation;
        self.twice(|mut manager| async move { invocation.invoke_async(&mut manager).await }).await
    }

    /// Runs a command that bears being repeated.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.twice(|mut manager| async move { command.query_async(&mut manager).await }).await
    }

    /// Runs commands that bear being repeated.
    pub(super) async fn commands<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        self.twice(|mut manager| async move { commands.query_async(&mut manager).await }).await
    }

    async fn twice<T, F>(&self, attempt: impl Fn(ConnectionManager) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let whole = async {
            match attempt(self.manager.clone()).await {
                Err(error) if is_outage(&error) => {
                    tokio::time::sleep(PAUSE).await;
                    attempt(self.manager.clone()).await
                }
                result => result,
            }
        };
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(unavailable("the store is closed")),
            result = tokio::time::timeout(WHOLE, whole) => match result {
                Ok(result) => result.map_err(unavailable),
                Err(_) => Err(unavailable("the Redis server does not answer")),
            },
        }
    }
}

fn is_outage(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.code() == Some("LOADING")
}
