//! The repository as packs see it: its configuration directory, and bounded reads of regular files.

use bindery_core::{EntryKind, Tree, TreeError};

use crate::PlanError;
use crate::base::Contract;

/// The largest environment file, in bytes.
pub(crate) const FILE_LIMIT: u64 = 1024 * 1024;

/// The largest lock file, in bytes: they list every package of every platform.
pub(crate) const LOCK_LIMIT: u64 = 8 * 1024 * 1024;

/// The names of a configuration directory.
const CONFIG_DIRS: [&str; 2] = ["binder", ".binder"];

/// What packs look at.
pub(crate) struct Repo<'a> {
    pub(crate) tree: &'a dyn Tree,
    /// `binder`, `.binder`, or none.
    pub(crate) config_dir: Option<&'static str>,
    pub(crate) contract: &'a Contract,
}

/// An environment file that was found.
#[derive(Debug)]
pub(crate) struct EnvFile {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) executable: bool,
}

impl<'a> Repo<'a> {
    /// Settles the configuration directory.
    pub(crate) fn open(tree: &'a dyn Tree, contract: &'a Contract) -> Result<Self, PlanError> {
        let mut found = None;
        for name in CONFIG_DIRS {
            // A link or submodule named like the directory would otherwise hide the files people meant.
            if tree.entry(name).is_some_and(|entry| !entry.kind.is_file()) {
                return Err(not_regular(name, "directory"));
            }
            if tree.has_directory(name) && found.replace(name).is_some() {
                return Err(PlanError::BothConfigDirs);
            }
        }
        Ok(Self { tree, config_dir: found, contract })
    }

    /// Where an environment file of this name is looked for.
    pub(crate) fn path(&self, name: &str) -> String {
        self.config_dir.map_or_else(|| name.to_owned(), |dir| format!("{dir}/{name}"))
    }

    /// The environment file of this name in the configuration directory, or at the top when there is none.
    pub(crate) fn file(&self, name: &str) -> Result<Option<EnvFile>, PlanError> {
        self.file_up_to(name, FILE_LIMIT)
    }

    /// The same for a lock file, which may be larger.
    pub(crate) fn lock_file(&self, name: &str) -> Result<Option<EnvFile>, PlanError> {
        self.file_up_to(name, LOCK_LIMIT)
    }

    fn file_up_to(&self, name: &str, limit: u64) -> Result<Option<EnvFile>, PlanError> {
        let path = self.path(name);
        if self.tree.has_directory(&path) {
            return Err(not_regular(&path, "file"));
        }
        if self.tree.entry(&path).is_none() {
            return Ok(None);
        }
        self.read_up_to(&path, limit).map(Some)
    }

    /// The regular file at `path`, wherever it is.
    pub(crate) fn read(&self, path: &str) -> Result<EnvFile, PlanError> {
        self.read_up_to(path, FILE_LIMIT)
    }

    fn read_up_to(&self, path: &str, limit: u64) -> Result<EnvFile, PlanError> {
        let executable = self.tree.entry(path).is_some_and(|entry| entry.kind == EntryKind::Executable);
        match self.tree.read(path, limit) {
            Ok(bytes) => Ok(EnvFile { path: path.to_owned(), bytes, executable }),
            Err(TreeError::NotAFile(_)) => Err(not_regular(path, "file")),
            Err(TreeError::TooLarge { .. }) => Err(PlanError::file(
                path,
                format!("The file is larger than {} MiB, the limit for such a file.", limit / (1024 * 1024)),
                "Move data out of it.",
            )
            .coded("environment-file-too-large")),
            Err(error) => Err(PlanError::Unreadable { file: path.to_owned(), reason: error.to_string() }),
        }
    }

    /// The first of these paths at which there is a regular file, which must be one that can be read.
    pub(crate) fn first(&self, paths: &[String]) -> Result<Option<String>, PlanError> {
        let Some(path) = paths.iter().find(|path| self.tree.entry(path).is_some()) else { return Ok(None) };
        self.read(path).map(|file| Some(file.path))
    }

    /// Whether anything is at `path`: an entry or a directory.
    pub(crate) fn exists(&self, path: &str) -> bool {
        path.is_empty() || self.tree.entry(path).is_some() || self.tree.has_directory(path)
    }
}

fn not_regular(path: &str, wanted: &str) -> PlanError {
    PlanError::file(
        path,
        format!("{path} is not a regular {wanted}; links and submodules are not read as environment files."),
        format!("Commit a regular {wanted} in its place."),
    )
    .coded("environment-file-not-regular")
}
