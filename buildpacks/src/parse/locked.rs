//! One package of a lock file as a line of requirements, which is how every lock reaches the installer.

use std::str::FromStr as _;

use pep440_rs::VersionSpecifiers;

use crate::parse::requirements::is_name;

/// Where a package comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An index.
    #[default]
    Index,
    /// A version control system's address, e.g. `git+https://…@<commit>#subdirectory=x`.
    Repository(String),
    /// An address of an archive.
    Archive(String),
    /// A path, from the top of the repository.
    Path { path: String, editable: bool },
}

/// One package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) extras: Vec<String>,
    /// A specifier such as `==1.2`; empty for any.
    pub(crate) version: String,
    pub(crate) marker: Option<String>,
    /// `sha256:…`.
    pub(crate) hashes: Vec<String>,
    pub(crate) origin: Origin,
}

impl Package {
    /// The line, or what is wrong with it.
    pub(crate) fn line(&self) -> Result<String, &'static str> {
        if !is_name(&self.name) || !self.extras.iter().all(|extra| is_name(extra)) {
            return Err("is not the name of a package");
        }
        let extras = if self.extras.is_empty() { String::new() } else { format!("[{}]", self.extras.join(",")) };
        let mut line = match &self.origin {
            Origin::Index => {
                if !self.version.is_empty() && VersionSpecifiers::from_str(&self.version).is_err() {
                    return Err("has a version that is not one of Python's");
                }
                format!("{}{extras}{}", self.name, self.version)
            }
            Origin::Repository(address) | Origin::Archive(address) => {
                if address.is_empty() || address.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    return Err("has an address that is none");
                }
                format!("{}{extras} @ {address}", self.name)
            }
            Origin::Path { path, editable } => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+');
                if !path.chars().all(plain) {
                    return Err("has a path with characters that cannot be passed on");
                }
                let path = if path.is_empty() { "." } else { path.as_str() };
                let at = if path == "." { path.to_owned() } else { format!("./{path}") };
                format!("{}{at}{extras}", if *editable { "-e " } else { "" })
            }
        };
        if let Some(marker) = &self.marker {
            if marker.is_empty() || marker.contains(|c: char| c.is_control() || c == '#' || c == '\\') {
                return Err("has a condition that cannot be read");
            }
            line.push_str(" ; ");
            line.push_str(marker);
        }
        if matches!(self.origin, Origin::Index) {
            for hash in &self.hashes {
                let good = hash.split_once(':').is_some_and(|(kind, value)| {
                    !kind.is_empty()
                        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
                        && value.len() >= 32
                        && value.bytes().all(|byte| byte.is_ascii_hexdigit())
                });
                if !good {
                    return Err("has a hash that is none");
                }
                line.push_str(" \\\n    --hash=");
                line.push_str(hash);
            }
        }
        Ok(line)
    }

    /// Whether it is installed from the repository itself.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.origin, Origin::Path { .. })
    }
}
