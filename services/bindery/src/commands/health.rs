//! `bindery healthcheck`: for container engines and scripts.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::Config;

/// How long a service may take to answer.
const BOUND: Duration = Duration::from_secs(5);

/// Asks `/health`; success only when the service says it is well.
pub(crate) async fn healthcheck(config: &Config, url: Option<String>) -> anyhow::Result<ExitCode> {
    let url = url.unwrap_or_else(|| format!("http://{}/", config.web.listen));
    let address = format!("{}/health", url.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(BOUND).build()?;
    let response = client.get(&address).send().await?;
    let well = response.status().is_success();
    writeln!(std::io::stdout(), "{}", response.text().await?)?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
