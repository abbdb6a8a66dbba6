//! RStudio and Shiny: servers of a site's choice that R repositories get beside R's kernel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::conda::shown;

/// A server for R that a session shows below its own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RServer {
    /// RStudio Server, at `rstudio/`.
    RStudio,
    /// Shiny Server, at `shiny/`.
    Shiny,
}

impl RServer {
    /// Both, in the order they are installed in.
    pub(crate) const ALL: [Self; 2] = [Self::RStudio, Self::Shiny];

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::RStudio => "RStudio",
            Self::Shiny => "Shiny",
        }
    }

    /// Its name in settings and in the ids of its steps.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::RStudio => "rstudio",
            Self::Shiny => "shiny",
        }
    }

    /// What Jupyter shows it through: packages of Python, each pinned. Raise `VERSION` with them.
    pub(crate) const fn proxy(self) -> &'static str {
        match self {
            Self::RStudio => "jupyter-rsession-proxy==2.5.1 jupyter-server-proxy==4.6.0",
            Self::Shiny => "jupyter-shiny-proxy==1.4 jupyter-server-proxy==4.6.0",
        }
    }

    /// The R package that what it serves is written with.
    pub(crate) const fn r_package(self) -> Option<&'static str> {
        match self {
            Self::RStudio => None,
            Self::Shiny => Some("shiny"),
        }
    }
}

/// A package of Debian's kind that a site names: where it lies, and the checksum it must have. Written
/// `https://host/name.deb#sha256=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct DebianPackage {
    address: String,
    sha256: String,
}

/// Why a text names no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DebianPackageError {
    /// It is no address of a file that can be fetched.
    #[error("the address of a package begins with http:// or https://, ends with .deb and has no spaces")]
    Address,
    /// The checksum is missing or is none.
    #[error("the address of a package ends with #sha256= and 64 hexadecimal digits")]
    Checksum,
}

impl DebianPackage {
    /// Where it lies, without the checksum.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// 64 lower-case hexadecimal digits.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl FromStr for DebianPackage {
    type Err = DebianPackageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, sha256) = text.split_once("#sha256=").ok_or(DebianPackageError::Checksum)?;
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(DebianPackageError::Checksum);
        }
        let known = address.starts_with("https://") || address.starts_with("http://");
        if !known || !address.ends_with(".deb") || !address.chars().all(|c| c.is_ascii_graphic()) {
            return Err(DebianPackageError::Address);
        }
        Ok(Self { address: address.to_owned(), sha256: sha256.to_ascii_lowercase() })
    }
}

/// With whatever credentials the address has.
impl fmt::Display for DebianPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#sha256={}", self.address, self.sha256)
    }
}

/// Without credentials.
impl fmt::Debug for DebianPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#sha256={}", shown(&self.address), self.sha256)
    }
}

/// Without credentials.
impl Serialize for DebianPackage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for DebianPackage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{DebianPackage, DebianPackageError};

    #[test]
    fn a_package_is_named_with_its_checksum_and_shown_without_credentials() {
        let text = format!("https://me:secret@example.org/a_1.0_amd64.deb#sha256={}", "A".repeat(64));
        let package: DebianPackage = text.parse().unwrap();
        assert_eq!(package.sha256(), "a".repeat(64));
        let shown = serde_json::to_string(&package).unwrap();
        assert!(!shown.contains("secret") && shown.ends_with(&format!("#sha256={}\"", "a".repeat(64))), "{shown}");
        let open = format!("https://example.org/a_1.0_amd64.deb#sha256={}", "a".repeat(64));
        assert_eq!(serde_json::to_string(&open.parse::<DebianPackage>().unwrap()).unwrap(), format!("\"{open}\""));
    }

    #[test]
    fn what_is_no_package_is_refused() {
        let sum = "0".repeat(64);
        let parse = |text: &str| text.parse::<DebianPackage>();
        assert_eq!(parse("https://example.org/a.deb"), Err(DebianPackageError::Checksum));
        assert_eq!(parse("https://example.org/a.deb#sha256=12"), Err(DebianPackageError::Checksum));
        for address in ["file:///a.deb", "https://example.org/a.rpm", "https://example.org/a b.deb", "--x.deb", ""] {
            assert_eq!(parse(&format!("{address}#sha256={sum}")), Err(DebianPackageError::Address), "{address:?}");
        }
    }
}
