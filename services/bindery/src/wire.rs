//! Settings become adapters. Every adapter is made here and nowhere else.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bindery_builder::{Naming, Pipeline, Site, Sources};
use bindery_buildpacks::DockerfileRules;
use bindery_content::HostedContent;
use bindery_core::seams::{ContentProvider, ImageBuilder, ImageProbe, Registry};
use bindery_images::{DockerImages, Engine, EngineRegistry};
use bindery_launcher::Probe;
use bindery_store::Stores;

use crate::config::Config;

/// The records: Redis when an address is set, else one file in `data_dir`.
pub(crate) async fn stores(config: &Config) -> anyhow::Result<Stores> {
    if let Some(url) = &config.redis.url {
        return bindery_store::open_redis(url, &config.store).await.context("cannot use Redis (redis.url)");
    }
    let path = config.data_dir.join("bindery.redb");
    let hint = "is another bindery running with this data_dir? Several processes need redis.url";
    bindery_store::open_embedded(&path, &config.store)
        .await
        .with_context(|| format!("cannot open {}; {hint}", path.display()))
}

/// Where repositories come from; with `private_ok`, also those that only this site's credentials can read.
pub(crate) fn content(config: &Config, private_ok: bool) -> anyhow::Result<Arc<dyn ContentProvider>> {
    let settings = bindery_content::Config { private_ok, ..config.content.clone() };
    let content = HostedContent::new(settings, config.data_dir.clone()).context("[content]")?;
    Ok(Arc::new(content))
}

/// The engine that builds.
pub(crate) fn images(config: &Config) -> Arc<dyn ImageBuilder> {
    Arc::new(DockerImages::new(config.images.clone()))
}

/// The registry, when one is set, by way of the engine that builds.
pub(crate) fn registry(config: &Config) -> Option<Arc<dyn Registry>> {
    registry_by(config, config.images.docker_host.as_deref())
}

/// The registry, when one is set, by way of the engine that runs sessions.
pub(crate) fn registry_for_sessions(config: &Config) -> Option<Arc<dyn Registry>> {
    registry_by(config, Some(&config.launcher.docker_host))
}

fn registry_by(config: &Config, docker_host: Option<&str>) -> Option<Arc<dyn Registry>> {
    config.registry.url.as_ref()?;
    let engine = Arc::new(Engine::new(docker_host));
    Some(Arc::new(EngineRegistry::new(engine, config.registry.clone())))
}

/// What this site adds to every build.
pub(crate) fn site(config: &Config) -> anyhow::Result<Site> {
    let ca_bundle = match config.build.ca_bundle.as_str() {
        "none" => None,
        path => Some(std::fs::read(path).with_context(|| format!("build.ca_bundle: cannot read {path}"))?),
    };
    if config.build.base_image.is_empty() {
        bail!("build.base_image is empty; name a Jupyter image such as quay.io/jupyter/minimal-notebook:2025-09-30");
    }
    if let Some(wrong) = config.build.pythons.iter().find(|version| !bindery_buildpacks::is_python_version(version)) {
        bail!("build.pythons: {wrong:?} is not a version of Python such as 3.12 or 3.12.4");
    }
    Ok(Site {
        base_image: config.build.base_image.clone(),
        ca_bundle,
        platform: config.build.platform.clone(),
        cache_sharing: config.build.cache_sharing,
        pythons: config.build.pythons.clone(),
        python_mirror: config.build.python_mirror.clone(),
        python_fallback: config.build.python_fallback,
        sources: Sources {
            cran: config.build.r.cran.clone(),
            julia: config.build.julia.mirror.clone(),
            rstudio: config.build.r.rstudio.clone(),
            shiny: config.build.r.shiny.clone(),
        },
        r_base_image: Some(config.build.r.base_image.clone()).filter(|name| !name.is_empty()),
        conda: config.build.conda.clone(),
        dockerfiles: DockerfileRules {
            policy: config.build.dockerfile_policy,
            bases: config.build.dockerfile_bases.clone(),
        },
    })
}

/// What images are called.
pub(crate) fn naming(config: &Config) -> Naming {
    Naming::new(format!("{}/", config.registry.name_prefix()).trim_start_matches('/'))
}

/// What tries images before they are called built, when it is to.
pub(crate) fn probe(config: &Config) -> anyhow::Result<Option<Arc<dyn ImageProbe>>> {
    if !config.build.probe {
        return Ok(None);
    }
    // Where images are built they are tried, as a session would be started.
    let mut sessions = config.launcher.clone();
    if let Some(host) = &config.images.docker_host {
        sessions.docker_host.clone_from(host);
    }
    Ok(Some(Arc::new(Probe::new(sessions).context("[launcher]")?)))
}

/// The steps of a build over these adapters.
pub(crate) fn pipeline(config: &Config) -> anyhow::Result<Pipeline> {
    let pipeline = Pipeline::new(images(config), registry(config), naming(config), site(config)?);
    Ok(pipeline.with_probe(probe(config)?).with_binderhub_prefix(binderhub_prefix(config)?))
}

/// What the names of a BinderHub's images begin with, which are in the registry that is asked and sent its account.
fn binderhub_prefix(config: &Config) -> anyhow::Result<Option<String>> {
    let prefix = config.build.binderhub_image_prefix.as_str();
    let below = |host| prefix.strip_prefix(host).is_some_and(|rest: &str| rest.starts_with('/'));
    match config.registry.host() {
        _ if prefix.is_empty() => Ok(None),
        Some(host) if below(host) => Ok(Some(prefix.to_owned())),
        _ => bail!("build.binderhub_image_prefix: {prefix:?} does not begin with the host of registry.url and a slash"),
    }
}
