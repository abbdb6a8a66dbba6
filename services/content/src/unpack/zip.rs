//! Zip files. The directory at the end is the truth; members are found through it, and what they claim is checked.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;

use bindery_core::EntryKind;
use flate2::read::DeflateDecoder;
use flate2::{Crc, CrcReader};

use super::{Section, damaged, disk};
use crate::Error;
use crate::spool::Spool;

/// The end record, and the longest comment after it.
const END: usize = 22;
const MAX_COMMENT: usize = 65_535;
/// A directory entry and a member's header, without their names.
const CENTRAL: usize = 46;
const LOCAL: usize = 30;
/// A directory larger than this for each entry allowed is not one.
const MAX_PER_ENTRY: u64 = 4096;

/// One line of the directory.
struct Member {
    name: String,
    kind: Option<EntryKind>,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

pub(super) fn unpack(archive: &File, spool: &mut Spool) -> Result<(), Error> {
    let length = archive.metadata().map_err(disk)?.len();
    let (start, size, count) = directory(archive, length)?;
    let allowed = spool.limits().max_entries.saturating_mul(2);
    if count > allowed {
        return Err(Error::TooLarge {
            what: "the number of files and directories",
            limit: spool.limits().max_entries.to_string(),
            setting: "max_entries",
        });
    }
    if size > count.saturating_mul(MAX_PER_ENTRY) || start.checked_add(size).is_none_or(|end| end > length) {
        return Err(damaged("has a directory that is not inside it"));
    }
    let mut at = start;
    let mut packed = 0_u64;
    for _ in 0..count {
        spool.check()?;
        let (member, next) = member(archive, at, start + size)?;
        at = next;
        // Members that share bytes would unpack to more than any compression could give.
        packed = packed.saturating_add(member.packed);
        if packed > length {
            return Err(damaged("has parts that overlap"));
        }
        if let Some(kind) = member.kind {
            extract(archive, length, &member, kind, spool)?;
        }
    }
    Ok(())
}

/// Where the directory is, its size, and how many entries it has.
fn directory(archive: &File, length: u64) -> Result<(u64, u64, u64), Error> {
    let tail = usize::try_from(length).unwrap_or(usize::MAX).min(END + MAX_COMMENT);
    let mut bytes = vec![0; tail];
    let base = length - tail as u64;
    archive.read_exact_at(&mut bytes, base).map_err(disk)?;
    let is_end = |at: &usize| {
        let record = bytes.get(*at..).unwrap_or_default();
        record.starts_with(b"PK\x05\x06")
            && u16_at(record, 20).is_some_and(|comment| END + usize::from(comment) == record.len())
    };
    let found = (0..tail.saturating_sub(END - 1)).rev().find(is_end);
    let found = found.ok_or_else(|| damaged("is not a whole zip file"))?;
    let record = bytes.get(found..).unwrap_or_default();
    let (Some(count), Some(size), Some(start)) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16)) else {
        return Err(damaged("is not a whole zip file"));
    };
    if count != u16::MAX && size != u32::MAX && start != u32::MAX {
        return Ok((start.into(), size.into(), count.into()));
    }
    // A larger one: a locator before this record says where the other record is.
    let mut locator = [0; 20];
    let before = (base + found as u64).checked_sub(20).ok_or_else(|| damaged("is not a whole zip file"))?;
    archive.read_exact_at(&mut locator, before).map_err(disk)?;
    let large = locator.starts_with(b"PK\x06\x07").then(|| u64_at(&locator, 8)).flatten();
    let Some(large) = large else { return Ok((start.into(), size.into(), count.into())) };
    let mut record = [0; 56];
    archive.read_exact_at(&mut record, large).map_err(|_| damaged("has a directory that is not inside it"))?;
    match (u64_at(&record, 48), u64_at(&record, 40), u64_at(&record, 32)) {
        (Some(start), Some(size), Some(count)) if record.starts_with(b"PK\x06\x06") => Ok((start, size, count)),
        _ => Err(damaged("is not a whole zip file")),
    }
}

/// The directory entry at `at`, and where the next one is.
fn member(archive: &File, at: u64, end: u64) -> Result<(Member, u64), Error> {
    let broken = || damaged("has a directory that cannot be read");
    let mut head = [0; CENTRAL];
    let text_at = at.checked_add(CENTRAL as u64).filter(|next| *next <= end).ok_or_else(broken)?;
    archive.read_exact_at(&mut head, at).map_err(|_| broken())?;
    if !head.starts_with(b"PK\x01\x02") {
        return Err(broken());
    }
    let u16 = |at| u16_at(&head, at).ok_or_else(broken);
    let u32 = |at| u32_at(&head, at).ok_or_else(broken);
    let (name_length, extra_length, comment) = (u16(28)?, u16(30)?, u16(32)?);
    let mut text = vec![0; usize::from(name_length) + usize::from(extra_length)];
    let next = text_at + text.len() as u64 + u64::from(comment);
    if next > end {
        return Err(broken());
    }
    archive.read_exact_at(&mut text, text_at).map_err(|_| broken())?;
    let (name, extra) = text.split_at(usize::from(name_length));
    let name = String::from_utf8(name.to_vec())
        .map_err(|error| Error::Path(format!("{:?} is not UTF-8", String::from_utf8_lossy(error.as_bytes()))))?;
    if u16(8)? & 1 != 0 {
        return Err(Error::Unsupported("an archive with a password"));
    }
    let kind = kind(&name, u16(4)? >> 8, u32(38)? >> 16)?;
    let mut member = Member {
        kind,
        method: u16(10)?,
        crc: u32(16)?,
        packed: u32(20)?.into(),
        size: u32(24)?.into(),
        offset: u32(42)?.into(),
        name,
    };
    let mut wide = wide_fields(extra);
    for field in [&mut member.size, &mut member.packed, &mut member.offset] {
        if *field == u64::from(u32::MAX) {
            *field = wide.next().ok_or_else(broken)?;
        }
    }
    Ok((member, next))
}

/// The numbers that were too large for their fields.
fn wide_fields(extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = extra;
    let mut found: &[u8] = &[];
    while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let end = 4 + usize::from(length);
        if id == 1 {
            found = rest.get(4..end).unwrap_or_default();
            break;
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    found.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0))
}

/// What an entry is; `None` for a directory, which exists through its files.
fn kind(name: &str, made_by: u16, mode: u32) -> Result<Option<EntryKind>, Error> {
    if name.ends_with('/') {
        return Ok(None);
    }
    // Only those made where files have modes say what kind they are.
    let mode = if matches!(made_by, 3 | 19) { mode } else { 0 };
    match mode & 0o170_000 {
        0 | 0o100_000 if mode & 0o100 != 0 => Ok(Some(EntryKind::Executable)),
        0 | 0o100_000 => Ok(Some(EntryKind::File)),
        0o120_000 => Ok(Some(EntryKind::Symlink)),
        0o040_000 => Ok(None),
        _ => Err(Error::Path(format!("{:?} is neither file, directory nor link", super::tar::shown(name.as_bytes())))),
    }
}

fn extract(archive: &File, length: u64, member: &Member, kind: EntryKind, spool: &mut Spool) -> Result<(), Error> {
    let outside = || damaged("has a part that is not inside it");
    let mut head = [0; LOCAL];
    archive.read_exact_at(&mut head, member.offset).map_err(|_| outside())?;
    let (Some(name), Some(extra)) = (u16_at(&head, 26), u16_at(&head, 28)) else { return Err(outside()) };
    let at = member.offset.saturating_add(LOCAL as u64 + u64::from(name) + u64::from(extra));
    let end = at.saturating_add(member.packed);
    if !head.starts_with(b"PK\x03\x04") || end > length {
        return Err(outside());
    }
    let packed = Section { file: archive, at, end };
    let source: Box<dyn Read + '_> = match member.method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        _ => return Err(Error::Unsupported("a zip file with another compression than deflate")),
    };
    // One byte more than promised shows that the promise is not kept, without reading all there is.
    let mut source = CrcReader::new(source.take(member.size.saturating_add(1)));
    let size = spool.add(&member.name, kind, &mut source)?;
    // What is left out is not read.
    let crc: &Crc = source.crc();
    match size {
        Some(size) if size != member.size || crc.sum() != member.crc => {
            Err(damaged("is damaged: a part is not what it says"))
        }
        _ => Ok(()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
}
