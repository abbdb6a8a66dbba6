//! What each page must be told. All text is plain: templates escape it.

use serde::{Deserialize, Serialize};

/// What every page needs.
#[derive(Debug, Clone, Serialize)]
pub struct Shell {
    /// Path of the site: begins and ends with `/`. Assets are at `{base_url}static/<name>`.
    pub base_url: String,
    /// The same place in full, for link previews: `https://bindery.example/`. Ends with `/`.
    pub public_url: String,
    /// The nonce of this response's content security policy, fresh for each response. It allows the one inline
    /// script, the configuration.
    pub nonce: String,
    /// Becomes `window.pageConfig`, the first script of the head, as BinderHub has it. Keys read by our own script:
    /// `baseUrl`, `badgeBaseUrl` (optional, absolute), `buildToken` (optional), `repoProviders`. On the home page
    /// `repoProviders` must be a list of [`Provider`].
    pub page_config: serde_json::Value,
    /// Our version, in the footer.
    pub version: String,
    /// An announcement at the top of every page, if the operator set one.
    pub banner: Option<String>,
}

/// A kind of place repositories come from, in BinderHub's display-config shape (`/api/repoproviders`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// For people: `GitHub`.
    pub display_name: String,
    /// As in URLs: `gh`.
    pub id: String,
    /// How a whole specification is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<ProviderSpec>,
    /// How a pasted URL of this provider is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<ProviderDetect>,
    /// The repository field.
    pub repo: ProviderRepo,
    /// The ref field.
    #[serde(rename = "ref")]
    pub git_ref: ProviderRef,
}

/// See [`Provider::spec`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSpec {
    /// A JavaScript regular expression.
    pub validate_regex: String,
}

/// See [`Provider::detect`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderDetect {
    /// A JavaScript regular expression with a group named `repo`. The host in it is the host of this provider.
    pub regex: String,
}

/// See [`Provider::repo`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRepo {
    /// The field's label.
    pub label: String,
    /// An example inside the empty field.
    pub placeholder: String,
    /// Whether the repository is percent-encoded whole in URLs.
    #[serde(default)]
    pub url_encode: bool,
}

/// See [`Provider::git_ref`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderRef {
    /// Whether this provider has refs.
    pub enabled: bool,
    /// The ref when none is given: `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// The start page: form, link builder, badge builder.
///
/// Without script the form is a GET of `{base_url}launch?provider=&repo=&ref=&path=&path_type=lab|file|url&as_of=`.
#[derive(Debug, Clone, Serialize)]
pub struct HomePage {
    /// What every page needs.
    pub shell: Shell,
    /// What the fields hold at first; the default is an empty form.
    pub form: FormValues,
}

/// What the fields of the form hold, and what is wrong with them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FormValues {
    /// A provider's id; empty for the first.
    pub provider: String,
    /// Repository as typed.
    pub repository: String,
    /// Ref as typed; empty for the provider's default.
    pub git_ref: String,
    /// Path as typed.
    pub path: String,
    /// `lab`, `file` or `url`; empty for `lab`.
    pub path_type: String,
    /// The day whose packages are wanted, as typed.
    pub as_of: String,
    /// Why the form came back, when it did: shown at the repository field.
    pub error: Option<String>,
}

/// The page of `/v2/<provider>/<spec>`: follows one build and launch, then goes to the session.
#[derive(Debug, Clone, Serialize)]
pub struct LoadingPage {
    /// What every page needs. `page_config.buildToken`, when there, is sent with the event stream's request.
    pub shell: Shell,
    /// The provider's id, as in the URL.
    pub provider: String,
    /// The provider for people: `GitHub`.
    pub provider_name: String,
    /// The specification as it stood in the request's path: raw, still percent-encoded.
    pub spec: String,
    /// The repository for people: `user/repo`, or a URL.
    pub repository: String,
    /// The ref for people: `HEAD`, `main`, `v1.2`. A record of an archive has none.
    pub git_ref: Option<String>,
    /// The day whose packages are asked for, for people: `2021-03-01` or `commit`.
    pub as_of: Option<String>,
    /// Where the repository can be looked at, if that is a web page. Only `http` and `https` become links.
    pub repository_url: Option<String>,
    /// Where this build's whole log is (or will be), if that is known before it starts.
    pub build_log_url: Option<String>,
    /// The page of the repository.
    pub builds_url: String,
}

/// The page of a repository: what was built of it, and how to launch it.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryPage {
    /// What every page needs.
    pub shell: Shell,
    /// The provider for people: `GitHub`.
    pub provider_name: String,
    /// The repository for people: `user/repo`, or a URL.
    pub repository: String,
    /// Where the repository can be looked at. Only `http` and `https` become links.
    pub repository_url: Option<String>,
    /// Where its newest commit is launched.
    pub launch_url: String,
    /// Its builds, the latest first.
    pub builds: Vec<BuildRow>,
    /// What the latest image was made of, where that is known.
    pub environment: Option<EnvironmentRows>,
    /// What a README may hold.
    pub badge: BadgeCode,
}

/// One build of a repository.
#[derive(Debug, Clone, Serialize)]
pub struct BuildRow {
    /// When it was asked for: `2026-11-23T02:52:12Z`.
    pub at: String,
    /// The same for people.
    pub at_text: String,
    /// The ref it was asked for by, where that says more than the revision.
    pub git_ref: Option<String>,
    /// The commit, shortened, or the version.
    pub revision: String,
    /// A page about it. Only `http` and `https` become links.
    pub revision_url: String,
    /// The day whose packages it has, where one was asked for.
    pub as_of: Option<String>,
    /// `queued`, `running`, `built` or `failed`.
    pub result: String,
    /// The same for people.
    pub result_name: String,
    /// How long it took, once it has ended.
    pub took: Option<String>,
    /// Why it failed.
    pub fault: Option<String>,
    /// Its whole log.
    pub log_url: String,
    /// Where exactly this revision is launched.
    pub launch_url: String,
}

/// What an image was made of.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentRows {
    /// The commit it has, shortened.
    pub revision: Option<String>,
    /// Languages and their versions.
    pub languages: Vec<Row>,
    /// Files that are used, and for what.
    pub used: Vec<Row>,
    /// Files that are not, and why.
    pub ignored: Vec<Row>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// The base image.
    pub base: String,
    /// Its digest.
    pub base_digest: String,
    /// The version of this program that built it.
    pub bindery: String,
    /// The repository's own Dockerfile, when that is what was built.
    pub dockerfile: Option<String>,
    /// How many packages are in it, where they were listed.
    pub packages: Option<usize>,
    /// Below this are `provenance`, `bill-of-materials` and `plan`.
    pub records_url: String,
}

/// A name, what it stands for, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What it stands for.
    pub value: String,
    /// What chose it.
    pub why: Option<String>,
}

/// A launch link, and what a README may hold to show it.
#[derive(Debug, Clone, Serialize)]
pub struct BadgeCode {
    /// The link in full.
    pub link: String,
    /// For Markdown.
    pub markdown: String,
    /// For reStructuredText.
    pub rst: String,
    /// For HTML.
    pub html: String,
}

/// Any page that says no: 400, 404, 410, 424, 429, 500, 503.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorPage {
    /// What every page needs.
    pub shell: Shell,
    /// The HTTP status, shown small.
    pub status: u16,
    /// What happened, as a heading: `This page does not exist`.
    pub title: String,
    /// What that means, in a sentence or a few lines.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
    /// Where the same thing can be launched again, if it was a launch: `{base_url}v2/...`.
    pub relaunch_url: Option<String>,
}

/// What this service is.
#[derive(Debug, Clone, Serialize)]
pub struct AboutPage {
    /// What every page needs.
    pub shell: Shell,
    /// The operator's own words, if set.
    pub message: Option<String>,
}
