//! `.python-version`: one version a line, the first that counts; written by pyenv, uv and others.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifiers};

use crate::PlanError;
use crate::error::{UNSUPPORTED, shown};
use crate::parse::runtime::PythonVersion;
use crate::parse::text;

const HINT: &str = "Write a version of Python alone on the first line, e.g. 3.12 or 3.12.4.";

/// What the file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The versions it allows; none for `system`, which asks for nothing.
    pub(crate) specifiers: Option<VersionSpecifiers>,
    /// As it is shown to people.
    pub(crate) text: String,
    /// Whether it names a patch release, of which the series counts.
    pub(crate) patch: bool,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Whether other versions follow, which do not count.
    pub(crate) more: bool,
}

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Asked, PlanError> {
    let source = text::decode(file, bytes)?;
    let mut words = source.lines().enumerate().flat_map(|(index, line)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let parts: Vec<&str> = if is_range(line) { vec![line] } else { line.split_whitespace().collect() };
        parts.into_iter().map(move |word| (text::number(index), word))
    });
    let Some((line, word)) = words.next().filter(|(_, word)| !word.is_empty()) else {
        return Err(PlanError::line(file, 1, "The file names no version.", HINT));
    };
    let more = words.any(|(_, word)| !word.is_empty());
    let bad = |message: String| PlanError::line(file, line, message, HINT);
    let asked = |specifiers, text, patch| Ok(Asked { specifiers, text, patch, line, more });
    if word == "system" {
        return asked(None, "system".to_owned(), false);
    }
    if is_range(word) {
        let specifiers = VersionSpecifiers::from_str(word)
            .map_err(|_| bad(format!("{:?} is not a range of versions.", shown(word))))?;
        let text = shown(&specifiers.to_string());
        return asked(Some(specifiers), text, false);
    }
    let version = version_of(word).map_err(|other| match other {
        Some(implementation) => PlanError::line(
            file,
            line,
            format!("The repository asks for {}, which is not offered here; CPython is.", shown(implementation)),
            HINT,
        )
        .coded(UNSUPPORTED),
        None => bad(format!(
            "{:?} is not a version of Python. Names of virtual environments have no meaning outside the machine that has them.",
            shown(word)
        )),
    })?;
    let Some(specifiers) = series(version) else {
        return Err(bad(format!("{:?} is not a version of Python.", shown(word))));
    };
    asked(Some(specifiers), version.series(), version.patch.is_some())
}

/// Every version of a series: `==3.12.*`.
pub(crate) fn series(version: PythonVersion) -> Option<VersionSpecifiers> {
    VersionSpecifiers::from_str(&format!("=={}.*", version.series())).ok()
}

fn is_range(word: &str) -> bool {
    word.starts_with(['<', '>', '=', '~', '!'])
}

/// The version a word names; else the name of another Python than CPython, or nothing.
fn version_of(word: &str) -> Result<PythonVersion, Option<&str>> {
    let lower = |text: &str| text.to_ascii_lowercase();
    let end = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (name, rest) = word.split_at_checked(end).unwrap_or(("", word));
    match lower(name).as_str() {
        "" | "python" | "cpython" => {}
        "pypy" | "graalpy" | "graalpython" | "jython" | "ironpython" | "stackless" | "micropython" | "anaconda"
        | "miniconda" | "miniforge" | "mambaforge" => return Err(Some(name)),
        _ => return Err(None),
    }
    // `cpython-3.12.4-linux-x86_64-gnu`, `cpython@3.12`, `python3.12`, `3.12.4/envs/mine`.
    let rest = rest.strip_prefix(['-', '@']).unwrap_or(rest);
    let rest = rest.split('/').next().unwrap_or_default();
    let head = if name.is_empty() { rest } else { rest.split('-').next().unwrap_or_default() };
    if let Some(version) = PythonVersion::parse(head) {
        return Ok(version);
    }
    if head.ends_with('t') && PythonVersion::parse(head.trim_end_matches('t')).is_some() {
        return Err(Some("a free-threaded Python"));
    }
    // `3.13.0rc1`, `3.14-dev`.
    let head = head.strip_suffix("-dev").unwrap_or(head);
    let version = Version::from_str(head).map_err(|_| None)?;
    let part = |index: usize| version.release().get(index).and_then(|part| u32::try_from(*part).ok());
    match (part(0), part(1)) {
        (Some(major), Some(minor)) if version.epoch() == 0 && major < 100 && minor < 10_000 => {
            Ok(PythonVersion { major, minor: Some(minor), patch: part(2) })
        }
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn the_forms_of_pyenv_and_uv_read_as_meant() {
        for (text, series, patch) in [
            ("3.12\n", "3.12", false),
            ("3.12.4", "3.12", true),
            ("3", "3", false),
            ("\n# mine\n  3.12.4 # why\n3.11.9\n", "3.12", true),
            ("3.12.4 3.11.9\n", "3.12", true),
            ("cpython-3.12", "3.12", false),
            ("cpython@3.12", "3.12", false),
            ("CPython@3.12.1", "3.12", true),
            ("python3.12", "3.12", false),
            ("cpython-3.12.4-linux-x86_64-gnu", "3.12", true),
            ("3.12.4/envs/mine", "3.12", true),
            ("3.14-dev", "3.14", false),
            ("3.13.0rc1", "3.13", true),
        ] {
            let asked = parse(".python-version", text.as_bytes()).unwrap();
            assert_eq!((asked.text.as_str(), asked.patch), (series, patch), "{text}");
            assert_eq!(asked.specifiers.unwrap().to_string(), format!("=={series}.*"), "{text}");
        }
        let asked = parse(".python-version", b">=3.10, <3.13\n").unwrap();
        assert_eq!(asked.text, ">=3.10, <3.13");
        assert!(parse(".python-version", b"3.12\n3.11\n").unwrap().more);
        assert_eq!(parse(".python-version", b"system\n").unwrap().specifiers, None);
    }

    #[test]
    fn other_things_are_refused_with_their_line() {
        for (text, says) in [
            ("", "names no version"),
            ("# only\n\n", "names no version"),
            ("myproject", "virtual environments"),
            ("my-env-3.12", "virtual environments"),
            ("3.x", "not a version"),
            ("$(id)", "not a version"),
            (">=3.x", "range"),
            ("pypy3.10-7.3.12", "pypy"),
            ("miniconda3-4.7.12", "miniconda"),
            ("3.13t", "free-threaded"),
            ("1!3.12", "not a version"),
        ] {
            let fault = Fault::from(parse(".python-version", text.as_bytes()).unwrap_err());
            assert!(fault.message.contains(says), "{text}: {fault}");
            assert_eq!(fault.place().as_deref(), Some(".python-version:1"), "{text}");
            assert!(fault.hint.unwrap().contains("3.12"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(".python-version", &bytes);
        }

        #[test]
        fn near_versions_are_survived(text in "[a-z]{0,8}[-@]?[0-9.]{0,8}[ab<>=*,! /-]{0,4}[0-9.]{0,3}\n?") {
            let _ = parse(".python-version", text.as_bytes());
        }
    }
}
