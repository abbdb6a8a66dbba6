//! A directory on disk as the same kind of tree, for the command line.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use bindery_core::{EntryKind, Fault, Tree, TreeEntry, TreeError, TreePath};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};

use crate::config::MAX_PATH_BYTES;
use crate::{Error, Limits};

/// The longest target of a link.
const MAX_LINK: u64 = 4096;

/// Every file and link below `path`, without `.git`. Links are listed, never followed; contents are read when asked for,
/// and only from inside the directory. Blocks; for one user's own directory, not for strangers'.
///
/// # Errors
/// A fault naming what cannot be read, a name that cannot be used, or the limit passed.
pub fn local_tree(path: &Path, limits: Limits) -> Result<Arc<dyn Tree>, Fault> {
    Ok(Arc::new(LocalTree::read(path, limits)?))
}

struct LocalTree {
    root: File,
    entries: Vec<TreeEntry>,
}

impl LocalTree {
    fn read(path: &Path, limits: Limits) -> Result<Self, Error> {
        let root = File::open(path).map_err(|error| unreadable(path, &error))?;
        if !root.metadata().map_err(|error| unreadable(path, &error))?.is_dir() {
            return Err(Error::Directory {
                path: path.display().to_string(),
                reason: "it is not a directory".to_owned(),
            });
        }
        let mut listing = Listing { limits, entries: Vec::new(), count: 0, bytes: 0, path_bytes: 0 };
        listing.add(path)?;
        let mut entries = listing.entries;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root, entries })
    }
}

struct Listing {
    limits: Limits,
    entries: Vec<TreeEntry>,
    count: u64,
    bytes: u64,
    path_bytes: u64,
}

impl Listing {
    fn add(&mut self, root: &Path) -> Result<(), Error> {
        let mut pending = vec![(root.to_path_buf(), String::new(), 0)];
        while let Some((directory, prefix, depth)) = pending.pop() {
            if depth > self.limits.max_depth {
                let limit = self.limits.max_depth.to_string();
                return Err(Error::TooLarge { what: "the depth of its directories", limit, setting: "max_depth" });
            }
            for entry in std::fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))? {
                let entry = entry.map_err(|error| unreadable(&directory, &error))?;
                let on_disk = entry.path();
                if entry.file_name() == ".git" {
                    continue;
                }
                let name = entry.file_name().into_string();
                let name =
                    name.map_err(|_| Error::Path(format!("{:?} is not UTF-8", on_disk.display().to_string())))?;
                let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
                let path = TreePath::new(&path)?;
                // Of the entry itself: a link is not followed.
                let metadata = entry.metadata().map_err(|error| unreadable(&on_disk, &error))?;
                self.count(&path)?;
                if metadata.is_dir() {
                    pending.push((on_disk, path.into(), depth + 1));
                    continue;
                }
                let kind = match metadata.file_type() {
                    kind if kind.is_symlink() => EntryKind::Symlink,
                    kind if kind.is_file() && metadata.mode() & 0o100 != 0 => EntryKind::Executable,
                    kind if kind.is_file() => EntryKind::File,
                    _ => return Err(Error::Path(format!("{:?} is neither file, directory nor link", path.as_str()))),
                };
                self.measure(metadata.len())?;
                self.entries.push(TreeEntry { path, kind, size: metadata.len() });
            }
        }
        Ok(())
    }

    fn count(&mut self, path: &TreePath) -> Result<(), Error> {
        self.count += 1;
        self.path_bytes += path.as_str().len() as u64;
        if self.count > self.limits.max_entries || self.path_bytes > MAX_PATH_BYTES {
            let limit = self.limits.max_entries.to_string();
            return Err(Error::TooLarge { what: "the number of files and directories", limit, setting: "max_entries" });
        }
        Ok(())
    }

    fn measure(&mut self, size: u64) -> Result<(), Error> {
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

impl Tree for LocalTree {
    fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let entry = self.entry(path).ok_or_else(|| TreeError::Missing(path.to_owned()))?;
        if !entry.kind.is_file() {
            return Err(TreeError::NotAFile(path.to_owned()));
        }
        if entry.size > limit {
            return Err(TreeError::TooLarge { path: path.to_owned(), limit });
        }
        let file = open_beneath(&self.root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut content = Vec::new();
        // One byte more than listed shows that it has grown, without reading all it has grown to.
        let read = File::from(file).take(entry.size + 1).read_to_end(&mut content);
        read.map_err(|error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        if content.len() as u64 == entry.size {
            Ok(content)
        } else {
            Err(TreeError::Unreadable { path: path.to_owned(), reason: "it changed while being read".to_owned() })
        }
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        match self.entry(path) {
            Some(entry) if entry.kind == EntryKind::Symlink => {}
            _ => return Err(TreeError::Missing(path.to_owned())),
        }
        let link = open_beneath(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = readlinkat(link, "", Vec::new())
            .map_err(|error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        let target = target.into_bytes();
        if target.len() as u64 > MAX_LINK {
            return Err(TreeError::TooLarge { path: path.to_owned(), limit: MAX_LINK });
        }
        Ok(target)
    }
}

/// Opens `path` inside `root`; the kernel refuses any way out of it and any link on the way.
fn open_beneath(root: &File, path: &str, flags: OFlags) -> Result<rustix::fd::OwnedFd, TreeError> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), inside)
        .map_err(|error| TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Directory { path: path.display().to_string(), reason: error.to_string() }
}
