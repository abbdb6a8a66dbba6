//! Tar files. The crate gives raw headers; long names and links are put together here, each with a bound.

use std::io::{self, Read};

use bindery_core::EntryKind;
use tar::{Archive, EntryType};

use super::{damaged, unreadable};
use crate::Error;
use crate::spool::Spool;

/// The longest name believed, and the longest block of extended headers.
const MAX_NAME: u64 = 8 << 10;
const MAX_EXTENDED: u64 = 64 << 10;

/// What came before an entry and belongs to it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

pub(super) fn unpack<R: Read>(source: R, spool: &mut Spool) -> Result<(), Error> {
    let limits = spool.limits();
    // Headers and padding count too: an archive of nothing but headers ends here.
    let most = limits.max_bytes.saturating_add(limits.max_entries.saturating_mul(2048)).saturating_add(1 << 20);
    let mut archive = Archive::new(Bounded { source, left: most });
    let mut extended = Extended::default();
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        spool.check()?;
        let mut entry = entry.map_err(unreadable)?;
        let header = entry.header().clone();
        let kind = header.entry_type();
        match kind {
            EntryType::GNULongName => extended.path = Some(text(&mut entry, MAX_NAME)?),
            EntryType::GNULongLink => extended.link = Some(text(&mut entry, MAX_NAME)?),
            EntryType::XHeader => pax(&bounded(&mut entry, MAX_EXTENDED)?, &mut extended)?,
            EntryType::XGlobalHeader => {}
            _ => {
                let Extended { path, link } = std::mem::take(&mut extended);
                let name = path.unwrap_or_else(|| header.path_bytes().into_owned());
                let name = String::from_utf8(name)
                    .map_err(|error| Error::Path(format!("{:?} is not UTF-8", shown(error.as_bytes()))))?;
                let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
                match kind {
                    EntryType::Directory => {}
                    EntryType::Regular | EntryType::Continuous if name.ends_with('/') => {}
                    EntryType::Regular | EntryType::Continuous => {
                        let executable = header.mode().is_ok_and(|mode| mode & 0o100 != 0);
                        let kind = if executable { EntryKind::Executable } else { EntryKind::File };
                        let promised = header.size().map_err(unreadable)?;
                        if spool.add(&name, kind, &mut entry)?.is_some_and(|size| size != promised) {
                            return Err(damaged("ends too early"));
                        }
                    }
                    EntryType::Symlink => {
                        let target = link.ok_or_else(|| damaged("has a link to nothing"))?;
                        spool.add(&name, EntryKind::Symlink, &mut target.as_slice())?;
                    }
                    EntryType::Link => {
                        let target = link.and_then(|target| String::from_utf8(target).ok());
                        spool.again(&name, &target.ok_or_else(|| damaged("has a link to nothing"))?)?;
                    }
                    EntryType::GNUSparse => return Err(Error::Unsupported("a tar file with sparse files")),
                    _ => {
                        return Err(Error::Path(format!(
                            "{:?} is neither file, directory nor link",
                            shown(name.as_bytes())
                        )));
                    }
                }
            }
        }
    }
    Ok(())
}

/// `length key=value\n`, as often as there is room.
fn pax(block: &[u8], extended: &mut Extended) -> Result<(), Error> {
    let broken = || damaged("has an extended header that cannot be read");
    let mut rest = block;
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ').ok_or_else(broken)?;
        let digits = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
        let length: usize = digits.and_then(|digits| digits.parse().ok()).ok_or_else(broken)?;
        let record = rest.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(broken)?;
        let (key, value) = (record.get(..equals).unwrap_or_default(), record.get(equals + 1..).unwrap_or_default());
        match key {
            b"path" => extended.path = Some(value.to_vec()),
            b"linkpath" => extended.link = Some(value.to_vec()),
            // The header's own field has room for every size that a file here may have.
            b"size" => return Err(Error::Unsupported("a tar file whose sizes are in extended headers")),
            _ if key.starts_with(b"GNU.sparse") => return Err(Error::Unsupported("a tar file with sparse files")),
            _ => {}
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// A name without the zero that ends it.
fn text(entry: &mut impl Read, limit: u64) -> Result<Vec<u8>, Error> {
    let mut text = bounded(entry, limit)?;
    text.truncate(text.iter().position(|b| *b == 0).unwrap_or(text.len()));
    Ok(text)
}

fn bounded(entry: &mut impl Read, limit: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > limit { Err(damaged("has a name that is too long")) } else { Ok(content) }
}

/// A name, fit for a message.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Ends with an error where a well-formed archive within the limits would have ended.
struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(Error::TooLarge {
                what: "its archive, unpacked,",
                limit: "the size of all files".to_owned(),
                setting: "max_bytes",
            })
        })?;
        Ok(count)
    }
}
