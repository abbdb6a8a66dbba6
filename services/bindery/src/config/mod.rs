//! Configuration: defaults, then a TOML file, then `BINDERY__SECTION__KEY`, then `--set section.key=value`. The only reader of
//! configuration and environment in the workspace.

mod ca_bundle;
mod derive;
mod layers;
mod show;

use std::path::PathBuf;

use bindery_buildpacks::DebianPackage;
use bindery_core::Secret;
use serde::{Deserialize, Serialize};

pub(crate) use layers::{Layers, Loaded};
pub(crate) use show::show;

/// Every setting. Each subsystem owns its section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where this service keeps what must survive a restart. Default: `/var/lib/bindery` for root, else
    /// `~/.local/state/bindery`.
    pub(crate) data_dir: PathBuf,
    /// What every build of this site has in common.
    pub(crate) build: BuildConfig,
    /// Where shared records live.
    pub(crate) redis: RedisConfig,
    /// Where logs go.
    pub(crate) log: LogConfig,
    /// Pages and API.
    pub(crate) web: bindery_web::Config,
    /// The way to sessions.
    pub(crate) proxy: bindery_proxy::Config,
    /// Sessions.
    pub(crate) launcher: bindery_launcher::Config,
    /// Builds.
    pub(crate) builder: bindery_builder::Config,
    /// Repositories.
    pub(crate) content: bindery_content::Config,
    /// The engine that builds.
    pub(crate) images: bindery_images::Config,
    /// The registry images are pushed to.
    pub(crate) registry: bindery_images::RegistryConfig,
    /// Records.
    pub(crate) store: bindery_store::Config,
}

/// `[build]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BuildConfig {
    /// The Jupyter image every environment starts from; keeps the docker-stacks contract.
    pub(crate) base_image: String,
    /// Certificates that builds and sessions must trust: a PEM file, `none`, or `auto`: the host's bundle, when it holds a
    /// certificate that the distribution's own does not.
    pub(crate) ca_bundle: String,
    /// The platform images are built for.
    pub(crate) platform: String,
    /// Who shares download caches: `repository` (the commits of one), or `site` (everybody; faster where all are trusted).
    pub(crate) cache_sharing: bindery_builder::CacheSharing,
    /// Versions of Python that builds here can fetch, such as `3.12`, for repositories that ask for another than the base's own.
    /// Each named here is a promise. None by default: only the site knows what it can reach.
    pub(crate) pythons: Vec<String>,
    /// Where they are fetched from: a mirror for uv's `UV_PYTHON_INSTALL_MIRROR`, or a list for its
    /// `UV_PYTHON_DOWNLOADS_JSON_URL` if it ends in `.json`. Not set: where uv does by itself.
    #[serde(skip_serializing)]
    pub(crate) python_mirror: Option<Secret>,
    /// What becomes of a repository that asks for a Python that is neither: `refuse`, or `nearest` to build with the nearest.
    pub(crate) python_fallback: bindery_buildpacks::PythonFallback,
    /// Whether an image is tried before it is called built: started once as a session is, until its server answers and its default
    /// kernel computes 1+1. Once for each environment, and for each commit that runs something of its own on it.
    pub(crate) probe: bool,
    /// Repositories with a Dockerfile of their own: `none` are built; `safe`: those in which nothing reaches beyond the build;
    /// `full`: all, for a builder that can harm nobody else.
    pub(crate) dockerfile_policy: bindery_buildpacks::DockerfilePolicy,
    /// With `safe`, the images their Dockerfiles may start from: `name` with any tag or digest, or `beginning*`. Empty: any.
    pub(crate) dockerfile_bases: Vec<String>,
    /// What the names of images begin with that a BinderHub has pushed to `registry.url`: its `image_prefix`. One that has the name of
    /// what is asked for is used instead of building it. Empty: none is looked for.
    pub(crate) binderhub_image_prefix: String,
    /// R.
    pub(crate) r: RConfig,
    /// Julia.
    pub(crate) julia: JuliaConfig,
    /// Where conda packages come from.
    pub(crate) conda: bindery_buildpacks::CondaOptions,
}

/// `[build.r]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RConfig {
    /// The base of repositories that ask for R: an image that keeps the contract and brings R with its kernel, such as
    /// `quay.io/jupyter/r-notebook`. Empty: `build.base_image`, on which the R of its distribution is installed.
    pub(crate) base_image: String,
    /// The repository that R packages come from which the base's distribution does not have. `{date}` becomes the day whose packages
    /// are asked for, or `latest`; `{codename}` the name of the distribution.
    pub(crate) cran: String,
    /// The package of RStudio Server that R repositories get, as `https://host/name.deb#sha256=…`. Default: none.
    pub(crate) rstudio: Option<DebianPackage>,
    /// The package of Shiny Server, likewise.
    pub(crate) shiny: Option<DebianPackage>,
}

impl Default for RConfig {
    fn default() -> Self {
        Self { base_image: String::new(), cran: bindery_builder::Sources::default().cran, rstudio: None, shiny: None }
    }
}

/// `[build.julia]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JuliaConfig {
    /// A mirror of Julia's releases, laid out like Julia's own.
    pub(crate) mirror: String,
}

impl Default for JuliaConfig {
    fn default() -> Self {
        Self { mirror: bindery_builder::Sources::default().julia }
    }
}

impl Default for BuildConfig {
    fn default() -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        Self {
            base_image: "quay.io/jupyter/minimal-notebook:2025-09-30".to_owned(),
            ca_bundle: "auto".to_owned(),
            platform: format!("linux/{architecture}"),
            cache_sharing: bindery_builder::CacheSharing::default(),
            pythons: Vec::new(),
            python_mirror: None,
            python_fallback: bindery_buildpacks::PythonFallback::default(),
            probe: true,
            dockerfile_policy: bindery_buildpacks::DockerfilePolicy::default(),
            dockerfile_bases: Vec::new(),
            binderhub_image_prefix: String::new(),
            r: RConfig::default(),
            julia: JuliaConfig::default(),
            conda: bindery_buildpacks::CondaOptions::default(),
        }
    }
}

/// `[redis]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RedisConfig {
    /// `redis://[:password@]host:port/db`. Not set: one embedded file, and all roles in one process.
    #[serde(skip_serializing)]
    pub(crate) url: Option<Secret>,
    /// A file that holds the address, so that a password in it is in no environment.
    pub(crate) url_file: Option<PathBuf>,
}

/// `[log]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// Lines of JSON instead of text.
    pub(crate) json: bool,
    /// What is logged, as a `tracing` filter: `info`, `bindery_builder=debug,info`, …
    pub(crate) filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { json: false, filter: "info,actix_server=warn".to_owned() }
    }
}
