//! From a seat to a session that answers through the proxy, or to one clear fault with nothing left behind.

use std::time::Duration;

use bindery_core::seams::{Observed, StoreError};
use bindery_core::{
    EventBody, Fault, LogStream, Phase, Ready, Session, SessionEvent, SessionState, StepMark, StepOutput, StepStatus,
    StopReason,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::run::Context;
use crate::start::container;
use crate::tell::{Teller, end_once};
use crate::{Config, ready};

/// How many of a failed server's last lines are shown.
pub(crate) const LAST_LINES: usize = 50;
/// The most characters of one such line.
pub(crate) const LINE_CHARS: usize = 2000;
/// Between two words to a visitor who waits for a slow server.
const WORD_EVERY: Duration = Duration::from_secs(10);
/// The least time the proxy gets to learn a route, however slow the server was.
const ROUTE_LIMIT: Duration = Duration::from_secs(10);
/// How long one wait for a container's end takes before it is asked again.
pub(crate) const WAIT: Duration = Duration::from_secs(300);

/// Why a launch did not get to the end.
pub(crate) enum Failure {
    /// It cannot succeed.
    Fault(Fault),
    /// The container ended before its server answered.
    Ended(Observed),
    /// The session was stopped meanwhile.
    Stopped,
    /// The records cannot be used now; the launch can go on later.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::IllegalTransition(_) | StoreError::NotFound => Self::Stopped,
            error => Self::Store(error),
        }
    }
}

/// Takes a session from `Starting` on: to `Ready`, told to the visitor; to `Stopped`, told too; or, when somebody stopped it meanwhile, to
/// wherever it stands now. `fresh` says that no earlier process can have begun with it.
///
/// # Errors
/// The store cannot be used. Nothing is lost: calling again goes on.
pub(crate) async fn launch(
    context: &Context,
    session: &Session,
    states: &mut watch::Receiver<SessionState>,
    fresh: bool,
) -> Result<Launched, StoreError> {
    let teller = Teller::new(context.events.clone(), session.request.id);
    let outcome = tokio::select! {
        outcome = bring_up(context, session, &teller, fresh) => outcome,
        () = until_stopped(states) => Err(Failure::Stopped),
    };
    let failure = match outcome {
        Ok(ready) => {
            teller.say(EventBody::ready(ready_event(context, &ready)));
            let told = teller.close().await;
            return Ok(Launched { session: ready, told: told.is_ok() });
        }
        Err(failure) => failure,
    };
    let fault = match failure {
        Failure::Fault(fault) => fault,
        Failure::Ended(observed) => ended_fault(&context.config, &observed),
        Failure::Stopped => {
            teller.close().await?;
            let session = context.sessions.get(session.id).await?.ok_or(StoreError::NotFound)?;
            return Ok(Launched { session, told: false });
        }
        Failure::Store(error) => return Err(error),
    };
    tracing::info!(session = %session.id, launch = %session.request.id, code = %fault.code, %fault, "launch failed");
    // The route goes first, then the container, and only then is it told: whoever reads that it failed finds nothing left.
    context.sessions.apply(session.id, SessionEvent::StopRequested { reason: StopReason::LaunchFailed }).await?;
    let (bodies, output) = last_words(context, session).await;
    bodies.into_iter().for_each(|body| teller.say(body));
    let fault = fault.output(output);
    if let Err(error) = context.backend.stop(session.id, Duration::ZERO).await {
        tracing::warn!(session = %session.id, %error, "a failed launch's container could not be removed; the sweep will");
    }
    teller.close().await?;
    end_once(context.events.as_ref(), session.request.id, EventBody::failed(fault)).await?;
    let session = context.sessions.apply(session.id, SessionEvent::Gone { reason: StopReason::LaunchFailed }).await?;
    Ok(Launched { session, told: true })
}

/// Where a launch got to.
pub(crate) struct Launched {
    /// The session as it stands.
    pub(crate) session: Session,
    /// Whether the visitor has been told the end.
    pub(crate) told: bool,
}

async fn bring_up(context: &Context, session: &Session, teller: &Teller, fresh: bool) -> Result<Session, Failure> {
    let handle = container(context, session, teller, fresh).await?;
    teller.say(EventBody::message(Phase::Launching, "The container runs. Waiting for its notebook server to answer."));
    let started = Instant::now();
    let base_path = session.base_path();
    let deadline = started + context.config.ready();
    let answering = async {
        let limit = context.config.ready();
        timeout_at(deadline, ready::until_answering(&context.client, handle.upstream, &base_path))
            .await
            .map_err(|_| Failure::Fault(never_answered(limit)))
    };
    let answer = tokio::select! {
        answer = answering => answer?,
        observed = until_ended(context, session) => return Err(Failure::Ended(observed)),
        () = keep_saying(teller, "Still waiting for the notebook server") => return Err(Failure::Stopped),
    };
    let answered = Instant::now();
    context.sessions.apply(session.id, SessionEvent::Answering { upstream: handle.upstream }).await?;
    let deadline = deadline.max(Instant::now() + ROUTE_LIMIT);
    let routed =
        timeout_at(deadline, ready::until_routed(&context.client, &context.proxy.probe_url, &base_path, &answer));
    tokio::select! {
        routed = routed => routed.map_err(|_| Failure::Fault(never_routed()))?,
        observed = until_ended(context, session) => return Err(Failure::Ended(observed)),
    }
    let ready = context.sessions.apply(session.id, SessionEvent::Verified).await?;
    tracing::info!(
        session = %session.id,
        launch = %session.request.id,
        answer_ms = answered.duration_since(started).as_millis(),
        verify_ms = answered.elapsed().as_millis(),
        "session ready"
    );
    Ok(ready)
}

/// The `ready` event of a session that is ready.
pub(crate) fn ready_event(context: &Context, session: &Session) -> Ready {
    let source = &session.request.source;
    Ready {
        url: format!("{}{}", context.proxy.public_url.as_str().trim_end_matches('/'), session.base_path()),
        token: session.token.expose().to_owned(),
        image: session.request.image.name.clone(),
        repo_url: source.repo_url.clone(),
        binder_ref_url: source.ref_url.clone(),
        binder_launch_host: source.launch_host.clone(),
        binder_request: source.request.clone(),
        binder_persistent_request: source.persistent_request.clone(),
        binder_client_ip: source.client_ip.clone(),
    }
}

/// Ends when the session is to end or has.
pub(crate) async fn until_stopped(states: &mut watch::Receiver<SessionState>) {
    let stopped = |state: &SessionState| matches!(state, SessionState::Stopping { .. } | SessionState::Stopped { .. });
    if states.wait_for(stopped).await.is_err() {
        // The sender is gone, and with it whoever would tell us; this task is about to be ended.
        std::future::pending::<()>().await;
    }
}

/// Ends when the session's container has.
pub(crate) async fn until_ended(context: &Context, session: &Session) -> Observed {
    loop {
        let asked = Instant::now();
        match context.backend.wait(session.id, WAIT).await {
            Ok(Some(observed)) => return observed,
            Ok(None) => {}
            Err(error) => tracing::debug!(session = %session.id, %error, "waiting for a container's end failed; again"),
        }
        tokio::time::sleep_until(asked + Duration::from_secs(1)).await;
    }
}

/// Never ends: a word now and then to a visitor who waits.
pub(crate) async fn keep_saying(teller: &Teller, what: &str) {
    let began = Instant::now();
    let mut every = tokio::time::interval_at(began + WORD_EVERY, WORD_EVERY);
    loop {
        let seconds = every.tick().await.saturating_duration_since(began).as_secs();
        teller.say(EventBody::message(Phase::Launching, format!("{what} ({seconds} s).")));
    }
}

/// What the server wrote last, without its token: for the log, and the end of it for the fault.
async fn last_words(context: &Context, session: &Session) -> (Vec<EventBody>, Option<StepOutput>) {
    let lines = match context.backend.last_lines(session.id, LAST_LINES).await {
        Ok(lines) => lines,
        Err(error) => {
            tracing::debug!(session = %session.id, %error, "a failed launch's output cannot be read");
            return (Vec::new(), None);
        }
    };
    let step = StepMark {
        id: "server".to_owned(),
        name: "start the notebook server".to_owned(),
        status: StepStatus::Failed,
        duration_ms: None,
    };
    let told = |line: &String| line.replace(session.token.expose(), "***").chars().take(LINE_CHARS).collect();
    let lines: Vec<String> = lines.iter().map(told).collect();
    let output = StepOutput::last(&step.id, &step.name, &lines);
    let body = |line| EventBody::output(Phase::Launching, step.clone(), LogStream::Stderr, line);
    (lines.into_iter().map(body).collect(), output)
}

pub(crate) fn ended_fault(config: &Config, observed: &Observed) -> Fault {
    match observed.exited {
        Some((_, true)) => Fault::user(
            "session-out-of-memory",
            format!(
                "The session was killed before it was ready: it used more than its {} MiB of memory.",
                config.memory_bytes >> 20
            ),
        )
        .hint("Make what the repository's start script or imports load smaller."),
        Some((127, false)) => {
            Fault::user("server-missing", "The image could not run its notebook server (exit code 127).")
                .hint("A Dockerfile must install jupyterlab or notebook and keep it on the PATH.")
        }
        Some((code, false)) => Fault::user(
            "server-exited",
            format!("The notebook server ended with exit code {code} before it was ready."),
        )
        .hint("Its last lines say why."),
        None => Fault::us("container-lost", "The session's container was removed while it was starting.")
            .hint("Try again in a moment."),
    }
}

pub(crate) fn never_answered(limit: Duration) -> Fault {
    Fault::user("server-silent", format!("The notebook server did not answer within {} seconds.", limit.as_secs()))
        .hint("A slow or waiting start script is the usual reason; its last lines say where it was.")
}

fn never_routed() -> Fault {
    Fault::us("proxy-silent", "The session answers, but not through this service's proxy.")
        .hint("Try again in a moment.")
}
