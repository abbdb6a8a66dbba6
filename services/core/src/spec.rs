//! What a visitor asks for: the tail of a `/v2/` or `/build/` path.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::git_ref::is_bidi_control;
use crate::{GitRef, GitRefError, Provider, RepoUrl, RepoUrlError, record};

/// The longest raw spec accepted, in bytes.
const MAX_LEN: usize = 4096;

/// What `encodeURIComponent` leaves alone, so that links made in a browser and links made here are the same links.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A repository and a ref, as named in a link. Its `Display` is the canonical link path, and parsing that gives the same spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepoSpec {
    /// Where the repository lives.
    pub provider: Provider,
    /// `owner/name` for GitHub, the namespace for GitLab, the canonical address for `git`, the record's name for an archive.
    pub repository: String,
    /// The ref named; `HEAD` for an archive, whose records have none.
    pub reference: GitRef,
}

/// Why a link path is not a spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The prefix names no provider.
    #[error("No provider found for prefix {0}")]
    UnknownProvider(String),
    /// Too long, or with characters no link has.
    #[error("the link is longer than {MAX_LEN} bytes or has control characters in it")]
    Unreadable,
    /// Not of the provider's form.
    #[error("Spec is not of the form \"{form}\", provided: \"{given}\".{suggestion}")]
    Form {
        /// The form expected.
        form: &'static str,
        /// What was given, made printable.
        given: String,
        /// ` Did you mean "…"?`, or nothing.
        suggestion: String,
    },
    /// The repository part is not a name its host could have.
    #[error("{0:?} is not a repository name")]
    Repository(String),
    /// The `git` provider's address is not one.
    #[error(transparent)]
    Url(#[from] RepoUrlError),
    /// The ref is against git's grammar.
    #[error(transparent)]
    Ref(#[from] GitRefError),
}

impl RepoSpec {
    /// Parses the raw (still percent-encoded) path after `/v2/<provider>/` or `/build/<provider>/`.
    ///
    /// A trailing `/` is dropped. Escapes are decoded once, after the split, so `%2F` never separates parts. For GitLab the
    /// namespace may come unescaped (`gl/group/project/ref`), as some link builders write it; the last part is then the ref.
    ///
    /// # Errors
    /// [`SpecError`] says which part is wrong; its text is fit to show to the visitor.
    pub fn parse(provider: &str, raw: &str) -> Result<Self, SpecError> {
        let provider: Provider = provider.parse()?;
        if raw.len() > MAX_LEN || raw.chars().any(|c| c.is_control() || is_bidi_control(c)) {
            return Err(SpecError::Unreadable);
        }
        let raw = raw.trim_end_matches('/');
        let spec = match provider {
            Provider::Gh | Provider::Cb | Provider::Bb => parse_owned(provider, raw),
            Provider::Gl => parse_gitlab(raw),
            Provider::Gist => parse_gist(raw),
            Provider::Git => parse_git(raw),
            Provider::Zenodo
            | Provider::Figshare
            | Provider::Dataverse
            | Provider::Hydroshare
            | Provider::Ckan
            | Provider::Osf
            | Provider::Swh
            | Provider::Image => parse_record(provider, raw),
        }?;
        // The canonical link escapes more than the one given may have, and must be a link too.
        if spec.to_string().len() > MAX_LEN { Err(SpecError::Unreadable) } else { Ok(spec) }
    }
}

impl RepoSpec {
    /// Parses a link path that may leave the ref out, as the page of a repository has it. What is there is the repository; for
    /// GitHub and the like, what follows it is a ref.
    ///
    /// # Errors
    /// As [`RepoSpec::parse`].
    pub fn parse_repository(provider: &str, raw: &str) -> Result<Self, SpecError> {
        let has_refs = provider.parse::<Provider>().is_ok_and(Provider::has_refs);
        let raw = raw.trim_end_matches('/');
        if has_refs { Self::parse(provider, &format!("{raw}/HEAD")) } else { Self::parse(provider, raw) }
    }

    /// The link path without the ref: `gh/owner/name`. [`RepoSpec::parse_repository`] gives the same repository at `HEAD`.
    #[must_use]
    pub fn repository_path(&self) -> String {
        let id = self.provider.id();
        let whole = || utf8_percent_encode(&self.repository, COMPONENT).to_string();
        match self.provider {
            Provider::Gh | Provider::Cb | Provider::Bb | Provider::Gist => format!("{id}/{}", self.repository),
            Provider::Zenodo | Provider::Figshare | Provider::Dataverse => {
                format!("{id}/{}", whole().replace("%2F", "/"))
            }
            Provider::Gl
            | Provider::Git
            | Provider::Hydroshare
            | Provider::Ckan
            | Provider::Osf
            | Provider::Swh
            | Provider::Image => {
                format!("{id}/{}", whole())
            }
        }
    }

    /// One name for the repository however its letters are cased, where its host does not tell them apart.
    #[must_use]
    pub fn repository_name(&self) -> String {
        let path = self.repository_path();
        match self.provider {
            Provider::Git | Provider::Ckan | Provider::Image => path,
            _ => path.to_lowercase(),
        }
    }
}

fn parse_owned(provider: Provider, raw: &str) -> Result<RepoSpec, SpecError> {
    let form = "user/repo/ref";
    let mut parts = raw.splitn(3, '/');
    let (Some(owner), Some(name), Some(reference)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(form_error(form, raw, raw.matches('/').count() == 1));
    };
    let owner = decode(owner)?;
    let name = decode(name)?;
    let name = name.strip_suffix(".git").unwrap_or(&name);
    if !is_name(&owner) || !is_name(name) {
        return Err(SpecError::Repository(printable(&format!("{owner}/{name}"))));
    }
    Ok(RepoSpec { provider, repository: format!("{owner}/{name}"), reference: decode(reference)?.parse()? })
}

/// The ref may be missing: a gist has one line of history, and most people mean its end.
fn parse_gist(raw: &str) -> Result<RepoSpec, SpecError> {
    let mut parts = raw.splitn(3, '/');
    let (Some(owner), Some(id)) = (parts.next(), parts.next()) else {
        return Err(form_error("user/gist_id/ref", raw, false));
    };
    let (owner, id) = (decode(owner)?, decode(id)?);
    let id = id.strip_suffix(".git").unwrap_or(&id);
    if !is_name(&owner) || !is_gist_id(id) {
        return Err(SpecError::Repository(printable(&format!("{owner}/{id}"))));
    }
    let reference = match parts.next().filter(|reference| !reference.is_empty()) {
        Some(reference) => decode(reference)?.parse()?,
        None => GitRef::head(),
    };
    Ok(RepoSpec { provider: Provider::Gist, repository: format!("{owner}/{id}"), reference })
}

fn is_gist_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The name of a record and nothing else.
fn parse_record(provider: Provider, raw: &str) -> Result<RepoSpec, SpecError> {
    let text = decode(raw)?;
    let repository =
        record::canonical(provider, &text).ok_or_else(|| form_error(record_form(provider), &text, false))?;
    Ok(RepoSpec { provider, repository, reference: GitRef::head() })
}

const fn record_form(provider: Provider) -> &'static str {
    match provider {
        Provider::Hydroshare => "resource-id",
        Provider::Ckan => "url-escaped-dataset-address",
        Provider::Osf => "project-id",
        Provider::Swh => "swh:1:dir:digest",
        Provider::Image => "registry/name:tag",
        _ => "10.prefix/suffix",
    }
}

fn parse_gitlab(raw: &str) -> Result<RepoSpec, SpecError> {
    let form = "url-escaped-namespace/ref";
    let (namespace, reference) = match raw.split_once('/') {
        // An escaped namespace is one part; everything after it is the ref, slashes and all.
        Some((first, rest)) if first.to_ascii_lowercase().contains("%2f") => (first, rest),
        _ => raw.rsplit_once('/').ok_or_else(|| form_error(form, raw, false))?,
    };
    let namespace = decode(namespace)?;
    let namespace = namespace.strip_suffix(".git").unwrap_or(&namespace);
    let parts: Vec<&str> = namespace.split('/').collect();
    if parts.len() < 2 {
        return Err(form_error(form, raw, parts.len() == 1));
    }
    if !parts.iter().all(|part| is_name(part)) {
        return Err(SpecError::Repository(printable(namespace)));
    }
    Ok(RepoSpec { provider: Provider::Gl, repository: namespace.to_owned(), reference: decode(reference)?.parse()? })
}

fn parse_git(raw: &str) -> Result<RepoSpec, SpecError> {
    let form = "url-escaped-address/ref";
    let (address, reference) = raw.split_once('/').ok_or_else(|| form_error(form, raw, !raw.is_empty()))?;
    let url: RepoUrl = decode(address)?.parse()?;
    Ok(RepoSpec { provider: Provider::Git, repository: url.into(), reference: decode(reference)?.parse()? })
}

fn form_error(form: &'static str, raw: &str, ref_missing: bool) -> SpecError {
    let given = printable(raw);
    let suggestion = if ref_missing { format!(" Did you mean \"{given}/HEAD\"?") } else { String::new() };
    SpecError::Form { form, given, suggestion }
}

/// Decodes percent escapes once; what they hide must be text without control characters.
fn decode(part: &str) -> Result<String, SpecError> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| SpecError::Unreadable)?;
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err(SpecError::Unreadable);
    }
    Ok(text.into_owned())
}

/// A name that GitHub or GitLab could give an owner, group or project.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text != "."
        && text != ".."
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// At most 200 characters of `text`, without any that could change how a message reads.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_bidi_control(*c)).take(200).collect()
}

impl fmt::Display for RepoSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository_path())?;
        if self.provider.has_refs() {
            let reference = utf8_percent_encode(self.reference.as_str(), COMPONENT).to_string();
            write!(f, "/{}", reference.replace("%2F", "/"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{RepoSpec, SpecError};
    use proptest::prelude::*;

    fn spec(provider: &str, raw: &str) -> (String, String) {
        let spec = RepoSpec::parse(provider, raw).unwrap();
        (spec.repository, spec.reference.to_string())
    }

    fn pair(repository: &str, reference: &str) -> (String, String) {
        (repository.to_owned(), reference.to_owned())
    }

    #[test]
    fn github_refs_may_hold_slashes_escaped_or_not() {
        assert_eq!(spec("gh", "a/b/HEAD"), pair("a/b", "HEAD"));
        assert_eq!(spec("gh", "a/b.git/feature/x"), pair("a/b", "feature/x"));
        assert_eq!(spec("gh", "a/b/feature%2Fx"), pair("a/b", "feature/x"));
        assert_eq!(spec("gh", "a/b/main/"), pair("a/b", "main"));
    }

    #[test]
    fn gitlab_namespaces_come_escaped_or_plain() {
        assert_eq!(spec("gl", "g%2Fsub%2Fp/feature/x"), pair("g/sub/p", "feature/x"));
        assert_eq!(spec("gl", "group/project/main"), pair("group/project", "main"));
    }

    #[test]
    fn git_addresses_are_canonical() {
        assert_eq!(spec("git", "https%3A%2F%2FExample.org%2Fa%2Fb.git/v1"), pair("https://example.org/a/b", "v1"));
    }

    #[test]
    fn gists_need_no_ref() {
        assert_eq!(spec("gist", "user/0123abc"), pair("user/0123abc", "HEAD"));
        assert_eq!(spec("gist", "user/0123abc.git/main"), pair("user/0123abc", "main"));
        assert_eq!(RepoSpec::parse("gist", "user/0123abc").unwrap().to_string(), "gist/user/0123abc/HEAD");
    }

    #[test]
    fn the_links_of_archives_are_the_record_and_nothing_else() {
        let link = |provider: &str, raw: &str| RepoSpec::parse(provider, raw).unwrap().to_string();
        assert_eq!(link("zenodo", "10.5281/zenodo.3242074/"), "zenodo/10.5281/zenodo.3242074");
        assert_eq!(link("zenodo", "10.5281%2Fzenodo.3242074"), "zenodo/10.5281/zenodo.3242074");
        assert_eq!(link("ckan", "https%3A%2F%2Fh%2Fdataset%2Frivers"), "ckan/https%3A%2F%2Fh%2Fdataset%2Frivers");
        let id = "0123456789abcdef".repeat(2);
        assert_eq!(link("hydroshare", &format!("https%3A%2F%2Fh%2Fresource%2F{id}%2F")), format!("hydroshare/{id}"));
        let swhid = format!("swh:1:dir:{id}01234567");
        assert_eq!(link("swh", &swhid), format!("swh/{}", swhid.replace(':', "%3A")));
        assert_eq!(link("image", "quay.io%2Fa%2Fb%3A1"), "image/quay.io%2Fa%2Fb%3A1");
        assert_eq!(link("image", "quay.io/a/b"), "image/quay.io%2Fa%2Fb%3Alatest");
        let error = RepoSpec::parse("zenodo", "3242074").unwrap_err().to_string();
        assert_eq!(error, "Spec is not of the form \"10.prefix/suffix\", provided: \"3242074\".");
    }

    #[test]
    fn a_missing_ref_is_suggested() {
        let error = RepoSpec::parse("gh", "org/repo").unwrap_err().to_string();
        assert_eq!(
            error,
            "Spec is not of the form \"user/repo/ref\", provided: \"org/repo\". Did you mean \"org/repo/HEAD\"?"
        );
    }

    #[test]
    fn an_unknown_provider_is_named() {
        assert_eq!(RepoSpec::parse("nope", "a/b/c").unwrap_err(), SpecError::UnknownProvider("nope".to_owned()));
    }

    #[test]
    fn hostile_specs_are_refused() {
        for (provider, raw) in [
            ("gh", "../b/c"),
            ("gh", "-a/b/c"),
            ("gh", "a/../c"),
            ("gh", "a%2Fb/c/d"),
            ("gh", "a/b/--upload-pack=x"),
            ("gh", "a/b/%2D-x"),
            ("gh", "a/b/c%0A"),
            ("gh", "a/b/%00"),
            ("gh", "a/b/%ff"),
            ("gh", "a/b/x..y"),
            ("gh", "a/b/@{-1}"),
            ("gh", "a%0d%0a/b/c"),
            ("gl", "%2e%2e%2Fx/main"),
            ("gl", "one/main"),
            ("git", "file%3A%2F%2F%2Fetc/main"),
            ("git", "--upload-pack%3Dx/main"),
            ("git", "ext%3A%3Ash/main"),
            ("git", "https%3A%2F%2Fu%3Ap%40h%2Fa/main"),
            ("git", ""),
            ("gh", ""),
            ("cb", "a/../c"),
            ("bb", "a/b/c%0A"),
            ("gist", "a"),
            ("gist", "a/b-c"),
            ("gist", "-a/b"),
            ("zenodo", "10.5281/x%0Ay"),
            ("zenodo", "10.5281/x%2F..%2Fy"),
            ("osf", "ab%2Fcde"),
            ("image", "quay.io%2Fa%0ARUN%20id"),
        ] {
            assert!(RepoSpec::parse(provider, raw).is_err(), "{provider}/{raw}");
        }
        assert_eq!(RepoSpec::parse("gh", &"a".repeat(5000)), Err(SpecError::Unreadable));
        // Short enough as it was written, but not as the link that would be made of it.
        let colons = format!("https:%2F%2Fh%2F{}/main", ":".repeat(1500));
        assert_eq!(RepoSpec::parse("git", &colons), Err(SpecError::Unreadable));
    }

    #[test]
    fn a_repository_is_named_without_its_ref() {
        let page = |provider: &str, raw: &str| RepoSpec::parse_repository(provider, raw).unwrap();
        assert_eq!(page("gh", "A/b").repository_path(), "gh/A/b");
        assert_eq!(page("gh", "A/b/").repository_name(), "gh/a/b");
        assert_eq!(page("gl", "group/sub/project").repository_path(), "gl/group%2Fsub%2Fproject");
        assert_eq!(page("gl", "group%2Fsub%2Fproject").repository_path(), "gl/group%2Fsub%2Fproject");
        assert_eq!(page("git", "https%3A%2F%2Fh%2FA").repository_name(), "git/https%3A%2F%2Fh%2FA");
        assert_eq!(page("zenodo", "10.5281/zenodo.7").repository_path(), "zenodo/10.5281/zenodo.7");
        assert_eq!(page("gh", "a/b/main").reference.as_str(), "main/HEAD", "a ref that was left in is seen");
        assert!(RepoSpec::parse_repository("gh", "a").is_err());
    }

    const PROVIDERS: &str = "gh|gl|git|cb|bb|gist|zenodo|figshare|dataverse|hydroshare|ckan|osf|swh";

    proptest! {
        #[test]
        fn display_parses_back_to_the_same_spec(provider in PROVIDERS, raw in "(10\\.|https://h/dataset/)?[a-zA-Z0-9._%/:-]{0,40}") {
            if let Ok(spec) = RepoSpec::parse(&provider, &raw) {
                let shown = spec.to_string();
                let (provider, rest) = shown.split_once('/').unwrap();
                prop_assert_eq!(&RepoSpec::parse(provider, rest).unwrap(), &spec);
                let (provider, rest) = spec.repository_path().split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
                prop_assert_eq!(RepoSpec::parse_repository(&provider, &rest).unwrap().repository, spec.repository);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(provider in PROVIDERS, raw in "\\PC{0,80}") {
            let _ = RepoSpec::parse(&provider, &raw);
        }
    }
}
