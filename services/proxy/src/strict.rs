//! Refuses ambiguous requests before anyone interprets them.
//!
//! Two parsers that read the same bytes differently are how a request is smuggled past one of them. The HTTP library
//! forgives some of it (a `Content-Length` beside `Transfer-Encoding`, a bare line feed); this scanner follows
//! the framing of a connection byte by byte and stops at the first byte that strict HTTP/1.1 does not allow.

/// How much text a chunk's extension may have.
const MAX_CHUNK_EXTENSION: u32 = 256;
/// The longest field name that matters here, and one byte more.
const NAME_LENGTH: usize = 18;

/// Follows one connection's requests. Give it every byte, in order.
#[derive(Debug)]
pub(crate) struct Strict {
    state: State,
    head: Head,
    heads: u32,
}

/// What kind of bytes come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing of a request was seen yet.
    Between,
    /// In a request's head.
    Head,
    /// In a request's body.
    Body,
    /// After a request to speak WebSocket: no longer HTTP.
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    StartLf,
    RequestLine,
    RequestLineLf,
    LineStart,
    Name,
    Value,
    ValueLf,
    HeadLf,
    Body(u64),
    ChunkSize { size: u64, digits: u8 },
    ChunkExtension { size: u64, length: u32 },
    ChunkSizeLf { size: u64 },
    ChunkData(u64),
    ChunkDataCr,
    ChunkDataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    TrailersLf,
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    ContentLength,
    TransferEncoding,
    Host,
    Upgrade,
    Other,
}

/// What the head read so far says about framing.
#[derive(Debug, Default)]
struct Head {
    last: u8,
    name: [u8; NAME_LENGTH],
    name_length: usize,
    field: Option<Field>,
    value: Value,
    http_11: bool,
    length: Option<u64>,
    chunked: bool,
    host: bool,
    websocket: bool,
}

/// Progress in a value that must be read, not only passed over.
#[derive(Debug, Default, Clone, Copy)]
struct Value {
    matched: usize,
    ended: bool,
    differs: bool,
}

impl Default for Strict {
    fn default() -> Self {
        Self { state: State::Start, head: Head::default(), heads: 0 }
    }
}

impl Strict {
    /// Reads on.
    ///
    /// # Errors
    /// The place in `bytes` of the first byte that makes the request ambiguous. Nothing after it was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.len() - at;
            at += match self.state {
                State::Raw => return Ok(()),
                State::Body(left) => {
                    let taken = take(left, rest);
                    let left = left - taken as u64;
                    self.state = if left == 0 { State::Start } else { State::Body(left) };
                    taken
                }
                State::ChunkData(left) => {
                    let taken = take(left, rest);
                    let left = left - taken as u64;
                    self.state = if left == 0 { State::ChunkDataCr } else { State::ChunkData(left) };
                    taken
                }
                _ => {
                    self.state = self.step(byte).ok_or(at)?;
                    1
                }
            };
        }
        Ok(())
    }

    /// What is being read.
    pub(crate) fn phase(&self) -> Phase {
        use State as S;
        match self.state {
            S::Start | S::StartLf => Phase::Between,
            S::RequestLine | S::RequestLineLf | S::LineStart | S::Name | S::Value | S::ValueLf | S::HeadLf => {
                Phase::Head
            }
            S::Raw => Phase::Raw,
            _ => Phase::Body,
        }
    }

    /// How many complete heads were read.
    pub(crate) fn heads(&self) -> u32 {
        self.heads
    }

    /// The state after one byte; `None` when the byte is not allowed.
    fn step(&mut self, byte: u8) -> Option<State> {
        use State as S;
        match (self.state, byte) {
            // One empty line before a request is tolerated, as the standard asks of servers.
            (S::Start, b'\r') => Some(S::StartLf),
            (S::StartLf, b'\n') => Some(S::Start),
            (S::Start, b'!'..=b'~') => {
                self.head = Head { last: byte, ..Head::default() };
                Some(S::RequestLine)
            }
            (S::RequestLine, b'\r') => Some(S::RequestLineLf),
            (S::RequestLine, b'\n' | 0) => None,
            (S::RequestLine, _) => {
                self.head.last = byte;
                Some(S::RequestLine)
            }
            (S::RequestLineLf, b'\n') => {
                self.head.http_11 = self.head.last == b'1';
                Some(S::LineStart)
            }
            (S::LineStart, b'\r') => Some(S::HeadLf),
            // A line that begins with a blank would continue the one before it.
            (S::LineStart, b' ' | b'\t' | b'\n' | b':' | 0) => None,
            (S::LineStart, _) => {
                self.head.begin_name(byte);
                Some(S::Name)
            }
            (S::Name, b':') => self.head.end_name().map(|()| S::Value),
            (S::Name, b' ' | b'\t' | b'\r' | b'\n' | 0) => None,
            (S::Name, _) => {
                self.head.push_name(byte);
                Some(S::Name)
            }
            (S::Value, b'\r') => self.head.end_value().map(|()| S::ValueLf),
            (S::Value, b'\n' | 0) => None,
            (S::Value, _) => self.head.push_value(byte).map(|()| S::Value),
            (S::ValueLf, b'\n') => Some(S::LineStart),
            (S::HeadLf, b'\n') => self.end_head(),
            (S::ChunkSize { size, digits }, _) => Self::chunk_size(size, digits, byte),
            (S::ChunkExtension { size, .. }, b'\r') => Some(S::ChunkSizeLf { size }),
            (S::ChunkExtension { .. }, b'\n' | 0) => None,
            (S::ChunkExtension { size, length }, _) if length < MAX_CHUNK_EXTENSION => {
                Some(S::ChunkExtension { size, length: length + 1 })
            }
            (S::ChunkSizeLf { size: 0 }, b'\n') => Some(S::TrailerStart),
            (S::ChunkSizeLf { size }, b'\n') => Some(S::ChunkData(size)),
            (S::ChunkDataCr, b'\r') => Some(S::ChunkDataLf),
            (S::ChunkDataLf, b'\n') => Some(S::ChunkSize { size: 0, digits: 0 }),
            (S::TrailerStart, b'\r') => Some(S::TrailersLf),
            (S::TrailerStart, b' ' | b'\t') => None,
            (S::TrailerStart | S::Trailer, b'\n' | 0) => None,
            (S::Trailer, b'\r') => Some(S::TrailerLf),
            (S::TrailerStart | S::Trailer, _) => Some(S::Trailer),
            (S::TrailerLf, b'\n') => Some(S::TrailerStart),
            (S::TrailersLf, b'\n') => Some(S::Start),
            _ => None,
        }
    }

    fn chunk_size(size: u64, digits: u8, byte: u8) -> Option<State> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if digits > 0 => return Some(State::ChunkSizeLf { size }),
            b';' if digits > 0 => return Some(State::ChunkExtension { size, length: 0 }),
            _ => return None,
        };
        // Fifteen digits are a petabyte; sixteen could overflow.
        (digits < 15).then(|| State::ChunkSize { size: size * 16 + u64::from(digit), digits: digits + 1 })
    }

    fn end_head(&mut self) -> Option<State> {
        let head = &self.head;
        if (head.http_11 && !head.host) || (!head.http_11 && head.chunked) {
            return None;
        }
        let body = match (head.chunked, head.length) {
            (true, _) => State::ChunkSize { size: 0, digits: 0 },
            (false, None | Some(0)) => State::Start,
            (false, Some(length)) => State::Body(length),
        };
        self.heads = self.heads.saturating_add(1);
        if head.websocket && head.http_11 {
            // A WebSocket begins with a request that has no body.
            return (body == State::Start).then_some(State::Raw);
        }
        Some(body)
    }
}

impl Head {
    fn begin_name(&mut self, byte: u8) {
        self.name_length = 0;
        self.push_name(byte);
    }

    fn push_name(&mut self, byte: u8) {
        if let Some(slot) = self.name.get_mut(self.name_length) {
            *slot = byte.to_ascii_lowercase();
            self.name_length += 1;
        }
    }

    fn end_name(&mut self) -> Option<()> {
        let name = self.name.get(..self.name_length)?;
        let field = match name {
            b"content-length" => Field::ContentLength,
            b"transfer-encoding" => Field::TransferEncoding,
            b"host" => Field::Host,
            b"upgrade" => Field::Upgrade,
            // Gateways that map names to variables read these as the real ones.
            b"content_length" | b"transfer_encoding" => return None,
            _ => Field::Other,
        };
        let repeated = match field {
            Field::ContentLength | Field::TransferEncoding => self.length.is_some() || self.chunked,
            Field::Host => self.host,
            Field::Upgrade | Field::Other => false,
        };
        self.host |= field == Field::Host;
        self.field = Some(field);
        self.value = Value::default();
        (!repeated).then_some(())
    }

    fn push_value(&mut self, byte: u8) -> Option<()> {
        let expected: &[u8] = match self.field {
            Some(Field::ContentLength) => return self.push_length(byte),
            Some(Field::TransferEncoding) => b"chunked",
            Some(Field::Upgrade) => b"websocket",
            _ => return Some(()),
        };
        let value = &mut self.value;
        match byte {
            b' ' | b'\t' => value.ended = value.matched > 0,
            _ if !value.ended && expected.get(value.matched) == Some(&byte.to_ascii_lowercase()) => value.matched += 1,
            _ => value.differs = true,
        }
        Some(())
    }

    fn push_length(&mut self, byte: u8) -> Option<()> {
        let value = &mut self.value;
        match byte {
            b' ' | b'\t' => value.ended = value.matched > 0,
            b'0'..=b'9' if !value.ended => {
                value.matched += 1;
                let length = self.length.unwrap_or(0);
                self.length = Some(length.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?);
            }
            _ => return None,
        }
        Some(())
    }

    fn end_value(&mut self) -> Option<()> {
        let Value { matched, differs, .. } = self.value;
        match self.field {
            Some(Field::ContentLength) => self.length.map(|_| ()),
            Some(Field::TransferEncoding) => {
                self.chunked = matched == b"chunked".len() && !differs;
                self.chunked.then_some(())
            }
            Some(Field::Upgrade) => {
                self.websocket |= matched == b"websocket".len() && !differs;
                Some(())
            }
            _ => Some(()),
        }
    }
}

/// How many of `rest` bytes belong to something with `left` bytes to go.
fn take(left: u64, rest: usize) -> usize {
    usize::try_from(left).map_or(rest, |left| left.min(rest))
}

#[cfg(test)]
mod tests {
    use super::{Phase, Strict};
    use proptest::prelude::*;

    fn whole(text: &str) -> Result<Phase, usize> {
        let mut strict = Strict::default();
        strict.feed(text.as_bytes()).map(|()| strict.phase())
    }

    #[test]
    fn ordinary_requests_pass() {
        for (text, phase) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Phase::Between),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Phase::Between),
            ("GET / HTTP/1.0\r\n\r\n", Phase::Between),
            ("GET / HTTP/1.1\r\nHost:a\r\nX:\r\nY:  \r\n\r\n", Phase::Between),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n", Phase::Head),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", Phase::Body),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  3 \r\n\r\nabc", Phase::Between),
            ("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n", Phase::Between),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n", Phase::Body),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
                Phase::Between,
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n\x01\x02", Phase::Raw),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\n", Phase::Head),
        ] {
            assert_eq!(whole(text), Ok(phase), "{text:?}");
        }
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\rHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun ked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n",
        ] {
            assert!(whole(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_second_request_in_the_same_bytes_is_read_as_strictly() {
        let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\n\n\n\n\n";
        let bad = "GET / HTTP/1.1\nHost: a\r\n\r\n";
        assert_eq!(whole(&format!("{good}{good}")), Ok(Phase::Between));
        assert_eq!(whole(&format!("{good}{bad}")), Err(good.len() + "GET / HTTP/1.1".len()));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(
            pieces in proptest::collection::vec(prop_oneof![
                Just("POST / HTTP/1.1\r\nHost: a\r\n"), Just("GET / HTTP/1.1\r\n"), Just("Host: a\r\n"),
                Just("Content-Length: 3\r\n"), Just("Transfer-Encoding: chunked\r\n"), Just("\r\n"), Just("abc"),
                Just("3\r\nabc\r\n"), Just("0\r\n\r\n"), Just("\n"), Just(" x\r\n"), Just("Upgrade: websocket\r\n"),
            ], 1..8),
            cuts in proptest::collection::vec(1..7_usize, 1..40),
        ) {
            let text = pieces.concat();
            let mut split = Strict::default();
            let mut at = 0;
            let mut result = Ok(());
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(text.len());
                if let Err(place) = split.feed(&text.as_bytes()[at..end]) {
                    result = Err(at + place);
                    break;
                }
                at = end;
                if at == text.len() {
                    break;
                }
            }
            prop_assert_eq!(result.map(|()| split.phase()), whole(&text));
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut strict = Strict::default();
            if let Err(place) = strict.feed(&bytes) {
                prop_assert!(place < bytes.len());
            }
        }
    }
}
