//! The table of sessions: where each one answers, or why it does not. In memory; a lookup asks nobody.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bindery_core::{Session, SessionId, SessionState, Timestamp};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::stats::Count;
use crate::upstream::Pool;

/// A session that can be reached. Connections belong to the route, so none is ever reused for another container that was
/// given the same address.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: SessionId,
    pub(crate) upstream: SocketAddr,
    /// The path its server serves under: `/user/<id>/`.
    pub(crate) prefix: String,
    /// Cancelled when the route is removed; ends its tunnels.
    pub(crate) gone: CancellationToken,
    pub(crate) pool: Pool,
    pub(crate) tunnels: Count,
    seen: AtomicU64,
    told: AtomicU64,
}

impl Route {
    pub(crate) fn new(id: SessionId, upstream: SocketAddr) -> Self {
        Self {
            id,
            upstream,
            prefix: format!("/user/{id}/"),
            gone: CancellationToken::new(),
            pool: Pool::default(),
            tunnels: Count::default(),
            seen: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    /// Somebody did something in the session just now.
    pub(crate) fn touch(&self) {
        self.seen.store(Timestamp::now().as_millis(), Ordering::Relaxed);
    }

    /// When somebody last did something, if that has not been told to the store yet.
    pub(crate) fn untold(&self) -> Option<Timestamp> {
        let seen = self.seen.load(Ordering::Relaxed);
        (seen > self.told.load(Ordering::Relaxed)).then(|| Timestamp::from_millis(seen))
    }

    /// Notes what the store was told.
    pub(crate) fn tell(&self, seen: Timestamp) {
        self.told.fetch_max(seen.as_millis(), Ordering::Relaxed);
    }

    fn close(&self) {
        self.gone.cancel();
        self.pool.close();
    }
}

/// What became of a session that cannot be reached any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Why, in plain words.
    pub(crate) why: String,
    /// The link path that launches the same again, without leading slash.
    pub(crate) request: String,
}

/// What the table says about an id.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It can be reached.
    Live(Arc<Route>),
    /// It is being started.
    Starting,
    /// It is over.
    Ended(Arc<Ended>),
    /// No such session.
    Nobody,
    /// The table is not complete yet.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    what: Found,
    /// The number of complete tellings before this entry was last told.
    told: u64,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    entries: RwLock<HashMap<SessionId, Entry>>,
    tellings: AtomicU64,
    complete: AtomicBool,
}

impl Routes {
    /// What is known about `id`.
    pub(crate) fn find(&self, id: SessionId) -> Found {
        match self.entries.read().get(&id) {
            Some(entry) => entry.what.clone(),
            None if self.complete() => Found::Nobody,
            None => Found::Unknown,
        }
    }

    /// Whether every session has been told at least once.
    pub(crate) fn complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Every session that can be reached.
    pub(crate) fn live(&self) -> Vec<Arc<Route>> {
        let live = |entry: &Entry| match &entry.what {
            Found::Live(route) => Some(Arc::clone(route)),
            _ => None,
        };
        self.entries.read().values().filter_map(live).collect()
    }

    /// A session exists, like this. An unchanged route is left alone, with its connections.
    pub(crate) fn put(&self, session: &Session) {
        let told = self.tellings.load(Ordering::Acquire);
        let mut entries = self.entries.write();
        let before = entries.get_mut(&session.id);
        let what = match (session.state.upstream(), &session.state) {
            (Some(upstream), _) => {
                if let Some(entry) = before
                    && let Found::Live(route) = &entry.what
                    && route.upstream == upstream
                {
                    entry.told = told;
                    return;
                }
                Found::Live(Arc::new(Route::new(session.id, upstream)))
            }
            (None, SessionState::Stopping { reason } | SessionState::Stopped { reason }) => {
                Found::Ended(Arc::new(Ended {
                    why: reason.to_string(),
                    request: session.request.source.request.clone(),
                }))
            }
            (None, _) => Found::Starting,
        };
        let replaced = entries.insert(session.id, Entry { what, told });
        drop(entries);
        close(replaced);
    }

    /// A session's record is gone.
    pub(crate) fn remove(&self, id: SessionId) {
        let removed = self.entries.write().remove(&id);
        close(removed);
    }

    /// Every session that exists has been told since the last time this was called; what was not told does not exist.
    pub(crate) fn told_all(&self) {
        let now = self.tellings.fetch_add(1, Ordering::AcqRel);
        let gone: Vec<Entry> =
            self.entries.write().extract_if(|_, entry| entry.told < now).map(|(_, entry)| entry).collect();
        self.complete.store(true, Ordering::Release);
        for entry in gone {
            close(Some(entry));
        }
    }
}

fn close(entry: Option<Entry>) {
    if let Some(Entry { what: Found::Live(route), .. }) = entry {
        route.close();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Found, Routes};
    use bindery_core::{
        ImageRef, LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionEvent, SessionId, StopReason,
        Timestamp,
    };
    use std::net::SocketAddr;

    pub(crate) fn session() -> Session {
        let source = LaunchSource {
            repo_url: String::new(),
            identity: String::new(),
            ref_url: String::new(),
            request: "v2/gh/o/r/HEAD".into(),
            persistent_request: String::new(),
            launch_host: String::new(),
            client_ip: String::new(),
        };
        let image = serde_json::from_value::<ImageRef>(image()).unwrap();
        let request = LaunchRequest { id: LaunchId::new(), image, source };
        Session::queued(SessionId::new(), request, Secret::new("t"), Timestamp::now())
    }

    fn image() -> serde_json::Value {
        serde_json::json!({"name": "bindery/x:1", "id": "sha256:0"})
    }

    fn after(session: &Session, events: &[SessionEvent]) -> Session {
        let mut session = session.clone();
        for event in events {
            session.state = session.state.apply(event.clone()).unwrap();
        }
        session
    }

    fn answering(port: u16) -> [SessionEvent; 2] {
        let upstream = SocketAddr::from(([127, 0, 0, 1], port));
        [SessionEvent::Admitted, SessionEvent::Answering { upstream }]
    }

    fn ended() -> SessionEvent {
        SessionEvent::StopRequested { reason: StopReason::Idle }
    }

    #[test]
    fn nothing_is_known_until_every_session_was_told() {
        let routes = Routes::default();
        assert!(matches!(routes.find(SessionId::new()), Found::Unknown));
        routes.told_all();
        assert!(matches!(routes.find(SessionId::new()), Found::Nobody));
    }

    #[test]
    fn a_session_is_found_as_its_state_says() {
        let (routes, session) = (Routes::default(), session());
        routes.put(&session);
        assert!(matches!(routes.find(session.id), Found::Starting));
        routes.put(&after(&session, &answering(1)));
        let Found::Live(route) = routes.find(session.id) else { panic!("no route") };
        assert_eq!(route.upstream.port(), 1);
        let [a, b] = answering(1);
        routes.put(&after(&session, &[a, b, ended()]));
        let Found::Ended(ended) = routes.find(session.id) else { panic!("not ended") };
        assert_eq!(
            (ended.why.as_str(), ended.request.as_str()),
            ("nothing happened in it for a while", "v2/gh/o/r/HEAD")
        );
        assert!(route.gone.is_cancelled());
        routes.remove(session.id);
        routes.told_all();
        assert!(matches!(routes.find(session.id), Found::Nobody));
    }

    #[test]
    fn telling_a_route_again_leaves_it_alone_and_a_new_address_replaces_it() {
        let (routes, session) = (Routes::default(), session());
        routes.put(&after(&session, &answering(1)));
        let Found::Live(first) = routes.find(session.id) else { panic!("no route") };
        let [a, b] = answering(1);
        routes.put(&after(&session, &[a, b, SessionEvent::Verified]));
        let Found::Live(second) = routes.find(session.id) else { panic!("no route") };
        assert!(std::sync::Arc::ptr_eq(&first, &second) && !first.gone.is_cancelled());
        routes.put(&after(&session, &answering(2)));
        assert!(first.gone.is_cancelled());
    }

    #[test]
    fn sessions_that_vanished_during_an_outage_go_when_all_are_told_again() {
        let routes = Routes::default();
        let (stays, goes) = (after(&session(), &answering(1)), after(&session(), &answering(2)));
        routes.put(&stays);
        routes.put(&goes);
        routes.told_all();
        assert_eq!(routes.live().len(), 2);
        routes.put(&stays);
        routes.told_all();
        assert_eq!(routes.live().iter().map(|route| route.id).collect::<Vec<_>>(), [stays.id]);
    }

    #[test]
    fn a_use_is_told_once() {
        let (routes, session) = (Routes::default(), after(&session(), &answering(1)));
        routes.put(&session);
        let Found::Live(route) = routes.find(session.id) else { panic!("no route") };
        assert_eq!(route.untold(), None);
        route.touch();
        let seen = route.untold().unwrap();
        assert_eq!(route.untold(), Some(seen));
        route.tell(seen);
        assert_eq!(route.untold(), None);
    }
}
