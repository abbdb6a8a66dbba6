//! Reads WebSocket traffic just far enough to tell data frames from pings: opcode and length, nothing else.

/// Follows the frames of one direction. Give it every byte, in order, cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Opcodes {
    header: [u8; 10],
    have: usize,
    payload: u64,
}

impl Opcodes {
    /// Reads on; how many data frames (text, binary, continuation) began in these bytes. Pings, pongs and closes are
    /// not counted: a browser answers pings by itself, with nobody there.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let mut data = 0;
        while let Some((&first, rest)) = bytes.split_first() {
            if self.have == 0 && self.payload > 0 {
                let skip = usize::try_from(self.payload).map_or(bytes.len(), |payload| payload.min(bytes.len()));
                self.payload -= skip as u64;
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            if self.have == 0 && first & 0x0f <= 2 {
                data += 1;
            }
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = first;
            }
            self.have += 1;
            if self.have >= 2
                && let Some(payload) = self.length()
            {
                self.payload = payload;
                self.have = 0;
            }
            bytes = rest;
        }
        data
    }

    /// Whether the last byte ended a frame.
    pub(crate) fn at_boundary(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// The bytes that follow the length field (mask and payload), once the field is complete.
    fn length(&self) -> Option<u64> {
        let [_, second, length @ ..] = self.header;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let payload = match second & 0x7f {
            126 => {
                let [a, b, ..] = length;
                (self.have >= 4).then(|| u64::from(u16::from_be_bytes([a, b])))?
            }
            127 => (self.have >= 10).then(|| u64::from_be_bytes(length))?,
            short => u64::from(short),
        };
        Some(payload.saturating_add(mask))
    }
}

#[cfg(test)]
mod tests {
    use super::Opcodes;
    use proptest::prelude::*;

    fn frame(opcode: u8, masked: bool, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        let mask_bit = if masked { 0x80 } else { 0 };
        match length {
            0..=125 => bytes.push(mask_bit | u8::try_from(length).unwrap()),
            126..=65535 => {
                bytes.push(mask_bit | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        // Payload that looks like text frames, so that a wrong length is noticed.
        bytes.resize(bytes.len() + length, 0x81);
        bytes
    }

    #[test]
    fn data_frames_count_and_control_frames_do_not() {
        for (opcode, expected) in [(0, 1), (1, 1), (2, 1), (8, 0), (9, 0), (10, 0), (3, 0), (15, 0)] {
            for masked in [false, true] {
                let mut opcodes = Opcodes::default();
                assert_eq!(opcodes.feed(&frame(opcode, masked, 5)), expected, "opcode {opcode}");
                assert!(opcodes.at_boundary());
            }
        }
    }

    #[test]
    fn a_frame_is_over_only_after_its_last_byte() {
        for length in [0, 1, 125, 126, 65535, 65536] {
            let bytes = frame(2, true, length);
            let mut opcodes = Opcodes::default();
            opcodes.feed(&bytes[..bytes.len() - 1]);
            assert!(!opcodes.at_boundary(), "length {length}");
            opcodes.feed(&bytes[bytes.len() - 1..]);
            assert!(opcodes.at_boundary(), "length {length}");
        }
    }

    proptest! {
        #[test]
        fn frames_are_counted_wherever_the_bytes_are_cut(
            frames in proptest::collection::vec((0..16_u8, any::<bool>(), prop_oneof![0..200_usize, 65_530..65_540_usize]), 1..6),
            cuts in proptest::collection::vec(prop_oneof![1..5_usize, 1..3000_usize], 1..60),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, masked, length)| frame(*opcode, *masked, *length)).collect();
            let mut opcodes = Opcodes::default();
            let (mut at, mut seen) = (0, 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(bytes.len());
                seen += opcodes.feed(&bytes[at..end]);
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(seen, frames.iter().filter(|(opcode, ..)| *opcode <= 2).count());
            prop_assert!(opcodes.at_boundary());
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Opcodes::default().feed(&bytes);
        }
    }
}
