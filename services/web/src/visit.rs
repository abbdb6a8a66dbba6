//! One visitor's request, from spec to session: resolve, join or start a build, launch, and tell each step.

use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bindery_core::seams::StoreError;
use bindery_core::{
    AsOf, BuildId, BuildRecord, BuildRequest, BuildState, Event, EventBody, EventId, Fault, FaultBy, ImageKey,
    ImageRef, LaunchId, LaunchRequest, LaunchSource, Phase, RepoSpec, Secret, Session, SessionEvent, SessionId,
    SessionState, StopReason, Timestamp, Topic,
};
use futures::StreamExt as _;
use tokio::sync::{MutexGuard, mpsc};
use uuid::Uuid;

use crate::Web;
use crate::gate::Pass;
use crate::metrics::LaunchPath;
use crate::places::Waiting;
use crate::quota::NoSeat;
use crate::relaunch::Launched;
use crate::wire::{Message, StreamId};

const WAITING: &str = "Waiting for build to start...";
/// How long a log may be silent before its build's record is looked for.
const SILENCE: Duration = Duration::from_secs(30);
const FOUND: &str = "Found built image, launching...\n";

/// Where a visit's messages go. Boxed: the channel sets room aside for dozens, and thousands may watch a build.
pub(crate) type Out = mpsc::Sender<Box<Message>>;

/// What a visitor asks for, and where they left off.
pub(crate) struct Visit {
    pub(crate) provider: String,
    /// The rest of the path, still percent-encoded.
    pub(crate) raw_spec: String,
    /// `as_of`, as written in the query.
    pub(crate) as_of: Option<String>,
    pub(crate) client_ip: String,
    /// `Last-Event-ID`.
    pub(crate) resume: Option<StreamId>,
    /// End after the build.
    pub(crate) build_only: bool,
    /// Which browser, when it says so.
    pub(crate) browser: Option<String>,
    /// How they were let in.
    pub(crate) pass: Pass,
}

/// The visitor has gone; nothing more needs telling.
struct Gone;

/// How a topic ended.
enum End {
    Built,
    Ready,
    Failed,
    /// The launch failed because the engine no longer has the image. Not told: it can be mended.
    ImageMissing,
}

/// What to do with a launch that failed because the engine no longer has the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MissingImage {
    Hold,
    Tell,
}

/// Why a visit stopped early.
enum Stop {
    Gone,
    Fault(Fault),
    /// Too many builds of one address; in how many seconds there may be another.
    Limited(u64),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<NoSeat> for Stop {
    fn from(refusal: NoSeat) -> Self {
        match refusal {
            NoSeat::Full(fault) => Self::Fault(fault),
            NoSeat::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl Web {
    /// Carries out a visit, sending every event to `out` until the terminal one. Ends early when the receiver is dropped; the build
    /// goes on all the same.
    pub(crate) async fn visit(&self, visit: Visit, out: Out) {
        let started = tokio::time::Instant::now();
        match self.visit_steps(&visit, &out).await {
            Ok(path) => self.metrics.visit_ready(path, started.elapsed()),
            Err(Stop::Gone) => self.metrics.visit_left(),
            Err(Stop::Limited(seconds)) => {
                self.metrics.visit_failed(FaultBy::User);
                let message = format!("Rate limit exceeded. Try again in {seconds} seconds.");
                let fault = Fault::user("rate-limited", message).retry(true);
                let message = Message::of_body(&EventBody::failed(fault), Some(429)).retry_after(seconds);
                // As below.
                let _ = send(&out, message).await;
            }
            Err(Stop::Fault(fault)) => {
                self.metrics.visit_failed(fault.by);
                if fault.by == FaultBy::Us {
                    tracing::error!(code = %fault.code, provider = %visit.provider, "visit failed: {fault}");
                }
                let status = status_of(&fault);
                // The visitor may have gone meanwhile; then there is nobody to tell.
                let _ = send(&out, Message::of_body(&EventBody::failed(fault), Some(status))).await;
            }
        }
    }

    async fn visit_steps(&self, visit: &Visit, out: &Out) -> Result<LaunchPath, Stop> {
        // A visitor who was already launching goes on with that launch.
        if let Some(StreamId { topic: Topic::Launch(launch), event }) = visit.resume
            && self.exists(Topic::Launch(launch)).await?
        {
            match self.tell(Topic::Launch(launch), event, out, MissingImage::Hold).await? {
                End::ImageMissing => self.forget_image(&self.resolve(visit).await?, out).await?,
                End::Failed | End::Built | End::Ready => return Ok(LaunchPath::Resumed),
            }
        }
        let mut resumed = self.resumed_build(visit.resume).await?;
        let mut known = None;
        let request = match &resumed {
            Some((record, _)) => record.request.clone(),
            None => {
                if let Some(refusal) = &visit.pass.only_resumes {
                    return Err(refusal.clone().into());
                }
                let request = self.resolve(visit).await?;
                known = self.queue.find(&request.key).await?.filter(|record| record.state.is_joinable());
                if known.is_none() {
                    self.count(visit, &request).await?;
                }
                request
            }
        };
        for note in &request.resolved.notes {
            send(out, Message::of_body(&EventBody::message(Phase::Waiting, note.clone()), None)).await?;
        }
        let mut launch_path = LaunchPath::Built;
        // Twice at most: an image that vanished from the engine is built again, once.
        for last_try in [false, true] {
            let (record, after) = match (resumed.take(), known.take()) {
                (Some((record, after)), _) => (record, Some(after)),
                (None, Some(record)) => (record, None),
                (None, None) => (self.queue.submit(&request, EventBody::message(Phase::Waiting, WAITING)).await?, None),
            };
            let image = if let (BuildState::Built { image, .. }, None) = (&record.state, after) {
                let found = EventBody { message: FOUND.to_owned(), ..EventBody::built(image.name.clone()) };
                send(out, Message::of_body(&found, None).about(record.id)).await?;
                launch_path = LaunchPath::Cached;
                image.clone()
            } else {
                let after = after.unwrap_or(EventId::START);
                let is_open = matches!(record.state, BuildState::Queued | BuildState::Running { .. });
                let waits = is_open.then(|| self.metrics.dashboards().waits_for_build(&record));
                let end = self.tell(Topic::Build(record.id), after, out, MissingImage::Tell).await?;
                if let Some(waits) = waits {
                    waits.ended(!matches!(end, End::Failed));
                }
                if let End::Failed = end {
                    return Ok(LaunchPath::BuildFailed);
                }
                self.image_of(record.id).await?
            };
            if visit.build_only {
                let found = matches!(launch_path, LaunchPath::Cached);
                let message = if found { "Done! Found built image" } else { "Done! Image built" };
                let done = EventBody { image: Some(image.name), ..EventBody::message(Phase::Ready, message) };
                send(out, Message::of_body(&done, None)).await?;
                return Ok(launch_path);
            }
            let resolved = &request.resolved;
            if let Some(launch) = self.earlier(visit, &request.key).await? {
                match self.tell(Topic::Launch(launch), EventId::START, out, MissingImage::Hold).await? {
                    End::Ready | End::Built => return Ok(LaunchPath::Resumed),
                    // It ended just now; this visit has a launch of its own.
                    End::Failed | End::ImageMissing => {}
                }
            }
            let launch = LaunchRequest { id: LaunchId::new(), image, source: self.source(visit, &request) };
            let missing_image = if last_try { MissingImage::Tell } else { MissingImage::Hold };
            // Boxed, so that whoever only watches a build keeps no room for it.
            match Box::pin(self.launch(launch, visit, &request, out, missing_image)).await? {
                End::ImageMissing => self.forget_image(&request, out).await?,
                End::Failed => {
                    self.launches.note(resolved, &visit.pass, false);
                    return Ok(LaunchPath::LaunchFailed);
                }
                End::Built | End::Ready => {
                    self.launches.note(resolved, &visit.pass, true);
                    return Ok(launch_path);
                }
            }
        }
        Ok(launch_path)
    }

    /// The build the visitor was watching and how far, if they say so and it exists. It may have failed since: then they are told
    /// that, and no new build starts.
    async fn resumed_build(&self, resume: Option<StreamId>) -> Result<Option<(BuildRecord, EventId)>, Stop> {
        let Some(StreamId { topic: Topic::Build(id), event }) = resume else { return Ok(None) };
        let Some(record) = self.queue.get(id).await? else { return Ok(None) };
        let resolved = &record.request.resolved;
        self.policy.link(&resolved.spec)?;
        self.policy.repository(resolved)?;
        Ok(Some((record, event)))
    }

    async fn resolve(&self, visit: &Visit) -> Result<BuildRequest, Stop> {
        let spec = RepoSpec::parse(&visit.provider, &visit.raw_spec)
            .map_err(|error| Fault::user("bad-spec", error.to_string()))?;
        let as_of: Option<AsOf> = match visit.as_of.as_deref().map(str::parse) {
            Some(Err(error)) => return Err(Fault::user("bad-date", format!("as_of: {error}.")).into()),
            Some(Ok(day)) => Some(day),
            None => None,
        };
        self.policy.link(&spec)?;
        let resolved = self.content.resolve(&spec).await?;
        self.policy.repository(&resolved)?;
        Ok(BuildRequest::new(resolved, as_of, &self.recipe))
    }

    /// The image of a build that has just ended well.
    async fn image_of(&self, build: BuildId) -> Result<ImageRef, Stop> {
        let lost = |how: &str| Fault::us("build-lost", how);
        let record = self.queue.get(build).await?.ok_or_else(|| lost("the build's record is gone."))?;
        match record.state {
            BuildState::Built { image, .. } => Ok(image),
            _ => Err(lost("the build ended without an image.").into()),
        }
    }

    /// Whether a visit may start a build: nobody waits for one only to be refused, and those who are counted are.
    async fn count(&self, visit: &Visit, request: &BuildRequest) -> Result<(), Stop> {
        if !visit.build_only {
            drop(self.quotas.seat(&request.resolved, &*self.sessions).await?);
        }
        let Some(client) = visit.pass.counted else { return Ok(()) };
        self.limits.take(client, tokio::time::Instant::now()).map_err(Stop::Limited)
    }

    /// Makes the next request for this image build it again.
    async fn forget_image(&self, request: &BuildRequest, out: &Out) -> Result<(), Stop> {
        // Whoever left leaves it to those who are still there, so that it is not forgotten again once it is back.
        if out.is_closed() {
            return Err(Stop::Gone);
        }
        tracing::warn!(repository = %request.resolved.repo_url, "an image is gone from the engine; building it again");
        Ok(self.queue.forget(&request.key).await?)
    }

    /// Asks for a session and tells how it comes up.
    async fn launch(
        &self,
        request: LaunchRequest,
        visit: &Visit,
        build: &BuildRequest,
        out: &Out,
        missing_image: MissingImage,
    ) -> Result<End, Stop> {
        let seat = self.quotas.seat(&build.resolved, &*self.sessions).await?;
        let waits = self.metrics.dashboards().waits_for_session(build.resolved.spec.provider);
        let launch = request.id;
        let topic = Topic::Launch(launch);
        let token = Secret::new(URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes()));
        let session = Session::queued(SessionId::new(), request, token, Timestamp::now());
        self.events.begin(launch, EventBody::message(Phase::Launching, "Launching server...")).await?;
        if let Some(browser) = &visit.browser {
            let launched = Launched { launch, session: session.id, at: tokio::time::Instant::now() };
            self.relaunches.note(browser, &build.key, launched);
        }
        let followed = Box::pin(self.tell(topic, EventId::START, out, missing_image));
        let end = self.ask(&session, seat, followed).await?;
        waits.ended(matches!(end, End::Ready | End::Built));
        Ok(end)
    }

    /// Asks for a session while its launch is followed already: the launcher need not wait for the disk, and most often has begun.
    async fn ask(
        &self,
        session: &Session,
        seat: Option<MutexGuard<'_, ()>>,
        mut followed: Pin<Box<impl Future<Output = Result<End, Stop>>>>,
    ) -> Result<End, Stop> {
        let asked = async {
            let asked = self.sessions.put(session).await;
            drop(seat);
            asked
        };
        tokio::select! {
            asked = asked => match asked {
                Ok(()) => followed.await,
                Err(error) => {
                    let stop = SessionEvent::StopRequested { reason: StopReason::LaunchFailed };
                    // As much as can be done: it may be there, and its visitor is told otherwise.
                    let _ = self.sessions.apply(session.id, stop).await;
                    Err(error.into())
                }
            },
            end = &mut followed => end,
        }
    }

    /// The launch of the same thing that this browser asked for a moment ago: while it is coming up, and for a while after.
    async fn earlier(&self, visit: &Visit, key: &ImageKey) -> Result<Option<LaunchId>, Stop> {
        let Some(browser) = &visit.browser else { return Ok(None) };
        let Some(launched) = self.relaunches.find(browser, key) else { return Ok(None) };
        let is_recent = launched.at.elapsed() < Duration::from_secs(self.config.relaunch_seconds);
        let state = self.sessions.get(launched.session).await?.map(|session| session.state);
        let is_there = match state {
            Some(SessionState::Queued | SessionState::Starting { .. }) => true,
            Some(SessionState::Ready { .. }) => is_recent,
            Some(SessionState::Stopping { .. } | SessionState::Stopped { .. }) | None => false,
        };
        Ok(is_there.then_some(launched.launch))
    }

    /// Sends every event of a topic after `after`, until its terminal one.
    async fn tell(&self, topic: Topic, after: EventId, out: &Out, missing_image: MissingImage) -> Result<End, Stop> {
        let mut events = self.events.follow(topic, after).await?;
        let mut last = None;
        let mut waiting = Waiting::on(topic, Duration::from_secs(self.config.queue_seconds));
        let mut heard = tokio::time::Instant::now();
        loop {
            let event = tokio::select! {
                event = events.next() => match event {
                    Some(event) => event?,
                    None => break,
                },
                // A long step is silent too; only a build that nobody remembers will never speak again.
                () = tokio::time::sleep_until(heard + SILENCE) => {
                    self.still_known(topic).await?;
                    heard = tokio::time::Instant::now();
                    continue;
                }
                // Who has left is not waited for, and not counted among those who wait.
                () = out.closed() => return Err(Stop::Gone),
                () = waiting.look() => {
                    if let Some((build, place)) = waiting.moved(&self.places, &*self.queue).await {
                        send(out, Message::of_body(&place, None).about(build)).await?;
                    }
                    continue;
                }
            };
            heard = tokio::time::Instant::now();
            waiting.heard(event.body.phase);
            if missing_image == MissingImage::Hold
                && event.body.fault.as_ref().is_some_and(|fault| fault.code == "image-missing")
            {
                return Ok(End::ImageMissing);
            }
            let log_url = match topic {
                Topic::Build(id) => Some(self.log_url(id)),
                Topic::Launch(_) => None,
            };
            send(out, Message::of_event(topic, &event, log_url)).await?;
            last = end_of(&event);
        }
        if let Some(end) = last {
            return Ok(end);
        }
        // Resumed after the terminal event: nothing was left to tell, and how it ended is in the log.
        let ended = self.events.history(topic, EventId(after.0.saturating_sub(1)), 1).await?;
        ended
            .first()
            .and_then(|event| end_of(event))
            .ok_or_else(|| Fault::us("log-interrupted", "the log ended early.").into())
    }

    /// Whether a build's record is still there; a store that lost its data has nobody to end its log.
    async fn still_known(&self, topic: Topic) -> Result<(), Stop> {
        let Topic::Build(id) = topic else { return Ok(()) };
        match self.queue.get(id).await? {
            Some(_) => Ok(()),
            None => {
                Err(Fault::us("build-lost", "the build's record is gone.").hint("Reload to start it again.").into())
            }
        }
    }

    async fn exists(&self, topic: Topic) -> Result<bool, StoreError> {
        Ok(!self.events.history(topic, EventId::START, 1).await?.is_empty())
    }

    /// The permanent address of a build's log.
    pub(crate) fn log_url(&self, build: BuildId) -> String {
        format!("{}builds/{build}/log", self.config.public_url())
    }

    fn source(&self, visit: &Visit, build: &BuildRequest) -> LaunchSource {
        let resolved = &build.resolved;
        LaunchSource {
            repo_url: resolved.repo_url.to_string(),
            identity: resolved.identity.clone(),
            ref_url: resolved.ref_url.clone(),
            request: format!("v2/{}/{}", visit.provider, visit.raw_spec.trim_end_matches('/')),
            persistent_request: build.persistent_request(),
            launch_host: self.config.public_url(),
            client_ip: visit.client_ip.clone(),
        }
    }
}

fn end_of(event: &Event) -> Option<End> {
    match event.body.phase {
        Phase::Built => Some(End::Built),
        Phase::Ready => Some(End::Ready),
        Phase::Failed => Some(End::Failed),
        _ => None,
    }
}

async fn send(out: &Out, message: Message) -> Result<(), Gone> {
    out.send(Box::new(message)).await.map_err(|_| Gone)
}

/// The HTTP status a fault would have, were the stream not always 200; BinderHub clients read it as `status_code`.
fn status_of(fault: &Fault) -> u16 {
    match (fault.by, fault.code.as_str()) {
        (FaultBy::User, "ref-not-found" | "repository-not-found") => 404,
        (
            FaultBy::User,
            "host-not-allowed" | "not-allowed" | "build-token-invalid" | "build-token-required" | "repository-private",
        ) => 403,
        (FaultBy::User, "repository-quota") => 429,
        (FaultBy::User, _) => 400,
        (FaultBy::Upstream, _) => 502,
        (FaultBy::Us, "too-many-streams") => 503,
        (FaultBy::Us, _) => 500,
    }
}
