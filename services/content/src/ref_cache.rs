//! One question per repository or record per half minute, however many ask.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Error;

/// Repositories remembered.
const MAX_REPOSITORIES: usize = 512;

/// Refs remembered, over all repositories: about 150 bytes each.
const MAX_REMEMBERED: usize = 1_000_000;

/// A failure is believed for less long than an answer: whoever repairs it should not wait.
const FAILURE: Duration = Duration::from_secs(3);

/// What a host answered, and how much there is of it.
pub(crate) trait Weighed {
    /// In refs, or things as large.
    fn weight(&self) -> usize;
}

/// The answers of hosts, each asked for once at a time.
pub(crate) struct RefCache<T> {
    believed: Duration,
    slots: Mutex<HashMap<String, Arc<Slot<T>>>>,
}

struct Slot<T> {
    weight: AtomicUsize,
    answer: tokio::sync::Mutex<Option<Answer<T>>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { weight: AtomicUsize::new(0), answer: tokio::sync::Mutex::new(None) }
    }
}

struct Answer<T> {
    at: Instant,
    result: Result<Arc<T>, Error>,
}

impl<T> Answer<T> {
    fn is_fresh(&self, believed: Duration) -> bool {
        let believed = if self.result.is_ok() { believed } else { FAILURE.min(believed) };
        self.at.elapsed() < believed
    }
}

impl<T: Weighed> RefCache<T> {
    pub(crate) fn new(believed: Duration) -> Self {
        Self { believed, slots: Mutex::default() }
    }

    /// A fresh answer about `repository`, or `ask`'s; whoever comes while one asks waits for that answer.
    ///
    /// If the one who asks goes away, the next in line asks.
    pub(crate) async fn get<F>(&self, repository: &str, ask: impl FnOnce() -> F) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let slot = self.slot(repository);
        let mut answer = slot.answer.lock().await;
        if let Some(known) = answer.as_ref().filter(|known| known.is_fresh(self.believed)) {
            return known.result.clone();
        }
        let result = ask().await.map(Arc::new);
        slot.weight.store(result.as_ref().map_or(0, |found| found.weight()), Ordering::Relaxed);
        self.shed(&slot);
        *answer = Some(Answer { at: Instant::now(), result: result.clone() });
        result
    }

    /// Whatever is known about `repository`, without asking or waiting.
    pub(crate) fn peek(&self, repository: &str) -> Option<Arc<T>> {
        let slot = self.slots.lock().get(repository).cloned()?;
        let answer = slot.answer.try_lock().ok()?;
        answer.as_ref().and_then(|known| known.result.clone().ok())
    }

    /// Forgets everything but `newest` and what is in use, when there is too much of it.
    fn shed(&self, newest: &Arc<Slot<T>>) {
        let mut slots = self.slots.lock();
        if slots.values().map(|slot| slot.weight.load(Ordering::Relaxed)).sum::<usize>() > MAX_REMEMBERED {
            slots.retain(|_, slot| Arc::ptr_eq(slot, newest) || Arc::strong_count(slot) > 1);
        }
    }

    fn slot(&self, repository: &str) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock();
        if slots.len() >= MAX_REPOSITORIES && !slots.contains_key(repository) {
            // Slots in use are kept, or two would ask at once; so are fresh answers, if there is room.
            let idle = |slot: &Arc<Slot<T>>| Arc::strong_count(slot) == 1;
            let stale = |slot: &Arc<Slot<T>>| {
                slot.answer
                    .try_lock()
                    .is_ok_and(|answer| answer.as_ref().is_none_or(|known| !known.is_fresh(self.believed)))
            };
            slots.retain(|_, slot| !(idle(slot) && stale(slot)));
            if slots.len() >= MAX_REPOSITORIES {
                slots.retain(|_, slot| !idle(slot));
            }
        }
        Arc::clone(slots.entry(repository.to_owned()).or_default())
    }
}
