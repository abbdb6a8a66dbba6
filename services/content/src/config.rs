//! Settings of this crate, and the limits they imply.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Credential;

/// Where repositories may come from and how much of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The GitHub server behind `gh` links, without a trailing slash.
    pub github_url: String,
    /// The GitLab server behind `gl` links, without a trailing slash.
    pub gitlab_url: String,
    /// The Forgejo or Gitea server behind `cb` links.
    pub codeberg_url: String,
    /// The Bitbucket server behind `bb` links.
    pub bitbucket_url: String,
    /// The address below which gists are, for `gist` links.
    pub gist_url: String,
    /// Where DOIs are looked up, and Zenodo's server.
    pub doi_url: String,
    /// See `doi_url`.
    pub zenodo_url: String,
    /// Figshare's API.
    pub figshare_url: String,
    /// `HydroShare`'s server.
    pub hydroshare_url: String,
    /// The Open Science Framework's API, and where its files are.
    pub osf_url: String,
    /// See `osf_url`.
    pub osf_files_url: String,
    /// Software Heritage's server.
    pub swh_url: String,
    /// Images that links may launch as they are: `registry/name`, with any tag, or `beginning*`. Of those that everybody may pull.
    pub images: Vec<String>,
    /// Hosts (`host`: any port; or `host:port`: that port only) that may have private or loopback addresses and may be
    /// fetched by plain `http`. Everything else must be public and use a scheme of `allow_schemes`.
    pub allow_hosts: Vec<String>,
    /// Schemes by which any public host may be fetched: of `https`, `http`, `git`.
    pub allow_schemes: Vec<String>,
    /// What is shown to hosts that do not give their repositories to everybody; one for each host.
    #[serde(skip_serializing, deserialize_with = "crate::credentials::read")]
    pub credentials: Vec<Credential>,
    /// Whether a repository may be had that needed one of them. No setting of its own: `[web] private_ok`.
    #[serde(skip)]
    pub private_ok: bool,
    /// A PEM file of certificates trusted in addition to the public ones.
    pub ca_bundle: Option<PathBuf>,
    /// Whether submodules are fetched. Each of their addresses passes the same rules as the repository's own.
    pub submodules: bool,
    /// Whether large files that a repository keeps beside git (Git LFS) are fetched. Their addresses pass the same rules.
    pub large_files: bool,
    /// The most bytes received for one repository, and the most its files may have together.
    pub max_bytes: u64,
    /// The most entries (files, links, directories) of a repository.
    pub max_entries: u64,
    /// The largest single file, in bytes.
    pub max_blob: u64,
    /// The deepest directory.
    pub max_depth: usize,
    /// Seconds one fetch may take.
    pub fetch_seconds: u64,
    /// Seconds asking a host for its refs may take.
    pub resolve_seconds: u64,
    /// A transfer below this many bytes per second over `low_speed_seconds` is abandoned.
    pub low_speed_bytes: u64,
    /// See `low_speed_bytes`; also how long a host may stay silent.
    pub low_speed_seconds: u64,
    /// Seconds for which a host's answer about its refs is believed.
    pub ref_cache_seconds: u64,
    /// Fetches going on at once; more wait.
    pub concurrent_fetches: usize,
    /// How many questions about refs one host is asked in a burst.
    pub host_burst: u32,
    /// How many questions per second one host is asked after the burst.
    pub host_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            github_url: "https://github.com".to_owned(),
            gitlab_url: "https://gitlab.com".to_owned(),
            codeberg_url: "https://codeberg.org".to_owned(),
            bitbucket_url: "https://bitbucket.org".to_owned(),
            gist_url: "https://gist.github.com".to_owned(),
            doi_url: "https://doi.org".to_owned(),
            zenodo_url: "https://zenodo.org".to_owned(),
            figshare_url: "https://api.figshare.com".to_owned(),
            hydroshare_url: "https://www.hydroshare.org".to_owned(),
            osf_url: "https://api.osf.io".to_owned(),
            osf_files_url: "https://files.osf.io".to_owned(),
            swh_url: "https://archive.softwareheritage.org".to_owned(),
            images: Vec::new(),
            allow_hosts: Vec::new(),
            allow_schemes: vec!["https".to_owned()],
            credentials: Vec::new(),
            private_ok: false,
            ca_bundle: None,
            submodules: false,
            large_files: true,
            max_bytes: 2 << 30,
            max_entries: 200_000,
            max_blob: 500 << 20,
            max_depth: 64,
            fetch_seconds: 120,
            resolve_seconds: 20,
            low_speed_bytes: 1000,
            low_speed_seconds: 30,
            ref_cache_seconds: 30,
            concurrent_fetches: 4,
            host_burst: 60,
            host_per_second: 10,
        }
    }
}

impl Config {
    /// The part of the settings that bounds a tree.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes,
            max_entries: self.max_entries,
            max_blob: self.max_blob,
            max_depth: self.max_depth,
        }
    }

    pub(crate) const fn fetch_time(&self) -> Duration {
        Duration::from_secs(self.fetch_seconds)
    }

    pub(crate) const fn resolve_time(&self) -> Duration {
        Duration::from_secs(self.resolve_seconds)
    }
}

/// How large a tree may be. Checked while walking, so that a hostile one costs no more than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Entries, directories included.
    pub max_entries: u64,
    /// Bytes of one file.
    pub max_blob: u64,
    /// Parts of a path.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Config::default().limits()
    }
}

/// All paths of a tree together, in bytes: 200,000 paths of 4 KiB would be most of a gigabyte of memory.
pub(crate) const MAX_PATH_BYTES: u64 = 64 << 20;

/// The largest tree object believed. 200,000 entries are about 12 MB.
pub(crate) const MAX_TREE_OBJECT: u64 = 64 << 20;

/// The largest commit or tag object believed.
pub(crate) const MAX_COMMIT_OBJECT: u64 = 4 << 20;

/// The most bytes of a ref advertisement.
pub(crate) const MAX_ADVERTISEMENT: u64 = 64 << 20;

/// The most refs of a repository. The largest public ones have some hundred thousand, most of them pull requests.
pub(crate) const MAX_REFS: usize = 600_000;
