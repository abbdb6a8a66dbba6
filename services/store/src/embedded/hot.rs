//! The logs that are being written, in memory: lines are visible here at once and on disk within the flush time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bindery_core::seams::StoreError;
use bindery_core::{BuildState, Event, EventBody, EventId, Fence, LaunchId, Timestamp, Topic};
use parking_lot::Mutex;

use super::tables::{self, BUILDS, EVENTS, LOGS, StoredBuild};
use super::writer::Tx;
use crate::error::unavailable;
use crate::log::LogMeta;

/// The logs being written.
#[derive(Default)]
pub(super) struct Hot {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    logs: HashMap<Topic, HotLog>,
    /// Logs with lines that are not on disk.
    dirty: BTreeSet<Topic>,
}

struct HotLog {
    meta: LogMeta,
    /// The fence that may write, for a build.
    fence: Option<Fence>,
    /// The build is being finished: nothing more may be written.
    sealed: bool,
    /// Not on disk yet, in order.
    waiting: VecDeque<Arc<Event>>,
}

/// What became of an append.
pub(super) enum Appended {
    /// It is visible. `first`: nothing waited before, so the writer must be woken.
    Done { last: EventId, first: bool },
    /// The log is not in memory; open it and try again.
    NotOpen,
    /// The fence is stale, or the log has ended.
    Refused,
}

impl Hot {
    pub(super) fn append(&self, topic: Topic, bodies: &[EventBody], fence: Option<Fence>, max_bytes: u64) -> Appended {
        let mut state = self.state.lock();
        let State { logs, dirty } = &mut *state;
        let Some(log) = logs.get_mut(&topic) else { return Appended::NotOpen };
        if log.sealed || log.meta.ended || (fence.is_some() && fence != log.fence) {
            return Appended::Refused;
        }
        let events = log.meta.admit(bodies, max_bytes, Timestamp::now());
        log.waiting.extend(events.into_iter().map(Arc::new));
        let first = dirty.is_empty() && !log.waiting.is_empty();
        if !log.waiting.is_empty() {
            dirty.insert(topic);
        }
        Appended::Done { last: EventId(log.meta.last), first }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.state.lock().dirty.is_empty()
    }

    /// The lines of a log that are not on disk yet.
    pub(super) fn waiting(&self, topic: Topic) -> Vec<Arc<Event>> {
        self.state.lock().logs.get(&topic).map_or_else(Vec::new, |log| log.waiting.iter().cloned().collect())
    }

    /// Makes `fence` the only one that may write the build's log, at once, even before the commit: the lease is over either way.
    pub(super) fn set_fence(&self, topic: Topic, fence: Option<Fence>) {
        if let Some(log) = self.state.lock().logs.get_mut(&topic) {
            log.fence = fence;
        }
    }

    /// Forgets logs that are on disk and have not grown since `before`.
    pub(super) fn evict(&self, before: Timestamp) {
        let state = &mut *self.state.lock();
        state.logs.retain(|_, log| !log.waiting.is_empty() || log.meta.touched >= before.as_millis());
    }

    /// Lets go of a log so that it can be deleted; not of one that is being written.
    pub(super) fn let_go(&self, topic: Topic) -> bool {
        let logs = &mut self.state.lock().logs;
        let idle = logs.get(&topic).is_none_or(|log| log.waiting.is_empty() && !log.sealed);
        if idle {
            logs.remove(&topic);
        }
        idle
    }

    /// Opens the log of a launch that nobody can have written of yet, so that the file need not be asked.
    pub(super) fn begin_launch(&self, launch: LaunchId) {
        let log = HotLog { meta: LogMeta::default(), fence: None, sealed: false, waiting: VecDeque::new() };
        self.state.lock().logs.entry(Topic::Launch(launch)).or_insert(log);
    }

    /// Opens a log for appending; part of a job.
    pub(super) fn open(hot: &Arc<Self>, tx: &mut Tx<'_>, topic: Topic) -> Result<(), StoreError> {
        if hot.state.lock().logs.contains_key(&topic) {
            return Ok(());
        }
        let name = topic.to_string();
        let meta: LogMeta = tx.get(LOGS, &name)?.unwrap_or_default();
        if meta.ended {
            return Err(StoreError::LeaseLost);
        }
        let fence = match topic {
            Topic::Build(_) => tx.get::<StoredBuild>(BUILDS, &name)?.and_then(|build| match build.record.state {
                BuildState::Running { fence, .. } => Some(fence),
                _ => None,
            }),
            Topic::Launch(_) => None,
        };
        let log = HotLog { meta, fence, sealed: false, waiting: VecDeque::new() };
        hot.state.lock().logs.insert(topic, log);
        let undo = Arc::clone(hot);
        tx.undo(move || {
            let mut state = undo.state.lock();
            if state.logs.get(&topic).is_some_and(|log| log.waiting.is_empty()) {
                state.logs.remove(&topic);
            }
        });
        Ok(())
    }

    /// Writes what waits, of every log; part of a batch.
    pub(super) fn flush(hot: &Arc<Self>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let batch: Vec<(Topic, LogMeta, Vec<Arc<Event>>)> = {
            let state = hot.state.lock();
            let of = |topic: &Topic| {
                state.logs.get(topic).map(|log| (*topic, log.meta.clone(), log.waiting.iter().cloned().collect()))
            };
            state.dirty.iter().filter_map(of).collect()
        };
        for (topic, meta, events) in batch {
            let name = topic.to_string();
            write_events(tx, &name, &events)?;
            tx.put(LOGS, &name, &meta)?;
            if let Some(last) = events.last().map(|event| event.id) {
                let hot = Arc::clone(hot);
                tx.after(move || hot.flushed(topic, last));
            }
        }
        Ok(())
    }

    fn flushed(&self, topic: Topic, up_to: EventId) {
        let State { logs, dirty } = &mut *self.state.lock();
        let Some(log) = logs.get_mut(&topic) else { return };
        while log.waiting.front().is_some_and(|event| event.id <= up_to) {
            log.waiting.pop_front();
        }
        if log.waiting.is_empty() {
            dirty.remove(&topic);
            if log.meta.ended {
                logs.remove(&topic);
            }
        }
    }

    /// Begins a log that does not exist yet with `first`, in this transaction.
    pub(super) fn begin(tx: &mut Tx<'_>, topic: Topic, first: EventBody) -> Result<(), StoreError> {
        let name = topic.to_string();
        let mut meta = LogMeta::default();
        let events: Vec<_> = meta.admit(&[first], u64::MAX, Timestamp::now()).into_iter().map(Arc::new).collect();
        write_events(tx, &name, &events)?;
        tx.put(LOGS, &name, &meta)
    }

    /// Ends a log with `last`, after whatever waits, in this transaction. Visible only once committed. A log that has ended
    /// already stays as it is.
    pub(super) fn end(hot: &Arc<Self>, tx: &mut Tx<'_>, topic: Topic, last: &EventBody) -> Result<(), StoreError> {
        match Self::open(hot, tx, topic) {
            Ok(()) => {}
            Err(StoreError::LeaseLost) => return Ok(()),
            Err(error) => return Err(error),
        }
        // Sealed first: a line that still comes in would take the number of the last event.
        let (mut meta, waiting) = {
            let mut state = hot.state.lock();
            let Some(log) = state.logs.get_mut(&topic) else { return Ok(()) };
            log.sealed = true;
            (log.meta.clone(), log.waiting.iter().cloned().collect::<Vec<_>>())
        };
        let undo = Arc::clone(hot);
        tx.undo(move || {
            if let Some(log) = undo.state.lock().logs.get_mut(&topic) {
                log.sealed = false;
            }
        });
        let name = topic.to_string();
        write_events(tx, &name, &waiting)?;
        let ending: Vec<_> =
            meta.admit(std::slice::from_ref(last), u64::MAX, Timestamp::now()).into_iter().map(Arc::new).collect();
        write_events(tx, &name, &ending)?;
        tx.put(LOGS, &name, &meta)?;
        let done = Arc::clone(hot);
        tx.after(move || {
            let mut state = done.state.lock();
            state.logs.remove(&topic);
            state.dirty.remove(&topic);
        });
        Ok(())
    }
}

fn write_events(tx: &mut Tx<'_>, topic: &str, events: &[Arc<Event>]) -> Result<(), StoreError> {
    let mut table = tx.txn().open_table(EVENTS).map_err(unavailable)?;
    for event in events {
        let bytes = tables::encode(topic, event.as_ref())?;
        table.insert((topic, event.id.0), bytes.as_slice()).map_err(unavailable)?;
    }
    drop(table);
    tx.touch();
    Ok(())
}
