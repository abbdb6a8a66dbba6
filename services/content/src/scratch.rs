//! The directory in which object stores live while they are needed.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::Error;

const LOCK: &str = "lock";

/// A directory of this process's own. Others that a process left behind when it died are removed on the way in.
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
    /// Held for as long as the process lives; whoever can take it knows that the directory is nobody's.
    _lock: File,
}

impl Scratch {
    pub(crate) fn claim(root: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Machine(format!("no working space in {}: {error}", root.display()));
        std::fs::create_dir_all(root).map_err(failed)?;
        remove_left_behind(root).map_err(failed)?;
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(root).map_err(failed)?;
        let lock = File::create(directory.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn remove_left_behind(root: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let path: PathBuf = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run-")) {
            continue;
        }
        // A directory without a lock was left between two steps of its making, or is being made this moment: a file lock
        // cannot tell, so age does.
        match File::open(path.join(LOCK)) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => std::fs::remove_dir_all(&path)?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            },
            Err(_) => {
                let old = path.metadata()?.modified()?.elapsed().is_ok_and(|age| age.as_secs() > 3600);
                if old {
                    std::fs::remove_dir_all(&path)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_live_one_has_is_not() {
        let root = tempfile::tempdir().unwrap();
        let live = Scratch::claim(root.path()).unwrap();
        let dead = root.path().join("run-dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("lock"), "").unwrap();
        let other = root.path().join("not-ours");
        std::fs::create_dir(&other).unwrap();
        let second = Scratch::claim(root.path()).unwrap();
        assert!(live.path().exists() && second.path().exists() && other.exists());
        assert!(!dead.exists());
    }
}
