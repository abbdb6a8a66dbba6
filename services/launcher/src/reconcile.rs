//! Comparing the engine's containers with the records, at the start and every now and then. Watches and events make things quick;
//! this makes them true.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bindery_core::seams::Observed;
use bindery_core::{
    Fault, ImageRef, LaunchId, LaunchRequest, LaunchSource, Session, SessionEvent, SessionId, SessionState, Timestamp,
};
use tokio::time::Instant;

use crate::Config;
use crate::run::Context;

/// What to do about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A container runs that no record knows: make the record again.
    Recover(SessionId),
    /// A container nobody needs.
    Remove(SessionId),
    /// A record of an ended session that has been kept long enough.
    Forget(SessionId),
}

/// What is remembered between two comparisons.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Containers without a record, and since when.
    orphans: HashMap<SessionId, Instant>,
    /// Orphans that do not say enough of themselves to be made into a record.
    hopeless: HashSet<SessionId>,
    /// Records of ended sessions, and since when.
    ended: HashMap<SessionId, Instant>,
}

impl Memory {
    fn plan(&mut self, now: Instant, config: &Config, sessions: &[Session], containers: &[Observed]) -> Vec<Action> {
        let records: HashMap<SessionId, &SessionState> = sessions.iter().map(|s| (s.id, &s.state)).collect();
        let present: HashSet<SessionId> = containers.iter().map(|container| container.id).collect();
        let long_since = |since: Instant, seconds: u64| now.saturating_duration_since(since).as_secs() >= seconds;
        let mut actions = Vec::new();

        self.orphans.retain(|id, _| present.contains(id) && !records.contains_key(id));
        self.hopeless.retain(|id| present.contains(id) && !records.contains_key(id));
        for container in containers {
            let id = container.id;
            match records.get(&id) {
                Some(SessionState::Stopped { .. }) => actions.push(Action::Remove(id)),
                Some(_) => {}
                None => {
                    let since = *self.orphans.entry(id).or_insert(now);
                    if container.upstream.is_some() && !self.hopeless.contains(&id) {
                        actions.push(Action::Recover(id));
                    } else if long_since(since, config.orphan_seconds) {
                        actions.push(Action::Remove(id));
                    }
                }
            }
        }

        let stopped = |id: &SessionId| matches!(records.get(id), Some(SessionState::Stopped { .. }));
        self.ended.retain(|id, _| stopped(id));
        for id in records.keys().filter(|id| stopped(id)) {
            let since = *self.ended.entry(*id).or_insert(now);
            if !present.contains(id) && long_since(since, config.keep_stopped_seconds) {
                actions.push(Action::Forget(*id));
            }
        }
        actions
    }
}

/// Compares once and acts; the sessions there are records of.
///
/// # Errors
/// Store or engine cannot be asked; nothing was done.
pub(crate) async fn reconcile(context: &Arc<Context>, memory: &mut Memory) -> Result<HashSet<SessionId>, Fault> {
    // Records first: a container is only ever made after its record, so one that has none here was not being launched.
    let sessions = context.sessions.list().await?;
    let containers = context.backend.list().await?;
    for action in memory.plan(Instant::now(), &context.config, &sessions, &containers) {
        if let Err(error) = act(context, memory, action).await {
            tracing::warn!(?action, %error, "reconciling one session failed");
        }
    }
    Ok(sessions.iter().map(|session| session.id).collect())
}

async fn act(context: &Context, memory: &mut Memory, action: Action) -> Result<(), Fault> {
    match action {
        Action::Recover(id) => {
            // The list is a moment old by now.
            if context.sessions.get(id).await?.is_none() && !recover(context, id).await? {
                memory.hopeless.insert(id);
            }
        }
        Action::Remove(id) => {
            let record = context.sessions.get(id).await?;
            if record.is_none_or(|session| matches!(session.state, SessionState::Stopped { .. })) {
                tracing::info!(session = %id, "removing a container without a live session");
                context.backend.stop(id, std::time::Duration::ZERO).await?;
            }
        }
        Action::Forget(id) => context.sessions.remove(id).await?,
    }
    Ok(())
}

/// Makes the record of a running container again; whether that could be done.
async fn recover(context: &Context, id: SessionId) -> Result<bool, Fault> {
    let (Some(spec), Some(Observed { upstream: Some(upstream), .. })) =
        tokio::try_join!(context.backend.recover(id), context.backend.inspect(id))?
    else {
        return Ok(false);
    };
    let env =
        |name: &str| spec.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let source = LaunchSource {
        repo_url: env("BINDER_REPO_URL"),
        identity: env("BINDER_REPO_URL"),
        ref_url: env("BINDER_REF_URL"),
        request: env("BINDER_REQUEST"),
        persistent_request: env("BINDER_PERSISTENT_REQUEST"),
        launch_host: env("BINDER_LAUNCH_HOST"),
        client_ip: env("BINDER_CLIENT_IP"),
    };
    let image: ImageRef = spec.image;
    let request = LaunchRequest { id: LaunchId::new(), image, source };
    let mut session = Session::queued(id, request, spec.token, Timestamp::now());
    for event in [SessionEvent::Admitted, SessionEvent::Answering { upstream }, SessionEvent::Verified] {
        let Ok(state) = session.state.apply(event) else { return Ok(false) };
        session.state = state;
    }
    context.sessions.put(&session).await?;
    tracing::info!(session = %id, "a running session had lost its record; it has one again");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_core::seams::Observed;
    use bindery_core::{Session, SessionEvent, SessionId, StopReason};
    use tokio::time::Instant;

    use super::{Action, Memory};
    use crate::Config;
    use crate::fake::queued;

    fn container(id: SessionId, running: bool) -> Observed {
        Observed {
            id,
            container: "c".to_owned(),
            upstream: running.then(|| ([10, 0, 0, 1], 8888).into()),
            exited: (!running).then_some((0, false)),
        }
    }

    fn ended() -> Session {
        let mut session = queued("r");
        session.state = session.state.apply(SessionEvent::Gone { reason: StopReason::Lost }).unwrap();
        session
    }

    #[test]
    fn a_running_container_without_a_record_gets_one() {
        let id = SessionId::new();
        let plan = Memory::default().plan(Instant::now(), &Config::default(), &[], &[container(id, true)]);
        assert_eq!(plan, [Action::Recover(id)]);
    }

    #[test]
    fn an_ended_or_hopeless_orphan_is_removed_after_a_while_and_not_before() {
        let (dead, mute) = (SessionId::new(), SessionId::new());
        let containers = [container(dead, false), container(mute, true)];
        let mut memory = Memory::default();
        let now = Instant::now();
        assert_eq!(memory.plan(now, &Config::default(), &[], &containers), [Action::Recover(mute)]);
        memory.hopeless.insert(mute);
        let soon = now + Duration::from_secs(59);
        assert_eq!(memory.plan(soon, &Config::default(), &[], &containers), []);
        let later = now + Duration::from_secs(60);
        assert_eq!(
            memory.plan(later, &Config::default(), &[], &containers),
            [Action::Remove(dead), Action::Remove(mute)]
        );
    }

    #[test]
    fn a_container_of_an_ended_session_is_removed_at_once() {
        let session = ended();
        let containers = [container(session.id, true)];
        let id = session.id;
        assert_eq!(
            Memory::default().plan(Instant::now(), &Config::default(), &[session], &containers),
            [Action::Remove(id)]
        );
    }

    #[test]
    fn the_record_of_an_ended_session_is_kept_for_a_while() {
        let session = ended();
        let id = session.id;
        let mut memory = Memory::default();
        let now = Instant::now();
        let sessions = [session];
        assert_eq!(memory.plan(now, &Config::default(), &sessions, &[]), []);
        assert_eq!(
            memory.plan(now + Duration::from_secs(3600), &Config::default(), &sessions, &[]),
            [Action::Forget(id)]
        );
    }

    #[test]
    fn a_container_being_launched_is_left_alone() {
        let mut session = queued("r");
        session.state = session.state.apply(SessionEvent::Admitted).unwrap();
        let containers = [container(session.id, true)];
        let plan = Memory::default().plan(Instant::now(), &Config::default(), &[session], &containers);
        assert_eq!(plan, []);
    }
}
