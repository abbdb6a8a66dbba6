//! What is asked for, and the answer.

use std::fmt::Write as _;
use std::io::Read;

use bindery_core::CommitId;

use super::{Packet, PacketReader, frame};
use crate::Error;

/// Asks for objects.
#[derive(Debug)]
pub(crate) struct WantRequest<'a> {
    /// Which; at least one.
    pub(crate) wants: &'a [CommitId],
    /// Without any history, or with all of it.
    pub(crate) shallow: bool,
}

impl WantRequest<'_> {
    /// The request as one message, nothing to be negotiated: we have nothing.
    ///
    /// `thin-pack` is not asked for, so every pack is complete in itself.
    pub(crate) fn encode(&self) -> String {
        let mut request = String::new();
        let mut capabilities = " side-band-64k ofs-delta no-progress";
        for want in self.wants {
            // Writing to a string cannot fail.
            let _ = write!(request, "{}", frame(&format!("want {want}{capabilities}\n")));
            capabilities = "";
        }
        if self.shallow {
            request.push_str(&frame("deepen 1\n"));
        }
        request.push_str("0000");
        request.push_str(&frame("done\n"));
        request
    }
}

/// Reads the answer, handing the pack's bytes to `sink` as they come.
///
/// [`Error::CommitNotFound`] with `wanted` when the server says that it does not hand out what was asked for.
pub(crate) fn receive_pack<R: Read>(
    packets: &mut PacketReader<R>,
    host: &str,
    wanted: &str,
    mut sink: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut received = false;
    loop {
        match packets.next()? {
            Packet::End if received => return Ok(()),
            // Some servers hang up on a commit they will not hand out.
            Packet::End => return Err(Error::CommitNotFound(wanted.to_owned())),
            // After `shallow` lines, and after the pack.
            Packet::Flush if received => return Ok(()),
            Packet::Flush => {}
            Packet::Data(line) => match line.split_first() {
                Some((1, data)) => {
                    received = true;
                    sink(data)?;
                }
                Some((2, _progress)) => {}
                Some((3, message)) => return Err(failure(message, host, wanted)),
                _ => match line.strip_prefix(b"ERR ") {
                    Some(message) => return Err(failure(message, host, wanted)),
                    None if is_preamble(line) => {}
                    None => {
                        return Err(Error::NotGit {
                            host: host.to_owned(),
                            reason: "its answer is not a pack".to_owned(),
                        });
                    }
                },
            },
        }
    }
}

fn is_preamble(line: &[u8]) -> bool {
    [&b"NAK"[..], b"ACK ", b"shallow ", b"unshallow "].iter().any(|start| line.starts_with(start))
}

/// A refusal to hand out one object is not a failure of the host.
fn failure(message: &[u8], host: &str, wanted: &str) -> Error {
    let message = String::from_utf8_lossy(message).to_lowercase();
    let refusals =
        ["not our ref", "not valid", "not found", "unadvertised", "cannot", "no such", "does not exist", "want "];
    if refusals.iter().any(|refusal| message.contains(refusal)) {
        Error::CommitNotFound(wanted.to_owned())
    } else {
        Error::HostDown { host: host.to_owned(), reason: "it gave up while sending the repository".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::{WantRequest, receive_pack};
    use crate::Error;
    use crate::wire::{PacketReader, frame};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn receive(answer: &str) -> Result<Vec<u8>, Error> {
        let mut pack = Vec::new();
        let mut packets = PacketReader::new(answer.as_bytes(), "h");
        receive_pack(&mut packets, "h", A, |data| {
            pack.extend_from_slice(data);
            Ok(())
        })?;
        Ok(pack)
    }

    #[test]
    fn one_commit_without_history_is_asked_for_in_one_message() {
        let request = WantRequest { wants: &[A.parse().unwrap()], shallow: true }.encode();
        assert_eq!(request, format!("0056want {A} side-band-64k ofs-delta no-progress\n000ddeepen 1\n00000009done\n"));
    }

    #[test]
    fn the_pack_is_what_band_one_carries() {
        let answer = format!(
            "{}0000{}{}{}{}0000",
            frame(&format!("shallow {A}")),
            frame("NAK\n"),
            frame("\u{1}PA"),
            frame("\u{2}counting"),
            frame("\u{1}CK")
        );
        assert_eq!(receive(&answer).unwrap(), b"PACK");
    }

    #[test]
    fn a_refusal_names_the_commit_and_a_breakdown_the_host() {
        let refused = frame(&format!("ERR upload-pack: not our ref {A}"));
        assert_eq!(receive(&refused), Err(Error::CommitNotFound(A.to_owned())));
        assert_eq!(receive(""), Err(Error::CommitNotFound(A.to_owned())));
        let broken = format!("{}{}", frame("NAK\n"), frame("\u{3}out of memory"));
        assert!(matches!(receive(&broken), Err(Error::HostDown { .. })));
        assert!(matches!(receive(&frame("hello")), Err(Error::NotGit { .. })));
    }
}
