//! A spec pinned to one commit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{RepoSpec, RepoUrl};

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

/// A spec pinned to one commit: everything after this point is a function of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedRef {
    /// What the visitor asked for.
    pub spec: RepoSpec,
    /// Where the content is fetched from.
    pub repo_url: RepoUrl,
    /// The commit the ref pointed at.
    pub commit: CommitId,
    /// The repository's identity whatever provider or spelling named it; equal for equal repositories.
    pub identity: String,
    /// A page about exactly this commit, for people; the repository's address where the host has none.
    pub ref_url: String,
}

impl ResolvedRef {
    /// The launch path that will always mean this commit, without leading slash: `v2/gh/owner/name/<commit>`.
    #[must_use]
    pub fn persistent_request(&self) -> String {
        let pinned = RepoSpec { reference: self.commit.clone().into(), ..self.spec.clone() };
        format!("v2/{pinned}")
    }
}
