//! A client of the event stream that keeps what it was told.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use serde_json::Value;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `id:`, when there was one.
    pub id: Option<String>,
    /// `data:`.
    pub data: Value,
}

impl Told {
    /// `phase`.
    #[must_use]
    pub fn phase(&self) -> &str {
        self.data["phase"].as_str().unwrap_or_default()
    }

    /// `message`.
    #[must_use]
    pub fn message(&self) -> &str {
        self.data["message"].as_str().unwrap_or_default()
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase(), "ready" | "failed")
    }
}

/// Reads a stream until its terminal event.
///
/// # Errors
/// It ended early, or took longer than `bound`; the error holds what was told until then.
pub async fn read(url: &str, bound: Duration) -> anyhow::Result<Vec<Told>> {
    read_until(url, None, bound, Told::is_terminal).await
}

/// Reads a stream, resuming after `last` if given, up to and including the first event that `enough` accepts.
///
/// # Errors
/// It ended early, or took longer than `bound`; the error holds what was told until then.
pub async fn read_until(
    url: &str,
    last: Option<&str>,
    bound: Duration,
    enough: impl Fn(&Told) -> bool,
) -> anyhow::Result<Vec<Told>> {
    let mut told = Vec::new();
    match tokio::time::timeout(bound, collect(url, last, &enough, &mut told)).await {
        Ok(Ok(())) => Ok(told),
        Ok(Err(error)) => Err(error.context(format!("told until then: {told:#?}"))),
        Err(_) => bail!("{url}: not at its end within {bound:?}; told until then: {told:#?}"),
    }
}

async fn collect(
    url: &str,
    last: Option<&str>,
    enough: &impl Fn(&Told) -> bool,
    told: &mut Vec<Told>,
) -> anyhow::Result<()> {
    let mut request = reqwest::Client::new().get(url).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.with_context(|| format!("GET {url}"))?;
    if response.status() != 200 {
        bail!("{url} answered {}", response.status());
    }
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk?)?);
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            if let Some(event) = parse(&block)? {
                let done = enough(&event);
                told.push(event);
                if done {
                    return Ok(());
                }
            }
        }
    }
    bail!("{url}: the stream ended early")
}

fn parse(block: &str) -> anyhow::Result<Option<Told>> {
    let mut id = None;
    let mut data = None;
    for line in block.lines() {
        if let Some(value) = line.strip_prefix("id: ") {
            id = Some(value.to_owned());
        } else if let Some(value) = line.strip_prefix("data: ") {
            data = Some(serde_json::from_str(value)?);
        }
    }
    Ok(data.map(|data| Told { id, data }))
}
