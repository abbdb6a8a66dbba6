//! From a commit to checked entries.
//!
//! Trees are parsed here, byte for byte, so that what is refused does not depend on what a library would tolerate. Nothing
//! is normalised: a name that is not plainly usable refuses the repository.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use bindery_core::{EntryKind, TreeEntry, TreePath};
use git2::Oid;

use crate::config::MAX_PATH_BYTES;
use crate::store::ObjectStore;
use crate::task::Task;
use crate::{Error, Limits};

/// However deep a site allows directories to be, the stack of a thread allows no more.
const MAX_RECURSION: usize = 1000;

/// An entry and the object that holds it.
pub(crate) type Walked = (TreeEntry, Oid);

/// What was counted so far, over everything walked for one repository.
pub(crate) struct Walk<'a> {
    limits: Limits,
    task: &'a Task,
    entries: u64,
    bytes: u64,
    path_bytes: u64,
    found: Vec<Walked>,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(limits: Limits, task: &'a Task) -> Self {
        Self { limits, task, entries: 0, bytes: 0, path_bytes: 0, found: Vec::new() }
    }

    /// Walks `tree` as if it stood at `prefix`, which is empty or a path.
    pub(crate) fn add(&mut self, store: &ObjectStore, tree: Oid, prefix: &str) -> Result<(), Error> {
        let depth = if prefix.is_empty() { 0 } else { prefix.split('/').count() };
        self.foresee(store, tree, prefix, depth)?;
        let mut pending = vec![(prefix.to_owned(), tree)];
        while let Some((directory, id)) = pending.pop() {
            self.task.check("reading the repository")?;
            let raw = store.tree(id)?;
            let mut names = HashSet::new();
            let mut previous: Option<RawEntry<'_>> = None;
            let mut rest = raw.as_slice();
            while !rest.is_empty() {
                let (entry, tail) = RawEntry::parse(rest)?;
                rest = tail;
                if !names.insert(entry.name) {
                    return Err(Error::Path(format!("{:?} is there twice", entry.shown(&directory))));
                }
                if previous.as_ref().is_some_and(|previous| previous.order(&entry) != Ordering::Less) {
                    return Err(Error::Damaged(format!("directory {directory:?} is not sorted")));
                }
                let path = entry.path(&directory)?;
                self.count_path(&path)?;
                match entry.kind {
                    RawKind::Directory => pending.push((path.into(), entry.id)),
                    RawKind::Entry(kind) => {
                        let size = if kind == EntryKind::Submodule { 0 } else { store.blob_size(entry.id)? };
                        self.count_bytes(size)?;
                        self.found.push((TreeEntry { path, kind, size }, entry.id));
                    }
                }
                previous = Some(entry);
            }
        }
        Ok(())
    }

    /// Refuses what would be over a limit, at the cost of reading each tree object once, however often it is used: ten
    /// levels of ten links to one tree are ten objects, and ten thousand million paths.
    fn foresee(&self, store: &ObjectStore, tree: Oid, prefix: &str, depth: usize) -> Result<(), Error> {
        let mut measured = HashMap::new();
        let levels = self.limits.max_depth.min(MAX_RECURSION).saturating_sub(depth);
        let extent = Extent::of(tree, store, self.task, levels, &mut measured).map_err(|error| match error {
            Error::TooLarge { what, setting: setting @ "max_depth", .. } => {
                Error::TooLarge { what, limit: self.limits.max_depth.to_string(), setting }
            }
            other => other,
        })?;
        let entries = self.entries.saturating_add(extent.entries);
        let above = (prefix.len() as u64).saturating_mul(extent.entries);
        self.check_paths(entries, self.path_bytes.saturating_add(extent.path_bytes).saturating_add(above))
    }

    /// Everything found so far, in no order.
    pub(crate) fn found(&self) -> &[Walked] {
        &self.found
    }

    /// Counts the files of that object with another size than their own, that of what will take their place.
    pub(crate) fn resize(&mut self, id: Oid, size: u64) -> Result<(), Error> {
        let mut same = 0;
        for (entry, _) in self.found.iter_mut().filter(|(_, found)| *found == id) {
            entry.size = size;
            same += 1;
        }
        (0..same).try_for_each(|_| self.count_bytes(size))
    }

    /// Takes the submodule at `path` out, to put its content in its place.
    pub(crate) fn replace_submodule(&mut self, path: &str) {
        self.found.retain(|(entry, _)| entry.kind != EntryKind::Submodule || entry.path.as_str() != path);
    }

    /// The entries, sorted by path.
    pub(crate) fn finish(mut self) -> Result<Vec<Walked>, Error> {
        self.found.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let twice = self.found.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a.path == b.path));
        match twice {
            Some([(entry, _), _]) => Err(Error::Path(format!("{:?} is there twice", entry.path.as_str()))),
            _ => Ok(self.found),
        }
    }

    fn count_path(&mut self, path: &TreePath) -> Result<(), Error> {
        self.entries += 1;
        self.path_bytes += path.as_str().len() as u64;
        self.check_paths(self.entries, self.path_bytes)
    }

    fn check_paths(&self, entries: u64, path_bytes: u64) -> Result<(), Error> {
        if entries > self.limits.max_entries {
            let limit = self.limits.max_entries.to_string();
            return Err(Error::TooLarge { what: "the number of files and directories", limit, setting: "max_entries" });
        }
        if path_bytes > MAX_PATH_BYTES {
            return Err(Error::over_bytes("the length of all paths", MAX_PATH_BYTES, ""));
        }
        Ok(())
    }

    fn count_bytes(&mut self, size: u64) -> Result<(), Error> {
        if size > self.limits.max_blob {
            return Err(Error::over_bytes("one file", self.limits.max_blob, "max_blob"));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.max_bytes {
            return Err(Error::over_bytes("the size of all files", self.limits.max_bytes, "max_bytes"));
        }
        Ok(())
    }
}

/// What walking a tree would come to, without walking it.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Levels of directories below it.
    height: usize,
    entries: u64,
    /// The length of all paths, seen from this tree.
    path_bytes: u64,
}

impl Extent {
    /// Recursion goes `levels` deep and no deeper.
    fn of(
        tree: Oid,
        store: &ObjectStore,
        task: &Task,
        levels: usize,
        measured: &mut HashMap<Oid, Self>,
    ) -> Result<Self, Error> {
        if let Some(known) = measured.get(&tree) {
            return if known.height > levels { Err(too_deep()) } else { Ok(*known) };
        }
        task.check("reading the repository")?;
        let raw = store.tree(tree)?;
        let mut extent = Self::default();
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            let (entry, tail) = RawEntry::parse(rest)?;
            rest = tail;
            let name = entry.name.len() as u64;
            extent.entries = extent.entries.saturating_add(1);
            extent.path_bytes = extent.path_bytes.saturating_add(name);
            if entry.kind == RawKind::Directory {
                let below = Self::of(entry.id, store, task, levels.checked_sub(1).ok_or_else(too_deep)?, measured)?;
                extent.height = extent.height.max(below.height + 1);
                extent.entries = extent.entries.saturating_add(below.entries);
                let above = below.entries.saturating_mul(name + 1);
                extent.path_bytes = extent.path_bytes.saturating_add(below.path_bytes).saturating_add(above);
            }
        }
        measured.insert(tree, extent);
        Ok(extent)
    }
}

/// The limit is filled in by the one who knows it.
fn too_deep() -> Error {
    Error::TooLarge { what: "the depth of its directories", limit: String::new(), setting: "max_depth" }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RawKind {
    Directory,
    Entry(EntryKind),
}

/// One entry of a tree object: mode, space, name, zero, twenty bytes of id.
struct RawEntry<'a> {
    kind: RawKind,
    name: &'a [u8],
    id: Oid,
}

impl<'a> RawEntry<'a> {
    fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let broken = || Error::Damaged("a directory cannot be read".to_owned());
        let space = bytes.iter().position(|b| *b == b' ').ok_or_else(broken)?;
        let (mode, rest) = bytes.split_at(space);
        let rest = rest.get(1..).ok_or_else(broken)?;
        let zero = rest.iter().position(|b| *b == 0).ok_or_else(broken)?;
        let (name, rest) = rest.split_at(zero);
        let id = rest.get(1..21).ok_or_else(broken)?;
        let id = Oid::from_bytes(id).map_err(|_| broken())?;
        let kind = match mode {
            b"40000" => RawKind::Directory,
            // git's first months wrote 100664 too, and git itself still takes it for this.
            b"100644" | b"100664" => RawKind::Entry(EntryKind::File),
            b"100755" => RawKind::Entry(EntryKind::Executable),
            b"120000" => RawKind::Entry(EntryKind::Symlink),
            b"160000" => RawKind::Entry(EntryKind::Submodule),
            _ => {
                let shown: String =
                    String::from_utf8_lossy(mode).chars().filter(char::is_ascii_alphanumeric).take(12).collect();
                return Err(Error::Damaged(format!("an entry has the mode {shown:?}, which git does not write")));
            }
        };
        Ok((Self { kind, name, id }, rest.get(21..).unwrap_or_default()))
    }

    /// Where the entry is.
    fn path(&self, directory: &str) -> Result<TreePath, Error> {
        let name = std::str::from_utf8(self.name)
            .map_err(|_| Error::Path(format!("{:?} is not UTF-8", self.shown(directory))))?;
        if name.contains('/') {
            return Err(Error::Path(format!("{:?} has a slash in its name", self.shown(directory))));
        }
        let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        Ok(TreePath::new(&path)?)
    }

    /// The path, fit for a message.
    fn shown(&self, directory: &str) -> String {
        let name = String::from_utf8_lossy(self.name);
        format!("{directory}/{name}")
            .chars()
            .filter(|c| !c.is_control())
            .skip(usize::from(directory.is_empty()))
            .take(200)
            .collect()
    }

    /// git's order: by name, where a directory's name ends with a slash.
    fn order(&self, other: &Self) -> Ordering {
        let slash = |entry: &Self| (entry.kind == RawKind::Directory).then_some(b'/');
        let ours = self.name.iter().copied().chain(slash(self));
        ours.cmp(other.name.iter().copied().chain(slash(other)))
    }
}
