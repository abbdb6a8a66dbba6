//! What a server says it has.

use std::collections::BTreeMap;
use std::io::Read;

use bindery_core::CommitId;

use super::{Packet, PacketReader};
use crate::Error;
use crate::config::MAX_REFS;

/// One ref of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdvertisedRef {
    /// The object it names: a commit, or an annotated tag.
    pub(crate) id: CommitId,
    /// For an annotated tag, what the tag is of.
    pub(crate) peeled: Option<CommitId>,
}

impl AdvertisedRef {
    /// The commit a visitor means by this ref.
    pub(crate) fn target(&self) -> &CommitId {
        self.peeled.as_ref().unwrap_or(&self.id)
    }
}

/// A server's refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Advertisement {
    /// What `HEAD` points at.
    pub(crate) head: Option<CommitId>,
    /// Full name to ref, without `HEAD`.
    pub(crate) refs: BTreeMap<String, AdvertisedRef>,
}

impl Advertisement {
    /// Reads an advertisement as `git upload-pack` sends it, up to its flush.
    pub(crate) fn read<R: Read>(packets: &mut PacketReader<R>, host: &str) -> Result<Self, Error> {
        let mut advertisement = Self::default();
        let mut first = true;
        loop {
            let line = match packets.next()? {
                Packet::Flush => break,
                Packet::Data(line) => line,
                Packet::End => return Err(not_git(host, "its list of refs is cut short")),
            };
            if advertisement.refs.len() >= MAX_REFS {
                let limit = MAX_REFS.to_string();
                return Err(Error::TooLarge { what: "the number of branches and tags", limit, setting: "" });
            }
            advertisement.line(line.strip_suffix(b"\n").unwrap_or(line), &mut first, host)?;
        }
        Ok(advertisement)
    }

    fn line(&mut self, line: &[u8], first: &mut bool, host: &str) -> Result<(), Error> {
        if let Some(message) = line.strip_prefix(b"ERR ") {
            return Err(refused(message, host));
        }
        if line == b"version 1" || line.starts_with(b"shallow ") {
            return Ok(());
        }
        let (line, capabilities) = match line.iter().position(|b| *b == 0).filter(|_| *first) {
            Some(zero) => (line.get(..zero).unwrap_or_default(), line.get(zero + 1..).unwrap_or_default()),
            None => (line, &[] as &[u8]),
        };
        *first = false;
        if capabilities.split(|b| *b == b' ').any(|word| word == b"object-format=sha256") {
            return Err(Error::Unsupported("SHA-256 object ids"));
        }
        let id = line.get(..40).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| id.parse::<CommitId>().ok());
        let (Some(id), Some(b' '), Some(name)) = (id, line.get(40), line.get(41..)) else {
            return Err(not_git(host, "its list of refs is not one"));
        };
        // A name that is not text cannot be asked for by a link.
        let Ok(name) = std::str::from_utf8(name) else { return Ok(()) };
        if name == "HEAD" {
            self.head = Some(id);
        } else if let Some(name) = name.strip_suffix("^{}") {
            // `capabilities^{}` stands for "no refs"; peeled lines follow the tag they are of.
            if let Some(tag) = self.refs.get_mut(name) {
                tag.peeled = Some(id);
            }
        } else {
            self.refs.insert(name.to_owned(), AdvertisedRef { id, peeled: None });
        }
        Ok(())
    }
}

fn not_git(host: &str, reason: &str) -> Error {
    Error::NotGit { host: host.to_owned(), reason: reason.to_owned() }
}

/// What a server's own refusal means.
fn refused(message: &[u8], host: &str) -> Error {
    let message = String::from_utf8_lossy(message);
    let lower = message.to_lowercase();
    if lower.contains("not found")
        || lower.contains("denied")
        || lower.contains("not exported")
        || lower.contains("no such")
    {
        Error::RepositoryNotFound(host.to_owned())
    } else {
        Error::NotGit { host: host.to_owned(), reason: "it refuses to list its refs".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::Advertisement;
    use crate::Error;
    use crate::wire::{PacketReader, frame};
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn read(lines: &[String]) -> Result<Advertisement, Error> {
        let text: String = lines.iter().map(|line| frame(line)).chain(["0000".to_owned()]).collect();
        Advertisement::read(&mut PacketReader::new(text.as_bytes(), "h"), "h")
    }

    #[test]
    fn head_branches_and_peeled_tags_are_read() {
        let ad = read(&[
            format!("{A} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2\n"),
            format!("{A} refs/heads/main\n"),
            format!("{B} refs/tags/v1\n"),
            format!("{A} refs/tags/v1^{{}}\n"),
        ])
        .unwrap();
        assert_eq!(ad.head.unwrap().as_str(), A);
        assert_eq!(ad.refs["refs/tags/v1"].target().as_str(), A);
        assert_eq!(ad.refs["refs/tags/v1"].id.as_str(), B);
        assert_eq!(ad.refs.len(), 2);
    }

    #[test]
    fn an_empty_repository_has_no_refs() {
        let zero = "0".repeat(40);
        assert_eq!(read(&[format!("{zero} capabilities^{{}}\0agent=git/2\n")]).unwrap(), Advertisement::default());
    }

    #[test]
    fn what_is_not_an_advertisement_is_refused() {
        assert!(matches!(read(&["hello\n".to_owned()]), Err(Error::NotGit { .. })));
        assert!(matches!(read(&[format!("{A}\n")]), Err(Error::NotGit { .. })));
        assert!(matches!(read(&[format!("{A} HEAD\0object-format=sha256\n")]), Err(Error::Unsupported(_))));
        assert!(matches!(read(&["ERR Repository not found.\n".to_owned()]), Err(Error::RepositoryNotFound(_))));
        let cut = PacketReader::new(&b""[..], "h");
        assert!(matches!(Advertisement::read(&mut { cut }, "h"), Err(Error::NotGit { .. })));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut bytes = format!("{:04x}", line.len() + 4).into_bytes();
            bytes.extend(line);
            bytes.extend(b"0000");
            let _ = Advertisement::read(&mut PacketReader::new(bytes.as_slice(), "h"), "h");
        }
    }
}
