//! The builder and the launcher, a few lines each, doing what a test says when it says it.

use bindery_core::seams::{SessionChange, SessionWatch};
use bindery_core::{
    BuildLease, BuildOutcome, BuildRequest, EventBody, Fault, ImageRef, LogStream, Phase, Ready, Session, SessionEvent,
    SessionState, StepMark, StepStatus, StopReason, Topic, WorkerId,
};
use bindery_store::Stores;
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use crate::client::within;
use crate::site::Site;

/// The name of every image.
pub(crate) const IMAGE: &str = "bindery/test:abc";

/// A build a test has in hand.
pub(crate) struct Job {
    stores: Stores,
    lease: BuildLease,
}

impl Site {
    /// The next build of the queue.
    pub(crate) async fn claim(&self) -> Job {
        claim(self.stores.clone()).await
    }

    /// Builds whatever is asked for, each writing these lines, until the test ends.
    pub(crate) fn builder(&self, lines: Vec<String>) -> Crew {
        let stores = self.stores.clone();
        Crew(tokio::spawn(async move {
            loop {
                let job = claim_or_wait(stores.clone()).await;
                job.lines(&lines).await;
                job.built().await;
            }
        }))
    }

    /// Brings up whatever session is asked for, until the test ends.
    pub(crate) fn launcher(&self) -> Crew {
        let stores = self.stores.clone();
        Crew(tokio::spawn(async move {
            let mut watch = stores.sessions.watch().await.unwrap();
            loop {
                let session = queued(&mut watch).await;
                bring_up(&stores, &session).await;
            }
        }))
    }

    /// Waits for sessions to be asked for, one after the other.
    pub(crate) async fn wanted(&self) -> Wanted {
        Wanted { stores: self.stores.clone(), watch: self.stores.sessions.watch().await.unwrap() }
    }
}

/// A part of the crew that works by itself until it is dropped.
pub(crate) struct Crew(JoinHandle<()>);

impl Drop for Crew {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn claim(stores: Stores) -> Job {
    within(claim_or_wait(stores)).await
}

async fn claim_or_wait(stores: Stores) -> Job {
    let worker = WorkerId("test".to_owned());
    loop {
        if let Some(claimed) = stores.queue.claim(&worker, std::time::Duration::from_secs(5)).await.unwrap() {
            return Job { stores, lease: claimed.lease };
        }
    }
}

impl Job {
    pub(crate) fn lease(&self) -> &BuildLease {
        &self.lease
    }

    pub(crate) fn topic(&self) -> Topic {
        Topic::Build(self.lease.record.id)
    }

    /// What is to be built.
    pub(crate) fn request(&self) -> &BuildRequest {
        &self.lease.record.request
    }

    pub(crate) async fn say(&self, bodies: Vec<EventBody>) {
        self.stores.events.append(self.topic(), bodies, Some(self.lease.fence)).await.unwrap();
    }

    /// Output of a step.
    pub(crate) async fn lines(&self, lines: &[String]) {
        let step = StepMark {
            id: "requirements".into(),
            name: "install packages".into(),
            status: StepStatus::Running,
            duration_ms: None,
        };
        let body = |line: &String| EventBody::output(Phase::Building, step.clone(), LogStream::Stdout, line);
        for some in lines.chunks(64) {
            self.say(some.iter().map(body).collect()).await;
        }
    }

    pub(crate) async fn built(self) {
        let image = ImageRef { name: IMAGE.parse().unwrap(), id: "sha256:1".into(), registry_digest: None };
        let last = EventBody::built(image.name.clone());
        let outcome = BuildOutcome::Built { image, environment: None };
        self.stores.queue.finish(&self.lease, outcome, last).await.unwrap();
    }

    pub(crate) async fn failed(self, fault: Fault) {
        let last = EventBody::failed(fault.clone());
        self.stores.queue.finish(&self.lease, BuildOutcome::Failed(fault), last).await.unwrap();
    }
}

/// Sessions as they are asked for.
pub(crate) struct Wanted {
    stores: Stores,
    watch: SessionWatch,
}

impl Wanted {
    pub(crate) async fn next(&mut self) -> Session {
        within(queued(&mut self.watch)).await
    }

    /// Makes a session ready.
    pub(crate) async fn ready(&self, session: &Session) {
        bring_up(&self.stores, session).await;
    }

    pub(crate) async fn say(&self, session: &Session, message: &str) {
        let body = EventBody::message(Phase::Launching, message);
        self.stores.events.append(Topic::Launch(session.request.id), vec![body], None).await.unwrap();
    }

    pub(crate) async fn failed(&self, session: &Session, fault: Fault) {
        let stop = SessionEvent::Gone { reason: StopReason::LaunchFailed };
        self.stores.sessions.apply(session.id, stop).await.unwrap();
        let body = EventBody::failed(fault);
        self.stores.events.append(Topic::Launch(session.request.id), vec![body], None).await.unwrap();
    }
}

async fn queued(watch: &mut SessionWatch) -> Session {
    loop {
        if let SessionChange::Put(session) = watch.next().await.unwrap()
            && session.state == SessionState::Queued
        {
            return Session::clone(&session);
        }
    }
}

async fn bring_up(stores: &Stores, session: &Session) {
    let upstream = "127.0.0.1:9".parse().unwrap();
    let topic = Topic::Launch(session.request.id);
    let requested = EventBody::message(Phase::Launching, "Server requested");
    stores.events.append(topic, vec![requested], None).await.unwrap();
    for event in [SessionEvent::Admitted, SessionEvent::Answering { upstream }, SessionEvent::Verified] {
        stores.sessions.apply(session.id, event).await.unwrap();
    }
    let source = session.request.source.clone();
    let ready = Ready {
        url: format!("http://127.0.0.1:8586{}", session.base_path()),
        token: session.token.expose().to_owned(),
        image: session.request.image.name.clone(),
        repo_url: source.repo_url,
        binder_ref_url: source.ref_url,
        binder_launch_host: source.launch_host,
        binder_request: source.request,
        binder_persistent_request: source.persistent_request,
        binder_client_ip: source.client_ip,
    };
    stores.events.append(topic, vec![EventBody::ready(ready)], None).await.unwrap();
}

/// `count` lines that differ.
pub(crate) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("line {number}")).collect()
}
