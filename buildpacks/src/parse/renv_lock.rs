//! `renv.lock`: the packages of an R project with their versions.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::PlanError;
use crate::error::shown;
use crate::parse::r_package::{MANY, is_name, is_of_r, is_version};
use crate::parse::text;

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The R it was written with.
    pub(crate) r: Option<String>,
    /// Packages and their versions, in order of name.
    pub(crate) packages: Vec<(String, String)>,
    /// Those that come from elsewhere than a repository of packages.
    pub(crate) elsewhere: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    #[serde(default)]
    r: Option<RawR>,
    #[serde(default)]
    packages: BTreeMap<String, RawPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawR {
    #[serde(default)]
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPackage {
    version: String,
    #[serde(default)]
    source: Option<String>,
}

const HINT: &str = "Write the file anew with renv::snapshot().";

/// Reads a `renv.lock`.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Lock, PlanError> {
    let text = text::decode(file, bytes)?;
    if text.trim_start().starts_with('[') {
        return Err(PlanError::line(file, 1, "The file is JSON, and not what renv writes.", HINT));
    }
    let raw: Raw = serde_json::from_str(&text).map_err(|error| {
        let message =
            if error.is_data() { "The file is JSON, and not what renv writes." } else { "The file is not JSON." };
        PlanError::line(file, text::json_line(&error), message, HINT)
    })?;
    if raw.packages.len() > MANY {
        return Err(PlanError::file(file, format!("More than {MANY} packages are named."), HINT));
    }
    let mut lock = Lock { r: None, packages: Vec::new(), elsewhere: Vec::new() };
    for (name, package) in raw.packages {
        if !is_name(&name) || !is_version(&package.version) {
            let at = text.find(&format!("{name:?}")).unwrap_or_default();
            let message = format!("{:?} is not an R package with a version.", shown(&name));
            return Err(PlanError::line(file, text::line_at(&text, at), message, HINT));
        }
        if !matches!(package.source.as_deref(), None | Some("Repository" | "CRAN" | "Bioconductor")) {
            lock.elsewhere.push(name.clone());
        }
        if !is_of_r(&name) {
            lock.packages.push((name, package.version));
        }
    }
    lock.r = raw.r.and_then(|r| r.version).filter(|version| is_version(version));
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn packages_and_the_r_they_were_locked_with_are_read() {
        let text = r#"{
  "R": {"Version": "4.1.2", "Repositories": [{"Name": "CRAN", "URL": "https://cloud.r-project.org"}]},
  "Packages": {
    "jsonlite": {"Package": "jsonlite", "Version": "1.8.0", "Source": "Repository", "Repository": "CRAN", "Requirements": ["methods"]},
    "digest": {"Package": "digest", "Version": "0.6.29", "Source": "Repository", "Hash": "x"},
    "own": {"Package": "own", "Version": "0.1-2", "Source": "GitHub", "RemoteType": "github"},
    "methods": {"Version": "4.1.2"}
  }
}"#;
        let lock = parse("renv.lock", text.as_bytes()).unwrap();
        assert_eq!(lock.r.as_deref(), Some("4.1.2"));
        let packages: Vec<_> = lock.packages.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(packages, [("digest", "0.6.29"), ("jsonlite", "1.8.0"), ("own", "0.1-2")]);
        assert_eq!(lock.elsewhere, ["own"]);
        assert!(parse("renv.lock", b"{}").unwrap().packages.is_empty());
    }

    #[test]
    fn hostile_files_are_refused_with_their_line() {
        for (text, line) in [
            ("", 1),
            ("{\n\"Packages\": [\n", 2),
            ("[]", 1),
            ("{\n\"Packages\": {\n\"a; id\": {\"Version\": \"1\"}}}", 3),
            ("{\n\"Packages\": {\n\"a2\": {\n\"Version\": \"$(id)\"}}}", 3),
            ("{\"Packages\": {\"a2\": {}}}", 1),
        ] {
            let fault = Fault::from(parse("renv.lock", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("renv.lock:{line}")), "{text:?}");
            assert!(fault.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("renv.lock", &bytes);
        }
    }
}
