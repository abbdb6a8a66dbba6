//! Poetry's way of writing versions, as PEP 440.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifiers};

/// `^3.10`, `~3.10`, `3.10.*`, `>=3.10,<4`, `*`; `None` for what PEP 440 cannot say, such as `||`.
pub(crate) fn specifiers(text: &str) -> Option<VersionSpecifiers> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*") {
        if let Some(rest) = part.strip_prefix('^') {
            parts.extend(between(rest.trim(), caret)?);
        } else if let Some(rest) = part.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
            parts.extend(between(rest.trim(), tilde)?);
        } else if part.starts_with(['<', '>', '=', '!', '~']) {
            parts.push(part.to_owned());
        } else {
            parts.push(format!("=={part}"));
        }
    }
    VersionSpecifiers::from_str(&parts.join(",")).ok()
}

fn between(low: &str, high: fn(&[u64]) -> Vec<u64>) -> Option<[String; 2]> {
    let version = Version::from_str(low).ok()?;
    let high: Vec<String> = high(version.release()).iter().map(u64::to_string).collect();
    Some([format!(">={version}"), format!("<{}", high.join("."))])
}

/// The next version that changes the first part that is not zero.
fn caret(release: &[u64]) -> Vec<u64> {
    let at = release.iter().position(|part| *part > 0).unwrap_or(release.len().saturating_sub(1));
    raised(release, at)
}

/// The next minor version; the next major one where only that is given.
fn tilde(release: &[u64]) -> Vec<u64> {
    raised(release, usize::from(release.len() > 1))
}

fn raised(release: &[u64], at: usize) -> Vec<u64> {
    let mut out: Vec<u64> = release.iter().take(at + 1).copied().collect();
    if let Some(last) = out.last_mut() {
        *last = last.saturating_add(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::specifiers;

    #[test]
    fn each_form_reads_as_poetry_means_it() {
        for (text, expected) in [
            ("^3.10", ">=3.10, <4"),
            ("^0.2.3", ">=0.2.3, <0.3"),
            ("^0.0.3", ">=0.0.3, <0.0.4"),
            ("^0", ">=0, <1"),
            ("~3.10", ">=3.10, <3.11"),
            ("~3", ">=3, <4"),
            ("~=3.10", "~=3.10"),
            ("3.10.*", "==3.10.*"),
            ("3.11", "==3.11"),
            (">=3.10,<3.13", ">=3.10, <3.13"),
            ("*", ""),
        ] {
            assert_eq!(specifiers(text).map(|specifiers| specifiers.to_string()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(specifiers("^3.8 || ^3.10"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9^~*.,<>=| a-z]{0,20}") {
            let _ = specifiers(&text);
        }
    }
}
