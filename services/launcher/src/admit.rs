//! Who may start now, and who waits at which place. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bindery_core::{Session, SessionId, SessionState, Timestamp};

use crate::Config;

/// How much there is to hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Seats in all.
    pub(crate) sessions: usize,
    /// Seats for one repository.
    pub(crate) per_repository: usize,
    /// Sessions that may be starting at once.
    pub(crate) starts: usize,
}

impl Limits {
    /// The settings as counts. Memory is counted in whole sessions: each may use all it is allowed.
    pub(crate) fn of(config: &Config) -> Self {
        let seats = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let by_memory = match (config.max_memory_bytes, config.memory_bytes) {
            (0, _) | (_, 0) => usize::MAX,
            (all, each) => usize::try_from(all / each).unwrap_or(usize::MAX),
        };
        Self {
            sessions: seats(config.max_sessions).min(by_memory),
            per_repository: if config.max_per_repository == 0 { usize::MAX } else { seats(config.max_per_repository) },
            starts: config.starts().max(1),
        }
    }
}

/// Who has a seat, and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: usize,
    by_repository: HashMap<String, usize>,
    /// In order of arrival.
    line: BTreeMap<(Timestamp, SessionId), Arc<Session>>,
}

impl Seats {
    /// Takes in a session as it stands.
    pub(crate) fn add(&mut self, session: &Arc<Session>) {
        if matches!(session.state, SessionState::Queued) {
            self.line.insert((session.created, session.id), Arc::clone(session));
        } else if session.state.holds_seat() {
            self.taken += 1;
            *self.by_repository.entry(session.request.source.identity.clone()).or_default() += 1;
        }
    }

    /// Lets go of a session that was added like this.
    pub(crate) fn remove(&mut self, session: &Session) {
        if matches!(session.state, SessionState::Queued) {
            self.line.remove(&(session.created, session.id));
        } else if session.state.holds_seat() {
            self.taken = self.taken.saturating_sub(1);
            let repository = session.request.source.identity.as_str();
            if let Some(taken) = self.by_repository.get_mut(repository) {
                *taken = taken.saturating_sub(1);
                if *taken == 0 {
                    self.by_repository.remove(repository);
                }
            }
        }
    }

    /// Those who wait, in order; the first has place 1.
    pub(crate) fn line(&self) -> impl ExactSizeIterator<Item = &Arc<Session>> {
        self.line.values()
    }

    /// Who starts now, in this order, when so many are starting: what is free is handed out in order of arrival. Who waits only because of
    /// their own repository's limit holds nobody else back.
    pub(crate) fn next(&self, limits: Limits, starting: usize) -> Vec<SessionId> {
        let mut next = Vec::new();
        let mut of_repositories: HashMap<&str, usize> = HashMap::new();
        for session in self.line() {
            if self.taken + next.len() >= limits.sessions || starting + next.len() >= limits.starts {
                break;
            }
            let repository = session.request.source.identity.as_str();
            let taken = || self.by_repository.get(repository).copied().unwrap_or(0);
            let of_repository = of_repositories.entry(repository).or_insert_with(taken);
            if *of_repository < limits.per_repository {
                *of_repository += 1;
                next.push(session.id);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bindery_core::{Session, SessionEvent, SessionId, Timestamp};
    use proptest::prelude::*;

    use super::{Limits, Seats};
    use crate::Config;
    use crate::fake::queued;

    const WIDE: Limits = Limits { sessions: 100, per_repository: 100, starts: 100 };

    fn waits(repository: &str) -> Arc<Session> {
        Arc::new(queued(repository))
    }

    fn seated(repository: &str) -> Arc<Session> {
        let mut session = queued(repository);
        session.state = session.state.apply(SessionEvent::Admitted).unwrap();
        Arc::new(session)
    }

    /// These, who came one after the other.
    fn seats<const N: usize>(mut sessions: [Arc<Session>; N]) -> (Seats, [SessionId; N]) {
        let mut seats = Seats::default();
        for (session, at) in sessions.iter_mut().zip(1..) {
            Arc::make_mut(session).created = Timestamp::from_millis(at);
            seats.add(session);
        }
        (seats, sessions.map(|session| session.id))
    }

    #[test]
    fn free_seats_go_in_order_of_arrival() {
        let (seats, [first, second, third]) = seats([waits("a"), waits("b"), waits("c")]);
        assert_eq!(seats.next(Limits { sessions: 2, ..WIDE }, 0), [first, second]);
        assert_eq!(seats.line().map(|session| session.id).collect::<Vec<_>>(), [first, second, third]);
    }

    #[test]
    fn a_full_repository_holds_nobody_else_back() {
        let (seats, [_, _, _, other]) = seats([seated("a"), waits("a"), waits("a"), waits("b")]);
        assert_eq!(seats.next(Limits { per_repository: 1, ..WIDE }, 0), [other]);
    }

    #[test]
    fn starts_are_gated() {
        let (seats, [first, _]) = seats([waits("b"), waits("b")]);
        assert_eq!(seats.next(Limits { starts: 1, ..WIDE }, 1), []);
        assert_eq!(seats.next(Limits { starts: 1, ..WIDE }, 0), [first]);
    }

    #[test]
    fn a_seat_that_is_given_back_is_free_again() {
        let gone = seated("a");
        let (mut seats, [_, next]) = seats([gone.clone(), waits("a")]);
        let limits = Limits { sessions: 1, per_repository: 1, ..WIDE };
        assert_eq!(seats.next(limits, 0), []);
        seats.remove(&gone);
        assert_eq!(seats.next(limits, 0), [next]);
    }

    #[test]
    fn memory_counts_in_whole_sessions() {
        let config = Config { max_memory_bytes: 5 << 30, memory_bytes: 2 << 30, ..Config::default() };
        assert_eq!(Limits::of(&config).sessions, 2);
        assert_eq!(Limits::of(&Config { max_memory_bytes: 0, ..config }).sessions, 100);
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed_and_nobody_overtakes_within_a_repository(
            sessions in 0_usize..8, per_repository in 1_usize..4, starts in 1_usize..4, starting in 0_usize..5,
            held in proptest::collection::vec(0_usize..3, 0..8),
            waiting in proptest::collection::vec(0_usize..3, 0..12),
        ) {
            let names = ["a", "b", "c"];
            let limits = Limits { sessions, per_repository, starts };
            let mut seats = Seats::default();
            for of in &held {
                seats.add(&seated(names[*of]));
            }
            for of in &waiting {
                seats.add(&waits(names[*of]));
            }
            let next = seats.next(limits, starting);
            if !next.is_empty() {
                prop_assert!(held.len() + next.len() <= sessions);
                prop_assert!(starting + next.len() <= starts);
            }
            for (number, name) in names.iter().enumerate() {
                let line: Vec<bool> = seats.line().filter(|session| session.request.source.identity == *name)
                    .map(|session| next.contains(&session.id)).collect();
                let admitted = line.iter().filter(|admitted| **admitted).count();
                let held = held.iter().filter(|of| **of == number).count();
                prop_assert!(admitted == 0 || held + admitted <= per_repository);
                prop_assert!(line.is_sorted_by(|a, b| a >= b));
            }
            // A seat that could be had is never left empty.
            let room = next.len() < seats.line().len() && held.len() + next.len() < sessions && starting + next.len() < starts;
            if room {
                for session in seats.line().filter(|session| !next.contains(&session.id)) {
                    let name = &session.request.source.identity;
                    let held = held.iter().filter(|of| names[**of] == name).count();
                    let admitted = seats.line().filter(|other| other.request.source.identity == *name && next.contains(&other.id)).count();
                    prop_assert!(held + admitted >= per_repository);
                }
            }
        }
    }
}
