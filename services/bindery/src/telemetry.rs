//! Logs go to standard error, as text for people or lines of JSON for programs.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::LogConfig;

/// Starts logging. Commands that print a result log only what went wrong.
pub(crate) fn start(config: &LogConfig, is_role: bool) -> anyhow::Result<()> {
    let filter = if is_role { config.filter.as_str() } else { "error" };
    let filter = EnvFilter::try_new(filter).with_context(|| format!("log.filter: {filter:?} is not a filter"))?;
    let subscriber = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(is_role);
    if config.json {
        subscriber.json().init()
    } else {
        subscriber.init()
    }
    Ok(())
}
