//! Channels as a repository names them: by name, by address, or by a path of the repository's own.

use crate::conda::{self, CondaOptions};
use crate::error::{PlanError, shown};
use crate::path;
use crate::repo::Repo;

/// Names of the channels behind `defaults`.
const DEFAULTS: [&str; 8] = ["defaults", "anaconda", "main", "r", "pkgs/main", "pkgs/r", "pkgs/free", "pkgs/msys2"];
/// Their address.
const DEFAULTS_AT: &str = "https://repo.anaconda.com/pkgs/";

/// The channels of a file, as the solver is told them.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Their addresses, the first the most important.
    pub(super) addresses: Vec<String>,
    /// Whether one of them is in the repository.
    pub(super) in_content: bool,
    /// Where `defaults` was replaced: the line.
    pub(super) replaced: Option<u32>,
}

impl Channels {
    /// Adds a channel as it stands at a line of a file, and gives its address.
    pub(super) fn add(
        &mut self,
        repo: &Repo<'_>,
        site: &CondaOptions,
        file: &str,
        channel: &str,
        line: u32,
    ) -> Result<Option<String>, PlanError> {
        let channel = channel.trim_end_matches('/');
        // conda's word for leaving `defaults` out, which it always is here.
        if channel == "nodefaults" {
            return Ok(None);
        }
        let address = if DEFAULTS.contains(&channel) || channel.starts_with(DEFAULTS_AT) {
            self.replaced.get_or_insert(line);
            site.address(&site.defaults)
        } else if let Some(path) = local(repo, file, channel, line)? {
            self.in_content = true;
            conda::in_content(&path)
        } else if let Some((scheme, _)) = channel.split_once("://") {
            if !matches!(scheme, "https" | "http") {
                return Err(PlanError::line(
                    file,
                    line,
                    format!("A channel at {}:// cannot be read here.", shown(scheme)),
                    "Name a channel, an https address, or a directory of the repository such as ./channel.",
                ));
            }
            site.mirrored(channel)
        } else {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
            if !channel.chars().all(plain) || !channel.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                let message = format!("{:?} is not the name of a channel.", shown(channel));
                return Err(PlanError::line(
                    file,
                    line,
                    message,
                    "Write a name, e.g. conda-forge, or an https address.",
                ));
            }
            site.address(channel)
        };
        if !self.addresses.contains(&address) {
            self.addresses.push(address.clone());
        }
        Ok(Some(address))
    }
}

/// A directory of the repository that a channel names, relative to the file or as an address; `None` for a channel elsewhere.
fn local(repo: &Repo<'_>, file: &str, channel: &str, line: u32) -> Result<Option<String>, PlanError> {
    let path = place(repo, file, channel);
    let Some(path) = path else { return Ok(None) };
    let refuse = |message: &str| {
        let hint = "A channel of the repository is a directory with a repodata.json in noarch/, named as ./channel.";
        Err(PlanError::line(file, line, message, hint))
    };
    match path {
        None => refuse("The channel lies outside the repository."),
        Some(path) if path.contains(['%', '#', '?', ':', '@']) => {
            refuse("The channel's path has a character no address takes.")
        }
        Some(path) if !repo.exists(&format!("{path}/noarch/repodata.json")) => {
            refuse("The channel is not in the repository, or has no noarch/repodata.json.")
        }
        Some(path) => Ok(Some(path)),
    }
}

/// A path of the repository that `text`, standing in `file`, names; `Some(None)` for a path outside of it, `None` for no path.
pub(super) fn place(repo: &Repo<'_>, file: &str, text: &str) -> Option<Option<String>> {
    if let Some(absolute) = text.strip_prefix("file://").or_else(|| text.starts_with('/').then_some(text)) {
        let inside = absolute.strip_prefix(repo.contract.home.as_str()).and_then(|rest| rest.strip_prefix('/'));
        return Some(inside.and_then(|rest| path::join("", rest)));
    }
    let relative = text.starts_with("./") || text.starts_with("../") || text == "." || text == "..";
    relative.then(|| path::join(path::directory(file), text))
}
