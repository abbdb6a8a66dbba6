//! The seam, put together.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::seams::{ContentProvider, FetchReport};
use bindery_core::{CommitId, EntryKind, Fault, RepoSpec, ResolvedRef, Revision, Tree, Version};
use tokio::sync::Semaphore;
use url::Url;

use crate::archive::Archives;
use crate::egress::{Gate, Lookup, SystemLookup};
use crate::fetch::{Into as FetchInto, Target, fetch_commit};
use crate::git_tree::GitTree;
use crate::lfs::{self, Large};
use crate::provider::Forges;
use crate::ref_choice::choose;
use crate::remote::Remotes;
use crate::resolve::Refs;
use crate::scratch::Scratch;
use crate::spool::Spool;
use crate::store::ObjectStore;
use crate::submodules::Submodules;
use crate::task::Task;
use crate::walk::Walk;
use crate::{Config, Error, task};

/// At most this much is said about what a tree lacks.
const MAX_NOTES: usize = 20;

/// Repositories of git servers and records of archives: every provider a link may name.
pub struct HostedContent {
    shared: Arc<Shared>,
    refs: Refs,
    seats: Arc<Semaphore>,
}

struct Shared {
    config: Config,
    forges: Forges,
    archives: Arc<Archives>,
    remotes: Remotes,
    scratch: Arc<Scratch>,
}

impl HostedContent {
    /// Keeps its object stores below `data_dir/content`, and removes what a process that died left there.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work, [`Error::Machine`] when the directory cannot be used.
    pub fn new(config: Config, data_dir: PathBuf) -> Result<Self, Error> {
        Self::with_lookup(config, data_dir, Arc::new(SystemLookup))
    }

    /// The same, with another way of finding addresses.
    ///
    /// # Errors
    /// As [`HostedContent::new`].
    pub fn with_lookup(config: Config, data_dir: PathBuf, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let gate = Gate::new(&config, lookup)?;
        let remotes = Remotes::new(&config, gate)?;
        let shared = Shared {
            forges: Forges::new(&config)?,
            archives: Arc::new(Archives::new(&config)?),
            remotes: remotes.clone(),
            scratch: Arc::new(Scratch::claim(&data_dir.join("content"))?),
            config,
        };
        Ok(Self {
            refs: Refs::new(&shared.config, remotes),
            seats: Arc::new(Semaphore::new(shared.config.concurrent_fetches.max(1))),
            shared: Arc::new(shared),
        })
    }

    async fn resolve_spec(&self, spec: &RepoSpec) -> Result<ResolvedRef, Error> {
        let forges = &self.shared.forges;
        let Some(repo_url) = forges.repo_url(spec) else {
            return self.refs.record(&self.shared.archives, spec).await;
        };
        let repo_url = repo_url?;
        self.shared.remotes.admit(repo_url.as_url())?;
        let mut notes = Vec::new();
        let named: Option<CommitId> = spec.reference.as_str().parse().ok();
        // A commit is taken at its word: the fetch verifies it, and until then no host needs to be asked. But where the host may show us
        // what it does not show everybody, it must be known which this is.
        let found = if named.is_none() || self.shared.remotes.knows(repo_url.as_url()) {
            Some(self.refs.of(repo_url.as_str(), forges.spellings(&repo_url)).await?)
        } else {
            None
        };
        let private = found.as_ref().is_some_and(|found| found.private);
        // Before anything that it holds is told, such as how its branches are called.
        if private && !self.shared.config.private_ok {
            return Err(Error::RepositoryPrivate);
        }
        let commit = match (named, &found) {
            (Some(commit), _) => commit,
            (None, None) => return Err(Error::RepositoryNotFound(repo_url.host().to_owned())),
            (None, Some(found)) => {
                let choice = choose(&found.refs, &spec.reference)?;
                if choice.name.as_deref() == Some("HEAD") && !spec.reference.is_head() {
                    let reference = &spec.reference;
                    notes.push(format!(
                        "There is no branch or tag named {reference}; the default branch is used instead."
                    ));
                }
                choice.commit
            }
        };
        Ok(ResolvedRef {
            identity: forges.identity(&repo_url),
            ref_url: forges.page(&repo_url, &commit),
            spec: spec.clone(),
            repo_url,
            revision: commit.into(),
            pinned: None,
            private,
            notes,
        })
    }

    async fn fetch_resolved(&self, resolved: &ResolvedRef) -> Result<(Arc<dyn Tree>, FetchReport), Error> {
        // It was asked for while the site served such.
        if resolved.private && !self.shared.config.private_ok {
            return Err(Error::RepositoryPrivate);
        }
        let known = self.refs.whereabouts(resolved.repo_url.as_str());
        let shared = Arc::clone(&self.shared);
        let limit = shared.config.fetch_time();
        let (host, resolved) = (resolved.repo_url.host().to_owned(), resolved.clone());
        task::run(&self.seats, limit, &host, move |task| {
            let (tree, report): (Arc<dyn Tree>, FetchReport) = match &resolved.revision {
                Revision::Commit(commit) => {
                    let (tree, report) = shared.fetch_commit(&resolved, commit, known, task)?;
                    (Arc::new(tree), report)
                }
                Revision::Version(version) => shared.fetch_version(&resolved, version, task)?,
            };
            tracing::debug!(
                repository = %resolved.repo_url, revision = %resolved.revision, received = report.received,
                entries = report.entries, "fetched"
            );
            Ok((tree, report))
        })
        .await
    }
}

impl Shared {
    /// One version of a record.
    fn fetch_version(
        &self,
        resolved: &ResolvedRef,
        version: &Version,
        task: &Task,
    ) -> Result<(Arc<dyn Tree>, FetchReport), Error> {
        let spool = Spool::create(self.scratch.path(), self.config.limits(), task)?;
        let mut session = self.remotes.session(task);
        let fetched = self.archives.fetch(&mut session, resolved, version, spool, self.scratch.path())?;
        let mut notes = fetched.notes;
        notes.truncate(MAX_NOTES);
        let report = FetchReport {
            received: fetched.received,
            entries: fetched.tree.entries().len() as u64,
            bytes: fetched.tree.entries().iter().map(|entry| entry.size).sum(),
            committed: fetched.published,
            notes,
        };
        Ok((Arc::new(fetched.tree), report))
    }

    /// One commit of a repository.
    fn fetch_commit(
        &self,
        resolved: &ResolvedRef,
        commit: &CommitId,
        known: Option<Url>,
        task: &Task,
    ) -> Result<(GitTree, FetchReport), Error> {
        let limits = self.config.limits();
        let store = ObjectStore::create(&self.scratch)?;
        let mut session = self.remotes.session(task);
        if resolved.private {
            session.show_credential(resolved.repo_url.as_url());
        }
        let target = Target {
            commit,
            reference: Some(&resolved.spec.reference),
            spellings: &self.forges.spellings(&resolved.repo_url),
            known,
        };
        fetch_commit(&mut session, &target, &FetchInto { store: &store, limits, task })?;
        let mut walk = Walk::new(limits, task);
        walk.add(&store, store.tree_of(commit)?, "")?;
        let mut notes = Vec::new();
        let url = resolved.repo_url.as_url();
        let mut large = Large::new();
        if self.config.large_files {
            let place = lfs::Place { prefix: "", url };
            large = lfs::fetch(&mut session, &mut walk, &store, &place, limits, task)?;
        }
        if self.config.submodules {
            let wanted = self.config.large_files.then_some(&mut large);
            let mut submodules = Submodules::new(&self.forges, limits, &store, task, wanted);
            submodules.add_all(&mut session, &mut walk, &resolved.repo_url)?;
        }
        if !self.config.large_files {
            let left = |path| format!("{path} is a Git LFS pointer; this site does not fetch large files.");
            notes.extend(lfs::pointers(&walk, &store, url)?.into_iter().map(left));
        }
        let walked = walk.finish()?;
        let empty = walked.iter().filter(|(entry, _)| entry.kind == EntryKind::Submodule);
        notes.extend(empty.map(|(entry, _)| format!("{} is a submodule that was not fetched.", entry.path.as_str())));
        notes.truncate(MAX_NOTES);
        let report = FetchReport {
            received: session.received(),
            entries: walked.len() as u64,
            bytes: walked.iter().map(|(entry, _)| entry.size).sum(),
            committed: store.committed(commit)?,
            notes,
        };
        Ok((GitTree::new(walked, large, store), report))
    }
}

#[async_trait]
impl ContentProvider for HostedContent {
    async fn resolve(&self, spec: &RepoSpec) -> Result<ResolvedRef, Fault> {
        self.resolve_spec(spec).await.map_err(|error| fault(error, spec))
    }

    async fn fetch(&self, resolved: &ResolvedRef) -> Result<(Arc<dyn Tree>, FetchReport), Fault> {
        self.fetch_resolved(resolved).await.map_err(|error| fault(error, &resolved.spec))
    }
}

/// The error as a visitor sees it, in the words badges and clients have known for years where there are such.
fn fault(error: Error, spec: &RepoSpec) -> Fault {
    let absent = error.is_absence();
    let mut fault = Fault::from(error);
    if absent {
        let RepoSpec { provider, repository, reference } = spec;
        fault.message = if provider.has_refs() {
            format!("Could not resolve ref for {provider}:{repository}/{reference}.")
        } else {
            format!("Could not resolve ref for {provider}:{repository}.")
        };
    }
    fault
}
