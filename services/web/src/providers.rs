//! `/api/repoproviders`: how each provider is shown and recognised, in BinderHub's shape. The expressions are JavaScript's.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use bindery_core::{ImageReference, Provider, RepoSpec};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Web;
use crate::config::Config;

/// A kind of place that repositories come from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RepoProvider)]
pub(crate) struct Display {
    /// For people: `GitHub`.
    display_name: &'static str,
    /// As in links: `gh`.
    id: &'static str,
    spec: DisplaySpec,
    /// How an address of this provider is recognised, where it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    detect: Option<DisplayDetect>,
    repo: DisplayRepo,
    #[serde(rename = "ref")]
    reference: DisplayRef,
}

/// How a whole specification is checked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RepoProviderSpec)]
struct DisplaySpec {
    validate_regex: &'static str,
}

/// How a pasted address is recognised: the group `repo` is the repository.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RepoProviderDetect)]
struct DisplayDetect {
    regex: String,
}

/// The field for the repository.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RepoProviderRepo)]
struct DisplayRepo {
    label: &'static str,
    placeholder: String,
    /// Whether it is one step of a link, with everything in it escaped.
    url_encode: bool,
}

/// The field for the ref.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RepoProviderRef)]
struct DisplayRef {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
}

/// A provider as older programs read it.
#[derive(Debug, Serialize, ToSchema)]
struct LegacyProvider {
    text: &'static str,
    tag_text: &'static str,
    ref_prop_disabled: bool,
    label_prop_disabled: bool,
}

#[utoipa::path(
    get, path = "/api/repoproviders", tag = "service", operation_id = "listProviders",
    summary = "The kinds of places that repositories come from",
    description = "How each is shown and recognised; the first is the form's default. The expressions are JavaScript's.",
    responses((status = 200, description = "The providers", body = Vec<Display>)),
)]
/// `GET /api/repoproviders`.
pub(crate) async fn list(web: web::Data<Web>) -> HttpResponse {
    HttpResponse::Ok().json(display(&web.config))
}

#[utoipa::path(
    get, path = "/_config", tag = "service", operation_id = "readLegacyConfig",
    summary = "The same for older programs, by id", description = "",
    responses((status = 200, description = "The providers", body = BTreeMap<String, LegacyProvider>)),
)]
/// `GET /_config`: what older programs ask for instead.
pub(crate) async fn legacy(web: web::Data<Web>) -> HttpResponse {
    let of_provider = |provider: Display| {
        let entry = LegacyProvider {
            text: provider.repo.label,
            tag_text: "Git ref (branch, tag, or commit)",
            ref_prop_disabled: !provider.reference.enabled,
            label_prop_disabled: !provider.reference.enabled,
        };
        (provider.id, entry)
    };
    let providers: BTreeMap<_, _> = display(&web.config).into_iter().map(of_provider).collect();
    HttpResponse::Ok().json(providers)
}

/// The display configuration of every provider there is here; the first is the form's default.
pub(crate) fn display(config: &Config) -> Vec<Display> {
    let offered = |provider: &Provider| *provider != Provider::Image || config.images;
    Provider::ALL.into_iter().filter(offered).map(|provider| of_provider(provider, config)).collect()
}

/// How one is shown, and what a link's specification looks like.
struct Shown {
    label: &'static str,
    example: &'static str,
    regex: &'static str,
    /// Whether the repository is one step of a link, with everything in it escaped.
    whole: bool,
}

const fn shown(provider: Provider) -> Shown {
    const OWNED: &str = "[^/]+/[^/]+/.+";
    const DOI: &str = r"10\.\d+\/(.)+";
    let (label, example, regex, whole) = match provider {
        Provider::Gh => ("GitHub repository name or URL", "owner/name or https://github.com/owner/name", OWNED, false),
        Provider::Gl => {
            ("GitLab repository or URL", "group/project or https://gitlab.com/group/project", "[^/]+/.+", true)
        }
        Provider::Cb => ("Codeberg repository or URL", "owner/name or https://codeberg.org/owner/name", OWNED, false),
        Provider::Bb => {
            ("Bitbucket repository or URL", "workspace/name or https://bitbucket.org/workspace/name", OWNED, false)
        }
        Provider::Gist => ("Gist ID (username/gistId) or URL", "user/0a1b2c3d4e5f", "[^/]+/[^/]+(/[^/]+)?", false),
        Provider::Git => ("Git repository URL", "https://git.example.org/path/name", "[^/]+/.+", true),
        Provider::Zenodo => ("Zenodo DOI", "10.5281/zenodo.3242074", DOI, false),
        Provider::Figshare => ("FigShare DOI", "10.6084/m9.figshare.9782777.v1", DOI, false),
        Provider::Dataverse => ("Dataverse DOI", "10.7910/DVN/TJCLKP", DOI, false),
        Provider::Hydroshare => (
            "HydroShare resource ID or URL",
            "https://www.hydroshare.org/resource/8f7c2f0341ef4180b0dbe97f59130756/",
            "[^/]+",
            true,
        ),
        Provider::Ckan => ("CKAN dataset URL", "https://demo.ckan.org/dataset/sample-dataset-1", "[^/]+", true),
        Provider::Osf => ("OSF project ID or URL", "https://osf.io/ab1c2", "[^/]+", true),
        Provider::Swh => ("SWHID", "swh:1:dir:94a9ed024d3859793618152ea559a168bbcbb5e2", "[^/]+", true),
        Provider::Image => ("Image in a registry", "quay.io/jupyter/scipy-notebook:2025-09-30", "[^/]+", true),
    };
    Shown { label, example, regex, whole }
}

fn of_provider(provider: Provider, config: &Config) -> Display {
    let Shown { label, example, regex, whole } = shown(provider);
    let detect = host(provider, config).map(|host| {
        let host = host.split("://").nth(1).unwrap_or(host).trim_end_matches('/');
        DisplayDetect { regex: format!("^(https?://{host}/)?(?<repo>.*[^/])/?") }
    });
    let enabled = provider.has_refs();
    Display {
        display_name: provider.display_name(),
        id: provider.id(),
        spec: DisplaySpec { validate_regex: regex },
        detect,
        repo: DisplayRepo { label, placeholder: format!("example: {example}"), url_encode: whole },
        reference: DisplayRef { enabled, default: enabled.then_some("HEAD") },
    }
}

/// The address below which a forge's repositories are.
pub(crate) fn host(provider: Provider, config: &Config) -> Option<&str> {
    match provider {
        Provider::Gh => Some(&config.github_url),
        Provider::Gl => Some(&config.gitlab_url),
        Provider::Cb => Some(&config.codeberg_url),
        Provider::Bb => Some(&config.bitbucket_url),
        Provider::Gist => Some(&config.gist_url),
        Provider::Git
        | Provider::Zenodo
        | Provider::Figshare
        | Provider::Dataverse
        | Provider::Hydroshare
        | Provider::Ckan
        | Provider::Osf
        | Provider::Swh
        | Provider::Image => None,
    }
}

/// Where people can look at what `spec` names.
pub(crate) fn page(spec: &RepoSpec, config: &Config) -> String {
    let name = &spec.repository;
    match spec.provider {
        Provider::Zenodo | Provider::Figshare => format!("https://doi.org/{name}"),
        // After the DOI there may be a version.
        Provider::Dataverse => format!("https://doi.org/{}", name.split("/v").next().unwrap_or(name)),
        Provider::Hydroshare => format!("https://www.hydroshare.org/resource/{name}"),
        Provider::Osf => format!("https://osf.io/{name}"),
        Provider::Swh => format!("https://archive.softwareheritage.org/{name}"),
        Provider::Image => image_page(name),
        provider => host(provider, config).map_or_else(|| name.clone(), |host| format!("{host}/{name}")),
    }
}

/// Most registries lead from an image's name to its page; Docker Hub has its pages at another host.
fn image_page(name: &str) -> String {
    let reference = name.parse().map(|reference: ImageReference| reference.name());
    let name = reference.as_deref().unwrap_or(name);
    match name.strip_prefix("docker.io/") {
        Some(path) => match path.strip_prefix("library/") {
            Some(official) => format!("https://hub.docker.com/_/{official}"),
            None => format!("https://hub.docker.com/r/{path}"),
        },
        None => format!("https://{name}"),
    }
}

#[cfg(test)]
mod tests {
    use bindery_core::{Provider, RepoSpec};
    use serde_json::{Value, json};

    use super::{display, page};
    use crate::config::Config;

    #[test]
    fn every_provider_is_a_provider_the_form_understands() {
        let providers: Vec<bindery_frontend::Provider> =
            serde_json::from_value(json!(display(&Config { images: true, ..Config::default() }))).unwrap();
        let ids: Vec<_> = providers.iter().map(|provider| provider.id.as_str()).collect();
        assert_eq!(ids, Provider::ALL.map(Provider::id));
        let usual = json!(display(&Config::default()));
        assert!(!usual.to_string().contains("\"image\""), "images are offered only where some are launched: {usual}");
        assert_eq!(ids[0], "gh", "the first is the form's default");
    }

    #[test]
    fn the_providers_of_binderhub_are_described_in_its_words() {
        let all = json!(display(&Config::default()));
        let owned = |host: &str| json!({"regex": format!("^(https?://{host}/)?(?<repo>.*[^/])/?")});
        let head = json!({"enabled": true, "default": "HEAD"});
        let none = json!({"enabled": false});
        for (id, regex, detect, encode, reference) in [
            ("gh", "[^/]+/[^/]+/.+", owned("github.com"), false, &head),
            ("gl", "[^/]+/.+", owned("gitlab.com"), true, &head),
            ("git", "[^/]+/.+", Value::Null, true, &head),
            ("gist", "[^/]+/[^/]+(/[^/]+)?", owned("gist.github.com"), false, &head),
            ("zenodo", r"10\.\d+\/(.)+", Value::Null, false, &none),
            ("figshare", r"10\.\d+\/(.)+", Value::Null, false, &none),
            ("dataverse", r"10\.\d+\/(.)+", Value::Null, false, &none),
            ("hydroshare", "[^/]+", Value::Null, true, &none),
            ("ckan", "[^/]+", Value::Null, true, &none),
        ] {
            let found = all.as_array().unwrap().iter().find(|provider| provider["id"] == id).unwrap();
            assert_eq!(found["spec"]["validateRegex"], regex, "{id}");
            assert_eq!(found["detect"], detect, "{id}");
            assert_eq!(found["repo"]["urlEncode"], encode, "{id}");
            assert_eq!(&found["ref"], reference, "{id}");
        }
    }

    #[test]
    fn what_is_launched_can_be_looked_at() {
        let page = |provider, raw| page(&RepoSpec::parse(provider, raw).unwrap(), &Config::default());
        assert_eq!(page("gist", "u/0a1b"), "https://gist.github.com/u/0a1b");
        assert_eq!(page("git", "https%3A%2F%2Fh%2Fr/HEAD"), "https://h/r");
        assert_eq!(page("zenodo", "10.5281/zenodo.1"), "https://doi.org/10.5281/zenodo.1");
        assert_eq!(page("dataverse", "10.7910/DVN/X/v1.0"), "https://doi.org/10.7910/DVN/X");
        assert_eq!(page("image", "h.example:5000%2Fa%2Fb%3A1"), "https://h.example:5000/a/b");
        assert_eq!(page("image", "a%2Fb"), "https://hub.docker.com/r/a/b");
        assert_eq!(page("image", "python%3A3.13"), "https://hub.docker.com/_/python");
        assert_eq!(page("ckan", "https%3A%2F%2Fh%2Fdataset%2Fr"), "https://h/dataset/r");
    }
}
