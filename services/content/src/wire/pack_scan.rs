//! Measuring a pack while it passes, before anything expands it.
//!
//! A few kilobytes of pack can describe gigabytes: compressed zeros, or deltas that copy their base a thousand times. The
//! sizes are all declared in the clear, so each object's stream is inflated into a small scratch buffer, only to find its
//! end and check that it keeps to its declaration, and what the declarations add up to is held against the limits.

use flate2::{Decompress, FlushDecompress, Status};

use crate::Error;
use crate::config::{MAX_COMMIT_OBJECT, MAX_TREE_OBJECT};

/// What a pack may contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackLimits {
    /// Objects of all kinds.
    pub(crate) max_objects: u64,
    /// Bytes of one object, deltas applied.
    pub(crate) max_blob: u64,
    /// Bytes of all objects, deltas applied.
    pub(crate) max_total: u64,
}

/// Watches the bytes of one pack go by.
pub(crate) struct PackScan {
    limits: PackLimits,
    state: State,
    /// Bytes of the element being collected.
    small: Vec<u8>,
    inflate: Decompress,
    scratch: Vec<u8>,
    objects_left: u64,
    total: u64,
}

enum State {
    PackHeader,
    ObjectHeader,
    DeltaOffset(u64),
    DeltaBase(u64),
    /// Inflating an object of the declared size; for a delta, its first bytes tell the size of the result.
    Content {
        size: u64,
        delta: bool,
        produced: u64,
    },
    Trailer,
    Done,
}

impl PackScan {
    pub(crate) fn new(limits: PackLimits) -> Self {
        Self {
            limits,
            state: State::PackHeader,
            small: Vec::new(),
            inflate: Decompress::new(true),
            scratch: vec![0; 32 << 10],
            objects_left: 0,
            total: 0,
        }
    }

    /// Looks at the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Content { .. } => self.content(bytes)?,
                State::Done => return Err(damaged("bytes after the end of the pack")),
                _ => self.element(bytes)?,
            };
        }
        Ok(())
    }

    /// Whether the pack was complete.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Done => Ok(()),
            _ => Err(damaged("the pack is cut short")),
        }
    }

    /// Takes one byte of a header or trailer.
    fn element<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let Some((byte, rest)) = bytes.split_first() else { return Ok(bytes) };
        self.small.push(*byte);
        let complete = match self.state {
            State::PackHeader => self.small.len() == 12,
            State::DeltaBase(_) | State::Trailer => self.small.len() == 20,
            _ => byte & 0x80 == 0,
        };
        if self.small.len() > 20 {
            return Err(damaged("a size or offset of the pack is not one"));
        }
        if complete {
            let element = std::mem::take(&mut self.small);
            self.take(&element)?;
        }
        Ok(rest)
    }

    fn take(&mut self, element: &[u8]) -> Result<(), Error> {
        self.state = match self.state {
            State::PackHeader => {
                self.objects_left = object_count(element)?;
                if self.objects_left > self.limits.max_objects {
                    let limit = self.limits.max_objects.to_string();
                    return Err(Error::TooLarge { what: "the number of objects", limit, setting: "max_entries" });
                }
                self.next_object()
            }
            State::ObjectHeader => self.object_header(element)?,
            State::DeltaOffset(size) | State::DeltaBase(size) => self.begin(size, true),
            State::Trailer => State::Done,
            State::Content { .. } | State::Done => return Err(damaged("the pack is not one")),
        };
        Ok(())
    }

    fn next_object(&mut self) -> State {
        if self.objects_left == 0 { State::Trailer } else { State::ObjectHeader }
    }

    fn begin(&mut self, size: u64, delta: bool) -> State {
        self.inflate.reset(true);
        State::Content { size, delta, produced: 0 }
    }

    fn object_header(&mut self, element: &[u8]) -> Result<State, Error> {
        let (first, rest) = element.split_first().ok_or_else(|| damaged("an object has no header"))?;
        let mut size = u64::from(first & 0x0f);
        for (index, byte) in rest.iter().enumerate() {
            let shift = u32::try_from(4 + 7 * index).unwrap_or(u32::MAX);
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits);
            size |= shifted.ok_or_else(|| damaged("an object's size is not a number"))?;
        }
        let state = match (first >> 4) & 7 {
            kind @ (1 | 4) | kind @ (2 | 3) => {
                let limit = match kind {
                    2 => MAX_TREE_OBJECT,
                    3 => self.limits.max_blob,
                    _ => MAX_COMMIT_OBJECT,
                };
                self.count(size, limit)?;
                self.begin(size, false)
            }
            6 => State::DeltaOffset(size),
            7 => State::DeltaBase(size),
            _ => return Err(damaged("an object is of no known kind")),
        };
        if size > self.limits.max_blob.max(MAX_TREE_OBJECT) {
            return Err(Error::over_bytes("one file", self.limits.max_blob, "max_blob"));
        }
        Ok(state)
    }

    /// Holds one more object of `size` against the limits.
    fn count(&mut self, size: u64, limit: u64) -> Result<(), Error> {
        if size > limit {
            return Err(Error::over_bytes("one file", limit, "max_blob"));
        }
        self.total = self.total.saturating_add(size);
        if self.total > self.limits.max_total {
            return Err(Error::over_bytes("the size of all objects", self.limits.max_total, "max_bytes"));
        }
        Ok(())
    }

    /// Inflates as much as `bytes` allow; what is left belongs to the next object.
    fn content<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let State::Content { size, delta, mut produced } = self.state else { return Ok(bytes) };
        let mut rest = bytes;
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(rest, &mut self.scratch, FlushDecompress::None)
                .map_err(|_| damaged("an object cannot be inflated"))?;
            let consumed = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
            let made = self.inflate.total_out() - before_out;
            rest = rest.get(consumed..).unwrap_or_default();
            if delta && produced < 20 {
                let wanted = usize::try_from((20 - produced).min(made)).unwrap_or_default();
                self.small.extend_from_slice(self.scratch.get(..wanted).unwrap_or_default());
            }
            produced += made;
            if produced > size {
                return Err(damaged("an object is larger than it says"));
            }
            if status == Status::StreamEnd {
                break;
            }
            if consumed == 0 && made == 0 {
                if rest.is_empty() {
                    self.state = State::Content { size, delta, produced };
                    return Ok(rest);
                }
                return Err(damaged("an object cannot be inflated"));
            }
        }
        if produced != size {
            return Err(damaged("an object is smaller than it says"));
        }
        if delta {
            let start = std::mem::take(&mut self.small);
            let result = delta_result_size(&start).ok_or_else(|| damaged("a delta has no sizes"))?;
            self.count(result, self.limits.max_blob.max(MAX_TREE_OBJECT))?;
        }
        self.objects_left -= 1;
        self.state = self.next_object();
        Ok(rest)
    }
}

fn object_count(header: &[u8]) -> Result<u64, Error> {
    let header: [u8; 12] = header.try_into().map_err(|_| damaged("the pack has no header"))?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else {
        return Err(damaged("what the host sent is not a pack"));
    };
    Ok(u64::from(u32::from_be_bytes(count)))
}

/// The second of the two sizes that begin a delta: of its base, and of its result.
fn delta_result_size(start: &[u8]) -> Option<u64> {
    let (_, rest) = little_endian_size(start)?;
    little_endian_size(rest).map(|(size, _)| size)
}

fn little_endian_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut size = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        size |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((size, bytes.get(index + 1..)?));
        }
    }
    None
}

fn damaged(reason: &str) -> Error {
    Error::Damaged(reason.to_owned())
}
