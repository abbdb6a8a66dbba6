//! Reading lines of output.

/// The line without terminal escape sequences and the space around it. Of what was written over itself, the last.
pub(super) fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.trim_end_matches(['\r', '\n']).chars();
    while let Some(character) = characters.next() {
        match character {
            // A control sequence ends in a letter.
            '\u{1b}' => while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\r' => plain.clear(),
            other => plain.push(other),
        }
    }
    plain.trim().to_owned()
}

/// What follows `mark`.
pub(super) fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.split_once(mark).map(|(_, rest)| rest.trim_start())
}

/// What lies between two marks.
pub(super) fn between<'a>(line: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(line.split_once(from)?.1.split_once(to)?.0.trim())
}

/// What stands first in quotes of one of the kinds that installers use.
pub(super) fn quoted(text: &str) -> Option<&str> {
    let (at, open) = text.char_indices().find(|(_, c)| "`'\"‘“".contains(*c))?;
    let close = match open {
        '`' => ['`', '\''],
        '‘' => ['’', '’'],
        '“' => ['”', '”'],
        other => [other, other],
    };
    let rest = text.get(at + open.len_utf8()..)?;
    rest.split_once(close).map(|(inside, _)| inside)
}

/// The first word, without the punctuation of a sentence behind it.
pub(super) fn word(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?.trim_end_matches([',', ';', ':', '.', ')']);
    (!word.is_empty()).then_some(word)
}

/// The number a text begins with.
pub(super) fn number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The name of the package in a requirement: `six` of `six[extra]>=1.0`.
pub(super) fn package(requirement: &str) -> &str {
    requirement.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).next().unwrap_or(requirement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_what_was_written_over_are_gone() {
        assert_eq!(plain("\u{1b}[1;31merror\u{1b}[0m: x \r"), "error: x");
        assert_eq!(plain("10%\r20%"), "20%");
    }

    #[test]
    fn quotes_of_every_kind_are_read() {
        for text in ["no `x y` z", "no 'x y' z", "no \"x y\" z", "no ‘x y’ z", "no `x y' z"] {
            assert_eq!(quoted(text), Some("x y"), "{text}");
        }
        assert_eq!(quoted("don't"), None);
    }

    #[test]
    fn requirements_lose_all_but_their_name() {
        assert_eq!(package("six[extra]>=1.0"), "six");
        assert_eq!(package("a.b-c==1"), "a.b-c");
    }
}
