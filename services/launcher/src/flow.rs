//! The whole role against the fake backend, a store in memory and a proxy of the simplest kind.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{Progress, Registry, SessionBackend as _, SessionSpec, SessionStore};
use bindery_core::{
    BuiltImage, EventBody, Fault, FaultBy, ImageName, ImageRef, Phase, Session, SessionEvent, SessionState, StopReason,
    Timestamp,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake::{Activity, Behaviour, FakeBackend, image, queued, queued_with};
use crate::support::store::MemoryStore;
use crate::support::{contract, proxy};
use crate::{Config, Launcher, ProxyAddresses, request_stop};

struct House {
    config: Config,
    backend: Arc<FakeBackend>,
    store: Arc<MemoryStore>,
    registry: Option<Arc<dyn Registry>>,
    proxy: url::Url,
}

/// A registry that has one image, and puts it into the engine that pulls it.
struct OneImage {
    engine: Arc<FakeBackend>,
    name: &'static str,
}

#[async_trait]
impl Registry for OneImage {
    async fn find(&self, _: &ImageName) -> Result<Option<String>, Fault> {
        Err(Fault::us("unasked", "a launcher does not look for images"))
    }

    async fn push(&self, _: &ImageName, _: Arc<dyn Progress>) -> Result<String, Fault> {
        Err(Fault::us("unasked", "a launcher does not push"))
    }

    async fn pull(&self, name: &ImageName) -> Result<BuiltImage, Fault> {
        let image = image(self.name);
        if image.name != *name {
            return Err(Fault::us("registry-image-missing", format!("no {name} here")));
        }
        self.engine.image(self.name, Behaviour::default());
        Ok(BuiltImage { id: image.id, size: 1 })
    }
}

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn ends(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

impl House {
    async fn new(config: Config) -> Self {
        let store = Arc::new(MemoryStore::default());
        let backend = Arc::new(FakeBackend::new());
        backend.image("well", Behaviour::default());
        let proxy = proxy::start(store.clone()).await;
        Self { config, backend, store, registry: None, proxy }
    }

    fn start(&self) -> Running {
        let addresses =
            ProxyAddresses { public_url: "https://hub.example/".parse().unwrap(), probe_url: self.proxy.clone() };
        let (backend, store) = (self.backend.clone(), self.store.clone());
        let registry = self.registry.clone();
        let launcher = Launcher::new(self.config.clone(), backend, store.clone(), store, registry, addresses).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(launcher.run(shutdown.clone()));
        Running { shutdown, task }
    }

    async fn ask(&self, session: &Session) {
        self.store.put(session).await.unwrap();
    }

    /// Asks for a session of an image with these ways and returns how its launch ended.
    async fn fails(&self, behaviour: Behaviour) -> (Session, Vec<EventBody>, Fault) {
        let session = queued_with("r", self.backend.image("bad", behaviour));
        self.ask(&session).await;
        let told = self.store.ended(session.request.id).await;
        assert_eq!(self.backend.count(), 0, "nothing is left when it is told");
        let fault = told.last().unwrap().fault.clone().unwrap();
        let session = self.store.until_state(session.id, "stopped").await;
        assert_eq!(session.state, SessionState::Stopped { reason: StopReason::LaunchFailed });
        (session, told, fault)
    }
}

/// The phases of a log, repeated ones once.
fn phases(bodies: &[EventBody]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = bodies.iter().map(|body| body.phase).collect();
    phases.dedup();
    phases
}

/// The most sessions that ever held a seat at once.
fn most_seated(store: &MemoryStore) -> usize {
    let mut seated = HashSet::new();
    let mut most = 0;
    for (id, state) in store.states() {
        match state {
            "starting" | "ready" | "stopping" => seated.insert(id),
            _ => seated.remove(&id),
        };
        most = most.max(seated.len());
    }
    most
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let backend = FakeBackend::new();
    let lines = ["one", "two", "three"].map(str::to_owned).into();
    let images = contract::Images {
        well: backend.image("well", Behaviour::default()),
        exits: backend.image("exits", Behaviour { exits: Some((3, false)), lines, ..Behaviour::default() }),
        stubborn: backend.image("stubborn", Behaviour { stubborn: true, ..Behaviour::default() }),
        missing: image("missing"),
    };
    contract::keeps_the_contract(&backend, &images).await;
}

#[tokio::test]
async fn a_launch_ends_in_a_session_that_answers_through_the_proxy() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let session = queued("r");
    house.ask(&session).await;
    let told = house.store.ended(session.request.id).await;
    assert_eq!(phases(&told), [Phase::Launching, Phase::Ready]);
    let ready = told.last().unwrap().ready.clone().unwrap();
    assert_eq!(ready.url, format!("https://hub.example/user/{}/", session.id));
    assert_eq!(ready.token, session.token.expose());
    assert_eq!(ready.binder_request, "v2/git/r/HEAD");
    let session = house.store.get(session.id).await.unwrap().unwrap();
    assert!(matches!(session.state, SessionState::Ready { .. }), "it is ready before that is told");
    let probe = format!("{}user/{}/api", house.proxy, session.id);
    assert_eq!(reqwest::get(probe).await.unwrap().status(), 200);
    let env = house.backend.spec(session.id).unwrap().env;
    for (name, value) in [
        ("BINDER_REPO_URL", "https://example.org/r".to_owned()),
        ("BINDER_CLIENT_IP", "192.0.2.7".to_owned()),
        ("JUPYTERHUB_SERVICE_PREFIX", session.base_path()),
        ("MEM_LIMIT", (2_u64 << 30).to_string()),
        ("CPU_LIMIT", "1".to_owned()),
    ] {
        assert!(env.contains(&(name.to_owned(), value.clone())), "{name}={value} in {env:?}");
    }
}

#[tokio::test]
async fn a_missing_image_passes_through_as_such() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let session = queued_with("r", image("missing"));
    house.ask(&session).await;
    let told = house.store.ended(session.request.id).await;
    assert_eq!(told.last().unwrap().fault.as_ref().unwrap().code, "image-missing");
}

/// An image that was pushed when it was built.
fn pushed(name: &str) -> ImageRef {
    ImageRef { registry_digest: Some("sha256:0".to_owned()), ..image(name) }
}

#[tokio::test]
async fn an_image_another_engine_built_is_pulled_and_started() {
    let mut house = House::new(Config::default()).await;
    house.registry = Some(Arc::new(OneImage { engine: house.backend.clone(), name: "elsewhere" }));
    let _running = house.start();
    let session = queued_with("r", pushed("elsewhere"));
    house.ask(&session).await;
    let told = house.store.ended(session.request.id).await;
    assert_eq!(told.last().unwrap().phase, Phase::Ready, "{told:?}");
    assert!(told.iter().any(|body| body.message.contains("Pulling the image")), "{told:?}");
}

#[tokio::test]
async fn an_image_nobody_has_any_more_is_missing_whether_or_not_it_was_pushed() {
    let mut house = House::new(Config::default()).await;
    house.registry = Some(Arc::new(OneImage { engine: house.backend.clone(), name: "elsewhere" }));
    let _running = house.start();
    for image in [pushed("lost"), image("elsewhere")] {
        let session = queued_with("r", image);
        house.ask(&session).await;
        let told = house.store.ended(session.request.id).await;
        assert_eq!(told.last().unwrap().fault.as_ref().unwrap().code, "image-missing");
    }
}

#[tokio::test]
async fn a_server_that_ends_is_told_with_its_last_lines_and_without_its_token() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let session = queued_with("r", image("bad"));
    let lines = vec![format!("http://x/?token={}", session.token.expose()), "ImportError: no".to_owned()];
    house.backend.image("bad", Behaviour { exits: Some((1, false)), lines, ..Behaviour::default() });
    house.ask(&session).await;
    let told = house.store.ended(session.request.id).await;
    let fault = told.last().unwrap().fault.clone().unwrap();
    assert_eq!((fault.code.as_str(), fault.by), ("server-exited", FaultBy::User));
    let text: String = told.iter().map(|body| body.message.as_str()).collect();
    assert!(text.contains("ImportError: no\n"));
    assert!(text.contains("http://x/?token=***\n"));
    assert!(!text.contains(session.token.expose()));
    assert_eq!(house.backend.count(), 0);
}

#[tokio::test]
async fn running_out_of_memory_is_named() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let (_, _, fault) = house.fails(Behaviour { exits: Some((137, true)), ..Behaviour::default() }).await;
    assert_eq!(fault.code, "session-out-of-memory");
    assert!(fault.message.contains("2048 MiB"), "{fault}");
}

#[tokio::test]
async fn an_engine_that_refuses_is_our_fault() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let refuses = Some(Fault::us("engine-refused", "no"));
    let (_, _, fault) = house.fails(Behaviour { refuses, ..Behaviour::default() }).await;
    assert_eq!((fault.code.as_str(), fault.by), ("engine-refused", FaultBy::Us));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let house = House::new(Config { ready_seconds: 1, ..Config::default() }).await;
    let _running = house.start();
    let (_, _, fault) = house.fails(Behaviour { silent: true, ..Behaviour::default() }).await;
    assert_eq!(fault.code, "server-silent");
}

#[tokio::test]
async fn a_full_house_is_a_queue_in_order_and_no_limit_is_passed() {
    let house = House::new(Config { max_sessions: 3, concurrent_starts: 2, ..Config::default() }).await;
    let _running = house.start();
    let sessions: Vec<Session> = (0..8_u64)
        .map(|n| {
            let mut session = queued("r");
            session.created = Timestamp::from_millis(1000 + n);
            session
        })
        .collect();
    for session in &sessions {
        house.ask(session).await;
    }
    for (n, session) in sessions.iter().enumerate() {
        let told = house.store.ended(session.request.id).await;
        let places: Vec<u32> = told.iter().filter_map(|body| body.position).collect();
        assert!(places.is_sorted_by(|a, b| a > b), "places only fall: {places:?}");
        assert!(n < 5 || !places.is_empty(), "who waits is told");
        assert_eq!(told.last().unwrap().phase, Phase::Ready);
        request_stop(house.store.as_ref(), session.id).await.unwrap();
    }
    assert_eq!(most_seated(&house.store), 3);
}

#[tokio::test]
async fn one_repository_does_not_take_every_seat() {
    let house = House::new(Config { max_per_repository: 1, concurrent_starts: 8, ..Config::default() }).await;
    let _running = house.start();
    let (first, second, other) = (queued("a"), queued("a"), queued("b"));
    house.ask(&first).await;
    house.store.until_state(first.id, "ready").await;
    house.ask(&second).await;
    house.ask(&other).await;
    house.store.until_state(other.id, "ready").await;
    assert_eq!(house.store.get(second.id).await.unwrap().unwrap().state, SessionState::Queued);
    request_stop(house.store.as_ref(), first.id).await.unwrap();
    house.store.until_state(second.id, "ready").await;
}

#[tokio::test]
async fn a_session_asked_to_stop_is_gone_and_its_record_says_why() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let session = queued("r");
    house.ask(&session).await;
    house.store.until_state(session.id, "ready").await;
    request_stop(house.store.as_ref(), session.id).await.unwrap();
    let session = house.store.until_state(session.id, "stopped").await;
    assert_eq!(session.state, SessionState::Stopped { reason: StopReason::Requested });
    assert_eq!(house.backend.count(), 0);
}

#[tokio::test]
async fn a_launch_stopped_on_the_way_ends_in_one_failed_event() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let session = queued_with("r", house.backend.image("silent", Behaviour { silent: true, ..Behaviour::default() }));
    house.ask(&session).await;
    house.store.until_state(session.id, "starting").await;
    request_stop(house.store.as_ref(), session.id).await.unwrap();
    let told = house.store.ended(session.request.id).await;
    assert_eq!(told.last().unwrap().fault.as_ref().unwrap().code, "launch-stopped");
    assert_eq!(house.backend.count(), 0);
}

#[tokio::test]
async fn a_session_stopped_while_it_waits_is_told_too() {
    let house = House::new(Config { max_sessions: 0, ..Config::default() }).await;
    let _running = house.start();
    let session = queued("r");
    house.ask(&session).await;
    house.store.until(session.id, "queued", |session| session.is_some()).await;
    request_stop(house.store.as_ref(), session.id).await.unwrap();
    let told = house.store.ended(session.request.id).await;
    assert_eq!(told.last().unwrap().fault.as_ref().unwrap().code, "launch-stopped");
}

#[tokio::test]
async fn a_process_that_ends_by_itself_ends_its_session() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let (dies, vanishes) = (queued("a"), queued("b"));
    for session in [&dies, &vanishes] {
        house.ask(session).await;
        house.store.until_state(session.id, "ready").await;
    }
    house.backend.kill(dies.id, 137, true);
    let ended = house.store.until_state(dies.id, "stopped").await;
    let reason = StopReason::Exited { code: 137, out_of_memory: true };
    assert_eq!(ended.state, SessionState::Stopped { reason });
    house.backend.vanish(vanishes.id);
    let ended = house.store.until_state(vanishes.id, "stopped").await;
    assert_eq!(ended.state, SessionState::Stopped { reason: StopReason::Lost });
    assert_eq!(house.backend.count(), 0);
}

#[tokio::test]
async fn the_idle_end_and_the_busy_live_on() {
    let config = Config { idle_seconds: 2, poll_seconds: 1, ..Config::default() };
    let house = House::new(config).await;
    let _running = house.start();
    let (idle, busy) = (queued("a"), queued("b"));
    for session in [&idle, &busy] {
        house.ask(session).await;
        house.store.until_state(session.id, "ready").await;
    }
    house.backend.set_activity(busy.id, Activity { busy: true, last: String::new() });
    let ended = house.store.until_state(idle.id, "stopped").await;
    assert_eq!(ended.state, SessionState::Stopped { reason: StopReason::Idle });
    // This one begins later than the busy one and ends of idleness; judged alike, the busy one would have ended before it.
    let later = queued("c");
    house.ask(&later).await;
    house.store.until_state(later.id, "stopped").await;
    assert_eq!(house.store.get(busy.id).await.unwrap().unwrap().state.name(), "ready");
}

#[tokio::test]
async fn the_next_launcher_takes_every_session_over() {
    let house = House::new(Config::default()).await;
    let first = house.start();
    let (ready, starting) = (
        queued("a"),
        queued_with("b", house.backend.image("slow", Behaviour { silent: true, ..Behaviour::default() })),
    );
    house.ask(&ready).await;
    house.ask(&starting).await;
    house.store.until_state(ready.id, "ready").await;
    house.store.until_state(starting.id, "starting").await;
    first.ends().await;
    let containers = house.backend.count();
    assert!(containers >= 1);

    // While nobody watched: one more arrives, and the slow one's container goes.
    house.backend.vanish(starting.id);
    house.backend.image("slow", Behaviour::default());
    let waiting = queued("c");
    house.ask(&waiting).await;
    let _second = house.start();
    for session in [&starting, &waiting] {
        let told = house.store.ended(session.request.id).await;
        assert_eq!(told.last().unwrap().phase, Phase::Ready);
    }
    assert_eq!(house.store.get(ready.id).await.unwrap().unwrap().state.name(), "ready");
    house.backend.kill(ready.id, 0, false);
    house.store.until_state(ready.id, "stopped").await;
}

/// As the launcher itself would start it.
fn spec(session: &Session) -> SessionSpec {
    SessionSpec {
        id: session.id,
        image: session.request.image.clone(),
        base_path: session.base_path(),
        token: session.token.clone(),
        env: Vec::new(),
    }
}

#[tokio::test]
async fn a_container_that_runs_although_its_record_says_queued_is_taken_over_and_not_started_again() {
    let house = House::new(Config::default()).await;
    let session = queued("a");
    house.backend.start(&spec(&session)).await.unwrap();
    house.ask(&session).await;
    let _running = house.start();
    assert_eq!(phases(&house.store.ended(session.request.id).await).last(), Some(&Phase::Ready));
    assert_eq!(house.backend.starts(), 1);
}

#[tokio::test]
async fn a_launch_that_was_interrupted_before_its_last_word_gets_it_later() {
    let house = House::new(Config::default()).await;
    let (ready, failed) = (queued("a"), queued("b"));
    let handle = house.backend.start(&spec(&ready)).await.unwrap();
    house.ask(&ready).await;
    house.ask(&failed).await;
    let apply = async |session: &Session, event| house.store.apply(session.id, event).await.unwrap();
    apply(&ready, SessionEvent::Admitted).await;
    apply(&ready, SessionEvent::Answering { upstream: handle.upstream }).await;
    apply(&ready, SessionEvent::Verified).await;
    apply(&failed, SessionEvent::Admitted).await;
    apply(&failed, SessionEvent::StopRequested { reason: StopReason::LaunchFailed }).await;
    let _running = house.start();
    assert_eq!(phases(&house.store.ended(ready.request.id).await), [Phase::Ready]);
    assert_eq!(phases(&house.store.ended(failed.request.id).await), [Phase::Failed]);
}

#[tokio::test]
async fn a_session_whose_record_was_lost_gets_it_back() {
    let house = House::new(Config { reconcile_seconds: 1, ..Config::default() }).await;
    let first = house.start();
    let session = queued("a");
    house.ask(&session).await;
    let before = house.store.until_state(session.id, "ready").await;
    first.ends().await;
    house.store.lose(session.id);
    let _second = house.start();
    let after = house.store.until_state(session.id, "ready").await;
    assert_eq!((after.token, after.state), (before.token, before.state));
    assert_eq!(after.request.source.persistent_request, before.request.source.persistent_request);
}

#[tokio::test]
async fn ended_sessions_are_forgotten_after_a_while() {
    let house = House::new(Config { keep_stopped_seconds: 1, reconcile_seconds: 1, ..Config::default() }).await;
    let _running = house.start();
    let session = queued("a");
    house.ask(&session).await;
    house.store.until_state(session.id, "ready").await;
    request_stop(house.store.as_ref(), session.id).await.unwrap();
    house.store.until_state(session.id, "stopped").await;
    house.store.until(session.id, "forgotten", |session| session.is_none()).await;
}

#[tokio::test]
async fn a_slow_stop_delays_no_start() {
    let house = House::new(Config { stop_grace_seconds: 3600, ..Config::default() }).await;
    let _running = house.start();
    let stubborn = house.backend.image("stubborn", Behaviour { stubborn: true, ..Behaviour::default() });
    for _ in 0..20 {
        let session = queued_with("a", stubborn.clone());
        house.ask(&session).await;
        house.store.until_state(session.id, "ready").await;
        request_stop(house.store.as_ref(), session.id).await.unwrap();
        house.store.until_state(session.id, "stopping").await;
    }
    let session = queued("b");
    house.ask(&session).await;
    house.store.until_state(session.id, "ready").await;
    assert_eq!(house.backend.count(), 21);
}

#[tokio::test]
async fn sessions_end_with_the_launcher_where_the_settings_say_so() {
    for (stop_sessions_on_exit, left) in [(true, 0), (false, 1)] {
        let house = House::new(Config { stop_sessions_on_exit, ..Config::default() }).await;
        let running = house.start();
        let session = queued("a");
        house.ask(&session).await;
        house.store.until_state(session.id, "ready").await;
        running.ends().await;
        assert_eq!(house.backend.count(), left);
    }
}

/// What the launcher itself takes, from a request to `ready`, where container and server take nothing. Asserts nothing about time.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_what_the_launcher_itself_takes() {
    let house = House::new(Config::default()).await;
    let _running = house.start();
    let mut times = Vec::new();
    for _ in 0..101 {
        let session = queued("r");
        let began = tokio::time::Instant::now();
        house.ask(&session).await;
        house.store.ended(session.request.id).await;
        times.push(house.store.when(session.id, "ready").unwrap().duration_since(began));
        request_stop(house.store.as_ref(), session.id).await.unwrap();
        house.store.until_state(session.id, "stopped").await;
    }
    times.sort_unstable();
    println!("request to ready without an engine: p50 {:?}, p95 {:?}", times[50], times[95]);
}
