//! Files received one after another into one nameless file on disk, and the tree they make.
//!
//! A name never becomes a path on this machine: contents lie end to end, and an entry is where its content begins and ends.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bindery_core::{EntryKind, Tree, TreeEntry, TreeError, TreePath};

use crate::config::MAX_PATH_BYTES;
use crate::task::Task;
use crate::{Error, Limits};

/// The longest target of a link.
const MAX_LINK: u64 = 4096;

/// Where a content lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    size: u64,
}

/// Files on their way to becoming a tree, held to the site's limits as they come.
pub(crate) struct Spool {
    limits: Limits,
    task: Task,
    file: File,
    end: u64,
    bytes: u64,
    path_bytes: u64,
    entries: Vec<(TreeEntry, Place)>,
    by_path: HashMap<String, usize>,
    left_out: usize,
}

impl Spool {
    /// An empty spool whose disk space, in `directory`, is given back when it or its tree is dropped.
    pub(crate) fn create(directory: &Path, limits: Limits, task: &Task) -> Result<Self, Error> {
        Ok(Self {
            limits,
            task: task.clone(),
            file: tempfile::tempfile_in(directory).map_err(disk)?,
            end: 0,
            bytes: 0,
            path_bytes: 0,
            entries: Vec::new(),
            by_path: HashMap::new(),
            left_out: 0,
        })
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// How many entries were left out, as parts of somebody's own git directory or of what macOS puts beside files.
    pub(crate) const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Fails when the work should stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.task.check("unpacking")
    }

    /// Adds a file, or a link whose target is `content`. Gives its size, or nothing where it is left out.
    pub(crate) fn add(&mut self, name: &str, kind: EntryKind, content: &mut dyn Read) -> Result<Option<u64>, Error> {
        let Some(path) = self.path(name)? else { return Ok(None) };
        let most = if kind == EntryKind::Symlink { MAX_LINK } else { self.limits.max_blob };
        let mut place = Place { at: self.end, size: 0 };
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.check()?;
            let count = match content.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.downcast().unwrap_or_else(|error| Error::Damaged(error.to_string()))),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            place.size += count as u64;
            self.count_bytes(count as u64, place.size, most)?;
            self.file.write_all(bytes).map_err(disk)?;
            self.end += count as u64;
        }
        self.insert(path, kind, place);
        Ok(Some(place.size))
    }

    /// Adds a file with the content of one added before, as a hard link does.
    pub(crate) fn again(&mut self, name: &str, target: &str) -> Result<(), Error> {
        let Some(path) = self.path(name)? else { return Ok(()) };
        let target = target.trim_start_matches("./");
        let found = self.by_path.get(target).and_then(|index| self.entries.get(*index));
        let found = found.map(|(entry, place)| (entry.kind, *place));
        let (kind, place) =
            found.ok_or_else(|| Error::Path(format!("{:?} is a link to no file before it", path.as_str())))?;
        self.count_bytes(place.size, place.size, self.limits.max_blob)?;
        self.insert(path, kind, place);
        Ok(())
    }

    /// The tree of what was added. Where everything is in one directory, that is the tree, as downloads of repositories are made.
    pub(crate) fn finish(self) -> Result<SpoolTree, Error> {
        let top = self.entries.first().map(|(entry, _)| entry.path.as_str());
        let top = top.and_then(|path| path.split_once('/')).map(|(top, _)| format!("{top}/"));
        let single = top.filter(|top| self.entries.iter().all(|(entry, _)| entry.path.as_str().starts_with(top)));
        self.tree(single.as_deref().unwrap_or_default())
    }

    /// The tree of what was added, as it was added.
    pub(crate) fn finish_as_is(self) -> Result<SpoolTree, Error> {
        self.tree("")
    }

    fn tree(self, prefix: &str) -> Result<SpoolTree, Error> {
        let mut found = Vec::with_capacity(self.entries.len());
        for (entry, place) in self.entries {
            let path = TreePath::new(entry.path.as_str().strip_prefix(prefix).unwrap_or_default())?;
            found.push((TreeEntry { path, ..entry }, place));
        }
        found.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let files: HashSet<&str> = found.iter().map(|(entry, _)| entry.path.as_str()).collect();
        for (entry, _) in &found {
            let mut above = entry.path.parent();
            while !above.is_empty() {
                if files.contains(above) {
                    return Err(Error::Path(format!("{above:?} is a file and a directory")));
                }
                above = above.rsplit_once('/').map_or("", |(above, _)| above);
            }
        }
        let (entries, places) = found.into_iter().unzip();
        Ok(SpoolTree { entries, places, file: self.file })
    }

    /// Where an entry of that name will be; nothing where it is to be left out.
    fn path(&mut self, name: &str) -> Result<Option<TreePath>, Error> {
        let name = name.trim_start_matches("./");
        if name.split('/').any(|part| part == ".git" || part == "__MACOSX") {
            self.left_out += 1;
            return Ok(None);
        }
        let path = TreePath::new(name)?;
        if self.by_path.contains_key(path.as_str()) {
            return Err(Error::Path(format!("{:?} is there twice", path.as_str())));
        }
        if path.as_str().split('/').count() > self.limits.max_depth {
            let limit = self.limits.max_depth.to_string();
            return Err(Error::TooLarge { what: "the depth of its directories", limit, setting: "max_depth" });
        }
        if self.entries.len() as u64 >= self.limits.max_entries {
            let limit = self.limits.max_entries.to_string();
            return Err(Error::TooLarge { what: "the number of files and directories", limit, setting: "max_entries" });
        }
        self.path_bytes += path.as_str().len() as u64;
        if self.path_bytes > MAX_PATH_BYTES {
            return Err(Error::over_bytes("the length of all paths", MAX_PATH_BYTES, ""));
        }
        Ok(Some(path))
    }

    fn count_bytes(&mut self, more: u64, size: u64, most: u64) -> Result<(), Error> {
        if size > most {
            return Err(Error::over_bytes("one file", most, if most == MAX_LINK { "" } else { "max_blob" }));
        }
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > self.limits.max_bytes {
            return Err(Error::over_bytes("the size of all files", self.limits.max_bytes, "max_bytes"));
        }
        Ok(())
    }

    fn insert(&mut self, path: TreePath, kind: EntryKind, place: Place) {
        self.by_path.insert(path.as_str().to_owned(), self.entries.len());
        self.entries.push((TreeEntry { path, kind, size: place.size }, place));
    }
}

/// Entries in memory, contents on disk; the disk space is given back when this is dropped.
pub(crate) struct SpoolTree {
    entries: Vec<TreeEntry>,
    places: Vec<Place>,
    file: File,
}

impl SpoolTree {
    fn find(&self, path: &str) -> Result<(&TreeEntry, Place), TreeError> {
        let missing = || TreeError::Missing(path.to_owned());
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).map_err(|_| missing())?;
        self.entries.get(index).zip(self.places.get(index).copied()).ok_or_else(missing)
    }

    fn content(&self, path: &str, place: Place, limit: u64) -> Result<Vec<u8>, TreeError> {
        let size = usize::try_from(place.size).ok().filter(|_| place.size <= limit);
        let size = size.ok_or_else(|| TreeError::TooLarge { path: path.to_owned(), limit })?;
        let mut content = vec![0; size];
        self.file
            .read_exact_at(&mut content, place.at)
            .map_err(|error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        Ok(content)
    }
}

impl Tree for SpoolTree {
    fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let (entry, place) = self.find(path)?;
        if !entry.kind.is_file() {
            return Err(TreeError::NotAFile(path.to_owned()));
        }
        self.content(path, place, limit)
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let (entry, place) = self.find(path)?;
        if entry.kind != EntryKind::Symlink {
            return Err(TreeError::Missing(path.to_owned()));
        }
        self.content(path, place, MAX_LINK)
    }
}

fn disk(error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        Error::Machine("the disk is full".to_owned())
    } else {
        Error::Machine(format!("no working space: {error}"))
    }
}
