//! A spec pinned to one commit, or to one version of a record.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{RepoSpec, RepoUrl};

/// The longest version accepted, in bytes.
const MAX_VERSION: usize = 128;

/// A full commit id: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// Why a string is not a commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a 40-digit commit id")]
pub struct CommitIdError;

impl CommitId {
    /// The 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl FromStr for CommitId {
    type Err = CommitIdError;

    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(CommitIdError)
        }
    }
}

impl TryFrom<String> for CommitId {
    type Error = CommitIdError;

    fn try_from(text: String) -> Result<Self, CommitIdError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a record in an archive, such as `3242074`, `9782777.v3` or `dir.<digest>`: letters, digits, `.`, `_` and `-`,
/// starting with a letter or digit, and never what a commit id looks like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// Why a string is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a version of a record")]
pub struct VersionError;

impl Version {
    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX_VERSION && text.chars().all(plain) && text.parse::<CommitId>().is_err() {
            Ok(Self(text.to_owned()))
        } else {
            Err(VersionError)
        }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

/// What a spec was pinned to. As text the two kinds cannot be taken for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Revision {
    /// A commit of a git repository.
    Commit(CommitId),
    /// A version of a record in an archive.
    Version(Version),
}

impl Revision {
    /// The commit id or version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Commit(commit) => commit.as_str(),
            Self::Version(version) => version.as_str(),
        }
    }

    /// For people: the first seven digits of a commit, a version as it is.
    #[must_use]
    pub fn short(&self) -> &str {
        match self {
            Self::Commit(commit) => commit.short(),
            Self::Version(version) => version.as_str(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Revision {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        text.parse().map(Self::Commit).or_else(|_: CommitIdError| text.parse().map(Self::Version))
    }
}

impl From<CommitId> for Revision {
    fn from(commit: CommitId) -> Self {
        Self::Commit(commit)
    }
}

impl TryFrom<String> for Revision {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        match revision {
            Revision::Commit(commit) => commit.into(),
            Revision::Version(version) => version.into(),
        }
    }
}

/// A spec pinned to one revision: everything after this point is a function of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedRef {
    /// What the visitor asked for.
    pub spec: RepoSpec,
    /// Where the content is fetched from, or, for an archive, where the record is known.
    pub repo_url: RepoUrl,
    /// The commit the ref pointed at, or the version of the record.
    #[serde(rename = "commit")]
    pub revision: Revision,
    /// The repository's identity whatever provider or spelling named it; equal for equal repositories.
    pub identity: String,
    /// A page about exactly this revision, for people; the repository's address where the host has none.
    pub ref_url: String,
    /// For an archive, the spec that always means this version, or as nearly as the archive allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<RepoSpec>,
    /// Whether its host shows it only to those it knows. Its content is fetched with what the site has for that host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// What this visitor should know of how the spec was read. Not kept: whoever asks next may have asked for something else.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl ResolvedRef {
    /// The launch path that will always mean this revision, without leading slash: `v2/gh/owner/name/<commit>`.
    #[must_use]
    pub fn persistent_request(&self) -> String {
        match (&self.pinned, &self.revision) {
            (Some(pinned), _) => format!("v2/{pinned}"),
            (None, Revision::Commit(commit)) => {
                let pinned = RepoSpec { reference: commit.clone().into(), ..self.spec.clone() };
                format!("v2/{pinned}")
            }
            (None, Revision::Version(_)) => format!("v2/{}", self.spec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ResolvedRef, Revision};
    use crate::{ImageKey, RepoSpec};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn revision(text: &str) -> Option<Revision> {
        Revision::try_from(text.to_owned()).ok()
    }

    #[test]
    fn a_commit_and_a_version_are_told_apart_by_their_text() {
        assert!(matches!(revision(COMMIT), Some(Revision::Commit(_))));
        for text in ["3242074", "9782777.v3", "3035124.v1.0", "dir.0123456789abcdef0123456789abcdef01234567"] {
            assert!(matches!(revision(text), Some(Revision::Version(_))), "{text}");
        }
        for text in ["", "-x", ".x", "a/b", "a b", "a\nb", "$(x)", "a:b", &"1".repeat(129)] {
            assert_eq!(revision(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_record_written_before_there_were_versions_is_read_and_written_alike() {
        let spec = RepoSpec::parse("gh", "a/b/HEAD").unwrap();
        let stored = serde_json::json!({
            "spec": spec, "repo_url": "https://github.com/a/b", "commit": COMMIT,
            "identity": "https://github.com/a/b", "ref_url": "https://github.com/a/b",
        });
        let resolved: ResolvedRef = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(resolved.persistent_request(), format!("v2/gh/a/b/{COMMIT}"));
        assert_eq!(serde_json::to_value(&resolved).unwrap(), stored);
        // Images that sites have built are found by this.
        assert_eq!(ImageKey::new(&resolved, None, "recipe").as_str(), "1969e335316e7fe227fc10cc198b01b9dbc24d81");
    }

    #[test]
    fn a_record_of_an_archive_is_linked_by_the_spec_it_is_pinned_to() {
        let resolved = ResolvedRef {
            spec: RepoSpec::parse("figshare", "10.6084/m9.figshare.9782777").unwrap(),
            repo_url: "https://doi.org/10.6084/m9.figshare.9782777".parse().unwrap(),
            revision: revision("9782777.v3").unwrap(),
            identity: "https://doi.org/10.6084/m9.figshare.9782777".to_owned(),
            ref_url: "https://doi.org/10.6084/m9.figshare.9782777.v3".to_owned(),
            pinned: RepoSpec::parse("figshare", "10.6084/m9.figshare.9782777.v3").ok(),
            private: true,
            notes: vec!["a note".to_owned()],
        };
        assert_eq!(resolved.persistent_request(), "v2/figshare/10.6084/m9.figshare.9782777.v3");
        let kept: ResolvedRef = serde_json::from_value(serde_json::to_value(&resolved).unwrap()).unwrap();
        assert_eq!(kept, ResolvedRef { notes: Vec::new(), ..resolved });
    }
}
