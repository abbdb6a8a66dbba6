//! The framing: four hexadecimal digits of length, then that many bytes less four.

use std::io::{self, Read};

use super::super::Error;

/// The longest packet the protocol allows, its length digits included.
const MAX_PACKET: usize = 65520;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Bytes, possibly none.
    Data(&'a [u8]),
    /// `0000`: end of a section.
    Flush,
    /// The stream ended where a packet could begin.
    End,
}

/// Reads packets from a stream.
pub(crate) struct PacketReader<R> {
    source: R,
    host: String,
    buffer: Vec<u8>,
}

impl<R: Read> PacketReader<R> {
    pub(crate) fn new(source: R, host: &str) -> Self {
        Self { source, host: host.to_owned(), buffer: Vec::new() }
    }

    /// The stream, at the end of the last packet read.
    pub(crate) fn into_inner(self) -> R {
        self.source
    }

    /// The next packet.
    pub(crate) fn next(&mut self) -> Result<Packet<'_>, Error> {
        let mut digits = [0; 4];
        if !self.fill(&mut digits)? {
            return Ok(Packet::End);
        }
        let length = std::str::from_utf8(&digits)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => Ok(Packet::Flush),
            Some(length @ 4..=MAX_PACKET) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.resize(length - 4, 0);
                let whole = buffer.is_empty() || self.fill(&mut buffer)?;
                self.buffer = buffer;
                if whole {
                    Ok(Packet::Data(&self.buffer))
                } else {
                    Err(self.broken("it ends in the middle of a packet"))
                }
            }
            _ => Err(self.broken("its answer is not in git's packet format")),
        }
    }

    /// Fills `buffer`; false when the stream was at its end already.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.broken("it ends in the middle of a packet")),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error, &self.host)),
            }
        }
        Ok(true)
    }

    fn broken(&self, reason: &str) -> Error {
        Error::NotGit { host: self.host.clone(), reason: reason.to_owned() }
    }
}

/// The typed error inside an I/O error that a metered reader made, or what the I/O error itself tells.
pub(crate) fn read_error(error: io::Error, host: &str) -> Error {
    if let Some(ours) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return ours.clone();
    }
    Error::HostDown { host: host.to_owned(), reason: "the connection broke off".to_owned() }
}

/// `payload` as one packet. Payloads longer than the protocol allows do not occur: requests are short lines.
pub(crate) fn frame(payload: &str) -> String {
    format!("{:04x}{payload}", payload.len() + 4)
}

#[cfg(test)]
mod tests {
    use super::{Packet, PacketReader, frame};
    use proptest::prelude::*;

    #[test]
    fn packets_come_out_as_framed() {
        let text = format!("{}0000{}", frame("hello\n"), frame(""));
        let mut reader = PacketReader::new(text.as_bytes(), "h");
        assert_eq!(reader.next().unwrap(), Packet::Data(b"hello\n"));
        assert_eq!(reader.next().unwrap(), Packet::Flush);
        assert_eq!(reader.next().unwrap(), Packet::Data(b""));
        assert_eq!(reader.next().unwrap(), Packet::End);
    }

    #[test]
    fn lengths_that_no_packet_has_are_refused() {
        for text in ["0001", "0003", "fff1", "+005a", "00zz", "000", "0009abc", "<htm"] {
            assert!(PacketReader::new(text.as_bytes(), "h").next().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_stream_makes_the_reader_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = PacketReader::new(bytes.as_slice(), "h");
            let mut packets = 0;
            while let Ok(packet) = reader.next() {
                if packet == Packet::End { break; }
                packets += 1;
                prop_assert!(packets <= 300);
            }
        }
    }
}
