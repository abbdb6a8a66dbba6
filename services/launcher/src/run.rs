//! The role: hears of sessions, hands out seats, and keeps one task alive for every session that has one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{EventLog, Registry, SessionBackend, SessionChange, SessionStore, SessionWatch, StoreError};
use bindery_core::{EventBody, Fault, Session, SessionEvent, SessionId, SessionState, StopReason, Topic};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::admit::{Limits, Seats};
use crate::life::live;
use crate::reconcile::{Memory, reconcile};
use crate::{Config, Error, ready};

/// Sessions looked at, or asked about, at the same moment.
const TURNS: usize = 16;
/// Between two rounds of telling those who wait their places.
const PLACES_EVERY: Duration = Duration::from_millis(500);
/// How long one such round may take.
const PLACES_LIMIT: Duration = Duration::from_secs(5);
/// After something of the store failed, before it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the proxy is.
#[derive(Debug, Clone)]
pub struct ProxyAddresses {
    /// As browsers reach it; becomes the beginning of every session's address.
    pub public_url: Url,
    /// As this process reaches it, to see that a session answers through it.
    pub probe_url: Url,
}

/// What every session's task needs.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) backend: Arc<dyn SessionBackend>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) events: Arc<dyn EventLog>,
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) proxy: ProxyAddresses,
    pub(crate) client: reqwest::Client,
    turns: Semaphore,
}

impl Context {
    /// A turn to ask a peer something that all sessions ask at about the same time. Held while asking.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }
}

/// Starts, watches and ends sessions. One per engine.
pub struct Launcher {
    context: Arc<Context>,
}

impl Launcher {
    /// A launcher that has done nothing yet. An image its engine lacks is pulled from `registry`, if there is one.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        config: Config,
        backend: Arc<dyn SessionBackend>,
        sessions: Arc<dyn SessionStore>,
        events: Arc<dyn EventLog>,
        registry: Option<Arc<dyn Registry>>,
        proxy: ProxyAddresses,
    ) -> Result<Self, Error> {
        let client =
            ready::client().map_err(|error| Error::Setting { setting: "http client", reason: error.to_string() })?;
        let turns = Semaphore::new(TURNS);
        let context = Context { config, backend, sessions, events, registry, proxy, client, turns };
        Ok(Self { context: Arc::new(context) })
    }

    /// Runs until `shutdown`. Sessions then go on without us, and the next launcher takes them over, unless the settings say otherwise.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut supervisor = Supervisor::new(self.context);
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = supervisor.follow_watch() => {}
                () = shutdown.cancelled() => {}
            }
        }
        if supervisor.context.config.stop_sessions_on_exit {
            supervisor.stop_all().await;
        }
    }
}

/// Asks a session to end. The launcher sees it and does the rest; one that has ended already is fine.
///
/// # Errors
/// There is no such session, or the store cannot be used.
pub async fn request_stop(sessions: &dyn SessionStore, id: SessionId) -> Result<Session, StoreError> {
    sessions.apply(id, SessionEvent::StopRequested { reason: StopReason::Requested }).await
}

/// The task of one session.
struct Life {
    states: watch::Sender<SessionState>,
    abort: AbortHandle,
}

struct Supervisor {
    context: Arc<Context>,
    /// Every session, as last heard of.
    sessions: HashMap<SessionId, Arc<Session>>,
    seats: Seats,
    /// Sessions that were asked for since this process knows of all: no earlier one can have begun with them.
    arrived: HashSet<SessionId>,
    lives: HashMap<SessionId, Life>,
    tasks: JoinSet<Result<(), Fault>>,
    of_task: HashMap<tokio::task::Id, SessionId>,
    /// Ended sessions about which nothing is left to do.
    settled: HashSet<SessionId>,
    /// When sessions that are starting began to.
    starting: HashMap<SessionId, Instant>,
    /// The place each waiting visitor was last told.
    places: HashMap<SessionId, u32>,
    places_told: Option<Instant>,
    /// When to look at the queue again though nothing was heard.
    wake: Option<Instant>,
    /// Whether every session has been heard of; before that nobody can be admitted.
    current: bool,
    /// Sessions the last comparison had no record of.
    missing: HashSet<SessionId>,
    recorded: mpsc::Receiver<HashSet<SessionId>>,
    reconciler: Option<mpsc::Sender<HashSet<SessionId>>>,
    background: JoinSet<()>,
}

impl Supervisor {
    fn new(context: Arc<Context>) -> Self {
        let (reconciler, recorded) = mpsc::channel(1);
        Self {
            context,
            sessions: HashMap::new(),
            seats: Seats::default(),
            arrived: HashSet::new(),
            lives: HashMap::new(),
            tasks: JoinSet::new(),
            of_task: HashMap::new(),
            settled: HashSet::new(),
            starting: HashMap::new(),
            places: HashMap::new(),
            places_told: None,
            wake: None,
            current: false,
            missing: HashSet::new(),
            recorded,
            reconciler: Some(reconciler),
            background: JoinSet::new(),
        }
    }

    /// Works until the watch breaks off.
    async fn follow_watch(&mut self) {
        let mut changes = match self.context.sessions.watch().await {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(%error, "sessions cannot be watched; again in a moment");
                return tokio::time::sleep(AGAIN).await;
            }
        };
        while self.next(&mut changes).await {
            if self.current {
                self.admit().await;
            }
        }
        tracing::debug!("the watch on sessions ended; beginning another");
        tokio::time::sleep(AGAIN / 10).await;
    }

    /// Takes in the next thing that happens; false when the watch has ended.
    async fn next(&mut self, changes: &mut SessionWatch) -> bool {
        let wake = self.wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            change = changes.next() => {
                let Some(change) = change else { return false };
                self.heard(change);
                // Whatever else is there already belongs to the same decision.
                while let Some(Some(change)) = changes.next().now_or_never() {
                    self.heard(change);
                }
            }
            Some(done) = self.tasks.join_next_with_id() => self.life_ended(done),
            Some(recorded) = self.recorded.recv() => self.compared(recorded),
            () = sleep_until(wake) => {}
        }
        true
    }

    fn heard(&mut self, change: SessionChange) {
        match change {
            SessionChange::Put(session) => self.note(session),
            SessionChange::Removed(id) => self.forget(id),
            SessionChange::Current => {
                self.current = true;
                self.begin_reconciling();
            }
        }
    }

    /// Takes in a session as it stands and sees to it that somebody cares for it.
    fn note(&mut self, session: Arc<Session>) {
        let id = session.id;
        let known = self.sessions.get(&id);
        // What was heard may be older than what we did; states only move forward.
        if known.is_some_and(|known| rank(&known.state) > rank(&session.state)) {
            return;
        }
        match known {
            Some(known) => self.seats.remove(known),
            None if self.current && matches!(session.state, SessionState::Queued) => {
                self.arrived.insert(id);
            }
            None => {}
        }
        self.seats.add(&session);
        if matches!(session.state, SessionState::Starting { .. }) {
            self.starting.entry(id).or_insert_with(Instant::now);
        } else {
            self.starting.remove(&id);
        }
        if let Some(life) = self.lives.get(&id) {
            life.states.send_replace(session.state.clone());
        }
        self.sessions.insert(id, session);
        self.ensure_life(id);
    }

    fn ensure_life(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if matches!(session.state, SessionState::Queued) || self.lives.contains_key(&id) || self.settled.contains(&id) {
            return;
        }
        let fresh = self.arrived.remove(&id);
        let (states, heard) = watch::channel(session.state.clone());
        let abort = self.tasks.spawn(live(self.context.clone(), Session::clone(session), heard, fresh));
        self.of_task.insert(abort.id(), id);
        self.lives.insert(id, Life { states, abort });
    }

    fn life_ended(&mut self, done: Result<(tokio::task::Id, Result<(), Fault>), tokio::task::JoinError>) {
        let (task, outcome) = match done {
            Ok((task, outcome)) => (task, outcome),
            Err(error) => (error.id(), Err(Fault::us("task-failed", error.to_string()))),
        };
        let Some(id) = self.of_task.remove(&task) else { return };
        if self.lives.get(&id).is_some_and(|life| life.abort.id() == task) {
            self.lives.remove(&id);
        }
        match outcome {
            Ok(()) => {
                if self.sessions.contains_key(&id) {
                    self.settled.insert(id);
                }
            }
            // Taken up again at the next comparison, or when something about the session changes.
            Err(error) => tracing::warn!(session = %id, %error, "looking after a session failed; again soon"),
        }
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.seats.remove(&session);
        }
        self.arrived.remove(&id);
        self.settled.remove(&id);
        self.starting.remove(&id);
        self.places.remove(&id);
        if let Some(life) = self.lives.remove(&id) {
            life.abort.abort();
        }
    }

    /// A comparison with the engine is done; `recorded` are the sessions there are records of.
    fn compared(&mut self, recorded: HashSet<SessionId>) {
        let missing: HashSet<SessionId> = self.sessions.keys().filter(|id| !recorded.contains(id)).copied().collect();
        // Once may be a session made after the records were read; twice is a record that is gone.
        for id in missing.intersection(&self.missing).copied().collect::<Vec<_>>() {
            self.forget(id);
        }
        self.missing = missing;
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.ensure_life(id);
        }
    }

    fn begin_reconciling(&mut self) {
        let Some(done) = self.reconciler.take() else { return };
        let context = self.context.clone();
        self.background.spawn(async move {
            let mut memory = Memory::default();
            let mut every = tokio::time::interval(context.config.reconcile());
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                match reconcile(&context, &mut memory).await {
                    Ok(recorded) => {
                        if done.send(recorded).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => tracing::warn!(%error, "records and containers cannot be compared"),
                }
            }
        });
    }

    /// Hands out seats. The only place that does, so a seat cannot be given twice.
    async fn admit(&mut self) {
        self.wake = None;
        if self.seats.line().len() == 0 {
            return;
        }
        let now = Instant::now();
        // A slow start gives its place among the starting up without a word.
        let slow = self.context.config.slow_start();
        let starting = self.starting.values().filter(|since| now.duration_since(**since) < slow).count();
        let next = self.seats.next(Limits::of(&self.context.config), starting);
        for id in next {
            match self.context.sessions.apply(id, SessionEvent::Admitted).await {
                Ok(session) => {
                    self.places.remove(&id);
                    self.note(Arc::new(session));
                }
                Err(StoreError::NotFound) => self.forget(id),
                // Stopped while it waited; the watch will say so.
                Err(StoreError::IllegalTransition(_)) => {}
                Err(error) => {
                    tracing::warn!(session = %id, %error, "a seat could not be given; again in a moment");
                    self.wake = Some(now + AGAIN);
                    return;
                }
            }
        }
        if self.seats.line().len() > 0 {
            self.tell_places().await;
            let next_slow = self.starting.values().map(|since| *since + slow).filter(|at| *at > now).min();
            self.wake = [self.wake, next_slow].into_iter().flatten().min();
        }
    }

    /// Tells those who wait their places, where they have changed, and not too often.
    async fn tell_places(&mut self) {
        let now = Instant::now();
        if let Some(told) = self.places_told
            && now < told + PLACES_EVERY
        {
            self.wake = Some(told + PLACES_EVERY);
            return;
        }
        let changed: Vec<(SessionId, u32)> = (self.seats.line().map(|session| session.id).zip(1_u32..))
            .filter(|(id, place)| self.places.get(id) != Some(place))
            .collect();
        if changed.is_empty() {
            return;
        }
        let context = &self.context;
        let round = changed.iter().filter_map(|(id, place)| {
            let topic = Topic::Launch(self.sessions.get(id)?.request.id);
            Some(async move {
                if let Err(error) = context.events.append(topic, vec![EventBody::queued(*place)], None).await {
                    tracing::debug!(session = %id, %error, "a place in the queue could not be told");
                }
            })
        });
        if timeout(PLACES_LIMIT, futures::future::join_all(round)).await.is_err() {
            tracing::warn!("telling places in the queue took too long");
        }
        self.places.extend(changed);
        self.places_told = Some(now);
    }

    /// Ends every session and waits for that, in bounded time.
    async fn stop_all(&mut self) {
        let all: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in all {
            match request_stop(self.context.sessions.as_ref(), id).await {
                Ok(session) => self.note(Arc::new(session)),
                Err(error) => tracing::warn!(session = %id, %error, "a session could not be stopped"),
            }
        }
        let limit = self.context.config.stop_grace() + Duration::from_secs(30);
        let ended = timeout(limit, async { while self.tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("not every session ended in time; the next start goes on with them");
        }
    }
}

/// How far a state is along a session's life.
const fn rank(state: &SessionState) -> u8 {
    match state {
        SessionState::Queued => 0,
        SessionState::Starting { upstream: None } => 1,
        SessionState::Starting { upstream: Some(_) } => 2,
        SessionState::Ready { .. } => 3,
        SessionState::Stopping { .. } => 4,
        SessionState::Stopped { .. } => 5,
    }
}
