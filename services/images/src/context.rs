//! The build context of a job: what is in it, under which names, streamed as it is read.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use bindery_core::seams::{BuildJob, ContextFile};
use bindery_core::{EntryKind, Timestamp, Tree, TreeEntry};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::ImagesError;
use crate::dockerignore::Ignore;
use crate::tarball::{FIXED_TIME, Tarball};

/// Bytes that travel together, and how many such chunks may wait for the engine: half a megabyte at most.
const CHUNK: usize = 64 << 10;
const CHUNKS_WAITING: usize = 8;
/// The largest file of patterns; buildpacks refuse one that is larger.
const IGNORE_LIMIT: u64 = 1 << 20;
/// Times that a zip, and so a Python wheel made of the content, can hold in any time zone: 1980-01-02 to 2107-12-30.
const ARCHIVED: std::ops::Range<u64> = 315_619_200..4_354_732_800;

/// A context ready to be written.
pub(crate) struct Context {
    tree: Option<Arc<dyn Tree>>,
    /// The content's time, in seconds since the Unix epoch.
    time: u64,
    prefix: String,
    files: Vec<ContextFile>,
    /// The Dockerfile's name in the context.
    pub(crate) dockerfile: String,
    ignore: Ignore,
    /// What stays in whatever the patterns say.
    keep: BTreeSet<String>,
}

/// What could not be sent as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Links whose target no filesystem takes.
    pub(crate) links: Vec<String>,
}

/// Plans the context. Reads the tree, so it may block.
pub(crate) fn prepare(job: &BuildJob) -> Result<Context, ImagesError> {
    let mut files = job.files.clone();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let prefix = job.tree_prefix.trim_matches('/').to_owned();
    let tree = job.tree.clone();
    let own_dockerfile = match &tree {
        Some(tree) if prefix.is_empty() => find_dockerfile(tree.as_ref(), &job.dockerfile)?,
        _ => None,
    };
    let ignore = match (&tree, &job.ignore_file) {
        (Some(tree), Some(path)) => {
            let content = tree.read(path, IGNORE_LIMIT).map_err(unreadable)?;
            Ignore::parse(&String::from_utf8_lossy(&content))
        }
        _ => Ignore::default(),
    };
    let mut keep: BTreeSet<String> = job.keep.iter().cloned().collect();
    keep.extend(own_dockerfile.clone());
    let dockerfile = match own_dockerfile {
        Some(path) => path,
        None => {
            let name = free_name(tree.as_deref(), &prefix, &files);
            let content = job.dockerfile.clone().into_bytes();
            files.push(ContextFile { path: name.clone(), content, executable: false });
            name
        }
    };
    let time = job.content_time.map(Timestamp::as_seconds).filter(|time| ARCHIVED.contains(time)).unwrap_or(FIXED_TIME);
    Ok(Context { tree, time, prefix, files, dockerfile, ignore, keep })
}

/// The repository's own file of exactly this text, so that `COPY . .` finds nothing that the repository does not have.
fn find_dockerfile(tree: &dyn Tree, text: &str) -> Result<Option<String>, ImagesError> {
    let size = text.len() as u64;
    for entry in tree.entries() {
        let candidate = entry.kind.is_file() && entry.size == size && entry.path.file_name().contains("Dockerfile");
        if candidate && tree.read(entry.path.as_str(), size).map_err(unreadable)? == text.as_bytes() {
            return Ok(Some(entry.path.as_str().to_owned()));
        }
    }
    Ok(None)
}

/// A name at the top of the context that nothing else has.
fn free_name(tree: Option<&dyn Tree>, prefix: &str, files: &[ContextFile]) -> String {
    let top = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let taken = |name: &str| {
        top(prefix) == name
            || files.iter().any(|file| top(&file.path) == name)
            || (prefix.is_empty() && tree.is_some_and(|tree| tree.entry(name).is_some() || tree.has_directory(name)))
    };
    let mut name = ".bindery.Dockerfile".to_owned();
    let mut number = 0_u32;
    while taken(&name) {
        number += 1;
        name = format!(".bindery-{number}.Dockerfile");
    }
    name
}

fn unreadable(error: bindery_core::TreeError) -> ImagesError {
    ImagesError::Context(error.to_string())
}

impl Context {
    /// Starts writing in a thread that may block. The stream ends with the archive, or with an error whose cause the task
    /// returns; the task ends early when the stream is dropped.
    pub(crate) fn stream(self) -> (ReceiverStream<io::Result<Bytes>>, JoinHandle<Result<LeftOut, ImagesError>>) {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let task = tokio::task::spawn_blocking(move || {
            let result = self.write(ChannelWriter { sender: sender.clone(), buffer: BytesMut::new() });
            if let Err(error) = &result {
                // The engine must see a broken request, not a short but whole archive. Nobody listening is fine.
                let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
            }
            result
        });
        (ReceiverStream::new(receiver), task)
    }

    fn write(&self, out: impl Write) -> Result<LeftOut, ImagesError> {
        let sent = |error: io::Error| ImagesError::Context(error.to_string());
        let mut tar = Tarball::new(out);
        let mut left_out = LeftOut::default();
        tar.set_time(self.time);
        tar.directory(&self.prefix).map_err(sent)?;
        if let Some(tree) = self.tree.as_deref() {
            for entry in tree.entries() {
                let path = entry.path.as_str();
                if self.ignore.ignores(path) && !self.keep.contains(path) {
                    continue;
                }
                let name = if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) };
                self.write_entry(&mut tar, tree, entry, &name, &mut left_out)?;
            }
        }
        tar.set_time(FIXED_TIME);
        for file in &self.files {
            let size = file.content.len() as u64;
            tar.file(&file.path, file.executable, size, &file.content[..]).map_err(sent)?;
        }
        tar.finish().and_then(|mut out| out.flush()).map_err(sent)?;
        Ok(left_out)
    }

    fn write_entry<W: Write>(
        &self,
        tar: &mut Tarball<W>,
        tree: &dyn Tree,
        entry: &TreeEntry,
        name: &str,
        left_out: &mut LeftOut,
    ) -> Result<(), ImagesError> {
        let path = entry.path.as_str();
        let written = match entry.kind {
            EntryKind::File | EntryKind::Executable => {
                let content = tree.read(path, entry.size).map_err(unreadable)?;
                tar.file(name, entry.kind == EntryKind::Executable, content.len() as u64, &content[..])
            }
            EntryKind::Symlink => {
                let target = tree.link_target(path).map_err(unreadable)?;
                // Wherever it points: it is never followed here, and in the image it can only reach the image.
                if target.is_empty() || target.contains(&0) {
                    left_out.links.push(path.to_owned());
                    Ok(())
                } else {
                    tar.link(name, &target)
                }
            }
            EntryKind::Submodule => tar.directory(name),
        };
        written.map_err(|error| ImagesError::Context(error.to_string()))
    }
}

/// Collects small writes into chunks and waits while the engine is behind.
struct ChannelWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl ChannelWriter {
    fn send(&mut self) -> io::Result<()> {
        let chunk = self.buffer.split().freeze();
        if chunk.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the build ended"))
    }
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.get(..bytes.len().min(CHUNK)).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

#[cfg(test)]
mod tests {
    use super::{FIXED_TIME, LeftOut, prepare};
    use bindery_core::seams::{BuildJob, ContextFile};
    use bindery_core::{EntryKind, MemoryTree, Timestamp};
    use futures::StreamExt as _;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn job(tree: MemoryTree, prefix: &str, dockerfile: &str) -> BuildJob {
        BuildJob {
            name: "x/y:z".parse().unwrap(),
            dockerfile: dockerfile.into(),
            tree: Some(Arc::new(tree)),
            content_time: None,
            tree_prefix: prefix.into(),
            ignore_file: None,
            keep: Vec::new(),
            files: Vec::new(),
            build_args: Vec::new(),
            labels: Vec::new(),
        }
    }

    async fn names(job: &BuildJob) -> (BTreeMap<String, String>, LeftOut, String) {
        let context = prepare(job).unwrap();
        let dockerfile = context.dockerfile.clone();
        let (mut stream, task) = context.stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut names = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
            names.insert(entry.path().unwrap().to_string_lossy().into_owned(), content);
        }
        (names, task.await.unwrap().unwrap(), dockerfile)
    }

    #[tokio::test]
    async fn the_tree_goes_below_its_prefix_and_the_dockerfile_beside_it() {
        let mut tree = MemoryTree::new([("a/b", "1"), (".dockerignore", "*")]).unwrap();
        tree.insert("sub", EntryKind::Submodule, b"").unwrap();
        let mut job = job(tree, "content", "FROM x");
        job.files.push(ContextFile { path: "ca.pem".into(), content: b"pem".to_vec(), executable: false });
        let (names, left_out, dockerfile) = names(&job).await;
        let listed: Vec<&str> = names.keys().map(String::as_str).collect();
        let expected = [
            ".bindery.Dockerfile",
            "ca.pem",
            "content/",
            "content/.dockerignore",
            "content/a/",
            "content/a/b",
            "content/sub/",
        ];
        assert_eq!(listed, expected);
        assert_eq!((dockerfile.as_str(), names[".bindery.Dockerfile"].as_str()), (".bindery.Dockerfile", "FROM x"));
        assert_eq!(left_out, LeftOut::default());
    }

    /// The time of everything in the context.
    async fn times(job: &BuildJob) -> BTreeMap<String, u64> {
        let (stream, task) = prepare(job).unwrap().stream();
        let chunks: Vec<_> = stream.map(Result::unwrap).collect().await;
        task.await.unwrap().unwrap();
        let bytes = chunks.concat();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries.map(|e| (e.path().unwrap().to_string_lossy().into_owned(), e.header().mtime().unwrap())).collect()
    }

    #[tokio::test]
    async fn the_content_has_its_time_and_all_else_the_fixed_one() {
        let tree = || {
            let mut tree = MemoryTree::new([("a/b", "1"), ("c", "")]).unwrap();
            tree.insert("l", EntryKind::Symlink, b"c").unwrap();
            tree
        };
        let at = |time: Option<u64>| {
            let mut job = job(tree(), "content", "FROM x");
            job.content_time = time.map(Timestamp::from_seconds);
            job.files.push(ContextFile { path: "ca.pem".into(), content: b"pem".to_vec(), executable: false });
            job
        };
        for (name, time) in times(&at(Some(1_700_000_123))).await {
            let expected = if name.starts_with("content/") { 1_700_000_123 } else { FIXED_TIME };
            assert_eq!(time, expected, "{name}");
        }
        let fixed = times(&at(None)).await;
        assert!(fixed.len() == 7 && fixed.values().all(|time| *time == FIXED_TIME), "{fixed:?}");
        for impossible in [0, 1, 5_000_000_000, u64::MAX] {
            assert_eq!(times(&at(Some(impossible))).await, fixed, "{impossible}");
        }
    }

    #[tokio::test]
    async fn an_empty_tree_still_makes_its_directory() {
        let (names, ..) = names(&job(MemoryTree::default(), "content", "FROM x")).await;
        assert!(names.contains_key("content/"));
    }

    #[tokio::test]
    async fn a_repositorys_own_dockerfile_is_used_where_it_is() {
        let tree = MemoryTree::new([("binder/Dockerfile", "FROM x"), ("Dockerfile", "FROM y"), ("a", "")]).unwrap();
        let (names, _, dockerfile) = names(&job(tree, "", "FROM x")).await;
        assert_eq!(dockerfile, "binder/Dockerfile");
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[tokio::test]
    async fn a_changed_dockerfile_gets_a_name_the_tree_does_not_have() {
        let tree = MemoryTree::new([("Dockerfile", "FROM y"), (".bindery.Dockerfile/x", "")]).unwrap();
        let (_, _, dockerfile) = names(&job(tree, "", "FROM x")).await;
        assert_eq!(dockerfile, ".bindery-1.Dockerfile");
    }

    #[tokio::test]
    async fn dockerignore_applies_at_the_top_but_never_to_the_dockerfile() {
        let tree =
            MemoryTree::new([("Dockerfile", "FROM x"), (".dockerignore", "*\n!a"), ("a", ""), ("b/c", "")]).unwrap();
        let job = BuildJob { ignore_file: Some(".dockerignore".into()), ..job(tree, "", "FROM x") };
        let (names, ..) = names(&job).await;
        assert_eq!(names.keys().collect::<Vec<_>>(), ["Dockerfile", "a"]);
    }

    #[tokio::test]
    async fn the_file_that_is_named_says_what_stays_out_but_for_what_must_stay() {
        let patterns = "# a comment\n*\n!a\n!d\n**/x\n";
        let files =
            [("binder/.dockerignore", patterns), ("a", ""), ("b/c", ""), ("d/x", ""), ("d/y", ""), ("start", "")];
        let job = BuildJob {
            ignore_file: Some("binder/.dockerignore".into()),
            keep: vec!["start".into()],
            ..job(MemoryTree::new(files).unwrap(), "content", "FROM x")
        };
        let (names, ..) = names(&job).await;
        let below: Vec<_> = names.keys().filter(|name| name.starts_with("content/")).collect();
        assert_eq!(below, ["content/", "content/a", "content/d/", "content/d/y", "content/start"]);
    }

    #[tokio::test]
    async fn links_are_written_wherever_they_point_and_impossible_ones_are_named() {
        let mut tree = MemoryTree::new([("d/x", "1")]).unwrap();
        tree.insert("d/out", EntryKind::Symlink, b"../../../../etc/passwd").unwrap();
        tree.insert("d/empty", EntryKind::Symlink, b"").unwrap();
        let (names, left_out, _) = names(&job(tree, "content", "FROM x")).await;
        assert!(names.contains_key("content/d/out") && !names.contains_key("content/d/empty"));
        assert_eq!(left_out.links, ["d/empty"]);
    }
}
