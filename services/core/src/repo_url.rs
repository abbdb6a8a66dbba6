//! A repository's address in one canonical form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::git_ref::is_bidi_control;

/// The longest address accepted, in bytes.
const MAX_LEN: usize = 2048;

/// The address of a git repository: `https`, `http` or `git`, a host, no credentials, no query, no fragment.
///
/// Two addresses that name the same repository by spelling alone (case of scheme and host, default port, doubled or
/// dotted slashes, a trailing `/` or `.git`) are equal. Whether the address may be *fetched* is a policy of the content crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoUrl(Url);

/// Why a string is not the address of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoUrlError {
    /// Longer than 2048 bytes.
    #[error("the repository address is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Not a URL at all, or one with forbidden characters.
    #[error("the repository address is not a URL: {0}")]
    NotAUrl(String),
    /// A scheme other than https, http and git.
    #[error("repositories are fetched by https, not by {0:?}")]
    Scheme(String),
    /// A user name or password inside the address.
    #[error("the repository address carries a user name or password; remove it")]
    Credentials,
    /// A query or fragment.
    #[error("the repository address has a query or fragment; give the address `git clone` takes")]
    Query,
    /// Nothing after the host.
    #[error("the repository address names a host but no repository")]
    NoPath,
}

impl RepoUrl {
    /// The canonical address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed address.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The host, lower case, as in the address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// A short human name: the last path segment, without `.git`.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.0.path().rsplit('/').next().unwrap_or_default()
    }

    /// The key under which this repository is the same repository whatever the spelling: forges named in
    /// `case_insensitive_hosts` treat letter case in the path as equal.
    #[must_use]
    pub fn identity(&self, case_insensitive_hosts: &[&str]) -> String {
        if case_insensitive_hosts.contains(&self.host()) {
            self.as_str().to_lowercase()
        } else {
            self.as_str().to_owned()
        }
    }
}

impl FromStr for RepoUrl {
    type Err = RepoUrlError;

    fn from_str(text: &str) -> Result<Self, RepoUrlError> {
        if text.len() > MAX_LEN {
            return Err(RepoUrlError::TooLong);
        }
        // The URL parser strips tabs and newlines silently; an address that has them is not what it looks like.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\' || is_bidi_control(c)) {
            return Err(RepoUrlError::NotAUrl("it contains a space, backslash or control character".to_owned()));
        }
        let mut url = Url::parse(text).map_err(|error| RepoUrlError::NotAUrl(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http" | "git") {
            return Err(RepoUrlError::Scheme(url.scheme().to_owned()));
        }
        // The URL standard skips surplus slashes before the host; an address that needs that is not what it looks like.
        if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with('/')) {
            return Err(RepoUrlError::NotAUrl("it names no host".to_owned()));
        }
        // Nor does it need the slashes: `https:host/path` would do.
        if !text.split_once(':').is_some_and(|(_, rest)| rest.starts_with("//")) {
            return Err(RepoUrlError::NotAUrl("it names no host".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') && has_userinfo(text) {
            return Err(RepoUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(RepoUrlError::Query);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(RepoUrlError::NotAUrl("it names no host".to_owned()));
        }
        let path = canonical_path(url.path()).ok_or(RepoUrlError::NoPath)?;
        url.set_path(&path);
        // `git://HOST` is not one of the URL standard's special schemes, so its host keeps its case unless told.
        if url.scheme() == "git" {
            let host = url.host_str().unwrap_or_default().to_lowercase();
            url.set_host(Some(&host)).map_err(|error| RepoUrlError::NotAUrl(error.to_string()))?;
        }
        // Escapes may have made it longer, and what is accepted must be accepted again when it is read back from a record.
        if url.as_str().len() > MAX_LEN {
            return Err(RepoUrlError::TooLong);
        }
        Ok(Self(url))
    }
}

/// Whether the authority part of `text` holds an `@`.
fn has_userinfo(text: &str) -> bool {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    after_scheme.split('/').next().is_some_and(|authority| authority.contains('@'))
}

/// The path without empty parts, trailing slash or `.git`; `None` when nothing is left.
fn canonical_path(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let mut last = parts.pop()?;
    while let Some(stripped) = last.strip_suffix(".git").filter(|stripped| !stripped.is_empty()) {
        last = stripped;
    }
    parts.push(last);
    if parts.iter().any(|part| is_dot_dot(part)) || parts == [".git"] {
        return None;
    }
    Some(format!("/{}", parts.join("/")))
}

fn is_dot_dot(part: &str) -> bool {
    part.to_ascii_lowercase().replace("%2e", ".") == ".."
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl TryFrom<String> for RepoUrl {
    type Error = RepoUrlError;

    fn try_from(text: String) -> Result<Self, RepoUrlError> {
        text.parse()
    }
}

impl From<RepoUrl> for String {
    fn from(url: RepoUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{RepoUrl, RepoUrlError};
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<RepoUrl, RepoUrlError> {
        text.parse()
    }

    #[test]
    fn spellings_of_one_address_are_one_address() {
        let canonical = parse("https://example.org/a/b").unwrap();
        for text in [
            "https://example.org/a/b.git",
            "https://example.org/a/b/",
            "HTTPS://EXAMPLE.ORG/a/b",
            "https://example.org:443/a/b",
            "https://example.org//a//b",
            "https://example.org/x/../a/b",
            "https://example.org/./a/b",
            "https://example.org/a/b.git/",
        ] {
            assert_eq!(parse(text).unwrap(), canonical, "{text}");
        }
    }

    #[test]
    fn addresses_of_other_kinds_are_refused() {
        for text in [
            "ext::sh -c touch",
            "ext::sh",
            "fd::17",
            "file:///etc",
            "FILE:///etc",
            "/etc/passwd",
            "../x",
            "ssh://h/p",
            "git@github.com:a/b",
            "ssh://-oProxyCommand=x/y",
            "--upload-pack=x",
            "javascript:alert(1)",
            "ftp://h/p",
            "https://",
            "https:///a/b",
            "https:h/a/b",
            "https:/h/a/b",
            "https://h",
            "https://h/",
            "https://h/.git",
            "https://u:p@h/a",
            "https://@h/a",
            "https://u@h/a",
            "https://h/a?x=1",
            "https://h/a#f",
            "https://h/a\n",
            "https://h/a b",
            "https://h\\@e/a",
            "ht\ttps://h/a",
            "https://h/\u{202e}a",
            "",
            " https://h/a",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert_eq!(parse(&format!("https://h/{}", "a".repeat(2050))), Err(RepoUrlError::TooLong));
        assert_eq!(parse(&format!("https://h/{}", "\u{e9}".repeat(1000))), Err(RepoUrlError::TooLong), "once escaped");
    }

    #[test]
    fn identity_ignores_case_only_where_the_host_does() {
        let upper = parse("https://github.com/A/B").unwrap();
        let lower = parse("https://github.com/a/b").unwrap();
        assert_eq!(upper.identity(&["github.com"]), lower.identity(&["github.com"]));
        assert_ne!(upper.identity(&[]), lower.identity(&[]));
    }

    proptest! {
        #[test]
        fn canonical_form_is_a_fixed_point(text in "(https|http|git)://[a-zA-Z0-9.-]{1,12}(:[0-9]{1,5})?(/[a-zA-Z0-9._%~-]{0,8}){0,5}") {
            if let Ok(url) = parse(&text) {
                prop_assert_eq!(parse(url.as_str()).unwrap(), url);
            }
        }

        #[test]
        fn anything_at_all_is_parsed_or_refused(text in "\\PC{0,60}") {
            if let Ok(url) = parse(&text) {
                prop_assert!(!url.as_str().starts_with('-'));
                prop_assert!(url.as_url().username().is_empty());
            }
        }
    }
}
