//! `/api/repoproviders`: how each provider is shown and recognised, in BinderHub's shape. The expressions are JavaScript's.

use actix_web::{HttpResponse, web};
use bindery_core::Provider;
use serde_json::{Value, json};

use crate::Web;
use crate::config::Config;

/// `GET /api/repoproviders`.
pub(crate) async fn list(web: web::Data<Web>) -> HttpResponse {
    HttpResponse::Ok().json(display(&web.config))
}

/// Every provider's display configuration; the first is the form's default.
pub(crate) fn display(config: &Config) -> Value {
    Provider::ALL.into_iter().map(|provider| of_provider(provider, config)).collect()
}

fn of_provider(provider: Provider, config: &Config) -> Value {
    let detect = |url: &str| {
        let host = url.split("://").nth(1).unwrap_or(url).trim_end_matches('/').replace('.', "\\.");
        json!({"regex": format!("^(https?://{host}/)?(?<repo>.*[^/])/?")})
    };
    let git_ref = json!({"enabled": true, "default": "HEAD"});
    match provider {
        Provider::Gh => json!({
            "displayName": provider.display_name(), "id": provider.id(),
            "spec": {"validateRegex": "[^/]+/[^/]+/.+"},
            "detect": detect(&config.github_url),
            "repo": {"label": "GitHub repository name or URL", "placeholder": "example: owner/name or https://github.com/owner/name", "urlEncode": false},
            "ref": git_ref,
        }),
        Provider::Gl => json!({
            "displayName": provider.display_name(), "id": provider.id(),
            "spec": {"validateRegex": "[^/]+/.+"},
            "detect": detect(&config.gitlab_url),
            "repo": {"label": "GitLab repository or URL", "placeholder": "example: group/project or https://gitlab.com/group/project", "urlEncode": true},
            "ref": git_ref,
        }),
        Provider::Git => json!({
            "displayName": provider.display_name(), "id": provider.id(),
            "spec": {"validateRegex": "[^/]+/.+"},
            "repo": {"label": "Git repository URL", "placeholder": "example: https://git.example.org/path/name", "urlEncode": true},
            "ref": git_ref,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::display;
    use crate::config::Config;

    #[test]
    fn every_provider_is_a_provider_the_form_understands() {
        let providers: Vec<bindery_frontend::Provider> = serde_json::from_value(display(&Config::default())).unwrap();
        let ids: Vec<_> = providers.iter().map(|provider| provider.id.as_str()).collect();
        assert_eq!(ids, ["gh", "gl", "git"]);
    }
}
