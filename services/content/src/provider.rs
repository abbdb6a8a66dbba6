//! Of a spec of a git provider: its address, its identity, a page about it.

use bindery_core::{CommitId, Provider, RepoSpec, RepoUrl};
use url::Url;

use crate::{Config, Error};

/// The forges of a site.
#[derive(Debug, Clone)]
pub(crate) struct Forges {
    github: RepoBase,
    gitlab: RepoBase,
    codeberg: RepoBase,
    bitbucket: RepoBase,
    gist: RepoBase,
}

/// A kind of forge: how it lays out what it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    GitHub,
    GitLab,
    Forgejo,
    Bitbucket,
    Gist,
}

/// The address below which a forge's repositories are.
#[derive(Debug, Clone)]
struct RepoBase {
    address: Url,
}

impl RepoBase {
    fn new(address: &str, setting: &'static str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Config { setting, reason };
        let address = address.trim_end_matches('/');
        let _: RepoUrl =
            format!("{address}/owner/name").parse().map_err(|error| invalid(format!("{address:?}: {error}")))?;
        Ok(Self { address: Url::parse(address).map_err(|error| invalid(format!("{address:?}: {error}")))? })
    }

    fn repository(&self, name: &str) -> Result<RepoUrl, Error> {
        let base = self.address.as_str().trim_end_matches('/');
        format!("{base}/{name}").parse().map_err(|error| Error::Address(format!("{error}")))
    }

    /// What `url` is called at this forge, if it is one of its repositories.
    fn name<'u>(&self, url: &'u RepoUrl) -> Option<&'u str> {
        let same = self.address.host_str() == Some(url.host())
            && self.address.port_or_known_default() == url.as_url().port_or_known_default();
        let below = url.as_url().path().strip_prefix(self.address.path().trim_end_matches('/'))?;
        below.strip_prefix('/').filter(|_| same)
    }
}

impl Forges {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            github: RepoBase::new(&config.github_url, "github_url")?,
            gitlab: RepoBase::new(&config.gitlab_url, "gitlab_url")?,
            codeberg: RepoBase::new(&config.codeberg_url, "codeberg_url")?,
            bitbucket: RepoBase::new(&config.bitbucket_url, "bitbucket_url")?,
            gist: RepoBase::new(&config.gist_url, "gist_url")?,
        })
    }

    /// Where the repository of `spec` is; `None` for a record of an archive.
    pub(crate) fn repo_url(&self, spec: &RepoSpec) -> Option<Result<RepoUrl, Error>> {
        let name = &spec.repository;
        Some(match spec.provider {
            Provider::Gh => self.github.repository(name),
            Provider::Gl => self.gitlab.repository(name),
            Provider::Cb => self.codeberg.repository(name),
            Provider::Bb => self.bitbucket.repository(name),
            Provider::Gist => self.gist.repository(name),
            Provider::Git => name.parse().map_err(|error| Error::Address(format!("{error}"))),
            Provider::Zenodo
            | Provider::Figshare
            | Provider::Dataverse
            | Provider::Hydroshare
            | Provider::Ckan
            | Provider::Osf
            | Provider::Swh
            | Provider::Image => return None,
        })
    }

    /// The forge that `url` is at; gists first, which may be below another forge's address.
    fn kind(&self, url: &RepoUrl) -> Option<(Kind, &RepoBase)> {
        let bases = [
            (Kind::Gist, &self.gist),
            (Kind::GitHub, &self.github),
            (Kind::GitLab, &self.gitlab),
            (Kind::Forgejo, &self.codeberg),
            (Kind::Bitbucket, &self.bitbucket),
        ];
        bases.into_iter().find(|(_, base)| base.name(url).is_some())
    }

    /// One key for one repository, whichever provider or spelling named it. All these forges take any letter case; a gist is its
    /// id, whoever it is said to be by.
    pub(crate) fn identity(&self, url: &RepoUrl) -> String {
        match self.kind(url) {
            Some((Kind::Gist, base)) => {
                let name = base.name(url).unwrap_or_default();
                let id = name.rsplit('/').next().unwrap_or_default();
                format!("{}/{id}", base.address.as_str().trim_end_matches('/')).to_lowercase()
            }
            Some(_) => url.identity(&[url.host()]),
            None => url.identity(&[]),
        }
    }

    /// A page about that commit, where the host is known to have one.
    pub(crate) fn page(&self, url: &RepoUrl, commit: &CommitId) -> String {
        match self.kind(url) {
            Some((Kind::GitHub, _)) => format!("{url}/tree/{commit}"),
            Some((Kind::GitLab, _)) => format!("{url}/-/tree/{commit}"),
            Some((Kind::Forgejo, _)) => format!("{url}/src/commit/{commit}"),
            Some((Kind::Bitbucket, _)) => format!("{url}/src/{commit}"),
            Some((Kind::Gist, _)) => format!("{url}/{commit}"),
            None => url.to_string(),
        }
    }

    /// The spellings under which the host may know the repository, likeliest first. The canonical form has no `.git`;
    /// GitLab would answer it with a redirect, and some servers know only the form with it.
    pub(crate) fn spellings(&self, url: &RepoUrl) -> Vec<Url> {
        let plain = url.as_url().clone();
        let mut dotted = plain.clone();
        dotted.set_path(&format!("{}.git", plain.path()));
        match self.kind(url) {
            Some((Kind::GitHub, _)) => vec![plain],
            Some((Kind::GitLab | Kind::Gist, _)) => vec![dotted, plain],
            Some((Kind::Forgejo | Kind::Bitbucket, _)) | None => vec![plain, dotted],
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
        forges().repo_url(&RepoSpec::parse(provider, raw).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn one_repository_has_one_identity_through_any_provider_and_case() {
        let same = |expected: &str, specs: &[(&str, &str)]| {
            for (provider, raw) in specs {
                assert_eq!(forges().identity(&url(provider, raw)), expected, "{provider}/{raw}");
            }
        };
        same(
            "https://github.com/owner/repo",
            &[
                ("gh", "owner/repo/HEAD"),
                ("gh", "Owner/Repo.git/HEAD"),
                ("git", "https%3A%2F%2Fgithub.com%2Fowner%2Frepo/HEAD"),
                ("git", "https%3A%2F%2FGitHub.com%3A443%2FOWNER%2FREPO.git/HEAD"),
            ],
        );
        same(
            "https://gitlab.com/g/p",
            &[("gl", "G%2FP/main"), ("gl", "g/p/main"), ("git", "https%3A%2F%2Fgitlab.com%2FG%2Fp/x")],
        );
        same("https://codeberg.org/o/r", &[("cb", "O/r/HEAD"), ("git", "https%3A%2F%2Fcodeberg.org%2Fo%2FR.git/HEAD")]);
        same("https://bitbucket.org/o/r", &[("bb", "O/r/HEAD"), ("git", "https%3A%2F%2Fbitbucket.org%2Fo%2FR/HEAD")]);
        same(
            "https://gist.github.com/0123abc",
            &[
                ("gist", "someone/0123abc"),
                ("gist", "Another/0123ABC/HEAD"),
                ("git", "https%3A%2F%2Fgist.github.com%2F0123abc.git/HEAD"),
            ],
        );
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
        assert_eq!(page("cb", "o/r/HEAD"), format!("https://codeberg.org/o/r/src/commit/{commit}"));
        assert_eq!(page("bb", "o/r/HEAD"), format!("https://bitbucket.org/o/r/src/{commit}"));
        assert_eq!(page("gist", "u/0123abc"), format!("https://gist.github.com/u/0123abc/{commit}"));
        assert_eq!(page("git", "https%3A%2F%2Fexample.org%2Fr/HEAD"), "https://example.org/r");
    }

    #[test]
    fn forges_may_share_a_host_below_different_paths() {
        let config = Config {
            github_url: "https://git.example.org".to_owned(),
            gist_url: "https://git.example.org/gist".to_owned(),
            ..Config::default()
        };
        let forges = Forges::new(&config).unwrap();
        let identity = |provider, raw| {
            forges.identity(&forges.repo_url(&RepoSpec::parse(provider, raw).unwrap()).unwrap().unwrap())
        };
        assert_eq!(identity("gh", "O/r/HEAD"), "https://git.example.org/o/r");
        assert_eq!(identity("gist", "u/0123abc"), "https://git.example.org/gist/0123abc");
    }

    #[test]
    fn a_forge_that_is_not_an_address_is_a_settings_error() {
        let config = Config { github_url: "file:///srv".to_owned(), ..Config::default() };
        assert!(Forges::new(&config).is_err());
    }
}
