//! An image in a registry as a link names it, in one canonical form.

use std::fmt;
use std::str::FromStr;

use crate::ImageName;

/// Where names without a registry are.
const USUAL_REGISTRY: &str = "docker.io";
/// Where that keeps what has a single name.
const USUAL_PATH: &str = "library";

/// `registry/path:tag`, or `registry/path@sha256:digest`, which is always the same image.
///
/// What people leave out is there: `ubuntu` is `docker.io/library/ubuntu:latest`. A tag beside a digest says nothing and is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: String,
    path: String,
    version: ImageVersion,
}

/// Which image of a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageVersion {
    /// Whichever has this tag now.
    Tag(String),
    /// The one with this digest: `sha256:` and 64 lower-case hexadecimal digits.
    Digest(String),
}

/// Why a string is not an image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an image reference: expected registry/name:tag or registry/name@sha256:digest")]
pub struct ImageReferenceError;

impl ImageReference {
    /// The registry: a host in lower case, and its port where it is named.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name there.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tag or digest.
    #[must_use]
    pub fn version(&self) -> &ImageVersion {
        &self.version
    }

    /// `registry/path`: the name without tag or digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The image of this name with that digest; `None` where it is no digest.
    #[must_use]
    pub fn at(&self, digest: &str) -> Option<Self> {
        is_digest(digest).then(|| Self { version: ImageVersion::Digest(digest.to_owned()), ..self.clone() })
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // The host may be written in any case; the rest may not.
        let (registry, rest) = match named.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host.to_ascii_lowercase(), rest),
            Some(_) => (USUAL_REGISTRY.to_owned(), named),
            None => return format!("{USUAL_REGISTRY}/{USUAL_PATH}/{text}").parse(),
        };
        let name: ImageName = format!("{registry}/{rest}").parse().map_err(|_| ImageReferenceError)?;
        let path = name.repository().split_once('/').map(|(_, path)| path.to_owned()).ok_or(ImageReferenceError)?;
        let version = match digest {
            Some(digest) if is_digest(digest) => ImageVersion::Digest(digest.to_owned()),
            Some(_) => return Err(ImageReferenceError),
            None => ImageVersion::Tag(name.tag().to_owned()),
        };
        Ok(Self { registry, path, version })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, path, version } = self;
        match version {
            ImageVersion::Tag(tag) => write!(f, "{registry}/{path}:{tag}"),
            ImageVersion::Digest(digest) => write!(f, "{registry}/{path}@{digest}"),
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::ImageReference;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn canonical(text: &str) -> Option<String> {
        text.parse::<ImageReference>().ok().map(|reference| reference.to_string())
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        for (text, expected) in [
            ("ubuntu", "docker.io/library/ubuntu:latest"),
            ("python:3.12", "docker.io/library/python:3.12"),
            ("jupyter/scipy-notebook", "docker.io/jupyter/scipy-notebook:latest"),
            ("docker.io/jupyter/x:1", "docker.io/jupyter/x:1"),
            ("docker://Quay.io/jupyter/x:2025-09-30", "quay.io/jupyter/x:2025-09-30"),
            ("127.0.0.1:5000/a/b/c:Tag_1", "127.0.0.1:5000/a/b/c:Tag_1"),
            ("localhost/a", "localhost/a:latest"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(canonical(&format!("quay.io/a/b@{DIGEST}")), Some(format!("quay.io/a/b@{DIGEST}")));
        assert_eq!(canonical(&format!("quay.io/a/b:1@{DIGEST}")), Some(format!("quay.io/a/b@{DIGEST}")));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "/",
            "quay.io/",
            "quay.io/A/b",
            "quay.io/a/b:",
            "quay.io/a/b:x y",
            "quay.io/a b",
            "quay.io/a/b@sha256:0",
            "quay.io/a/b@md5:x",
            "quay.io/a/../b",
            "quay.io/a/$(id)",
            "quay.io/a\nRUN id",
            "quay.io/a/b:1\n",
            "-x/y",
            "https://quay.io/a/b",
            "user:pw@quay.io/a/b",
            "quay.io:x/a",
            "quay.io:123456/a",
            "--platform=x",
        ] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_image_is_fixed_by_its_digest_and_by_nothing_else() {
        let reference: ImageReference = "quay.io/a/b:1".parse().unwrap();
        assert_eq!(reference.at(DIGEST).unwrap().to_string(), format!("quay.io/a/b@{DIGEST}"));
        assert_eq!(reference.at("latest"), None);
        assert_eq!(
            (reference.name().as_str(), reference.registry(), reference.path()),
            ("quay.io/a/b", "quay.io", "a/b")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_a_canonical_form_is_its_own(text in "\\PC{0,60}|[a-z.:/@_-]{0,40}") {
            if let Some(canonical) = canonical(&text) {
                prop_assert_eq!(self::canonical(&canonical), Some(canonical.clone()));
                prop_assert!(canonical.bytes().all(|b| b.is_ascii_alphanumeric() || b".:/@_-".contains(&b)));
            }
        }
    }
}
