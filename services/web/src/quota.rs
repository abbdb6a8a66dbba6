//! How many sessions one repository may have at once, under whatever name it is launched.

use bindery_core::seams::{SessionStore, StoreError};
use bindery_core::{Fault, RepoSpec, ResolvedRef, SessionState};
use regex::RegexSet;
use tokio::sync::{Mutex, MutexGuard};

use crate::policy::{compile, link};
use crate::{Config, Error};

/// The quotas of a site.
pub(crate) struct Quotas {
    each: u32,
    higher: u32,
    is_higher: RegexSet,
    own: RegexSet,
    /// As many as `own` has expressions.
    numbers: Vec<u32>,
    /// Held from counting until the session that was counted for is there.
    counting: Mutex<()>,
}

/// Why there is no seat.
pub(crate) enum NoSeat {
    Full(Fault),
    Store(StoreError),
}

impl Quotas {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        const SETTING: &str = "web.spec_quotas";
        let mut patterns = Vec::new();
        let mut numbers = Vec::new();
        for text in &config.spec_quotas {
            let parts =
                text.trim().split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest.trim())));
            let Some((number, pattern)) = parts.filter(|(_, pattern)| !pattern.is_empty()) else {
                let message = format!("{text:?} is not a number, a space and a regular expression");
                return Err(Error::Pattern { setting: SETTING, message });
            };
            numbers.push(number);
            patterns.push(pattern.to_owned());
        }
        Ok(Self {
            each: config.per_repo_quota,
            higher: config.per_repo_quota_higher,
            is_higher: compile("web.high_quota_specs", &config.high_quota_specs)?,
            own: compile(SETTING, &patterns)?,
            numbers,
            counting: Mutex::default(),
        })
    }

    /// How many sessions of it there may be; `None` is any number. Of expressions that give it a quota of its own the last counts.
    fn of(&self, spec: &RepoSpec, identity: &str) -> Option<u32> {
        let link = link(spec);
        let own = self.own.matches(&link).iter().chain(self.own.matches(identity).iter()).max();
        let quota = match own.and_then(|at| self.numbers.get(at)) {
            Some(own) => *own,
            None if self.is_higher.is_match(&link) || self.is_higher.is_match(identity) => self.higher,
            None => self.each,
        };
        (quota > 0).then_some(quota)
    }

    /// Whether there is room for one more. What is returned is kept until the session has been asked for, so that of two who ask at
    /// once for the last seat one gets it; within this process.
    pub(crate) async fn seat(
        &self,
        resolved: &ResolvedRef,
        sessions: &dyn SessionStore,
    ) -> Result<Option<MutexGuard<'_, ()>>, NoSeat> {
        let Some(quota) = self.of(&resolved.spec, &resolved.identity) else { return Ok(None) };
        let counting = self.counting.lock().await;
        let is_here =
            |state: &SessionState| !matches!(state, SessionState::Stopping { .. } | SessionState::Stopped { .. });
        let sessions = sessions.list().await.map_err(NoSeat::Store)?;
        let of_it = |source: &bindery_core::LaunchSource| source.identity == resolved.identity;
        let there = sessions.iter().filter(|session| of_it(&session.request.source) && is_here(&session.state)).count();
        if u32::try_from(there).unwrap_or(u32::MAX) < quota {
            return Ok(Some(counting));
        }
        let message = format!("Too many users running {}! Try again soon.", resolved.repo_url);
        let hint =
            format!("{there} sessions of it are open, and this service allows {quota}. One may end at any moment.");
        Err(NoSeat::Full(Fault::user("repository-quota", message).hint(hint).retry(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::Quotas;
    use crate::Config;
    use bindery_core::RepoSpec;

    fn quotas(own: &[&str]) -> Result<Quotas, crate::Error> {
        Quotas::new(&Config {
            per_repo_quota: 10,
            per_repo_quota_higher: 20,
            high_quota_specs: vec!["gh/courses/".to_owned()],
            spec_quotas: own.iter().map(|text| (*text).to_owned()).collect(),
            ..Config::default()
        })
    }

    #[test]
    fn the_quota_of_a_repository_is_its_own_or_a_higher_or_everybodys() {
        let own = ["50 gh/courses/big", "0 https://git\\.example/", "5 gh/COURSES/big/v1"];
        let quotas = quotas(&own).unwrap();
        for (provider, raw, identity, expected) in [
            ("gh", "someone/else/HEAD", "https://github.com/someone/else", Some(10)),
            ("gh", "courses/small/HEAD", "https://github.com/courses/small", Some(20)),
            ("gh", "courses/big/HEAD", "https://github.com/courses/big", Some(50)),
            // The last that fits.
            ("gh", "courses/big/v1", "https://github.com/courses/big", Some(5)),
            // By its address, whatever the link.
            ("git", "https%3A%2F%2Fgit.example%2Fx/HEAD", "https://git.example/x", None),
        ] {
            let spec = RepoSpec::parse(provider, raw).unwrap();
            assert_eq!(quotas.of(&spec, identity), expected, "{raw}");
        }
    }

    #[test]
    fn nothing_is_limited_unless_a_site_says_so() {
        let quotas = Quotas::new(&Config::default()).unwrap();
        let spec = RepoSpec::parse("gh", "a/b/HEAD").unwrap();
        assert_eq!(quotas.of(&spec, "https://github.com/a/b"), None);
    }

    #[test]
    fn a_quota_that_cannot_be_read_names_its_setting() {
        for text in ["", "gh/x", "50", "50 ", "-1 gh/x", "x gh/x", "5 gh/("] {
            let error = quotas(&[text]).err().unwrap().to_string();
            assert!(error.starts_with("web.spec_quotas: "), "{text}: {error}");
        }
    }
}
