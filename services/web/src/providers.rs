//! `/api/repoproviders`: how each provider is shown and recognised, in BinderHub's shape. The expressions are JavaScript's.

use actix_web::{HttpResponse, web};
use bindery_core::{Provider, RepoSpec};
use serde_json::{Value, json};

use crate::Web;
use crate::config::Config;

/// `GET /api/repoproviders`.
pub(crate) async fn list(web: web::Data<Web>) -> HttpResponse {
    HttpResponse::Ok().json(display(&web.config))
}

/// `GET /_config`: what older programs ask for instead.
pub(crate) async fn legacy(web: web::Data<Web>) -> HttpResponse {
    let mut labels = serde_json::Map::new();
    for provider in display(&web.config).as_array().into_iter().flatten() {
        let Some(id) = provider.get("id").and_then(Value::as_str) else { continue };
        let has_ref = provider.pointer("/ref/enabled").and_then(Value::as_bool).unwrap_or(true);
        labels.insert(
            id.to_owned(),
            json!({
                "text": provider.pointer("/repo/label"), "tag_text": "Git ref (branch, tag, or commit)",
                "ref_prop_disabled": !has_ref, "label_prop_disabled": !has_ref,
            }),
        );
    }
    HttpResponse::Ok().json(labels)
}

/// Every provider's display configuration; the first is the form's default.
pub(crate) fn display(config: &Config) -> Value {
    Provider::ALL.into_iter().map(|provider| of_provider(provider, config)).collect()
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
    };
    Shown { label, example, regex, whole }
}

fn of_provider(provider: Provider, config: &Config) -> Value {
    let Shown { label, example, regex, whole } = shown(provider);
    let mut display = json!({
        "displayName": provider.display_name(), "id": provider.id(),
        "spec": {"validateRegex": regex},
        "repo": {"label": label, "placeholder": format!("example: {example}"), "urlEncode": whole},
        "ref": if provider.has_refs() { json!({"enabled": true, "default": "HEAD"}) } else { json!({"enabled": false}) },
    });
    if let (Some(host), Some(display)) = (host(provider, config), display.as_object_mut()) {
        let host = host.split("://").nth(1).unwrap_or(host).trim_end_matches('/');
        display.insert("detect".to_owned(), json!({"regex": format!("^(https?://{host}/)?(?<repo>.*[^/])/?")}));
    }
    display
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
        | Provider::Swh => None,
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
        provider => host(provider, config).map_or_else(|| name.clone(), |host| format!("{host}/{name}")),
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
        let providers: Vec<bindery_frontend::Provider> = serde_json::from_value(display(&Config::default())).unwrap();
        let ids: Vec<_> = providers.iter().map(|provider| provider.id.as_str()).collect();
        assert_eq!(ids, Provider::ALL.map(Provider::id));
        assert_eq!(ids[0], "gh", "the first is the form's default");
    }

    #[test]
    fn the_providers_of_binderhub_are_described_in_its_words() {
        let all = display(&Config::default());
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
        assert_eq!(page("ckan", "https%3A%2F%2Fh%2Fdataset%2Fr"), "https://h/dataset/r");
    }
}
