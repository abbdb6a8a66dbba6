//! Bytes to text: UTF-8 or UTF-16, with or without a byte order mark, any line ends.

use crate::PlanError;

/// The file as UTF-8 text with Unix line ends and no byte order mark.
pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<String, PlanError> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(file, rest)?,
        [0xFF, 0xFE, rest @ ..] => utf16(file, rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(file, rest, u16::from_be_bytes)?,
        // Without a mark: ASCII text in UTF-16 has a zero in every second byte.
        [first, 0, ..] if *first != 0 => utf16(file, bytes, u16::from_le_bytes)?,
        [0, second, ..] if *second != 0 => utf16(file, bytes, u16::from_be_bytes)?,
        _ => utf8(file, bytes)?,
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let control = |c: char| c.is_control() && c != '\n' && c != '\t' && c != '\u{c}';
    if let Some(at) = text.find(control) {
        return Err(PlanError::line(
            file,
            line_at(&text, at),
            "The line has a control character; this is not a text file.",
            "Save the file as plain UTF-8 text.",
        ));
    }
    Ok(text)
}

fn utf8(file: &str, bytes: &[u8]) -> Result<String, PlanError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        PlanError::line(file, number(line), "The line is not UTF-8 text.", "Save the file as UTF-8.")
    })
}

fn utf16(file: &str, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, PlanError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(PlanError::file(file, "The file is damaged UTF-16 text.", "Save the file as UTF-8.")),
    }
}

/// The line, from 1, of the byte at `at`.
pub(crate) fn line_at(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    number(before.iter().filter(|byte| **byte == b'\n').count())
}

/// The line of an error of a JSON parser, which counts a line's end to the next line.
pub(crate) fn json_line(error: &serde_json::Error) -> u32 {
    let line = if error.column() == 0 { error.line().saturating_sub(1) } else { error.line() };
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

/// A line number from a count from zero.
pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decode;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn every_common_encoding_of_a_text_reads_the_same() {
        let text = "numpy\npandas\n";
        let marked = format!("\u{feff}{text}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            b"numpy\r\npandas\r\n".to_vec(),
            b"numpy\rpandas\r".to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
        ] {
            assert_eq!(decode("requirements.txt", &bytes).unwrap(), text, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_line() {
        let error = decode("apt.txt", b"curl\n\xff\n").unwrap_err();
        assert_eq!(bindery_core::Fault::from(error).place().as_deref(), Some("apt.txt:2"));
        let error = decode("apt.txt", b"curl\nwget\x1b[31m\n").unwrap_err();
        assert_eq!(bindery_core::Fault::from(error).place().as_deref(), Some("apt.txt:2"));
        assert!(decode("apt.txt", &[0xFF, 0xFE, 0x00]).is_err());
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_leaves_no_carriage_return(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = decode("x", &bytes) {
                prop_assert!(!text.contains('\r'));
            }
        }
    }
}
