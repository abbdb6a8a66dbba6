//! A bare object store: packs in a directory, no refs, no configuration, no working tree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bindery_core::{CommitId, Timestamp};
use git2::{Indexer, ObjectType, Odb, Oid};

use crate::Error;
use crate::config::{MAX_COMMIT_OBJECT, MAX_TREE_OBJECT};
use crate::scratch::Scratch;
use crate::task::Task;
use crate::wire::{PackLimits, PackScan};

/// Objects on disk, removed when dropped.
pub(crate) struct ObjectStore {
    objects: Odb<'static>,
    directory: tempfile::TempDir,
    /// What is read later must be there later, even when whoever fetched it is gone.
    _scratch: Arc<Scratch>,
}

impl ObjectStore {
    /// An empty store below `scratch`.
    pub(crate) fn create(scratch: &Arc<Scratch>) -> Result<Self, Error> {
        let directory =
            tempfile::Builder::new().prefix("git-").tempdir_in(scratch.path()).map_err(|error| disk(&error))?;
        std::fs::create_dir_all(pack_directory(directory.path())).map_err(|error| disk(&error))?;
        let objects = open(directory.path())?;
        Ok(Self { objects, directory, _scratch: Arc::clone(scratch) })
    }

    /// A pack about to be received into this store.
    pub(crate) fn pack<'a>(&'a self, limits: PackLimits, task: &Task, host: &str) -> Result<PackSink<'a>, Error> {
        let mut indexer = Indexer::new(None, &pack_directory(self.directory.path()), 0o600, false).map_err(damaged)?;
        let watch = task.clone();
        indexer.progress(move |_| !watch.is_cancelled() && !watch.left().is_zero());
        Ok(PackSink { scan: PackScan::new(limits), indexer, store: self, task: task.clone(), host: host.to_owned() })
    }

    /// Whether the commit is here.
    pub(crate) fn has(&self, commit: &CommitId) -> bool {
        oid(commit.as_str()).is_ok_and(|oid| self.objects.exists(oid))
    }

    /// The tree of a commit.
    pub(crate) fn tree_of(&self, commit: &CommitId) -> Result<Oid, Error> {
        let content = self.commit(commit)?;
        let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
        let tree = line.strip_prefix(b"tree ").and_then(|id| std::str::from_utf8(id).ok());
        oid(tree.ok_or_else(|| Error::Damaged(format!("commit {commit} has no tree")))?)
    }

    /// When the commit was made; `None` where it says nothing that can be.
    pub(crate) fn committed(&self, commit: &CommitId) -> Result<Option<Timestamp>, Error> {
        Ok(committed(&self.commit(commit)?))
    }

    fn commit(&self, commit: &CommitId) -> Result<Vec<u8>, Error> {
        self.object(oid(commit.as_str())?, ObjectType::Commit, MAX_COMMIT_OBJECT).map_err(|error| match error {
            Error::Damaged(_) => Error::NotACommit(commit.to_string()),
            other => other,
        })
    }

    /// The bytes of a tree.
    pub(crate) fn tree(&self, id: Oid) -> Result<Vec<u8>, Error> {
        self.object(id, ObjectType::Tree, MAX_TREE_OBJECT)
    }

    /// The size of a file, from its header.
    pub(crate) fn blob_size(&self, id: Oid) -> Result<u64, Error> {
        match self.objects.read_header(id) {
            Ok((size, ObjectType::Blob)) => Ok(size as u64),
            Ok(_) => Err(Error::Damaged(format!("{id} is not a file"))),
            Err(error) => Err(damaged(error)),
        }
    }

    /// Where a large file of that hash is kept.
    pub(crate) fn large_file(&self, sha256: &str) -> Result<PathBuf, Error> {
        let directory = self.directory.path().join("large");
        std::fs::create_dir_all(&directory).map_err(|error| disk(&error))?;
        Ok(directory.join(sha256))
    }

    /// The content of a file.
    pub(crate) fn blob(&self, id: Oid, limit: u64) -> Result<Vec<u8>, Error> {
        self.object(id, ObjectType::Blob, limit)
    }

    fn object(&self, id: Oid, kind: ObjectType, limit: u64) -> Result<Vec<u8>, Error> {
        let (size, found) = self.objects.read_header(id).map_err(damaged)?;
        if found != kind {
            return Err(Error::Damaged(format!("{id} is of another kind than it should be")));
        }
        if size as u64 > limit {
            return Err(Error::over_bytes("one object", limit, "max_blob"));
        }
        Ok(self.objects.read(id).map_err(damaged)?.data().to_vec())
    }
}

/// The committer's time: `committer Name <address> seconds zone`, among the lines before the first empty one. A name may hold
/// anything, so the line is read from its end.
fn committed(commit: &[u8]) -> Option<Timestamp> {
    let lines = commit.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
    let line = lines.into_iter().find(|line| line.starts_with(b"committer "))?;
    let seconds = line.rsplit(|b| *b == b' ').nth(1)?;
    std::str::from_utf8(seconds).ok()?.parse().ok().map(Timestamp::from_seconds)
}

/// Receives one pack: measured first, then indexed, every object's id computed from its content.
pub(crate) struct PackSink<'a> {
    scan: PackScan,
    indexer: Indexer<'static>,
    store: &'a ObjectStore,
    task: Task,
    host: String,
}

impl PackSink<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.scan.update(bytes)?;
        self.indexer.write_all(bytes).map_err(|error| self.explain(&error.to_string()))
    }

    /// The pack is complete: resolves its deltas and makes its objects readable.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.scan.finish()?;
        self.task.check(&self.host)?;
        let (task, host) = (self.task.clone(), self.host.clone());
        self.indexer.commit().map_err(|error| task.check(&host).err().unwrap_or_else(|| explain(error.message())))?;
        self.store.objects.refresh().map_err(damaged)
    }

    fn explain(&self, message: &str) -> Error {
        self.task.check(&self.host).err().unwrap_or_else(|| explain(message))
    }
}

/// A full disk is ours, everything else the repository's.
fn explain(message: &str) -> Error {
    if message.contains("No space left") || message.contains("Disk quota") {
        Error::Machine("the disk is full".to_owned())
    } else {
        Error::Damaged(message.to_owned())
    }
}

fn open(directory: &Path) -> Result<Odb<'static>, Error> {
    let objects = Odb::new().map_err(damaged)?;
    let path = directory.join("objects");
    let path = path.to_str().ok_or_else(|| Error::Machine("the data directory's name is not text".to_owned()))?;
    objects.add_disk_alternate(path).map_err(damaged)?;
    Ok(objects)
}

fn pack_directory(directory: &Path) -> PathBuf {
    directory.join("objects").join("pack")
}

pub(crate) fn oid(text: &str) -> Result<Oid, Error> {
    if text.len() == 40 {
        Oid::from_str(text).map_err(damaged)
    } else {
        Err(Error::Damaged("an object id is not one".to_owned()))
    }
}

fn damaged(error: git2::Error) -> Error {
    explain(error.message())
}

fn disk(error: &std::io::Error) -> Error {
    Error::Machine(format!("no working space: {error}"))
}

#[cfg(test)]
mod tests {
    use bindery_core::Timestamp;

    use super::committed;

    #[test]
    fn a_commit_says_when_it_was_made_or_not() {
        let time = |text: &str| committed(text.as_bytes()).map(Timestamp::as_seconds);
        let commit = |line: &str| {
            time(&format!("tree x\nauthor A <a@b> 1 +0000\n{line}\n\ncommitter C <c@d> 978307200 +0000\n"))
        };
        assert_eq!(commit("committer C <c@d> 1709251199 +0200"), Some(1_709_251_199));
        assert_eq!(commit("committer 9 > 8 7 <c@d> 1709251200 -0500"), Some(1_709_251_200));
        for line in [
            "committer",
            "committer ",
            "committer C <c@d> x +0000",
            "committer C <c@d> -5 +0000",
            "tagger C <c@d> 5 +0000",
        ] {
            assert_eq!(commit(line), None, "{line}");
        }
        assert_eq!(time(""), None);
    }
}
