//! The one thread that writes the file.
//!
//! Every change is a job: a function on an open write transaction. Jobs that arrive together share one commit, so a hundred
//! callers wait for one disk flush, and each is answered only after it. What a job changes in memory it registers as an effect,
//! which runs after the commit, or as an undo, which runs when the commit failed. What waits in memory goes with the next commit,
//! or with one of its own when its time is up.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use bindery_core::seams::StoreError;
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::file::File;
use super::hot::Hot;
use super::sessions::Sessions;
use super::tables::{self, COUNTERS, Text};
use crate::error::unavailable;

/// Jobs that share one commit at most.
const BATCH: usize = 256;
/// How long a caller waits for its commit; a disk that takes longer is broken.
const COMMIT_BOUND: Duration = Duration::from_secs(30);
/// How long to wait before writing waiting lines again after a failed commit.
const RETRY: Duration = Duration::from_secs(1);

type Effect = Box<dyn FnOnce() + Send>;
type Reply = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
type Job = Box<dyn FnOnce(&mut Tx<'_>) -> (Result<(), StoreError>, Reply) + Send>;

enum Message {
    Job(Job),
    /// One that can wait as long as what waits in memory.
    Patient(Job),
    /// Something waits in memory.
    Wake,
    Close(oneshot::Sender<()>),
}

/// An open write transaction, shared by the jobs of one batch.
pub(super) struct Tx<'a> {
    txn: &'a WriteTransaction,
    dirty: bool,
    effects: Vec<Effect>,
    undos: Vec<Effect>,
}

impl Tx<'_> {
    pub(super) fn txn(&self) -> &WriteTransaction {
        self.txn
    }

    pub(super) fn get<T: DeserializeOwned>(&self, table: Text, key: &str) -> Result<Option<T>, StoreError> {
        tables::read(&self.txn.open_table(table).map_err(unavailable)?, key)
    }

    pub(super) fn put<T: Serialize>(&mut self, table: Text, key: &str, value: &T) -> Result<(), StoreError> {
        self.put_bytes(table, key, &tables::encode(key, value)?)
    }

    /// Writes a value that is not JSON.
    pub(super) fn put_bytes(&mut self, table: Text, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.dirty = true;
        let mut table = self.txn.open_table(table).map_err(unavailable)?;
        table.insert(key, bytes).map_err(unavailable)?;
        Ok(())
    }

    /// Whether there was one.
    pub(super) fn delete(&mut self, table: Text, key: &str) -> Result<bool, StoreError> {
        self.dirty = true;
        let mut table = self.txn.open_table(table).map_err(unavailable)?;
        Ok(table.remove(key).map_err(unavailable)?.is_some())
    }

    /// The next number of a counter, from 1.
    pub(super) fn count(&mut self, name: &str) -> Result<u64, StoreError> {
        self.dirty = true;
        let mut table = self.txn.open_table(COUNTERS).map_err(unavailable)?;
        let next = table.get(name).map_err(unavailable)?.map_or(0, |value| value.value()).saturating_add(1);
        table.insert(name, next).map_err(unavailable)?;
        Ok(next)
    }

    /// Says that this transaction has something to commit.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Runs after the commit, in order, before any caller is answered.
    pub(super) fn after(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.effects.push(Box::new(effect));
    }

    /// Runs, in reverse order, when the commit failed.
    pub(super) fn undo(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.undos.push(Box::new(effect));
    }
}

/// What is newer in memory than in the file.
pub(super) struct Memory {
    pub(super) hot: Arc<Hot>,
    pub(super) sessions: Arc<Sessions>,
}

impl Memory {
    fn is_dirty(&self) -> bool {
        self.hot.is_dirty() || self.sessions.is_dirty()
    }

    fn flush(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        Hot::flush(&self.hot, tx)?;
        Sessions::flush(&self.sessions, tx)
    }
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    messages: Sender<Message>,
    file: Arc<File>,
}

impl Writer {
    /// Starts the thread. It ends on close, or when the last clone of the writer is dropped.
    pub(super) fn start(file: Arc<File>, memory: Memory, flush: Duration) -> std::io::Result<Self> {
        let (messages, inbox) = std::sync::mpsc::channel();
        let thread = Thread { file: Arc::clone(&file), memory, flush, failed: false };
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.run(&inbox))?;
        Ok(Self { messages, file })
    }

    /// Runs a job; returns after its commit. A job that fails for a reason of its own (a lost lease, say) must not have written.
    pub(super) async fn run<R, F>(&self, job: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
    {
        self.answer(job, Message::Job).await
    }

    /// Waits until what is in memory now is on disk, which is within the flush time.
    pub(super) async fn settled(&self) -> Result<(), StoreError> {
        self.answer(|_| Ok(()), Message::Patient).await
    }

    async fn answer<R, F>(&self, job: F, message: fn(Job) -> Message) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = job(tx);
            // The medium failing leaves the batch half done; anything else concerns this job alone.
            let outcome = match &result {
                Err(StoreError::Unavailable(reason)) => Err(StoreError::Unavailable(reason.clone())),
                _ => Ok(()),
            };
            let reply: Reply = Box::new(move |committed: Result<(), &StoreError>| {
                let _ = answer.send(match committed {
                    Ok(()) => result,
                    Err(error) => Err(unavailable(error)),
                });
            });
            (outcome, reply)
        });
        self.messages.send(message(job)).map_err(|_| closed())?;
        match tokio::time::timeout(COMMIT_BOUND, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(unavailable("the disk does not answer")),
        }
    }

    /// Says that something waits in memory.
    pub(super) fn wake(&self) {
        let _ = self.messages.send(Message::Wake);
    }

    /// Reads, off the runtime's threads, what is committed.
    pub(super) async fn read<R, F>(&self, job: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&ReadTransaction) -> Result<R, StoreError> + Send + 'static,
    {
        let file = Arc::clone(&self.file);
        tokio::task::spawn_blocking(move || read(&file, job)).await.map_err(unavailable)?
    }

    /// Reads a record or two of what is committed, here: quicker than the way to another thread and back.
    pub(super) fn look<R>(&self, job: impl FnOnce(&ReadTransaction) -> Result<R, StoreError>) -> Result<R, StoreError> {
        read(&self.file, job)
    }

    /// Writes out what waits, then lets go of the file. Returns when another process could open it.
    pub(super) async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.messages.send(Message::Close(done)).is_ok() {
            let _ = tokio::time::timeout(COMMIT_BOUND, wait).await;
        }
    }
}

fn read<R>(file: &File, job: impl FnOnce(&ReadTransaction) -> Result<R, StoreError>) -> Result<R, StoreError> {
    file.with(|database| job(&database.begin_read().map_err(unavailable)?)).unwrap_or_else(|| Err(closed()))
}

fn closed() -> StoreError {
    unavailable("the store is closed or its file failed")
}

struct Thread {
    file: Arc<File>,
    memory: Memory,
    flush: Duration,
    failed: bool,
}

impl Thread {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut close = None;
        let mut open = true;
        let mut jobs = Vec::new();
        // When what waits must be on its way.
        let mut due: Option<Instant> = None;
        while open {
            let first = match due {
                Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let mut write = first.is_err();
            open = !matches!(first, Err(RecvTimeoutError::Disconnected));
            let mut next = first.ok();
            while let Some(message) = next {
                match message {
                    Message::Job(job) => {
                        jobs.push(job);
                        write = true;
                    }
                    Message::Patient(job) => jobs.push(job),
                    Message::Wake => {}
                    Message::Close(done) => {
                        close = Some(done);
                        (open, write) = (false, true);
                    }
                }
                write |= jobs.len() >= BATCH;
                next = if open && jobs.len() < BATCH { inbox.try_recv().ok() } else { None };
            }
            // However fast other messages come.
            write |= due.is_some_and(|due| due <= Instant::now());
            if write {
                self.batch(std::mem::take(&mut jobs));
                due = None;
            }
            if due.is_none() && (!jobs.is_empty() || self.memory.is_dirty()) {
                due = Some(Instant::now() + if self.failed { RETRY } else { self.flush });
            }
        }
        self.file.close();
        if let Some(done) = close {
            let _ = done.send(());
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        if self.failed && !self.file.reopen() {
            return;
        }
        let file = Arc::clone(&self.file);
        let result = file.with(|database| self.commit(database, jobs));
        let failed = matches!(result, Some(Err(_)));
        if let Some(Err(error)) = result
            && !self.failed
        {
            tracing::error!(%error, "the store's file cannot be written");
        }
        self.failed = failed;
    }

    fn commit(&self, database: &Database, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut txn = database.begin_write().map_err(unavailable)?;
        // A second disk flush per commit, so that after a crash the next process need not read the whole file first.
        txn.set_quick_repair(true);
        let mut tx = Tx { txn: &txn, dirty: false, effects: Vec::new(), undos: Vec::new() };
        let mut replies = Vec::with_capacity(jobs.len());
        let mut outcome = self.memory.flush(&mut tx);
        for job in jobs {
            // Jobs left over by a failure are dropped, which tells their callers.
            if outcome.is_err() {
                break;
            }
            let (result, reply) = job(&mut tx);
            replies.push(reply);
            outcome = result;
        }
        let Tx { dirty, effects, undos, .. } = tx;
        let outcome = match outcome {
            Ok(()) if dirty => txn.commit().map_err(unavailable),
            Ok(()) => txn.abort().map_err(unavailable),
            Err(error) => {
                let _ = txn.abort();
                Err(error)
            }
        };
        if outcome.is_ok() {
            effects.into_iter().for_each(|effect| effect());
        } else {
            undos.into_iter().rev().for_each(|undo| undo());
        }
        for reply in replies {
            reply(outcome.as_ref().map(|&()| ()));
        }
        outcome
    }
}
