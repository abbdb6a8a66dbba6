//! Repositories inside repositories, when the site wants them.
//!
//! Each address passes the same grammar and gate as the repository's own; each is fetched without history, into the same
//! store and against the same limits; at most two deep, at most [`MAX_SUBMODULES`] in all.

use std::collections::BTreeMap;

use bindery_core::{CommitId, EntryKind, RepoUrl};
use git2::Oid;

use crate::fetch::{Into, Target, fetch_commit};
use crate::lfs::{self, Large};
use crate::provider::Forges;
use crate::remote::Session;
use crate::store::ObjectStore;
use crate::task::Task;
use crate::walk::Walk;
use crate::{Error, Limits};

const MAX_SUBMODULES: usize = 32;
const MAX_DEPTH: usize = 2;
const MAX_GITMODULES: u64 = 64 << 10;

/// Fetches submodules into a store and a walk.
pub(crate) struct Submodules<'a> {
    forges: &'a Forges,
    limits: Limits,
    store: &'a ObjectStore,
    task: &'a Task,
    /// Where the contents of their large files go, when the site wants those.
    large: Option<&'a mut Large>,
    count: usize,
}

/// A repository whose submodules are to be fetched.
struct Parent {
    /// Its directory, empty for the outermost.
    prefix: String,
    url: RepoUrl,
    depth: usize,
}

impl<'a> Submodules<'a> {
    pub(crate) const fn new(
        forges: &'a Forges,
        limits: Limits,
        store: &'a ObjectStore,
        task: &'a Task,
        large: Option<&'a mut Large>,
    ) -> Self {
        Self { forges, limits, store, task, large, count: 0 }
    }

    /// Replaces each submodule that `.gitmodules` gives an address by its content.
    pub(crate) fn add_all(&mut self, session: &mut Session, walk: &mut Walk<'_>, url: &RepoUrl) -> Result<(), Error> {
        let mut parents = vec![Parent { prefix: String::new(), url: url.clone(), depth: 0 }];
        while let Some(parent) = parents.pop() {
            if parent.depth >= MAX_DEPTH {
                continue;
            }
            let addresses = self.addresses(walk, &parent)?;
            for (path, commit) in links_below(walk, &parent.prefix) {
                let Some(address) = addresses.get(&path) else { continue };
                let failed = |reason: String| Error::Submodule { path: path.clone(), reason };
                self.count += 1;
                if self.count > MAX_SUBMODULES {
                    return Err(failed(format!("there are more than {MAX_SUBMODULES}")));
                }
                let url = absolute(&parent.url, address).map_err(failed)?;
                self.add(session, walk, &path, &url, commit).map_err(|error| match error {
                    limit @ (Error::TooLarge { .. }
                    | Error::LargeFile { .. }
                    | Error::Cancelled
                    | Error::Timeout { .. }) => limit,
                    other => failed(other.to_string()),
                })?;
                parents.push(Parent { prefix: path.clone(), url, depth: parent.depth + 1 });
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        session: &mut Session,
        walk: &mut Walk<'_>,
        path: &str,
        url: &RepoUrl,
        id: Oid,
    ) -> Result<(), Error> {
        let commit: CommitId =
            id.to_string().parse().map_err(|_| Error::Damaged("a submodule has no commit".to_owned()))?;
        let spellings = self.forges.spellings(url);
        let target = Target { commit: &commit, reference: None, spellings: &spellings, known: None };
        fetch_commit(session, &target, &Into { store: self.store, limits: self.limits, task: self.task })?;
        walk.replace_submodule(path);
        walk.add(self.store, self.store.tree_of(&commit)?, path)?;
        if let Some(large) = &mut self.large {
            let place = lfs::Place { prefix: path, url: url.as_url() };
            large.extend(lfs::fetch(session, walk, self.store, &place, self.limits, self.task)?);
        }
        Ok(())
    }

    /// Path, from the outermost repository, to address, as `.gitmodules` has it.
    fn addresses(&self, walk: &Walk<'_>, parent: &Parent) -> Result<BTreeMap<String, String>, Error> {
        let file = below(&parent.prefix, ".gitmodules");
        let found = walk.found().iter().find(|(entry, _)| entry.path.as_str() == file && entry.kind.is_file());
        let Some((_, id)) = found else { return Ok(BTreeMap::new()) };
        let content = self.store.blob(*id, MAX_GITMODULES)?;
        let pairs = parse(&String::from_utf8_lossy(&content));
        Ok(pairs.into_iter().map(|(path, url)| (below(&parent.prefix, &path), url)).collect())
    }
}

fn below(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

fn links_below(walk: &Walk<'_>, prefix: &str) -> Vec<(String, Oid)> {
    let inside = |path: &str| prefix.is_empty() || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let mut links: Vec<(String, Oid)> = walk
        .found()
        .iter()
        .filter(|(entry, _)| entry.kind == EntryKind::Submodule && inside(entry.path.as_str()))
        .map(|(entry, id)| (entry.path.as_str().to_owned(), *id))
        .collect();
    links.sort();
    links
}

/// The address of a submodule, which may be relative to its parent's.
fn absolute(parent: &RepoUrl, address: &str) -> Result<RepoUrl, String> {
    if !address.starts_with("./") && !address.starts_with("../") {
        return address.parse().map_err(|error: bindery_core::RepoUrlError| error.to_string());
    }
    // Relative to the parent as if it were a directory, and never above its host.
    let base = format!("{parent}/");
    let joined = url::Url::parse(&base).and_then(|base| base.join(address)).map_err(|error| error.to_string())?;
    joined.as_str().parse().map_err(|error: bindery_core::RepoUrlError| error.to_string())
}

/// The `path` and `url` of each section of a `.gitmodules` file. What is not understood is left out, as git would.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut section: (Option<String>, Option<String>) = (None, None);
    for line in text.lines().map(str::trim).chain(["["]) {
        if line.starts_with('[') {
            if let (Some(path), Some(url)) = std::mem::take(&mut section) {
                found.push((path, url));
            }
            continue;
        }
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"').to_owned();
            match key.trim().to_lowercase().as_str() {
                "path" => section.0 = Some(value),
                "url" => section.1 = Some(value),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{absolute, parse};

    #[test]
    fn paths_and_addresses_are_read_from_gitmodules() {
        let text = "# c\n[submodule \"a\"]\n\tpath = lib/a\n\turl = ../a.git\n[submodule \"b\"]\nurl = \"https://h/b\"\nbranch = x\npath=b\n[submodule \"c\"]\npath = c\n";
        let expected = [("lib/a", "../a.git"), ("b", "https://h/b")];
        assert_eq!(parse(text), expected.map(|(path, url)| (path.to_owned(), url.to_owned())));
    }

    #[test]
    fn relative_addresses_stay_on_their_host() {
        let parent = "https://h/group/repo".parse().unwrap();
        assert_eq!(absolute(&parent, "../other.git").unwrap().as_str(), "https://h/group/other");
        assert_eq!(absolute(&parent, "../../../../../x/y").unwrap().as_str(), "https://h/x/y");
        for hostile in
            ["file:///etc", "ext::sh", "/etc/passwd", "ssh://h/x", "--upload-pack=x", "git@h:x", "https://u:p@h/x"]
        {
            assert!(absolute(&parent, hostile).is_err(), "{hostile}");
        }
    }
}
