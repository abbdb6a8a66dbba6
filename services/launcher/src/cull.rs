//! When a session has been idle or alive for too long. Pure; time is monotonic, so a clock that jumps ends nothing.

use std::time::Duration;

use bindery_core::{Session, StopReason, Timestamp};
use tokio::time::Instant;

use crate::Config;
use crate::activity::Look;

/// What is remembered of one session between two looks at it.
#[derive(Debug, Clone)]
pub(crate) struct Idleness {
    /// When this process first saw the session, and how old it was then.
    met: Instant,
    age_when_met: Duration,
    /// When it last did something, as far as this process saw.
    active: Instant,
    /// What the last look that said something showed.
    quiet: Option<String>,
    /// When the proxy last saw a person do something.
    last_seen: Timestamp,
    /// Whether the last look said something.
    certain: bool,
}

impl Idleness {
    /// Begins to watch a session. Whatever it did before counts as done now: after a restart nobody ends for what was not seen.
    pub(crate) fn new(session: &Session, now: Instant, wall: Timestamp) -> Self {
        Self {
            met: now,
            age_when_met: wall.since(session.created),
            active: now,
            quiet: None,
            last_seen: session.last_seen,
            certain: false,
        }
    }

    /// Takes in one look and what the proxy has seen.
    pub(crate) fn see(&mut self, now: Instant, look: Look, last_seen: Timestamp) {
        if last_seen > self.last_seen {
            self.last_seen = last_seen;
            self.active = now;
        }
        self.certain = look != Look::Unknown;
        match look {
            Look::Busy => self.active = now,
            Look::Quiet(seen) => {
                // The first look has nothing to compare with; meeting the session was activity enough.
                if self.quiet.as_ref().is_some_and(|before| *before != seen) {
                    self.active = now;
                }
                self.quiet = Some(seen);
            }
            Look::Unknown => {}
        }
    }

    /// Whether the session must end now, and why. One whose server says nothing ends by age only: it may be starved by its own kernel.
    pub(crate) fn verdict(&self, now: Instant, config: &Config) -> Option<StopReason> {
        let age = self.age_when_met + now.saturating_duration_since(self.met);
        if config.max_age().is_some_and(|longest| age >= longest) {
            return Some(StopReason::Age);
        }
        let idle = now.saturating_duration_since(self.active);
        (self.certain && config.idle().is_some_and(|longest| idle >= longest)).then_some(StopReason::Idle)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_core::{
        ImageRef, LaunchId, LaunchRequest, LaunchSource, Secret, Session, SessionId, StopReason, Timestamp,
    };
    use tokio::time::Instant;

    use super::Idleness;
    use crate::Config;
    use crate::activity::Look;

    const WALL: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn session(created: Timestamp) -> Session {
        let source = LaunchSource {
            repo_url: String::new(),
            identity: String::new(),
            ref_url: String::new(),
            request: String::new(),
            persistent_request: String::new(),
            launch_host: String::new(),
            client_ip: String::new(),
        };
        let image = ImageRef { name: "x".parse().unwrap(), id: "sha256:x".to_owned(), registry_digest: None };
        let request = LaunchRequest { id: LaunchId::new(), image, source };
        Session::queued(SessionId::new(), request, Secret::new("t"), created)
    }

    fn quiet(text: &str) -> Look {
        Look::Quiet(text.to_owned())
    }

    /// Watches a fresh session through looks given as (seconds since it began, look, whether the proxy saw a person), and
    /// says when it would have ended and why.
    fn play(looks: &[(u64, Look, bool)]) -> Option<(u64, StopReason)> {
        let config = Config::default();
        let begin = Instant::now();
        let mut idleness = Idleness::new(&session(WALL), begin, WALL);
        let mut last_seen = WALL;
        for (at, look, person) in looks {
            let now = begin + Duration::from_secs(*at);
            if *person {
                last_seen = last_seen.plus(Duration::from_secs(1));
            }
            idleness.see(now, look.clone(), last_seen);
            if let Some(reason) = idleness.verdict(now, &config) {
                return Some((*at, reason));
            }
        }
        None
    }

    fn every_30s(until: u64, look: impl Fn(u64) -> (Look, bool)) -> Vec<(u64, Look, bool)> {
        (1..=until / 30).map(|n| n * 30).map(|at| (at, look(at).0, look(at).1)).collect()
    }

    #[test]
    fn an_idle_session_with_an_open_tab_ends_after_the_limit() {
        assert_eq!(play(&every_30s(7200, |_| (quiet("a"), false))), Some((600, StopReason::Idle)));
    }

    #[test]
    fn a_silent_computation_is_not_idle() {
        let looks = every_30s(7200, |at| (if at <= 3600 { Look::Busy } else { quiet("a") }, false));
        assert_eq!(play(&looks), Some((4200, StopReason::Idle)));
    }

    #[test]
    fn what_jupyter_saw_and_what_the_proxy_saw_both_count() {
        assert_eq!(play(&every_30s(7200, |at| (quiet(&(at / 300).to_string()), false))), None);
        assert_eq!(play(&every_30s(7200, |at| (quiet("a"), at % 300 == 0))), None);
    }

    #[test]
    fn a_server_that_says_nothing_is_ended_by_age_only() {
        assert_eq!(play(&every_30s(30_000, |_| (Look::Unknown, false))), Some((21_600, StopReason::Age)));
    }

    #[test]
    fn a_busy_kernel_does_not_outlive_the_longest_age() {
        assert_eq!(play(&every_30s(30_000, |_| (Look::Busy, false))), Some((21_600, StopReason::Age)));
    }

    #[test]
    fn a_session_met_after_a_restart_keeps_its_age_and_gets_a_new_idle_time() {
        let config = Config::default();
        let now = Instant::now();
        let old = session(WALL);
        let met = Idleness::new(&old, now, WALL.plus(Duration::from_secs(21_590)));
        assert_eq!(met.verdict(now, &config), None);
        assert_eq!(met.verdict(now + Duration::from_secs(10), &config), Some(StopReason::Age));
    }

    #[test]
    fn a_wall_clock_that_jumps_ends_nothing() {
        let config = Config::default();
        let begin = Instant::now();
        let mut idleness = Idleness::new(&session(WALL), begin, WALL);
        // The proxy stamps with the jumped clock, then with the one set back.
        let later = begin + Duration::from_secs(30);
        idleness.see(later, quiet("a"), WALL.plus(Duration::from_secs(36_000)));
        assert_eq!(idleness.verdict(later, &config), None);
        let later = begin + Duration::from_secs(60);
        idleness.see(later, quiet("a"), WALL);
        assert_eq!(idleness.verdict(later, &config), None);
    }

    #[test]
    fn zero_means_never() {
        let config = Config { idle_seconds: 0, max_age_seconds: 0, ..Config::default() };
        let begin = Instant::now();
        let mut idleness = Idleness::new(&session(WALL), begin, WALL);
        idleness.see(begin, quiet("a"), WALL);
        assert_eq!(idleness.verdict(begin + Duration::from_secs(10_000_000), &config), None);
    }
}
