//! Repositories for tests, made by git from lists of files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bare repository whose default branch is `main`.
#[derive(Debug, Clone)]
pub struct Repo {
    path: PathBuf,
}

/// One file of a commit.
#[derive(Debug, Clone)]
pub struct RepoFile {
    path: String,
    mode: &'static str,
    content: Vec<u8>,
}

impl RepoFile {
    /// The same below a directory.
    #[must_use]
    pub fn below(self, directory: &str) -> Self {
        Self { path: format!("{directory}/{}", self.path), ..self }
    }
}

/// A regular file.
#[must_use]
pub fn file(path: &str, content: impl AsRef<[u8]>) -> RepoFile {
    RepoFile { path: path.to_owned(), mode: "100644", content: content.as_ref().to_vec() }
}

/// A regular file that may be executed.
#[must_use]
pub fn executable(path: &str, content: impl AsRef<[u8]>) -> RepoFile {
    RepoFile { mode: "100755", ..file(path, content) }
}

/// A symbolic link.
#[must_use]
pub fn symlink(path: &str, target: &str) -> RepoFile {
    RepoFile { mode: "120000", ..file(path, target) }
}

/// A submodule at a commit.
#[must_use]
pub fn submodule(path: &str, commit: &str) -> RepoFile {
    RepoFile { mode: "160000", ..file(path, commit) }
}

/// Writes files and links below a directory, as a checkout would. Submodules become empty directories.
///
/// # Errors
/// The disk refused.
pub fn write(directory: &Path, files: &[RepoFile]) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    for file in files {
        let path = directory.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
        match file.mode {
            "160000" => std::fs::create_dir_all(&path)?,
            "120000" => std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(&file.content), &path)?,
            mode => {
                std::fs::write(&path, &file.content)?;
                let bits = if mode == "100755" { 0o755 } else { 0o644 };
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits))?;
            }
        }
    }
    Ok(())
}

impl Repo {
    /// An empty repository at `<root>/<name>`, which may have slashes.
    ///
    /// # Errors
    /// git failed; its message is inside.
    pub fn create(root: &Path, name: &str) -> io::Result<Self> {
        let repo = Self { path: root.join(name) };
        std::fs::create_dir_all(&repo.path)?;
        repo.git(&["init", "--quiet", "--bare", "--initial-branch=main"], b"")?;
        Ok(repo)
    }

    /// One that was made before.
    #[must_use]
    pub fn open(root: &Path, name: &str) -> Self {
        Self { path: root.join(name) }
    }

    /// A repository with one commit of those files on `main`.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn with_files(root: &Path, name: &str, files: &[RepoFile]) -> io::Result<Self> {
        let repo = Self::create(root, name)?;
        repo.commit("main", files)?;
        Ok(repo)
    }

    /// A repository with one commit of everything below `directory` on `main`, `.git` left out.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn from_directory(root: &Path, name: &str, directory: &Path) -> io::Result<Self> {
        let repo = Self::create(root, name)?;
        let work_tree = format!("--work-tree={}", directory.display());
        repo.git(&[&work_tree, "add", "--all", "--force", "."], b"")?;
        repo.git(&[&work_tree, "commit", "--quiet", "--allow-empty", "--message=files"], b"")?;
        Ok(repo)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new commit on `branch` with those files added or replaced; its id. A branch that does not exist is begun.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn commit(&self, branch: &str, files: &[RepoFile]) -> io::Result<String> {
        let parent = self.id(&format!("refs/heads/{branch}")).ok();
        // The next second after the parent, so that two commits of the same files differ, and ids repeat between runs.
        let second = match &parent {
            Some(parent) => self.git(&["show", "--no-patch", "--format=%ct", parent], b"")?.parse().unwrap_or(0) + 1,
            None => 1_700_000_000_u64,
        };
        let mut stream =
            format!("commit refs/heads/{branch}\ncommitter Test <test@example.org> {second} +0000\ndata 4\ntest\n")
                .into_bytes();
        if let Some(parent) = parent {
            stream.extend(format!("from {parent}\n").bytes());
        }
        for file in files {
            if file.mode == "160000" {
                stream.extend(format!("M 160000 {} {}\n", String::from_utf8_lossy(&file.content), file.path).bytes());
            } else {
                stream.extend(format!("M {} inline {}\ndata {}\n", file.mode, file.path, file.content.len()).bytes());
                stream.extend(&file.content);
                stream.push(b'\n');
            }
        }
        self.git(&["fast-import", "--quiet", "--force"], &stream)?;
        self.id(&format!("refs/heads/{branch}"))
    }

    /// Points a branch at a commit.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn branch(&self, name: &str, commit: &str) -> io::Result<()> {
        self.point(&format!("refs/heads/{name}"), commit)
    }

    /// Points a plain tag at a commit.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn tag(&self, name: &str, commit: &str) -> io::Result<()> {
        self.point(&format!("refs/tags/{name}"), commit)
    }

    /// Makes a tag object of a commit; its id.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn annotated_tag(&self, name: &str, commit: &str) -> io::Result<String> {
        self.git(&["tag", "--annotate", "--message=tag", name, commit], b"")?;
        self.id(&format!("refs/tags/{name}"))
    }

    /// Points any ref at any object.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn point(&self, reference: &str, object: &str) -> io::Result<()> {
        self.git(&["update-ref", reference, object], b"").map(drop)
    }

    /// The id a name stands for.
    ///
    /// # Errors
    /// It stands for none.
    pub fn id(&self, name: &str) -> io::Result<String> {
        self.git(&["rev-parse", "--verify", "--quiet", name], b"")
    }

    /// Writes an object exactly as given, however malformed; its id.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn object(&self, kind: &str, content: &[u8]) -> io::Result<String> {
        self.git(&["hash-object", "-t", kind, "-w", "--stdin", "--literally"], content)
    }

    /// Writes a commit of a tree object and points `main` at it; its id.
    ///
    /// # Errors
    /// As [`Repo::create`].
    pub fn commit_tree(&self, tree: &str) -> io::Result<String> {
        let who = "Test <test@example.org> 1700000000 +0000";
        let commit =
            self.object("commit", format!("tree {tree}\nauthor {who}\ncommitter {who}\n\ntest\n").as_bytes())?;
        // The ref is written as a file: git would look into the commit and might object to what it finds.
        let reference = self.path.join("refs/heads/main");
        std::fs::write(reference, format!("{commit}\n"))?;
        Ok(commit)
    }

    /// Runs git in the repository; its output without the last line end.
    ///
    /// # Errors
    /// git failed; its message is inside.
    pub fn git(&self, arguments: &[&str], input: &[u8]) -> io::Result<String> {
        let mut child = Command::new("git")
            .arg("-C")
            .arg(&self.path)
            .arg(format!("--git-dir={}", self.path.display()))
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@example.org")])
            .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input closes it.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("git {}: {message}", arguments.join(" "))))
        }
    }
}
