//! `pylock.toml`, the lock file of PEP 751: what a plan needs of it. The installer reads the rest.

use std::str::FromStr as _;

use pep440_rs::VersionSpecifiers;

use crate::PlanError;
use crate::error::{UNSUPPORTED, shown};
use crate::parse::toml::{self, Node};

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PyLock {
    /// `requires-python`: parsed, as it is shown, and its line.
    pub(crate) python: Option<(VersionSpecifiers, String, u32)>,
    /// How many packages it lists.
    pub(crate) packages: usize,
    /// The line of the first package that lies in the repository.
    pub(crate) local: Option<u32>,
}

const HINT: &str = "Make it anew with the tool that wrote it.";

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<PyLock, PlanError> {
    toml::with(file, bytes, |root| {
        let Some(version) = root.get("lock-version") else {
            return Err(root.wrong("The file has no lock-version, so it is not a lock file as PEP 751 says.", HINT));
        };
        if version.text().is_none_or(|text| text != "1" && !text.starts_with("1.")) {
            let message = "Lock files of this version are not known here; version 1.0 is.";
            return Err(version.wrong(message, HINT).coded(UNSUPPORTED));
        }
        let mut out = PyLock::default();
        if let Some(python) = root.get("requires-python") {
            let text = python.text().unwrap_or_default();
            let specifiers = VersionSpecifiers::from_str(text).map_err(|_| {
                python.wrong(format!("requires-python = {:?} is not a range of versions.", shown(text)), HINT)
            })?;
            let text = shown(&specifiers.to_string());
            out.python = Some((specifiers, text, python.line())).filter(|(specifiers, _, _)| !specifiers.is_empty());
        }
        for package in root.get("packages").map(|packages| packages.items()).unwrap_or_default() {
            if package.text_at("name").is_none() {
                return Err(package.wrong("A package has no name.", HINT));
            }
            out.packages += 1;
            if is_local(&package) {
                out.local = out.local.or(Some(package.line()));
            }
        }
        Ok(out)
    })
}

fn is_local(package: &Node<'_>) -> bool {
    let has_path = |node: &Node<'_>| node.text_at("path").is_some();
    let one =
        ["directory", "archive", "sdist", "vcs"].iter().filter_map(|key| package.get(key)).any(|node| has_path(&node));
    let wheels = package.get("wheels").map(|wheels| wheels.items()).unwrap_or_default();
    one || wheels.iter().any(has_path)
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn packages_are_counted_and_paths_are_seen() {
        let text = "lock-version = \"1.0\"\ncreated-by = \"x\"\nrequires-python = \">=3.11\"\n[[packages]]\nname = \"six\"\nversion = \"1\"\n";
        let lock = parse("pylock.toml", text.as_bytes()).unwrap();
        assert_eq!((lock.packages, lock.local, lock.python.unwrap().2), (1, None, 3));
        for more in
            ["directory = { path = \".\" }\n", "wheels = [{ path = \"x.whl\" }]\n", "archive = { path = \"x.zip\" }\n"]
        {
            let lock = parse("pylock.toml", format!("{text}{more}").as_bytes()).unwrap();
            assert_eq!(lock.local, Some(4), "{more}");
        }
    }

    #[test]
    fn what_is_no_lock_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("\nlock-version = \"2.0\"\n", 2),
            ("lock-version = 1.0\n", 1),
            ("lock-version = \"1.0\"\nrequires-python = \"^3\"\n", 2),
            ("lock-version = \"1.0\"\n[[packages]]\nversion = \"1\"\n", 2),
        ] {
            let fault = Fault::from(parse("pylock.toml", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("pylock.toml:{line}")), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("pylock.toml", &bytes);
        }
    }
}
