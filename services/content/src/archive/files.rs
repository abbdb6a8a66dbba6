//! A version's files into a tree.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use bindery_core::EntryKind;

use super::{Content, Fetched, Listed, Listing};
use crate::Error;
use crate::remote::Session;
use crate::spool::Spool;
use crate::unpack::Format;

pub(super) fn receive(
    session: &mut Session,
    listing: Listing,
    mut spool: Spool,
    scratch: &Path,
) -> Result<Fetched, Error> {
    let Listing { content, published, mut notes } = listing;
    let mut received = 0;
    let limit = spool.limits().max_bytes;
    let (tree, left_out) = match content {
        Content::Archive(listed) => {
            let archive = download(session, &listed, limit, scratch)?;
            received += archive.metadata().map_err(disk)?.len();
            let format = Format::named(&listed.path).filter(|format| format.is(&archive));
            let format = format.ok_or_else(|| Error::Damaged("what its host sends is not an archive".to_owned()))?;
            format.unpack(&archive, &mut spool)?;
            let left_out = spool.left_out();
            (spool.finish()?, left_out)
        }
        Content::FilesOrOneArchive(files) => match (files.as_slice(), single(&files)) {
            ([listed], Some(format)) => {
                foresee(&files, &spool)?;
                let archive = download(session, listed, limit, scratch)?;
                received += archive.metadata().map_err(disk)?.len();
                if format.is(&archive) {
                    format.unpack(&archive, &mut spool)?;
                    let left_out = spool.left_out();
                    (spool.finish()?, left_out)
                } else {
                    let mut content = io::BufReader::new(&archive);
                    io::Seek::seek(&mut content, io::SeekFrom::Start(0)).map_err(disk)?;
                    spool.add(&listed.path, EntryKind::File, &mut content)?;
                    (spool.finish_as_is()?, 0)
                }
            }
            _ => {
                received += all(session, &files, &mut spool)?;
                let left_out = spool.left_out();
                (spool.finish_as_is()?, left_out)
            }
        },
        Content::Written { path, text } => {
            spool.add(path, EntryKind::File, &mut text.as_bytes())?;
            (spool.finish_as_is()?, 0)
        }
        Content::Files(files) => {
            received += all(session, &files, &mut spool)?;
            let left_out = spool.left_out();
            (spool.finish_as_is()?, left_out)
        }
    };
    if left_out > 0 {
        notes.push(format!("{left_out} files in directories named .git and __MACOSX were left out."));
    }
    Ok(Fetched { tree, received, published, notes })
}

/// Each file under its own path.
fn all(session: &mut Session, files: &[Listed], spool: &mut Spool) -> Result<u64, Error> {
    foresee(files, spool)?;
    let mut received = 0;
    for listed in files {
        spool.check()?;
        let left = spool.limits().max_bytes.saturating_sub(received);
        let mut content = session.download(&listed.url, left).map_err(|error| of_file(error, &listed.path))?;
        received += spool.add(&listed.path, EntryKind::File, &mut content)?.unwrap_or(0);
    }
    Ok(received)
}

/// Refuses what its own description says is too large, before any of it is fetched.
fn foresee(files: &[Listed], spool: &Spool) -> Result<(), Error> {
    let limits = spool.limits();
    if files.len() as u64 > limits.max_entries {
        let limit = limits.max_entries.to_string();
        return Err(Error::TooLarge { what: "the number of files and directories", limit, setting: "max_entries" });
    }
    let total = files.iter().filter_map(|file| file.size).fold(0, u64::saturating_add);
    if total > limits.max_bytes {
        return Err(Error::over_bytes("the size of all files", limits.max_bytes, "max_bytes"));
    }
    Ok(())
}

fn single(files: &[Listed]) -> Option<Format> {
    match files {
        [file] => Format::named(&file.path),
        _ => None,
    }
}

fn download(session: &mut Session, listed: &Listed, limit: u64, scratch: &Path) -> Result<File, Error> {
    let mut content = session.download(&listed.url, limit).map_err(|error| of_file(error, &listed.path))?;
    let mut file = tempfile::tempfile_in(scratch).map_err(disk)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::from_stream(error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(file);
        }
        file.write_all(bytes).map_err(disk)?;
    }
}

/// A record that is there and a file of its that is not are different things.
fn of_file(error: Error, path: &str) -> Error {
    match error {
        Error::RepositoryNotFound(host) => {
            let path = path.chars().filter(|c| !c.is_control()).take(200).collect();
            Error::FileNotFound { host, path }
        }
        other => other,
    }
}

/// The name a file has at the end of an address, decoded.
pub(super) fn plain_name(step: &str) -> String {
    let text = format!("x={}", step.replace('+', "%2B"));
    let name =
        url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default();
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn disk(error: io::Error) -> Error {
    Error::Machine(format!("no working space: {error}"))
}
