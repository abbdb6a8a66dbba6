//! Settings of the web role.

use std::net::SocketAddr;

use bindery_core::{Network, Secret};
use serde::{Deserialize, Serialize};

/// `[web]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address people reach this service by, with scheme. Default: `http://` and `listen`.
    pub public_url: Option<String>,
    /// An announcement shown at the top of every page.
    pub banner: Option<String>,
    /// Origins whose pages may read the event stream and the small APIs; `*` is every one.
    pub cors_allow_origin: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Seconds between keep-alive comments on an event stream; at most 25.
    pub keepalive_seconds: u64,
    /// Seconds an event stream stays open after its last event, so that clients close first and do not reconnect.
    pub linger_seconds: u64,
    /// The most event streams open at once.
    pub max_streams: usize,
    /// Seconds after its launch for which a session is given again to a browser that asks for the same once more; 0 is only while it
    /// is coming up.
    pub relaunch_seconds: u64,
    /// What build tokens are signed with, as hexadecimal digits or any text; the same in every process of a site. Not set: this
    /// process makes its own.
    #[serde(skip_serializing)]
    pub build_token_secret: Option<Secret>,
    /// Seconds for which the token of a page is good.
    pub build_token_seconds: u64,
    /// Whether a token is good only at the host whose page carries it.
    pub build_token_check_origin: bool,
    /// Whether a visit needs a token, so that only our own pages and the operator can start anything.
    pub require_build_token: bool,
    /// Builds that one address may start in `rate_limit_seconds` without a build token; 0 is no limit. What is built already, or
    /// being built, does not count.
    pub rate_limit_builds: u32,
    /// Seconds in which a used-up allowance is whole again.
    pub rate_limit_seconds: u64,
    /// Networks that are served nothing but `/versions` and `/health`.
    pub ban_networks: Vec<Network>,
    /// Regular expressions for what is not served: how `provider/repository/ref`, or a repository's address, begins.
    pub banned_specs: Vec<String>,
    /// The same for what is served; empty is everything. A ban wins.
    pub allowed_specs: Vec<String>,
    /// Whether repositories are served that only this site's own credential can read. Everybody who can reach this service can then read
    /// them.
    pub private_ok: bool,
    /// Whether images that are built already are offered. No setting of its own: where `[content] images` names some.
    #[serde(skip)]
    pub images: bool,
    /// Sessions of one repository at once; one more is refused. 0: as many as the launcher seats, and the others wait.
    pub per_repo_quota: u32,
    /// The same for the repositories of `high_quota_specs`.
    pub per_repo_quota_higher: u32,
    /// Regular expressions, as those of `banned_specs`.
    pub high_quota_specs: Vec<String>,
    /// Quotas of their own: a number, a space and such an expression. Of several that fit, the last.
    pub spec_quotas: Vec<String>,
    /// Seconds between two looks at the queue for those who wait in it for a builder; at least 1.
    pub queue_seconds: u64,
    /// Where each launch is noted, as archives of BinderHub's launches have it: a file, or `log`. Empty: nowhere.
    pub launch_events: String,
    /// What the operator's programs send as `Authorization: Bearer`. Not set: nobody is the operator.
    #[serde(skip_serializing)]
    pub api_token: Option<Secret>,
    /// Where GitHub repositories are linked to.
    pub github_url: String,
    /// Where GitLab repositories are linked to.
    pub gitlab_url: String,
    /// Where the repositories of `cb` links are linked to.
    pub codeberg_url: String,
    /// Where the repositories of `bb` links are linked to.
    pub bitbucket_url: String,
    /// Where gists are linked to.
    pub gist_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8585)),
            public_url: None,
            banner: None,
            cors_allow_origin: vec!["*".to_owned()],
            trusted_proxies: Vec::new(),
            keepalive_seconds: 15,
            linger_seconds: 60,
            max_streams: 10_000,
            relaunch_seconds: 60,
            build_token_secret: None,
            build_token_seconds: 300,
            build_token_check_origin: true,
            require_build_token: false,
            rate_limit_builds: 10,
            rate_limit_seconds: 3600,
            ban_networks: Vec::new(),
            banned_specs: Vec::new(),
            allowed_specs: Vec::new(),
            private_ok: false,
            images: false,
            per_repo_quota: 0,
            per_repo_quota_higher: 0,
            high_quota_specs: Vec::new(),
            spec_quotas: Vec::new(),
            queue_seconds: 2,
            launch_events: String::new(),
            api_token: None,
            github_url: "https://github.com".to_owned(),
            gitlab_url: "https://gitlab.com".to_owned(),
            codeberg_url: "https://codeberg.org".to_owned(),
            bitbucket_url: "https://bitbucket.org".to_owned(),
            gist_url: "https://gist.github.com".to_owned(),
        }
    }
}

impl Config {
    /// The public address, ending in `/`.
    #[must_use]
    pub fn public_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        format!("{}/", url.trim_end_matches('/'))
    }

    /// The path part of the public address, beginning and ending in `/`.
    #[must_use]
    pub fn base_path(&self) -> String {
        let path = url::Url::parse(&self.public_url()).map_or_else(|_| "/".to_owned(), |url| url.path().to_owned());
        if path.ends_with('/') { path } else { format!("{path}/") }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn public_url_ends_in_a_slash_and_gives_the_base_path() {
        let config = Config { public_url: Some("https://hub.example.org/binder".to_owned()), ..Config::default() };
        assert_eq!(config.public_url(), "https://hub.example.org/binder/");
        assert_eq!(config.base_path(), "/binder/");
        assert_eq!(Config::default().base_path(), "/");
    }
}
