//! From a spec to an address, an identity and a page.

use bindery_core::{CommitId, Provider, RepoSpec, RepoUrl};
use url::Url;

use crate::{Config, Error};

/// The forges of a site.
#[derive(Debug, Clone)]
pub(crate) struct Forges {
    github: RepoBase,
    gitlab: RepoBase,
}

/// The address below which a forge's repositories are.
#[derive(Debug, Clone)]
struct RepoBase {
    address: String,
    host: String,
}

impl RepoBase {
    fn new(address: &str, setting: &'static str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Config { setting, reason };
        let address = address.trim_end_matches('/').to_owned();
        let sample: RepoUrl =
            format!("{address}/owner/name").parse().map_err(|error| invalid(format!("{address:?}: {error}")))?;
        Ok(Self { host: sample.host().to_owned(), address })
    }

    fn repository(&self, name: &str) -> Result<RepoUrl, Error> {
        format!("{}/{name}", self.address).parse().map_err(|error| Error::Address(format!("{error}")))
    }

    /// Whether `url` is a repository of this forge.
    fn owns(&self, url: &RepoUrl) -> bool {
        let base = Url::parse(&self.address).ok();
        base.is_some_and(|base| {
            base.host_str() == Some(url.host()) && base.port_or_known_default() == url.as_url().port_or_known_default()
        })
    }
}

impl Forges {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            github: RepoBase::new(&config.github_url, "github_url")?,
            gitlab: RepoBase::new(&config.gitlab_url, "gitlab_url")?,
        })
    }

    /// Where the repository of `spec` is.
    pub(crate) fn repo_url(&self, spec: &RepoSpec) -> Result<RepoUrl, Error> {
        match spec.provider {
            Provider::Gh => self.github.repository(&spec.repository),
            Provider::Gl => self.gitlab.repository(&spec.repository),
            Provider::Git => spec.repository.parse().map_err(|error| Error::Address(format!("{error}"))),
        }
    }

    /// One key for one repository, whichever provider or spelling named it.
    pub(crate) fn identity(&self, url: &RepoUrl) -> String {
        url.identity(&[&self.github.host, &self.gitlab.host])
    }

    /// A page about that commit, where the host is known to have one.
    pub(crate) fn page(&self, url: &RepoUrl, commit: &CommitId) -> String {
        if self.github.owns(url) {
            format!("{url}/tree/{commit}")
        } else if self.gitlab.owns(url) {
            format!("{url}/-/tree/{commit}")
        } else {
            url.to_string()
        }
    }

    /// The spellings under which the host may know the repository, likeliest first. The canonical form has no `.git`;
    /// GitLab would answer it with a redirect, and some servers know only the form with it.
    pub(crate) fn spellings(&self, url: &RepoUrl) -> Vec<Url> {
        let plain = url.as_url().clone();
        let mut dotted = plain.clone();
        dotted.set_path(&format!("{}.git", plain.path()));
        if self.github.owns(url) && !self.gitlab.owns(url) {
            vec![plain]
        } else if self.gitlab.owns(url) {
            vec![dotted, plain]
        } else {
            vec![plain, dotted]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Forges;
    use crate::Config;
    use bindery_core::RepoSpec;

    fn forges() -> Forges {
        Forges::new(&Config::default()).unwrap()
    }

    fn url(provider: &str, raw: &str) -> bindery_core::RepoUrl {
        forges().repo_url(&RepoSpec::parse(provider, raw).unwrap()).unwrap()
    }

    #[test]
    fn one_repository_has_one_identity_through_any_provider_and_case() {
        let expected = "https://github.com/owner/repo";
        for (provider, raw) in [
            ("gh", "owner/repo/HEAD"),
            ("gh", "Owner/Repo.git/HEAD"),
            ("git", "https%3A%2F%2Fgithub.com%2Fowner%2Frepo/HEAD"),
            ("git", "https%3A%2F%2FGitHub.com%3A443%2FOWNER%2FREPO.git/HEAD"),
        ] {
            assert_eq!(forges().identity(&url(provider, raw)), expected, "{provider}/{raw}");
        }
        assert_eq!(forges().identity(&url("gl", "G%2FP/main")), forges().identity(&url("gl", "g%2Fp/main")));
    }

    #[test]
    fn elsewhere_letter_case_tells_repositories_apart() {
        let upper = url("git", "https%3A%2F%2Fexample.org%2FA%2Fb/HEAD");
        let lower = url("git", "https%3A%2F%2Fexample.org%2Fa%2Fb/HEAD");
        assert_ne!(forges().identity(&upper), forges().identity(&lower));
    }

    #[test]
    fn pages_are_those_of_the_forge() {
        let commit = "a".repeat(40).parse().unwrap();
        let page = |provider, raw| forges().page(&url(provider, raw), &commit);
        assert_eq!(page("gh", "o/r/HEAD"), format!("https://github.com/o/r/tree/{commit}"));
        assert_eq!(page("gl", "g%2Fs%2Fp/HEAD"), format!("https://gitlab.com/g/s/p/-/tree/{commit}"));
        assert_eq!(page("git", "https%3A%2F%2Fexample.org%2Fr/HEAD"), "https://example.org/r");
    }

    #[test]
    fn a_forge_that_is_not_an_address_is_a_settings_error() {
        let config = Config { github_url: "file:///srv".to_owned(), ..Config::default() };
        assert!(Forges::new(&config).is_err());
    }
}
