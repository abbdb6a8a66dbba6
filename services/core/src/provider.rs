//! The places repositories and records come from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::SpecError;

/// Where a repository or record lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub: `gh/<owner>/<name>/<ref>`.
    Gh,
    /// GitLab: `gl/<url-encoded namespace>/<ref>`.
    Gl,
    /// Codeberg, or another Forgejo or Gitea: `cb/<owner>/<name>/<ref>`.
    Cb,
    /// Bitbucket: `bb/<workspace>/<name>/<ref>`.
    Bb,
    /// A gist of GitHub: `gist/<user>/<id>[/<ref>]`.
    Gist,
    /// Any git server: `git/<url-encoded address>/<ref>`.
    Git,
    /// Zenodo, or another `InvenioRDM`: `zenodo/<DOI>`.
    Zenodo,
    /// Figshare: `figshare/<DOI>`, whose end may name a version (`.v2`).
    Figshare,
    /// A Dataverse: `dataverse/<DOI>`, which may be followed by a version (`/v1.0`).
    Dataverse,
    /// `HydroShare`: `hydroshare/<anything with the resource's 32 digits>`.
    Hydroshare,
    /// A CKAN: `ckan/<url-encoded address of the dataset>`.
    Ckan,
    /// The Open Science Framework: `osf/<id>`.
    Osf,
    /// Software Heritage: `swh/<SWHID>`.
    Swh,
    /// An image that is built already, in a registry: `image/<url-encoded reference>`.
    Image,
}

impl Provider {
    /// Every provider, in the order a form lists them.
    pub const ALL: [Self; 14] = [
        Self::Gh,
        Self::Gl,
        Self::Cb,
        Self::Bb,
        Self::Gist,
        Self::Git,
        Self::Zenodo,
        Self::Figshare,
        Self::Dataverse,
        Self::Hydroshare,
        Self::Ckan,
        Self::Osf,
        Self::Swh,
        Self::Image,
    ];

    /// The path prefix.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Gh => "gh",
            Self::Gl => "gl",
            Self::Cb => "cb",
            Self::Bb => "bb",
            Self::Gist => "gist",
            Self::Git => "git",
            Self::Zenodo => "zenodo",
            Self::Figshare => "figshare",
            Self::Dataverse => "dataverse",
            Self::Hydroshare => "hydroshare",
            Self::Ckan => "ckan",
            Self::Osf => "osf",
            Self::Swh => "swh",
            Self::Image => "image",
        }
    }

    /// The name people know it by.
    #[must_use]
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::Gh => "GitHub",
            Self::Gl => "GitLab",
            Self::Cb => "Codeberg",
            Self::Bb => "Bitbucket",
            Self::Gist => "Gist",
            Self::Git => "Git repository",
            Self::Zenodo => "Zenodo DOI",
            Self::Figshare => "FigShare DOI",
            Self::Dataverse => "Dataverse DOI",
            Self::Hydroshare => "Hydroshare resource",
            Self::Ckan => "CKAN dataset",
            Self::Osf => "OSF project",
            Self::Swh => "Software Heritage",
            Self::Image => "Container image",
        }
    }

    /// Whether its repositories have branches, tags and commits. Those of archives are versions of a record, and their links end
    /// with the record's name.
    #[must_use]
    pub const fn has_refs(self) -> bool {
        matches!(self, Self::Gh | Self::Gl | Self::Cb | Self::Bb | Self::Gist | Self::Git)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Provider {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.id() == text)
            .ok_or_else(|| SpecError::UnknownProvider(crate::spec::printable(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::Provider;

    #[test]
    fn an_id_in_a_link_and_in_a_record_is_the_same_word() {
        for provider in Provider::ALL {
            assert_eq!(provider.id().parse::<Provider>().unwrap(), provider);
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.id());
        }
    }
}
