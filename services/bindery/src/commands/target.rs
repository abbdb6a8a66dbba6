//! What a command is about: a directory, or a repository at a ref.

use std::path::Path;
use std::sync::Arc;

use bindery_builder::{Source, Wishes, day};
use bindery_core::{Fault, GitRef, Provider, RepoSpec, RepoUrl, Tree};

use super::subtree::subtree;
use crate::cli::Target;
use crate::config::Config;
use crate::wire;

/// The content a command is about, and where it came from.
pub(super) struct Subject {
    pub(super) tree: Arc<dyn Tree>,
    pub(super) source: Source,
    /// What is asked for besides.
    pub(super) wishes: Wishes,
    /// What the same content always gives, for naming images.
    pub(super) identity: String,
}

/// Reads a directory or fetches a commit.
pub(super) async fn open(config: &Config, target: &Target) -> anyhow::Result<Subject> {
    let path = Path::new(&target.what);
    let mut subject = if path.is_dir() { local(config, path, target)? } else { remote(config, target).await? };
    if let Some(directory) = &target.subdir {
        subject.tree = subtree(subject.tree, directory)?;
        subject.identity = format!("{}#{directory}", subject.identity);
    }
    Ok(subject)
}

async fn remote(config: &Config, target: &Target) -> anyhow::Result<Subject> {
    let spec = spec(target)?;
    // Whoever gives the command has the credentials.
    let content = wire::content(config, true)?;
    std::fs::create_dir_all(&config.data_dir)?;
    let resolved = content.resolve(&spec).await?;
    let (tree, fetched) = content.fetch(&resolved).await?;
    let wishes = Wishes { as_of: day(target.as_of, fetched.committed)?, ..Wishes::default() };
    let source = Source {
        repository: resolved.repo_url.to_string(),
        reference: target.reference.clone(),
        commit: Some(resolved.revision.to_string()),
        committed: fetched.committed,
    };
    let identity = format!("{}@{}", resolved.identity, resolved.revision);
    Ok(Subject { tree, source, wishes, identity: dated(identity, target) })
}

/// Another day is another image.
fn dated(identity: String, target: &Target) -> String {
    target.as_of.map_or(identity.clone(), |day| format!("{identity}?as_of={day}"))
}

fn local(config: &Config, path: &Path, target: &Target) -> Result<Subject, Fault> {
    let wishes = Wishes { as_of: day(target.as_of, None)?, ..Wishes::default() };
    let tree = bindery_content::local_tree(path, config.content.limits())?;
    let shown = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let source = Source { repository: "local".to_owned(), reference: "none".to_owned(), commit: None, committed: None };
    Ok(Subject { tree, source, wishes, identity: dated(shown, target) })
}

/// `gh/<owner>/<name>`, `zenodo/<DOI>` and the like, or an address.
fn spec(target: &Target) -> Result<RepoSpec, Fault> {
    let wrong = |message: String| {
        Fault::user("bad-target", message)
            .hint("Give a directory, https://host/path, gh/<owner>/<name>, or zenodo/<DOI>.")
    };
    let reference: GitRef = target.reference.parse().map_err(|error| wrong(format!("--ref: {error}.")))?;
    if let Some((provider, rest)) = target.what.split_once('/')
        && let Ok(known) = provider.parse::<Provider>()
    {
        let raw = if known.has_refs() { format!("{rest}/{reference}") } else { rest.to_owned() };
        return RepoSpec::parse(provider, &raw).map_err(|error| wrong(format!("{error}.")));
    }
    if !target.what.contains("://") {
        return Err(wrong(format!("{} is neither a directory nor an address.", target.what)));
    }
    let url: RepoUrl = target.what.parse().map_err(|error| wrong(format!("{error}.")))?;
    Ok(RepoSpec { provider: Provider::Git, repository: url.into(), reference })
}
