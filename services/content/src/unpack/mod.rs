//! Archives that strangers made, read into a spool. Nothing is written under a name of theirs.
//!
//! | file | concern |
//! |---|---|
//! | `zip.rs` | zip files: the directory at the end, stored and deflated members |
//! | `tar.rs` | tar files, plain and gzipped: links, long names |

mod tar;
mod zip;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use crate::Error;
use crate::spool::Spool;

/// What a file says it is, by its name and its first bytes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Zip,
    Tar,
    TarGz,
}

impl Format {
    /// By name alone: whether it is worth a look.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".zip") {
            Some(Self::Zip)
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            Some(Self::TarGz)
        } else if name.ends_with(".tar") {
            Some(Self::Tar)
        } else {
            None
        }
    }

    /// Whether `archive` begins as one of this format does.
    pub(crate) fn is(self, archive: &File) -> bool {
        let starts = |at: u64, expected: &[u8]| {
            let mut found = vec![0; expected.len()];
            archive.read_exact_at(&mut found, at).is_ok() && found == expected
        };
        match self {
            Self::Zip => starts(0, b"PK\x03\x04") || starts(0, b"PK\x05\x06"),
            Self::TarGz => starts(0, b"\x1f\x8b"),
            Self::Tar => starts(257, b"ustar"),
        }
    }

    /// Reads every member into `spool`.
    pub(crate) fn unpack(self, archive: &File, spool: &mut Spool) -> Result<(), Error> {
        match self {
            Self::Zip => zip::unpack(archive, spool),
            Self::Tar => tar::unpack(Section::whole(archive).map_err(disk)?, spool),
            Self::TarGz => {
                let section = Section::whole(archive).map_err(disk)?;
                tar::unpack(flate2::read::MultiGzDecoder::new(io::BufReader::new(section)), spool)
            }
        }
    }
}

/// Part of a file, read without moving anyone else's place in it.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Section<'a> {
    fn whole(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, at: 0, end: file.metadata()?.len() })
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn damaged(reason: &str) -> Error {
    Error::Damaged(format!("its archive {reason}"))
}

fn disk(error: io::Error) -> Error {
    Error::Machine(format!("no working space: {error}"))
}

/// What a failed read of a member means.
fn unreadable(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(_) => damaged("cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::Format;
    use crate::Limits;
    use crate::spool::Spool;
    use crate::task::Task;

    fn survive(format: Format, bytes: &[u8]) {
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(bytes).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { max_bytes: 1 << 20, max_entries: 1000, max_blob: 1 << 20, max_depth: 10 };
        let task = Task::new(std::time::Duration::from_secs(60));
        let mut spool = Spool::create(directory.path(), limits, &task).unwrap();
        let _ = format.is(&archive);
        if format.unpack(&archive, &mut spool).is_ok() {
            let _ = spool.finish();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            before in proptest::collection::vec(any::<u8>(), 0..700),
            after in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            survive(Format::Tar, &before);
            survive(Format::TarGz, &[b"\x1f\x8b\x08".as_slice(), &before].concat());
            survive(Format::Zip, &before);
            // As far as the directory that a zip file ends with.
            survive(Format::Zip, &[&before, b"PK\x01\x02".as_slice(), &after, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &after].concat());
        }
    }
}
