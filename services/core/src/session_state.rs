//! The state machine of a session. State changes only through [`SessionState::apply`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where a session stands. States only move forward: queued, starting, ready, stopping, stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum SessionState {
    /// It waits for a seat.
    Queued,
    /// It has a seat; its container is being made or its server is not yet verified.
    Starting {
        /// Where its server answers, once it does. From then on it has a route.
        upstream: Option<SocketAddr>,
    },
    /// It answered through the proxy.
    Ready {
        /// Where its server answers.
        upstream: SocketAddr,
    },
    /// Its route is gone; its container is being stopped.
    Stopping {
        /// Why.
        reason: StopReason,
    },
    /// Its container is gone. The record is kept for a while so that its old address can say what happened.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum StopReason {
    /// Nothing happened in it for the site's idle limit.
    Idle,
    /// It reached the site's age limit.
    Age,
    /// The visitor or an operator asked.
    Requested,
    /// Its process ended by itself.
    Exited {
        /// The exit code.
        code: i64,
        /// Whether the kernel killed it for memory.
        out_of_memory: bool,
    },
    /// Its container vanished without us.
    Lost,
    /// It never became ready.
    LaunchFailed,
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// A seat was reserved.
    Admitted,
    /// Its server answered directly.
    Answering {
        /// Where.
        upstream: SocketAddr,
    },
    /// Its server answered through the proxy.
    Verified,
    /// It must end.
    StopRequested {
        /// Why.
        reason: StopReason,
    },
    /// Its container is gone.
    Gone {
        /// Why, unless a reason was given before.
        reason: StopReason,
    },
}

/// An event that makes no sense in a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {state} cannot be {event}")]
pub struct IllegalTransition {
    state: &'static str,
    event: &'static str,
}

impl SessionState {
    /// The state after `event`. Total: every pair of state and event has an answer, and repeating an event changes nothing.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the event makes no sense in this state.
    pub fn apply(&self, event: SessionEvent) -> Result<Self, IllegalTransition> {
        use SessionEvent as E;
        use SessionState as S;
        let illegal = IllegalTransition { state: self.name(), event: event.name() };
        match (self, event) {
            (S::Queued, E::Admitted) => Ok(S::Starting { upstream: None }),
            (S::Starting { .. }, E::Admitted) => Ok(self.clone()),
            (S::Starting { .. }, E::Answering { upstream }) => Ok(S::Starting { upstream: Some(upstream) }),
            // A re-adopted container may answer at a new address.
            (S::Ready { .. }, E::Answering { upstream }) => Ok(S::Ready { upstream }),
            (S::Starting { upstream: Some(upstream) } | S::Ready { upstream }, E::Verified) => {
                Ok(S::Ready { upstream: *upstream })
            }
            (S::Queued, E::StopRequested { reason }) => Ok(S::Stopped { reason }),
            (S::Starting { .. } | S::Ready { .. }, E::StopRequested { reason }) => Ok(S::Stopping { reason }),
            (S::Stopping { .. } | S::Stopped { .. }, E::StopRequested { .. }) => Ok(self.clone()),
            (S::Queued | S::Starting { .. } | S::Ready { .. }, E::Gone { reason }) => Ok(S::Stopped { reason }),
            (S::Stopping { reason } | S::Stopped { reason }, E::Gone { .. }) => {
                Ok(S::Stopped { reason: reason.clone() })
            }
            (S::Queued, E::Answering { .. } | E::Verified)
            | (S::Starting { upstream: None }, E::Verified)
            | (S::Ready { .. }, E::Admitted)
            | (S::Stopping { .. } | S::Stopped { .. }, E::Admitted | E::Answering { .. } | E::Verified) => Err(illegal),
        }
    }

    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::Stopping { .. } => "stopping",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Where the proxy may send its requests now.
    #[must_use]
    pub const fn upstream(&self) -> Option<SocketAddr> {
        match self {
            Self::Starting { upstream } => *upstream,
            Self::Ready { upstream } => Some(*upstream),
            Self::Queued | Self::Stopping { .. } | Self::Stopped { .. } => None,
        }
    }

    /// Whether it holds a seat.
    #[must_use]
    pub const fn holds_seat(&self) -> bool {
        matches!(self, Self::Starting { .. } | Self::Ready { .. } | Self::Stopping { .. })
    }
}

impl SessionEvent {
    const fn name(&self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Answering { .. } => "answering",
            Self::Verified => "verified",
            Self::StopRequested { .. } => "asked to stop",
            Self::Gone { .. } => "gone",
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing happened in it for a while"),
            Self::Age => f.write_str("it reached the longest time a session may run"),
            Self::Requested => f.write_str("it was stopped on request"),
            Self::Exited { out_of_memory: true, .. } => f.write_str("it was killed for using too much memory"),
            Self::Exited { code, .. } => write!(f, "its server ended by itself with exit code {code}"),
            Self::Lost => f.write_str("its container was removed"),
            Self::LaunchFailed => f.write_str("it never became ready"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionEvent, SessionState, StopReason};
    use std::net::SocketAddr;

    fn states() -> Vec<SessionState> {
        let upstream: SocketAddr = "10.0.0.1:8888".parse().unwrap();
        vec![
            SessionState::Queued,
            SessionState::Starting { upstream: None },
            SessionState::Starting { upstream: Some(upstream) },
            SessionState::Ready { upstream },
            SessionState::Stopping { reason: StopReason::Idle },
            SessionState::Stopped { reason: StopReason::Idle },
        ]
    }

    fn events() -> Vec<SessionEvent> {
        let upstream: SocketAddr = "10.0.0.2:8888".parse().unwrap();
        vec![
            SessionEvent::Admitted,
            SessionEvent::Answering { upstream },
            SessionEvent::Verified,
            SessionEvent::StopRequested { reason: StopReason::Age },
            SessionEvent::Gone { reason: StopReason::Lost },
        ]
    }

    /// Rows are states, columns events, in the order above; `-` is an illegal transition.
    const TABLE: [[&str; 5]; 6] = [
        ["starting", "-", "-", "stopped", "stopped"],
        ["starting", "starting", "-", "stopping", "stopped"],
        ["starting", "starting", "ready", "stopping", "stopped"],
        ["-", "ready", "ready", "stopping", "stopped"],
        ["-", "-", "-", "stopping", "stopped"],
        ["-", "-", "-", "stopped", "stopped"],
    ];

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        for (state, row) in states().iter().zip(TABLE) {
            for (event, expected) in events().into_iter().zip(row) {
                let next = state.apply(event.clone()).map_or("-", |state| state.name());
                assert_eq!(next, expected, "{state:?} + {event:?}");
            }
        }
    }

    #[test]
    fn repeating_an_event_changes_nothing() {
        for state in states() {
            for event in events() {
                if let Ok(once) = state.apply(event.clone())
                    && let Ok(twice) = once.apply(event.clone())
                {
                    assert_eq!(once, twice, "{state:?} + {event:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_reason_to_stop_is_kept() {
        let stopping = SessionState::Stopping { reason: StopReason::Idle };
        let stopped = stopping.apply(SessionEvent::Gone { reason: StopReason::Lost }).unwrap();
        assert_eq!(stopped, SessionState::Stopped { reason: StopReason::Idle });
    }

    #[test]
    fn only_a_session_that_answers_has_an_upstream() {
        let with_upstream: Vec<_> = states().iter().map(|state| state.upstream().is_some()).collect();
        assert_eq!(with_upstream, [false, false, true, true, false, false]);
    }
}
