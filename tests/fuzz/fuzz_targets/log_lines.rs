//! What a process writes: cut into lines of a bounded length, whatever the chunks; shown in a message, it is text that makes no
//! terminal do anything.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../services/images/src/lines.rs"]
mod lines;

use lines::{Lines, plain};

const LIMIT: usize = 64;

fn lines_of<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut lines, mut out) = (Lines::new(LIMIT), Vec::new());
    chunks.for_each(|chunk| lines.push(chunk, |line| out.push(line)));
    out.extend(lines.finish());
    out
}

fuzz_target!(|written: &[u8]| {
    // Three bytes for each that is not text.
    for lines in [lines_of(written.chunks(7)), lines_of(std::iter::once(written))] {
        assert!(lines.iter().all(|line| line.len() <= 3 * LIMIT && !line.contains('\n')));
    }
    let short = written.split(|byte| *byte == b'\n').all(|line| line.len() < LIMIT);
    if short {
        assert_eq!(lines_of(written.chunks(7)), lines_of(std::iter::once(written)));
    }
    let shown = plain(&String::from_utf8_lossy(written));
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
});
