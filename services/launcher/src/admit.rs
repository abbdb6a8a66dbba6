//! Who may start now, and who waits at which place. Pure.

use std::collections::HashMap;

use bindery_core::SessionId;

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

/// A session that has a seat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seated<'a> {
    /// The identity of its repository.
    pub(crate) repository: &'a str,
    /// Whether it is starting and not unusually slow at it.
    pub(crate) starting: bool,
}

/// A session that waits for a seat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) id: SessionId,
    /// The identity of its repository.
    pub(crate) repository: &'a str,
}

/// What follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// These start now, in this order.
    pub(crate) admit: Vec<SessionId>,
    /// These wait, in this order; the first has place 1.
    pub(crate) wait: Vec<SessionId>,
}

/// Hands out what is free in order of arrival. Who waits only because of their own repository's limit holds nobody else back.
pub(crate) fn decide<'a>(
    limits: Limits,
    seated: impl IntoIterator<Item = Seated<'a>>,
    waiting: impl IntoIterator<Item = Waiting<'a>>,
) -> Decision {
    let mut taken = 0_usize;
    let mut starting = 0_usize;
    let mut by_repository: HashMap<&str, usize> = HashMap::new();
    for seat in seated {
        taken += 1;
        starting += usize::from(seat.starting);
        *by_repository.entry(seat.repository).or_default() += 1;
    }
    let mut decision = Decision::default();
    for next in waiting {
        let of_repository = by_repository.entry(next.repository).or_default();
        if taken < limits.sessions && starting < limits.starts && *of_repository < limits.per_repository {
            taken += 1;
            starting += 1;
            *of_repository += 1;
            decision.admit.push(next.id);
        } else {
            decision.wait.push(next.id);
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use bindery_core::SessionId;
    use proptest::prelude::*;

    use super::{Decision, Limits, Seated, Waiting, decide};
    use crate::Config;

    fn ids(count: usize) -> Vec<SessionId> {
        (0..count).map(|_| SessionId::new()).collect()
    }

    fn line<'a>(ids: &[SessionId], repositories: &[&'a str]) -> Vec<Waiting<'a>> {
        ids.iter().zip(repositories).map(|(id, repository)| Waiting { id: *id, repository }).collect()
    }

    const WIDE: Limits = Limits { sessions: 100, per_repository: 100, starts: 100 };

    #[test]
    fn free_seats_go_in_order_of_arrival() {
        let ids = ids(3);
        let decision = decide(Limits { sessions: 2, ..WIDE }, [], line(&ids, &["a", "b", "c"]));
        assert_eq!(decision, Decision { admit: vec![ids[0], ids[1]], wait: vec![ids[2]] });
    }

    #[test]
    fn a_full_repository_holds_nobody_else_back() {
        let ids = ids(3);
        let seated = [Seated { repository: "a", starting: false }];
        let decision = decide(Limits { per_repository: 1, ..WIDE }, seated, line(&ids, &["a", "a", "b"]));
        assert_eq!(decision, Decision { admit: vec![ids[2]], wait: vec![ids[0], ids[1]] });
    }

    #[test]
    fn starts_are_gated_but_a_slow_one_stops_counting() {
        let ids = ids(2);
        let limits = Limits { starts: 1, ..WIDE };
        let starting = [Seated { repository: "a", starting: true }];
        assert_eq!(decide(limits, starting, line(&ids, &["b", "b"])).admit, []);
        let slow = [Seated { repository: "a", starting: false }];
        assert_eq!(decide(limits, slow, line(&ids, &["b", "b"])).admit, [ids[0]]);
    }

    #[test]
    fn memory_counts_in_whole_sessions() {
        let config = Config { max_memory_bytes: 5 << 30, memory_bytes: 2 << 30, ..Config::default() };
        assert_eq!(Limits::of(&config).sessions, 2);
        assert_eq!(Limits::of(&Config { max_memory_bytes: 0, ..config }).sessions, 100);
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed_and_nobody_is_forgotten(
            sessions in 0_usize..8, per_repository in 1_usize..4, starts in 1_usize..4,
            seated in proptest::collection::vec((0_usize..3, any::<bool>()), 0..8),
            waiting in proptest::collection::vec(0_usize..3, 0..12),
        ) {
            let names = ["a", "b", "c"];
            let limits = Limits { sessions, per_repository, starts };
            let seats: Vec<_> = seated.iter().map(|(r, starting)| Seated { repository: names[*r], starting: *starting }).collect();
            let ids = ids(waiting.len());
            let repositories: Vec<_> = waiting.iter().map(|r| names[*r]).collect();
            let decision = decide(limits, seats.clone(), line(&ids, &repositories));
            prop_assert_eq!(decision.admit.len() + decision.wait.len(), ids.len());
            if !decision.admit.is_empty() {
                prop_assert!(seats.len() + decision.admit.len() <= sessions);
                prop_assert!(seats.iter().filter(|s| s.starting).count() + decision.admit.len() <= starts);
            }
            for name in names {
                let admitted = ids.iter().zip(&repositories).filter(|(id, r)| **r == name && decision.admit.contains(id)).count();
                let held = seats.iter().filter(|s| s.repository == name).count();
                prop_assert!(admitted == 0 || held + admitted <= per_repository);
            }
            // Within one repository nobody overtakes.
            for name in names {
                let order: Vec<_> = ids.iter().zip(&repositories).filter(|(_, r)| **r == name)
                    .map(|(id, _)| decision.admit.contains(id)).collect();
                prop_assert!(order.is_sorted_by(|a, b| a >= b));
            }
        }
    }
}
