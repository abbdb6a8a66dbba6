//! What may be named as a ref: a branch, a tag, a commit, or `HEAD`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest ref accepted, in bytes.
const MAX_LEN: usize = 255;

/// A ref a visitor named, known to satisfy git's own grammar (`git check-ref-format --allow-onelevel`), and never
/// starting with `-`. It may still not exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitRef(String);

/// Why a string is not a ref.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitRefError {
    /// Nothing was named.
    #[error("the ref is empty")]
    Empty,
    /// Longer than 255 bytes.
    #[error("the ref is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Against the grammar of `git check-ref-format`.
    #[error("the ref {0}")]
    Grammar(&'static str),
}

impl GitRef {
    /// The ref as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `HEAD`: whatever the repository's default branch points at.
    #[must_use]
    pub fn head() -> Self {
        Self("HEAD".to_owned())
    }

    /// Whether this is `HEAD`.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.0 == "HEAD"
    }

    /// Whether this is a full 40-digit commit id. (A branch may have such a name; a commit wins.)
    #[must_use]
    pub fn is_commit(&self) -> bool {
        self.0.len() == 40 && self.0.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

impl FromStr for GitRef {
    type Err = GitRefError;

    fn from_str(text: &str) -> Result<Self, GitRefError> {
        if text.is_empty() {
            return Err(GitRefError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(GitRefError::TooLong);
        }
        match violation(text) {
            Some(reason) => Err(GitRefError::Grammar(reason)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The first rule of `git check-ref-format` that `text` breaks.
fn violation(text: &str) -> Option<&'static str> {
    let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '\u{7f}');
    if text.starts_with('-') {
        return Some("starts with a dash");
    }
    if text.contains(forbidden) {
        return Some("contains a space, a control character or one of ~ ^ : ? * [ \\");
    }
    if text.contains(is_bidi_control) {
        return Some("contains a character that changes text direction");
    }
    if text.contains("..") {
        return Some("contains two dots in a row");
    }
    if text.contains("@{") || text == "@" {
        return Some("contains @{ or is a lone @");
    }
    if text.ends_with('.') || text.ends_with('/') || text.starts_with('/') || text.contains("//") {
        return Some("has an empty part, or ends with a dot");
    }
    if text.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock")) {
        return Some("has a part that starts with a dot or ends with .lock");
    }
    None
}

/// Characters that make text read differently from what it is.
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for GitRef {
    type Error = GitRefError;

    fn try_from(text: String) -> Result<Self, GitRefError> {
        text.parse()
    }
}

impl From<crate::CommitId> for GitRef {
    fn from(commit: crate::CommitId) -> Self {
        Self(commit.into())
    }
}

impl From<GitRef> for String {
    fn from(git_ref: GitRef) -> Self {
        git_ref.0
    }
}

#[cfg(test)]
mod tests {
    use super::GitRef;
    use proptest::prelude::*;

    #[test]
    fn ordinary_refs_are_accepted() {
        for text in ["HEAD", "main", "release/v1", "v1.0.2", "feature/ünïcode", "refs/pull/3/head", "a@b", "0123abc"]
        {
            assert!(text.parse::<GitRef>().is_ok(), "{text}");
        }
    }

    #[test]
    fn refs_git_refuses_are_refused() {
        for text in [
            "",
            "-",
            "--upload-pack=x",
            "a..b",
            "@",
            "@{-1}",
            "a@{1}",
            "a b",
            "a\tb",
            "a\nb",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "a\u{202e}b",
            "a\u{7f}",
        ] {
            assert!(text.parse::<GitRef>().is_err(), "{text:?}");
        }
        assert!("x".repeat(256).parse::<GitRef>().is_err());
    }

    proptest! {
        #[test]
        fn no_accepted_ref_can_be_taken_for_an_option_or_leave_its_line(text in "\\PC{0,40}|[-a-z./@{}~^: ]{0,12}") {
            if let Ok(git_ref) = text.parse::<GitRef>() {
                prop_assert!(!git_ref.as_str().starts_with('-'));
                prop_assert!(!git_ref.as_str().chars().any(char::is_control));
                prop_assert_eq!(git_ref.to_string().parse::<GitRef>().unwrap(), git_ref);
            }
        }
    }
}
