//! `apt.txt`: names of Debian packages, `#` comments.

use std::collections::BTreeSet;

use crate::PlanError;
use crate::error::shown;
use crate::parse::text;

const HINT: &str = "Write Debian package names, one per line, each optionally as name=version; comments start with #.";

/// The packages, in order, each once.
///
/// Grammar of a word: a package name by Debian policy §5.6.1 (lower case letters, digits, `+ - .`, two characters or more, starting
/// with a letter or digit), optionally `=` and a version (§5.6.12). The whole word must match. A name may not end in `-`, which
/// apt reads as "remove".
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Vec<String>, PlanError> {
    let text = text::decode(file, bytes)?;
    let mut packages: Vec<String> = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split('#').next().unwrap_or_default().split_whitespace() {
            if !is_package(word) {
                let message = format!("{:?} is not the name of a Debian package.", shown(word));
                return Err(PlanError::line(file, text::number(index), message, HINT));
            }
            if known.insert(word) {
                packages.push(word.to_owned());
            }
        }
    }
    Ok(packages)
}

/// Whether a word names a package as `apt.txt` does.
pub(crate) fn is_package(word: &str) -> bool {
    match word.split_once('=') {
        Some((name, version)) => is_name(name) && is_version(version),
        None => is_name(word),
    }
}

fn is_name(name: &str) -> bool {
    (2..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !name.ends_with(['-', '.'])
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
}

fn is_version(version: &str) -> bool {
    version.len() <= 128
        && version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | ':' | '-'))
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn comments_blank_lines_and_windows_line_ends_are_fine() {
        let bytes = b"# tools\r\ncurl\r\n\r\nwget=1.21.3-1+deb12u1 # pinned\r\ng++ libfoo2.0\r\ncurl\r\n";
        assert_eq!(parse("apt.txt", bytes).unwrap(), ["curl", "wget=1.21.3-1+deb12u1", "g++", "libfoo2.0"]);
    }

    #[test]
    fn a_very_long_list_keeps_its_order_and_each_name_once() {
        let names: Vec<String> = (0..60_000).map(|number| format!("p{number}")).collect();
        let text = names.join("\n");
        assert_eq!(parse("apt.txt", format!("{text}\n{text}").as_bytes()).unwrap(), names);
    }

    #[test]
    fn hostile_lines_are_refused_with_their_place() {
        for line in [
            "curl; touch /pwned",
            "$(id)",
            "`id`",
            "-oAPT::Update::Pre-Invoke::=id",
            "-oX",
            "--option",
            "-y",
            "Curl",
            "CURL",
            "curl&&id",
            "curl|sh",
            "curl>x",
            "a",
            "../../x.deb",
            "./x.deb",
            "/tmp/x.deb",
            "curl-",
            "cur*",
            "^curl",
            "curl$",
            "task^",
            "curl/sid",
            "curl=",
            "curl=-x",
            "curl==1",
            "curl=1;id",
            "curl=$(id)",
            "curl\\",
            "'curl'",
            "\"curl\"",
            "cürl",
            "curl\u{a0}x;",
            "${IFS}",
            "curl,wget",
            "libc6:i386",
            "--",
            "=1",
        ] {
            let error = parse("binder/apt.txt", format!("# one\n{line}\n").as_bytes()).unwrap_err();
            let fault = Fault::from(error);
            assert_eq!(fault.place().as_deref(), Some("binder/apt.txt:2"), "{line}");
            assert!(fault.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_harmless_in_any_shell(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packages) = parse("apt.txt", &bytes) {
                for package in packages {
                    prop_assert!(!package.starts_with('-'));
                    prop_assert!(package.chars().all(|c| c.is_ascii_alphanumeric() || "+-.=~:".contains(c)));
                }
            }
        }

        #[test]
        fn debian_names_are_accepted(name in "[a-z0-9][a-z0-9+.]{0,20}[a-z0-9+]", version in "[0-9][A-Za-z0-9.+~:-]{0,10}") {
            prop_assert_eq!(parse("apt.txt", name.as_bytes()).unwrap(), vec![name.clone()]);
            let pinned = format!("{name}={version}");
            prop_assert_eq!(parse("apt.txt", pinned.as_bytes()).unwrap(), vec![pinned]);
        }
    }
}
