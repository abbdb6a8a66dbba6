//! Who and what this site does not serve.

use std::net::IpAddr;

use bindery_core::{Fault, Network, RepoSpec, ResolvedRef};
use regex::{RegexSet, RegexSetBuilder};

use crate::{Config, Error};

/// The lists of a site, compiled.
pub(crate) struct Policy {
    networks: Vec<Network>,
    banned: RegexSet,
    allowed: RegexSet,
    private_ok: bool,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            networks: config.ban_networks.clone(),
            banned: compile("web.banned_specs", &config.banned_specs)?,
            allowed: compile("web.allowed_specs", &config.allowed_specs)?,
            private_ok: config.private_ok,
        })
    }

    /// The banned network this address is of.
    pub(crate) fn banned_network(&self, client: IpAddr) -> Option<Network> {
        self.networks.iter().find(|network| network.contains(client)).copied()
    }

    /// Before anything is asked of a host: a link that is on the list is refused as it stands.
    pub(crate) fn link(&self, spec: &RepoSpec) -> Result<(), Fault> {
        if self.banned.is_match(&link(spec)) { Err(refusal(spec)) } else { Ok(()) }
    }

    /// Once it is known which repository a link means: under whatever name, it is the same. A ban wins.
    pub(crate) fn repository(&self, resolved: &ResolvedRef) -> Result<(), Fault> {
        self.shown(resolved)?;
        let ResolvedRef { spec, identity, .. } = resolved;
        let is_allowed =
            self.allowed.is_empty() || self.allowed.is_match(&link(spec)) || self.allowed.is_match(identity);
        if self.banned.is_match(identity) || !is_allowed { Err(refusal(spec)) } else { Ok(()) }
    }

    /// Whether anything of it is told: it may have been built while the site served private repositories, which it may no longer do.
    pub(crate) fn shown(&self, resolved: &ResolvedRef) -> Result<(), Fault> {
        if self.private_ok || !resolved.private {
            return Ok(());
        }
        let fault = Fault::user("repository-private", "This repository is not public, and such are not shown here.");
        Err(fault.hint("Its operator can set web.private_ok."))
    }
}

/// `provider/repository/ref`, with nothing escaped. No identity looks like it: that is an address.
pub(crate) fn link(spec: &RepoSpec) -> String {
    format!("{}/{}/{}", spec.provider.id(), spec.repository, spec.reference)
}

fn refusal(spec: &RepoSpec) -> Fault {
    let message = format!("Sorry, {spec} is not allowed to launch. Please contact admins for more info!");
    Fault::user("not-allowed", message)
}

/// Each is a regular expression for how a name begins, whatever its letter case.
pub(crate) fn compile(setting: &'static str, patterns: &[String]) -> Result<RegexSet, Error> {
    let anchored = patterns.iter().map(|pattern| format!("^(?:{pattern})"));
    RegexSetBuilder::new(anchored)
        .case_insensitive(true)
        .build()
        .map_err(|error| Error::Pattern { setting, message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use crate::Config;
    use bindery_core::{RepoSpec, ResolvedRef};

    fn is_served(banned: &[&str], allowed: &[&str], link: &str, identity: &str) -> bool {
        let list = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let config = Config { banned_specs: list(banned), allowed_specs: list(allowed), ..Config::default() };
        let policy = Policy::new(&config).unwrap();
        let (provider, raw) = link.split_once('/').unwrap();
        let spec = RepoSpec::parse(provider, raw).unwrap();
        policy.link(&spec).is_ok() && policy.repository(&resolved(spec, identity, false)).is_ok()
    }

    fn resolved(spec: RepoSpec, identity: &str, private: bool) -> ResolvedRef {
        ResolvedRef {
            spec,
            repo_url: "https://example.org/r".parse().unwrap(),
            revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            identity: identity.to_owned(),
            ref_url: String::new(),
            pinned: None,
            private,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_private_repository_is_shown_and_served_only_where_the_site_says_so() {
        let spec = RepoSpec::parse("gh", "owner/name/main").unwrap();
        for (private, private_ok, expected) in
            [(false, false, None), (false, true, None), (true, true, None), (true, false, Some("repository-private"))]
        {
            let policy = Policy::new(&Config { private_ok, ..Config::default() }).unwrap();
            let resolved = resolved(spec.clone(), "https://example.org/r", private);
            for refusal in [policy.shown(&resolved), policy.repository(&resolved)] {
                assert_eq!(refusal.err().map(|fault| fault.code).as_deref(), expected, "{private} {private_ok}");
            }
        }
    }

    #[test]
    fn a_repository_is_banned_or_allowed_by_its_link_or_its_address() {
        let (link, identity) = ("gh/Owner/Name/main", "https://github.com/owner/name");
        let other = ("git/https%3A%2F%2Fgithub.com%2Fowner%2Fname/main", identity);
        let rows: [(&[&str], &[&str], bool); 10] = [
            (&[], &[], true),
            (&["gh/owner/"], &[], false),
            (&["gh/OWNER/name/main$"], &[], false),
            (&["owner/"], &[], true),
            (&["gh/owner/name/v1"], &[], true),
            (&["https://github\\.com/owner/name$"], &[], false),
            (&[], &["gh/owner/"], true),
            (&[], &["https://github\\.com/owner/"], true),
            (&[], &["gl/"], false),
            (&["gh/owner/name"], &["gh/owner/"], false),
        ];
        for (banned, allowed, expected) in rows {
            assert_eq!(is_served(banned, allowed, link, identity), expected, "{banned:?} {allowed:?}");
        }
        assert!(!is_served(&["https://github\\.com/owner/name$"], &[], other.0, other.1), "under another name too");
    }

    #[test]
    fn alternatives_are_anchored_as_a_whole() {
        assert!(is_served(&["gl/x|evil"], &[], "gh/owner/evil/HEAD", "https://github.com/owner/evil"));
    }

    #[test]
    fn a_broken_pattern_names_its_setting() {
        let config = Config { allowed_specs: vec!["gh/(".to_owned()], ..Config::default() };
        let error = Policy::new(&config).err().unwrap().to_string();
        assert!(error.starts_with("web.allowed_specs: "), "{error}");
    }
}
