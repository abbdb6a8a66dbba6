//! A line of JSON for each launch, in the form that archives of `BinderHub` launches have (schema `launch`, version 6): what was
//! launched and how it ended, and nothing about the visitor.

use std::io::Write as _;
use std::path::PathBuf;

use bindery_core::{Date, ResolvedRef, Timestamp};
use serde::Serialize;

use crate::gate::Pass;

const SCHEMA: &str = "binderhub.jupyter.org/launch";
const VERSION: u8 = 6;

/// Where the lines go.
pub(crate) enum LaunchEvents {
    Nowhere,
    /// This process's log, under the target `bindery_web::launch`.
    Log,
    /// Appended to a file, which may be moved away at any time.
    File(PathBuf),
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    schema: &'static str,
    version: u8,
    provider: &'a str,
    spec: &'a str,
    #[serde(rename = "ref")]
    git_ref: &'a str,
    status: &'a str,
    build_token: bool,
    origin: &'a str,
    request_origin: &'a str,
}

impl LaunchEvents {
    pub(crate) fn new(setting: &str) -> Self {
        match setting {
            "" => Self::Nowhere,
            "log" => Self::Log,
            path => Self::File(PathBuf::from(path)),
        }
    }

    /// Notes how a launch ended. Never holds a visit up, and fails none.
    pub(crate) fn note(&self, resolved: &ResolvedRef, pass: &Pass, succeeded: bool) {
        if let Self::Nowhere = self {
            return;
        }
        let line = line(resolved, pass, succeeded, Timestamp::now());
        match self {
            Self::Nowhere => {}
            Self::Log => tracing::info!(target: "bindery_web::launch", "{line}"),
            Self::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || {
                    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
                    // In one write, so that the lines of several processes do not mix.
                    if let Err(error) = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
                        tracing::warn!("a launch could not be noted in {}: {error}", path.display());
                    }
                });
            }
        }
    }
}

fn line(resolved: &ResolvedRef, pass: &Pass, succeeded: bool, now: Timestamp) -> String {
    let spec = resolved.spec.to_string();
    let line = Line {
        timestamp: timestamp(now),
        schema: SCHEMA,
        version: VERSION,
        provider: resolved.spec.provider.display_name(),
        spec: spec.split_once('/').map_or(spec.as_str(), |(_, rest)| rest),
        git_ref: resolved.revision.as_str(),
        status: if succeeded { "success" } else { "failure" },
        build_token: pass.token,
        origin: &pass.origin,
        request_origin: &pass.request_origin,
    };
    // A struct of strings is always JSON.
    serde_json::to_string(&line).unwrap_or_default()
}

fn timestamp(now: Timestamp) -> String {
    let (seconds, millis) = (now.as_millis() / 1000, now.as_millis() % 1000);
    let date = Date::of(now).map(|date| date.to_string());
    let of_day = seconds % 86_400;
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z", date.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{line, timestamp};
    use crate::gate::Pass;
    use bindery_core::{RepoSpec, ResolvedRef, Timestamp};

    #[test]
    fn a_line_has_the_keys_that_archives_have() {
        let resolved = ResolvedRef {
            spec: RepoSpec::parse("gh", "owner/name/feature%2Fx").unwrap(),
            repo_url: "https://github.com/owner/name".parse().unwrap(),
            revision: "a".repeat(40).parse().unwrap(),
            identity: "https://github.com/owner/name".into(),
            ref_url: String::new(),
            pinned: None,
            private: false,
            notes: Vec::new(),
        };
        let pass = Pass {
            token: true,
            origin: "hub.example".into(),
            request_origin: "https://book.example".into(),
            ..Pass::default()
        };
        let line = line(&resolved, &pass, true, Timestamp::from_millis(1_700_000_000_123));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "timestamp": "2023-11-14T22:13:20.123Z", "schema": "binderhub.jupyter.org/launch", "version": 6,
                "provider": "GitHub", "spec": "owner/name/feature/x", "ref": "a".repeat(40), "status": "success",
                "build_token": true, "origin": "hub.example", "request_origin": "https://book.example",
            })
        );
    }

    #[test]
    fn instants_are_written_in_utc() {
        assert_eq!(timestamp(Timestamp::from_millis(951_868_799_999)), "2000-02-29T23:59:59.999Z");
    }
}
