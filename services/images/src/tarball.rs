//! Writing a build context as a tar: the same bytes for the same content, whatever its names are.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

/// The notebook user and its group, as the base's contract names them.
const OWNER: (u64, u64) = (1000, 100);
/// The time of entries that have none of their own, so that equal files give equal layers: 2001-09-09, in seconds since the Unix epoch.
/// Not zero, because a zip, and so a Python wheel, cannot hold a time before 1980.
pub(crate) const FIXED_TIME: u64 = 1_000_000_000;
/// Names up to this long stand in the header itself.
const SHORT: usize = 100;

/// A tar on its way to the engine.
pub(crate) struct Tarball<W: Write> {
    out: Builder<W>,
    time: u64,
    directories: BTreeSet<String>,
}

impl<W: Write> Tarball<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out: Builder::new(out), time: FIXED_TIME, directories: BTreeSet::new() }
    }

    /// What is added from now on was last changed then, in seconds since the Unix epoch.
    pub(crate) fn set_time(&mut self, time: u64) {
        self.time = time;
    }

    /// Adds a directory and those above it, each once.
    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        self.directories.insert(path.to_owned());
        self.append(EntryType::Directory, format!("{path}/").as_bytes(), 0o755, None, 0, io::empty())
    }

    /// Adds a regular file of exactly `size` bytes.
    pub(crate) fn file(&mut self, path: &str, executable: bool, size: u64, content: impl Read) -> io::Result<()> {
        self.parent(path)?;
        let mode = if executable { 0o755 } else { 0o644 };
        self.append(EntryType::Regular, path.as_bytes(), mode, None, size, content)
    }

    /// Adds a symbolic link, its target as it is.
    pub(crate) fn link(&mut self, path: &str, target: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.append(EntryType::Symlink, path.as_bytes(), 0o777, Some(target), 0, io::empty())
    }

    /// Writes the end of the archive.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.out.into_inner()
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.directory(parent))
    }

    fn append(
        &mut self,
        kind: EntryType,
        name: &[u8],
        mode: u32,
        target: Option<&[u8]>,
        size: u64,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = self.header(kind, mode, size);
        if name.len() > SHORT {
            self.long(EntryType::GNULongName, name)?;
        }
        put(&mut header.as_old_mut().name, name);
        if let Some(target) = target {
            if target.len() > SHORT {
                self.long(EntryType::GNULongLink, target)?;
            }
            put(&mut header.as_old_mut().linkname, target);
        }
        header.set_cksum();
        self.out.append(&header, content.take(size))
    }

    /// GNU's extension for a name that does not fit: an entry whose content is the name.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        let mut header = self.header(kind, 0o644, name.len() as u64 + 1);
        put(&mut header.as_old_mut().name, b"././@LongLink");
        header.set_cksum();
        self.out.append(&header, name.chain(&[0][..]))
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(OWNER.0);
        header.set_gid(OWNER.1);
        header.set_mtime(self.time);
        header.set_size(size);
        header
    }
}

/// Copies as much as fits; what is cut here was written by [`Tarball::long`] before.
fn put(field: &mut [u8], value: &[u8]) {
    for (slot, byte) in field.iter_mut().zip(value) {
        *slot = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::{FIXED_TIME, Tarball};
    use std::io::Read as _;

    fn sample(time: Option<u64>) -> Vec<u8> {
        let long = format!("{}/{}", "d".repeat(120), "é".repeat(60));
        let mut tar = Tarball::new(Vec::new());
        if let Some(time) = time {
            tar.set_time(time);
        }
        tar.file("a/b.sh", true, 2, &b"hi"[..]).unwrap();
        tar.file("a/c", false, 0, &b""[..]).unwrap();
        tar.link("a/l", b"../x//y").unwrap();
        tar.link("a/m", &[b't'; 300]).unwrap();
        tar.file(&long, false, 3, &b"abc"[..]).unwrap();
        tar.directory("empty/below").unwrap();
        tar.finish().unwrap()
    }

    #[test]
    fn what_is_written_reads_back_with_fixed_owner_time_and_modes() {
        let bytes = sample(None);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            assert_eq!(
                (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
                (1000, 100, FIXED_TIME)
            );
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let target = entry.link_name_bytes().map(|name| String::from_utf8(name.into_owned()).unwrap());
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            seen.push((path, header.mode().unwrap(), target.unwrap_or_default(), content));
        }
        let long_parent = "d".repeat(120);
        let expected = [
            ("a/".to_owned(), 0o755, String::new(), ""),
            ("a/b.sh".to_owned(), 0o755, String::new(), "hi"),
            ("a/c".to_owned(), 0o644, String::new(), ""),
            ("a/l".to_owned(), 0o777, "../x//y".to_owned(), ""),
            ("a/m".to_owned(), 0o777, "t".repeat(300), ""),
            (format!("{long_parent}/"), 0o755, String::new(), ""),
            (format!("{long_parent}/{}", "é".repeat(60)), 0o644, String::new(), "abc"),
            ("empty/".to_owned(), 0o755, String::new(), ""),
            ("empty/below/".to_owned(), 0o755, String::new(), ""),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(p, m, t, c)| (p, m, t, c.to_owned())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn everything_has_the_time_that_was_set() {
        let bytes = sample(Some(1_700_000_000));
        let mut archive = tar::Archive::new(&bytes[..]);
        let times: Vec<u64> =
            archive.entries().unwrap().map(|entry| entry.unwrap().header().mtime().unwrap()).collect();
        assert_eq!(times, [1_700_000_000; 9]);
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert_eq!(sample(None), sample(None));
        assert_eq!(sample(Some(1_700_000_000)), sample(Some(1_700_000_000)));
    }

    #[test]
    fn gnu_tar_lists_the_same_names() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("context.tar");
        std::fs::write(&file, sample(None)).unwrap();
        let output = std::process::Command::new("tar")
            .args(["--quoting-style=literal", "-tf"])
            .arg(&file)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).unwrap();
        let mut archive = tar::Archive::new(std::fs::File::open(&file).unwrap());
        let ours: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
            .collect();
        assert_eq!(listed.lines().collect::<Vec<_>>(), ours);
    }
}
