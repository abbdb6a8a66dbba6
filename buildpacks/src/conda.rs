//! What a conda step is told: where to look, and what to install, by wishes or exactly.

use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Where channels without an address lie, unless a site says otherwise.
const ALIAS: &str = "https://conda.anaconda.org";

/// A site's settings for conda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CondaOptions {
    /// Where channels that are named without an address lie: a mirror's address here also takes the place of
    /// `https://conda.anaconda.org` in lock files and in channels with an address.
    pub channel_alias: String,
    /// The channel used where a repository names `defaults`, whose terms do not cover every service.
    pub defaults: String,
}

impl Default for CondaOptions {
    fn default() -> Self {
        Self { channel_alias: ALIAS.to_owned(), defaults: "conda-forge".to_owned() }
    }
}

impl CondaOptions {
    /// The address of a channel by name.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.channel_alias.trim_end_matches('/'))
    }

    /// An address as this site fetches it.
    pub(crate) fn mirrored(&self, url: &str) -> String {
        match url.strip_prefix(ALIAS) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}{rest}", self.channel_alias.trim_end_matches('/'))
            }
            _ => url.to_owned(),
        }
    }
}

/// An installation of conda packages into an environment of the kernel's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CondaInstall {
    /// The environment file's name, for messages.
    pub file: String,
    /// conda's name of the platform, e.g. `linux-64`.
    pub platform: String,
    /// The addresses of the channels, the first the most important. Credentials are not shown.
    #[serde(serialize_with = "addresses")]
    pub channels: Vec<String>,
    /// What is asked for; the solver finds what goes with it. Empty where `packages` says it exactly.
    #[serde(serialize_with = "addresses")]
    pub specs: Vec<String>,
    /// Exactly what is installed, where a lock file says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<CondaPackage>,
    /// Variables set wherever the environment is active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<(String, String)>,
    /// Packages published later than this are left out, e.g. `2023-06-01T23:59:59Z`. Has no effect on `packages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// One package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CondaPackage {
    /// Its address. Credentials are not shown.
    #[serde(serialize_with = "address")]
    pub url: String,
    /// Its hash, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// An older hash, used where there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// The line it stands on. Where that is does not change what is installed.
    #[serde(skip)]
    pub line: u32,
}

impl CondaInstall {
    /// What the installer is lent.
    pub(crate) fn request(&self) -> String {
        let mut request = serde_json::json!({
            "file": self.file,
            "platform": self.platform,
            "date": self.date,
            "variables": self.variables.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        });
        let package = |package: &CondaPackage| {
            serde_json::json!({
                "url": package.url, "sha256": package.sha256, "md5": package.md5, "file": self.file, "line": package.line,
            })
        };
        if let Some(object) = request.as_object_mut() {
            if self.packages.is_empty() {
                object.insert("channels".to_owned(), self.channels.clone().into());
                object.insert("specs".to_owned(), self.specs.clone().into());
            } else {
                object.insert("packages".to_owned(), self.packages.iter().map(package).collect());
            }
        }
        format!("{request:#}\n")
    }
}

/// The address of something in the repository's content; where that lies, only the step that uses it knows.
pub(crate) fn in_content(path: &str) -> String {
    format!("content:{path}")
}

/// conda's name of a platform.
pub(crate) fn subdir(platform: &str) -> &'static str {
    match platform.strip_prefix("linux/") {
        Some("arm64" | "arm64/v8" | "aarch64") => "linux-aarch64",
        Some("ppc64le") => "linux-ppc64le",
        _ => "linux-64",
    }
}

/// An address as it may be shown: a credential in it becomes a digest, so that another one is another plan.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let token = path.is_some_and(|path| path.starts_with("t/"));
    let query = rest.contains(['?', '#']);
    if !host.contains('@') && !token && !query {
        return url.to_owned();
    }
    let host = host.rsplit('@').next().unwrap_or_default();
    let digest = hex::encode(Sha256::digest(url.as_bytes()));
    format!("{scheme}://{host}/***sha256:{digest}")
}

pub(crate) fn address<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(url))
}

fn addresses<S: Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(urls.len()))?;
    for url in urls {
        list.serialize_element(&shown(url))?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::{CondaOptions, shown};

    #[test]
    fn credentials_in_addresses_are_not_shown_and_still_tell_addresses_apart() {
        assert_eq!(shown("https://conda.anaconda.org/conda-forge"), "https://conda.anaconda.org/conda-forge");
        assert_eq!(shown("conda-forge::numpy"), "conda-forge::numpy");
        for url in
            ["https://me:canary@example.org/c", "https://example.org/t/canary/c", "https://example.org/c?k=canary"]
        {
            let text = shown(url);
            assert!(!text.contains("canary") && text.contains("example.org"), "{text}");
            assert_ne!(text, shown(&url.replace("canary", "other")));
        }
    }

    #[test]
    fn a_mirror_takes_the_place_of_the_usual_address() {
        let site =
            CondaOptions { channel_alias: "https://mirror.example/conda/".to_owned(), ..CondaOptions::default() };
        assert_eq!(site.address("conda-forge"), "https://mirror.example/conda/conda-forge");
        assert_eq!(
            site.mirrored("https://conda.anaconda.org/a/noarch/x.conda"),
            "https://mirror.example/conda/a/noarch/x.conda"
        );
        for other in ["https://conda.anaconda.org.example/a", "https://example.org/a"] {
            assert_eq!(site.mirrored(other), other);
        }
    }
}
