//! Quoting: the only way a value reaches a line of shell.

/// `value` as one word of a POSIX shell, whatever it holds. Values come from fixed lists or checked grammars as well; this is
/// the second lock.
pub(crate) fn word(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '=' | ',' | '+' | '@');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::word;

    /// Reads one word the way a POSIX shell does, as far as `word` uses it.
    fn unquote(text: &str) -> Option<String> {
        let mut out = String::new();
        let mut chars = text.chars();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '\'' => quoted = !quoted,
                '\\' if !quoted => out.push(chars.next()?),
                c if quoted => out.push(c),
                c if c.is_ascii_alphanumeric() || "._-/:=,+@".contains(c) => out.push(c),
                _ => return None,
            }
        }
        (!quoted).then_some(out)
    }

    proptest! {
        #[test]
        fn any_value_reads_back_as_one_word(value in "\\PC*|[ '\"$`\\\\;&|\n]*") {
            prop_assert_eq!(unquote(&word(&value)), Some(value));
        }
    }
}
