//! Fills in what follows from other settings or from the host, unless it was set.

use std::path::PathBuf;

use bindery_core::Secret;

use super::ca_bundle;
use super::layers::{ConfigError, Loaded, Origin};

const DEFAULT_ENGINE: &str = "unix:///var/run/docker.sock";

pub(super) fn fill_in(loaded: &mut Loaded, environment: &[(String, String)]) -> Result<(), ConfigError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let mut derived: Vec<(&str, &'static str)> = Vec::new();
    let is_set = |path: &str| loaded.origins.contains_key(path);
    let config = &mut loaded.config;

    if !is_set("data_dir") {
        let home = variable("HOME").filter(|_| !rustix::process::geteuid().is_root());
        config.data_dir = home
            .map_or_else(|| PathBuf::from("/var/lib/bindery"), |home| PathBuf::from(home).join(".local/state/bindery"));
        derived.push(("data_dir", "the user"));
    }
    let engine = variable("DOCKER_HOST").unwrap_or_else(|| DEFAULT_ENGINE.to_owned());
    if !is_set("images.docker_host") {
        config.images.docker_host = Some(engine.clone());
        derived.push(("images.docker_host", "DOCKER_HOST"));
    }
    if !is_set("launcher.docker_host") {
        config.launcher.docker_host = engine;
        derived.push(("launcher.docker_host", "DOCKER_HOST"));
    }
    if !is_set("images.data_dir") {
        config.images.data_dir = Some(config.data_dir.clone());
        derived.push(("images.data_dir", "data_dir"));
    }
    if !is_set("proxy.public_url") {
        config.proxy.public_url = parse_url(&format!("http://{}/", config.proxy.listen), "proxy.listen")?;
        derived.push(("proxy.public_url", "proxy.listen"));
    }
    if !is_set("proxy.hub_url") {
        config.proxy.hub_url = parse_url(&config.web.public_url(), "web.public_url")?;
        derived.push(("proxy.hub_url", "web.public_url"));
    }
    for (path, shown, from, fetched) in [
        ("web.github_url", &mut config.web.github_url, "content.github_url", &config.content.github_url),
        ("web.gitlab_url", &mut config.web.gitlab_url, "content.gitlab_url", &config.content.gitlab_url),
        ("web.codeberg_url", &mut config.web.codeberg_url, "content.codeberg_url", &config.content.codeberg_url),
        ("web.bitbucket_url", &mut config.web.bitbucket_url, "content.bitbucket_url", &config.content.bitbucket_url),
        ("web.gist_url", &mut config.web.gist_url, "content.gist_url", &config.content.gist_url),
    ] {
        if !is_set(path) {
            shown.clone_from(fetched);
            derived.push((path, from));
        }
    }
    let bundle = ca_bundle::choose(&config.build.ca_bundle, &variable).map_err(ConfigError::Together)?;
    if !is_set("launcher.ca_bundle") {
        config.launcher.ca_bundle.clone_from(&bundle);
        derived.push(("launcher.ca_bundle", "build.ca_bundle"));
    }
    if !is_set("content.ca_bundle") {
        config.content.ca_bundle.clone_from(&bundle);
        derived.push(("content.ca_bundle", "build.ca_bundle"));
    }
    // From here on this is a path or `none`.
    config.build.ca_bundle = bundle.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    if !is_set("build.ca_bundle") {
        derived.push(("build.ca_bundle", "the host's certificates"));
    }
    if let Some(path) = &config.redis.url_file {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        config.redis.url = Some(Secret::new(text.trim()));
        derived.push(("redis.url", "redis.url_file"));
    }
    for (path, from) in derived {
        loaded.origins.entry(path.to_owned()).or_insert(Origin::Derived(from));
    }
    Ok(())
}

fn parse_url(text: &str, setting: &str) -> Result<url::Url, ConfigError> {
    text.parse().map_err(|error| ConfigError::Together(format!("{setting}: {text:?} is not an address: {error}")))
}
