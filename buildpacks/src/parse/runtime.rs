//! `runtime.txt`: one line, `name`, `name-version`, `name-date` or `name-version-date`.

use bindery_core::Date;

use crate::PlanError;
use crate::error::shown;
use crate::parse::julia_compat::Compat;
use crate::parse::text;

const GRAMMAR: &str = "Write one line: python-3, python-3.11, python-3.11.9, r-4.2 or julia-1.10, optionally followed by a date as \
                       -2024-01-31.";

/// A Python version as far as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PythonVersion {
    pub(crate) major: u32,
    pub(crate) minor: Option<u32>,
    pub(crate) patch: Option<u32>,
}

impl PythonVersion {
    /// `3`, `3.11` or `3.11.9`: digits and points only, no sign, no leading zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            (digits && (part == "0" || !part.starts_with('0'))).then(|| part.parse::<u32>().ok()).flatten()
        });
        let major = parts.next()??;
        let minor = parts.next().map_or(Some(None), |part| part.map(Some))?;
        let patch = parts.next().map_or(Some(None), |part| part.map(Some))?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self { major, minor, patch })
    }

    /// Whether a release `other` is what was asked for; the patch level is not compared.
    pub(crate) fn allows(self, other: Self) -> bool {
        self.major == other.major && self.minor.is_none_or(|minor| other.minor.is_none_or(|have| have == minor))
    }

    /// `3` or `3.11`, without the patch level.
    pub(crate) fn series(self) -> String {
        self.minor.map_or_else(|| self.major.to_string(), |minor| format!("{}.{minor}", self.major))
    }
}

/// What `runtime.txt` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runtime {
    /// The Python, where a version is named.
    pub(crate) python: Option<PythonVersion>,
    /// The day whose packages are asked for.
    pub(crate) date: Option<Date>,
    /// The other language, where it is not Python that is asked for.
    pub(crate) other: Option<Other>,
    /// The line it stands on, from 1.
    pub(crate) line: u32,
}

/// A language that is not Python, with its version where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Other {
    /// R. Its versions are written like Python's.
    R(Option<PythonVersion>),
    /// Julia: which releases will do, and the version as written.
    Julia(Option<(Compat, String)>),
}

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Runtime, PlanError> {
    let text = text::decode(file, bytes)?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (text::number(index), line.trim()))
        .filter(|(_, line)| !line.is_empty());
    let Some((line, value)) = lines.next() else {
        return Err(PlanError::line(file, 1, "The file is empty.", GRAMMAR));
    };
    if let Some((extra, _)) = lines.next() {
        return Err(PlanError::line(file, extra, "The file has more than one line.", GRAMMAR));
    }
    let bad = || PlanError::line(file, line, format!("{:?} is not a runtime.", shown(value)), GRAMMAR);
    let parts: Vec<&str> = value.split('-').collect();
    let (name, version, date) = match parts.as_slice() {
        [name, version] => (*name, Some(*version), None),
        [name, year, month, day] => (*name, None, Some([*year, *month, *day])),
        [name, version, year, month, day] => (*name, Some(*version), Some([*year, *month, *day])),
        _ => return Err(bad()),
    };
    let numbers = || version.map(|version| PythonVersion::parse(version).ok_or_else(bad)).transpose();
    let (python, other) = match name {
        "python" => (numbers()?, None),
        "r" => (None, Some(Other::R(numbers()?))),
        "julia" => {
            let series = |version: &str| Some((Compat::series(version)?, version.to_owned()));
            (None, Some(Other::Julia(version.map(|version| series(version).ok_or_else(bad)).transpose()?)))
        }
        _ => return Err(bad()),
    };
    let date = match date.map(|parts| parts.join("-").parse::<Date>()) {
        Some(Err(_)) => {
            let message = format!("{:?} does not end in a date of the calendar.", shown(value));
            return Err(PlanError::line(file, line, message, GRAMMAR));
        }
        Some(Ok(date)) => Some(date),
        None => None,
    };
    Ok(Runtime { python, other, date, line })
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Other, PythonVersion, parse};
    use crate::parse::julia_compat::Compat;

    fn version(text: &str) -> PythonVersion {
        PythonVersion::parse(text).unwrap()
    }

    #[test]
    fn the_accepted_forms_read_as_meant() {
        for (text, python, date) in [
            ("python-3", Some("3"), None),
            ("python-3.11", Some("3.11"), None),
            ("python-3.11.9\r\n", Some("3.11.9"), None),
            ("\n  python-3.11  \n\n", Some("3.11"), None),
            ("python-3.11-2024-02-29", Some("3.11"), Some("2024-02-29")),
            ("python-2024-01-01", None, Some("2024-01-01")),
        ] {
            let runtime = parse("runtime.txt", text.as_bytes()).unwrap();
            assert_eq!(runtime.python, python.map(version), "{text}");
            assert_eq!(runtime.date.map(|date| date.to_string()).as_deref(), date, "{text}");
        }
    }

    #[test]
    fn malformed_lines_are_refused_with_their_place_and_the_grammar() {
        for text in [
            "",
            "\n\n",
            "abc",
            "python3.8",
            "python",
            "python-",
            "-3.11",
            "python-3.x",
            "python-3.11.9.1",
            "python--3",
            "python-03.1",
            "python-3.11-2024-13-01",
            "python-3.11-2023-02-29",
            "python-2024-01",
            "python-3.11-01-01-2024",
            "Python-3.11",
            "python-3.11\nnumpy",
            "python-3.11;id",
            "python-$(id)",
            "python-3.11-2024-01-01-1",
            "python-+3",
            "nodejs-18",
            "python-99999.1",
            "python- 3.11",
            "r",
            "python-３.11",
        ] {
            let fault = Fault::from(parse("runtime.txt", text.as_bytes()).unwrap_err());
            assert!(fault.place().unwrap().starts_with("runtime.txt:"), "{text}");
            assert!(fault.hint.unwrap().contains("python-3.11"), "{text}");
        }
    }

    #[test]
    fn other_languages_are_not_turned_into_python() {
        for (text, other, date) in [
            ("r-4.2", Other::R(Some(version("4.2"))), None),
            ("r-4.2.1\n", Other::R(Some(version("4.2.1"))), None),
            ("r-2024-01-01", Other::R(None), Some("2024-01-01")),
            ("r-4.2-2024-01-01", Other::R(Some(version("4.2"))), Some("2024-01-01")),
            ("julia-1.9", Other::Julia(Some((Compat::series("1.9").unwrap(), "1.9".to_owned()))), None),
        ] {
            let runtime = parse("runtime.txt", text.as_bytes()).unwrap();
            assert_eq!((runtime.python, runtime.other), (None, Some(other)), "{text}");
            assert_eq!(runtime.date.map(|date| date.to_string()).as_deref(), date, "{text}");
        }
        for text in ["r-", "r", "r-x", "r-4.2-2024-02-30", "julia-1.x", "julia", "julia-v1", "R-4.2"] {
            assert!(parse("runtime.txt", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_patch_level_is_not_compared() {
        assert!(version("3.11.9").allows(version("3.11.2")));
        assert!(version("3").allows(version("3.11.2")));
        assert!(!version("3.12").allows(version("3.11.2")));
        assert!(!version("2").allows(version("3.11")));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_runtime_or_a_fault_with_a_line(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Err(error) = parse("runtime.txt", &bytes) {
                prop_assert!(Fault::from(error).hint.is_some());
            }
        }

        #[test]
        fn every_python_version_survives(major in 2u32..5, minor in 0u32..100, patch in 0u32..100) {
            let runtime = parse("runtime.txt", format!("python-{major}.{minor}.{patch}").as_bytes()).unwrap();
            prop_assert_eq!(runtime.python, Some(PythonVersion { major, minor: Some(minor), patch: Some(patch) }));
        }
    }
}
