//! Blocking work with a bound: it ends when it is done, when time is up, or when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Error;

/// Something that can be told to stop waiting for a peer.
type Interrupt = Box<dyn FnOnce() + Send>;

/// Shared between the one who waits and the thread that works.
#[derive(Clone)]
pub(crate) struct Task {
    shared: Arc<Shared>,
    deadline: Instant,
    limit: Duration,
}

struct Shared {
    cancelled: AtomicBool,
    interrupts: Mutex<Vec<Interrupt>>,
}

impl Task {
    pub(crate) fn new(limit: Duration) -> Self {
        let shared = Shared { cancelled: AtomicBool::new(false), interrupts: Mutex::new(Vec::new()) };
        Self { shared: Arc::new(shared), deadline: Instant::now() + limit, limit }
    }

    /// Time left; zero when it is up.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Fails when the work should stop; call it in every loop. `host` is who would be to blame for lateness.
    pub(crate) fn check(&self, host: &str) -> Result<(), Error> {
        if self.is_cancelled() {
            Err(Error::Cancelled)
        } else if self.left().is_zero() {
            Err(Error::Timeout { host: host.to_owned(), seconds: self.limit.as_secs() })
        } else {
            Ok(())
        }
    }

    /// Waits for `time`, for what is left of this work's own, or until it is cancelled, whichever is shortest.
    pub(crate) fn pause(&self, time: Duration) {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        self.on_cancel(move || drop(stop));
        // Nothing is ever sent: it ends when the time is up, or when the other end is dropped.
        let _ = stopped.recv_timeout(time.min(self.left()));
    }

    /// Calls `interrupt` when the work is cancelled, at once if it already is.
    pub(crate) fn on_cancel(&self, interrupt: impl FnOnce() + Send + 'static) {
        self.shared.interrupts.lock().push(Box::new(interrupt));
        if self.is_cancelled() {
            self.cancel();
        }
    }

    fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        let interrupts = std::mem::take(&mut *self.shared.interrupts.lock());
        for interrupt in interrupts {
            interrupt();
        }
    }
}

/// Cancels the work when whoever waits for it stops waiting.
struct CancelOnDrop(Task);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs `work` on a thread where blocking is allowed, at most `limit` long, no more of them at once than `seats`.
/// Waiting for a seat does not count as work, but ends with the caller's patience.
///
/// A seat is given back when the thread is done, not when the caller stops waiting, so threads stay bounded.
pub(crate) async fn run<T: Send + 'static>(
    seats: &Arc<Semaphore>,
    limit: Duration,
    host: &str,
    work: impl FnOnce(&Task) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let seat = Arc::clone(seats).acquire_owned().await.map_err(|_| Error::Cancelled)?;
    let task = Task::new(limit);
    let guard = CancelOnDrop(task.clone());
    let thread = tokio::task::spawn_blocking(move || {
        let _seat = seat;
        work(&task)
    });
    // The work watches the same limit and knows better what it was waiting for; give it a moment to say so.
    let result = tokio::time::timeout(limit + Duration::from_secs(2), thread).await;
    drop(guard);
    match result {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Machine("reading the repository failed unexpectedly".to_owned())),
        Err(_) => Err(Error::Timeout { host: host.to_owned(), seconds: limit.as_secs() }),
    }
}
