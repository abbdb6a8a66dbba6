//! One session's life, from its seat to its end. One task per session, so that nothing one session does delays or breaks another.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{Observed, StoreError};
use bindery_core::{EventBody, Fault, Session, SessionEvent, SessionState, StopReason, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::activity;
use crate::cull::Idleness;
use crate::launch::{Launched, launch, ready_event, until_ended, until_stopped};
use crate::run::Context;
use crate::tell::end_once;

/// How often stopping is tried before it is left to the next comparison with the engine.
const STOP_TRIES: u32 = 3;

/// Lives through whatever states are left of a session's life; ends when the session has, or waits for a seat.
///
/// # Errors
/// Store or engine cannot be used. Calling again goes on where it stands.
pub(crate) async fn live(
    context: Arc<Context>,
    mut session: Session,
    mut states: watch::Receiver<SessionState>,
    mut fresh: bool,
) -> Result<(), Fault> {
    let mut told = false;
    loop {
        session = match &session.state {
            SessionState::Queued => return Ok(()),
            SessionState::Starting { .. } => {
                let launched: Launched = Box::pin(launch(&context, &session, &mut states, fresh)).await?;
                // Should it ever start again, it is not the first time.
                fresh = false;
                told = launched.told;
                launched.session
            }
            SessionState::Ready { .. } => {
                if !told {
                    // An earlier process may have ended between making it ready and saying so.
                    let ready = EventBody::ready(ready_event(&context, &session));
                    end_once(context.events.as_ref(), session.request.id, ready).await?;
                    told = true;
                }
                Box::pin(watch_over(&context, &session, &mut states)).await?
            }
            SessionState::Stopping { reason } => {
                stop(&context, &session).await?;
                tracing::info!(session = %session.id, %reason, "session ended");
                context.sessions.apply(session.id, SessionEvent::Gone { reason: reason.clone() }).await?
            }
            SessionState::Stopped { reason } => {
                if !told {
                    let last = EventBody::failed(ended_before_ready(reason));
                    end_once(context.events.as_ref(), session.request.id, last).await?;
                }
                return Ok(());
            }
        };
    }
}

/// Watches a ready session until it must end or has; the session after that.
async fn watch_over(
    context: &Context,
    session: &Session,
    states: &mut watch::Receiver<SessionState>,
) -> Result<Session, Fault> {
    let seen = {
        let _turn = context.turn().await;
        context.backend.inspect(session.id).await?
    };
    let upstream = match seen {
        Some(Observed { upstream: Some(upstream), .. }) => upstream,
        ended => return Ok(apply(context, session, end_of(ended.as_ref())).await?),
    };
    if session.state.upstream() != Some(upstream) {
        apply(context, session, SessionEvent::Answering { upstream }).await?;
    }
    let culled = async {
        let mut idleness = Idleness::new(session, Instant::now(), Timestamp::now());
        let every = context.config.poll();
        loop {
            tokio::time::sleep(every).await;
            let look = {
                let _turn = context.turn().await;
                activity::look(&context.client, upstream, &session.base_path(), &session.token).await
            };
            // A store that cannot be asked has seen nobody.
            let last_seen = context
                .sessions
                .get(session.id)
                .await
                .ok()
                .flatten()
                .map_or(session.last_seen, |session| session.last_seen);
            let now = Instant::now();
            idleness.see(now, look, last_seen);
            if let Some(reason) = idleness.verdict(now, &context.config) {
                return reason;
            }
        }
    };
    let event = tokio::select! {
        reason = culled => SessionEvent::StopRequested { reason },
        observed = until_ended(context, session) => end_of(Some(&observed)),
        () = until_stopped(states) => return Ok(context.sessions.get(session.id).await?.ok_or(StoreError::NotFound)?),
    };
    Ok(apply(context, session, event).await?)
}

fn end_of(observed: Option<&Observed>) -> SessionEvent {
    match observed {
        Some(Observed { exited: Some((code, out_of_memory)), .. }) => {
            SessionEvent::StopRequested { reason: StopReason::Exited { code: *code, out_of_memory: *out_of_memory } }
        }
        // There, but neither running nor ended: it was never started. Stopping removes it.
        Some(observed) if !observed.container.is_empty() => SessionEvent::StopRequested { reason: StopReason::Lost },
        _ => SessionEvent::Gone { reason: StopReason::Lost },
    }
}

/// Applies an event; when the session has moved on meanwhile, the session as it stands.
async fn apply(context: &Context, session: &Session, event: SessionEvent) -> Result<Session, StoreError> {
    match context.sessions.apply(session.id, event).await {
        Err(StoreError::IllegalTransition(_)) => context.sessions.get(session.id).await?.ok_or(StoreError::NotFound),
        outcome => outcome,
    }
}

/// Stops the container. Never waits behind a start or another stop.
async fn stop(context: &Context, session: &Session) -> Result<(), Fault> {
    let mut tries = 1;
    loop {
        match context.backend.stop(session.id, context.config.stop_grace()).await {
            Ok(()) => return Ok(()),
            Err(error) if tries >= STOP_TRIES => return Err(error),
            Err(error) => tracing::warn!(session = %session.id, %error, "stopping failed; again"),
        }
        tokio::time::sleep(Duration::from_secs(u64::from(tries))).await;
        tries += 1;
    }
}

fn ended_before_ready(reason: &StopReason) -> Fault {
    let text = format!("The session ended before it was ready: {reason}.");
    match reason {
        StopReason::Requested => Fault::user("launch-stopped", text),
        _ => Fault::us("launch-interrupted", text).hint("Try again in a moment."),
    }
}
