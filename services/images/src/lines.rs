//! Chunks of a process's output become lines.

/// Joins chunks into lines. Holds at most one line of at most the limit.
#[derive(Debug)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    limit: usize,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        // Four bytes are the longest character; below that a line could never be cut.
        Self { partial: Vec::new(), limit: limit.max(4) }
    }

    /// Adds a chunk and hands every line it completes to `line`, without its newline. Carriage returns inside a line are
    /// kept; bytes that are not UTF-8 are replaced; a longer line than the limit comes in pieces.
    pub(crate) fn push(&mut self, mut chunk: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = chunk.split_at(end);
            self.add(head, &mut line);
            if self.partial.last() == Some(&b'\r') {
                self.partial.pop();
            }
            line(String::from_utf8_lossy(&self.partial).into_owned());
            self.partial.clear();
            chunk = rest.get(1..).unwrap_or_default();
        }
        self.add(chunk, &mut line);
    }

    /// The last line, if it had no newline.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }

    fn add(&mut self, bytes: &[u8], line: &mut impl FnMut(String)) {
        self.partial.extend_from_slice(bytes);
        while self.partial.len() > self.limit {
            let rest = self.partial.split_off(character_boundary(&self.partial, self.limit));
            let piece = std::mem::replace(&mut self.partial, rest);
            line(String::from_utf8_lossy(&piece).into_owned());
        }
    }
}

/// The last place at or before `limit` that does not cut a character in two.
fn character_boundary(bytes: &[u8], limit: usize) -> usize {
    let is_continuation = |index: usize| bytes.get(index).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (limit.saturating_sub(3)..=limit).rev().find(|index| *index > 0 && !is_continuation(*index)).unwrap_or(limit)
}

/// The text without terminal escape sequences and control characters other than the newline and tab.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                if characters.next_if_eq(&'[').is_some() {
                    // A control sequence ends in a byte from @ to ~.
                    while characters.next().is_some_and(|c| !matches!(c, '@'..='~')) {}
                }
            }
            '\n' | '\t' => plain.push(character),
            '\r' => plain.push(' '),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Lines, plain};
    use proptest::prelude::*;

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::new(limit), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| out.push(line));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn a_line_in_two_chunks_is_one_line() {
        assert_eq!(split(100, &[b"ab", b"c\nd", b"", b"e"]), ["abc", "de"]);
    }

    #[test]
    fn carriage_returns_inside_a_line_are_kept_and_one_before_the_newline_is_part_of_it() {
        assert_eq!(split(100, &[b"10%\r20%\r\nx\n"]), ["10%\r20%", "x"]);
    }

    #[test]
    fn empty_lines_are_lines() {
        assert_eq!(split(100, &[b"a\n\nb\n"]), ["a", "", "b"]);
    }

    #[test]
    fn a_character_in_two_chunks_is_whole_and_other_bytes_are_replaced() {
        assert_eq!(split(100, &[b"\xc3", b"\xa9\n\xff\n"]), ["é", "\u{fffd}"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_cut_no_character() {
        assert_eq!(split(5, &["ééé\nx".as_bytes()]), ["éé", "é", "x"]);
    }

    #[test]
    fn escape_sequences_are_removed_whole() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m \u{1b}[2Kx\u{1b}"), "red x");
    }

    proptest! {
        #[test]
        fn however_text_is_chunked_its_lines_are_the_same(text in "[a-zé\n]{0,80}", cuts in prop::collection::vec(0usize..160, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(1000, &chunks), split(1000, &[bytes]));
        }

        #[test]
        fn no_piece_is_longer_than_the_limit_and_nothing_is_lost(text in "[a-zé€]{0,200}", limit in 4usize..40) {
            let pieces = split(limit, &[text.as_bytes()]);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= limit));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
