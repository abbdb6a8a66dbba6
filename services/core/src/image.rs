//! Images, their names, and the keys under which they are the same image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{AsOf, ResolvedRef};

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The key of these parts; the parts are length-prefixed, so no two lists of parts share a key by accident.
            #[must_use]
            pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
                let mut hash = Sha256::new();
                for part in parts {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
                let mut digits = hex::encode(hash.finalize());
                digits.truncate(40);
                Self(digits)
            }

            /// 40 lower-case hexadecimal digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

key!(
    /// The identity of an environment image: environment files, steps, base, recipe version, platform. Nothing of the repository's other content.
    EnvironmentKey
);
key!(
    /// The identity of a session image: repository, revision, and everything about this site that changes what is built from them.
    ImageKey
);

impl ImageKey {
    /// The key of `resolved` with the packages of that day, if one is asked for, on a site described by `recipe` (base image,
    /// buildpack version, platform, …).
    #[must_use]
    pub fn new(resolved: &ResolvedRef, as_of: Option<AsOf>, recipe: &str) -> Self {
        let day = as_of.map(|day| day.to_string());
        let parts = [resolved.identity.as_str(), resolved.revision.as_str(), recipe];
        Self::of_parts(parts.into_iter().chain(day.as_deref()).map(str::as_bytes))
    }
}

/// An image name with tag, `[registry/]path:tag`, lower case as the distribution specification asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

/// Why a string is not an image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an image name: expected lower-case [registry/]name[:tag]")]
pub struct ImageNameError(String);

impl ImageName {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the tag.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.split().0
    }

    /// The tag; `latest` when none was given.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        match self.0.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (&self.0, "latest"),
        }
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let refused = || ImageNameError(text.chars().take(200).collect());
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (text, None),
        };
        let tag_ok = tag.is_none_or(|tag| {
            !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        });
        let mut parts = repository.split('/').peekable();
        let mut index = 0;
        let mut parts_ok = !repository.is_empty() && repository.len() <= 255;
        while let Some(part) = parts.next() {
            // Only the first of several parts may be a registry host, which may have a port.
            let is_host = index == 0 && parts.peek().is_some();
            parts_ok &= if is_host { is_host_part(part) || is_path_part(part) } else { is_path_part(part) };
            index += 1;
        }
        if tag_ok && parts_ok { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }
}

fn is_path_part(part: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(part.chars().next())
        && edge(part.chars().last())
        && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
}

fn is_host_part(part: &str) -> bool {
    let (host, port) = part.split_once(':').unwrap_or((part, ""));
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        && port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ImageName {
    type Error = ImageNameError;

    fn try_from(text: String) -> Result<Self, ImageNameError> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.0
    }
}

/// An image in the local engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltImage {
    /// The engine's id of it: `sha256:…` of its configuration.
    pub id: String,
    /// Its size on disk in bytes, layers shared with other images included.
    pub size: u64,
}

/// An image a session can be started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageRef {
    /// The name it was built under, in the engine and, when pushed, in the registry.
    #[schema(value_type = String)]
    pub name: ImageName,
    /// The engine's id recorded when it was built. Sessions start from this, never from the name alone.
    pub id: String,
    /// `sha256:…` of the manifest the registry accepted, when it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_digest: Option<String>,
}

/// What the builder knows of a base image before it plans on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// The name configured.
    pub name: String,
    /// The engine's id of it, which changes whenever its content does.
    pub id: String,
    /// `USER` of its configuration.
    pub user: String,
    /// `ENV` of its configuration.
    pub env: Vec<(String, String)>,
    /// `ENTRYPOINT` of its configuration.
    pub entrypoint: Vec<String>,
    /// `WORKDIR` of its configuration.
    pub workdir: String,
    /// Labels of its configuration.
    pub labels: Vec<(String, String)>,
}

impl BaseImage {
    /// The value of an environment variable the image sets.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{EnvironmentKey, ImageName};

    #[test]
    fn image_names_split_into_repository_and_tag() {
        let name: ImageName = "127.0.0.1:5000/bindery/env:abc".parse().unwrap();
        assert_eq!((name.repository(), name.tag()), ("127.0.0.1:5000/bindery/env", "abc"));
        let name: ImageName = "localhost:5000/x".parse().unwrap();
        assert_eq!((name.repository(), name.tag()), ("localhost:5000/x", "latest"));
    }

    #[test]
    fn names_no_registry_takes_are_refused() {
        for text in
            ["", "Upper", "a//b", "a/", "/a", "a:", "a:-x", "a b", "-a", "a:b:c", "a/b:t/../x", "a@sha256:x", "a/$(id)"]
        {
            assert!(text.parse::<ImageName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn keys_of_different_parts_differ_even_when_joined_alike() {
        let one = EnvironmentKey::of_parts([b"ab".as_slice(), b"c"]);
        let two = EnvironmentKey::of_parts([b"a".as_slice(), b"bc"]);
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 40);
    }
}
