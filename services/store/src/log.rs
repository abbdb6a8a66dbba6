//! Numbering events, and what is dropped from a log that grew too long.

use bindery_core::{Event, EventBody, EventId, Fault, Phase, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

/// What a log that is too long still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line of output or a sentence: dropped.
    Line,
    /// A step that begins or ends: kept, so that a page can still show progress.
    Mark,
    /// Kept always; nothing follows it.
    End,
}

impl Kind {
    pub(crate) fn of(body: &EventBody) -> Self {
        match body {
            body if body.phase.is_terminal() => Self::End,
            body if body.step.is_some() && body.stream.is_none() => Self::Mark,
            _ => Self::Line,
        }
    }
}

/// What an event weighs against the limit: its text, and about what its other fields take.
pub(crate) fn weight(body: &EventBody) -> u64 {
    let plan = body.plan.as_ref().map_or(0, |plan| plan.to_string().len() as u64);
    body.message.len() as u64 + plan + 64
}

/// The one event that says lines are missing from here on.
pub(crate) fn notice(phase: Phase) -> EventBody {
    EventBody::message(phase, "This log is too long: from here on, only the steps and the end of it are kept.")
}

/// Why a build ends that no worker survives.
pub(crate) fn gave_up(attempts: u32, lost: &WorkerId) -> Fault {
    let message =
        format!("The build was tried {attempts} times, and each time the worker doing it was lost (last: {lost}).");
    Fault::us("build-workers-lost", message)
        .hint("The build may need more memory or disk than a worker has. Try again, or ask whoever runs this service.")
}

/// How far a log is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogMeta {
    /// The id of the last event; 0 while there is none.
    pub(crate) last: u64,
    /// The weight of all its events.
    pub(crate) bytes: u64,
    /// Whether the terminal event is in it.
    pub(crate) ended: bool,
    /// Whether the notice is in it.
    pub(crate) capped: bool,
    /// When it last grew, in milliseconds since the epoch.
    pub(crate) touched: u64,
}

impl LogMeta {
    /// Numbers `bodies` and counts them; what is over `max_bytes` or after the terminal event is left out.
    pub(crate) fn admit(&mut self, bodies: &[EventBody], max_bytes: u64, at: Timestamp) -> Vec<Event> {
        let mut events = Vec::with_capacity(bodies.len());
        for body in bodies {
            if self.ended {
                break;
            }
            let kind = Kind::of(body);
            let full = self.bytes.saturating_add(weight(body)) > max_bytes;
            if (full || self.capped) && kind == Kind::Line {
                if !self.capped {
                    self.capped = true;
                    events.push(self.number(notice(body.phase), at));
                }
                continue;
            }
            self.ended = kind == Kind::End;
            events.push(self.number(body.clone(), at));
        }
        events
    }

    fn number(&mut self, body: EventBody, at: Timestamp) -> Event {
        self.last += 1;
        self.bytes = self.bytes.saturating_add(weight(&body));
        self.touched = at.as_millis();
        Event { id: EventId(self.last), at, body }
    }
}

#[cfg(test)]
mod tests {
    use super::{LogMeta, notice};
    use bindery_core::{EventBody, Fault, Phase, StepMark, StepStatus, Timestamp};

    fn line(text: &str) -> EventBody {
        EventBody::message(Phase::Building, text)
    }

    fn mark(status: StepStatus) -> EventBody {
        EventBody::step(
            Phase::Building,
            StepMark { id: "1".to_owned(), name: "install".to_owned(), status, duration_ms: None },
        )
    }

    #[test]
    fn ids_count_from_one_without_gaps_across_calls() {
        let mut meta = LogMeta::default();
        let first = meta.admit(&[line("a"), line("b")], 1 << 20, Timestamp::from_millis(1));
        let second = meta.admit(&[line("c")], 1 << 20, Timestamp::from_millis(2));
        let ids: Vec<_> = first.iter().chain(&second).map(|event| event.id.0).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(meta.touched, 2);
    }

    #[test]
    fn a_log_that_is_too_long_takes_one_notice_then_only_steps_and_the_end() {
        let mut meta = LogMeta::default();
        let bodies = [
            line(&"x".repeat(100)),
            line(&"y".repeat(1000)),
            line("short"),
            mark(StepStatus::Failed),
            EventBody::failed(Fault::us("x", "y")),
        ];
        let events = meta.admit(&bodies, 300, Timestamp::from_millis(1));
        let kept: Vec<_> = events.into_iter().map(|event| event.body).collect();
        let [long, _, _, mark, end] = bodies;
        assert_eq!(kept, [long, notice(Phase::Building), mark, end]);
    }

    #[test]
    fn nothing_follows_the_terminal_event() {
        let mut meta = LogMeta::default();
        let bodies = [EventBody::failed(Fault::us("x", "y")), line("late")];
        assert_eq!(meta.admit(&bodies, 1 << 20, Timestamp::from_millis(1)).len(), 1);
        assert!(meta.admit(&bodies, 1 << 20, Timestamp::from_millis(1)).is_empty());
    }
}
