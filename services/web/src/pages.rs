//! Pages for people, rendered whole on the server.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::{AsOf, Fault, Provider, RepoSpec, SpecError, Timestamp};
use bindery_frontend::{AboutPage, ErrorPage, FormValues, HomePage, LoadingPage, Shell};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::headers::{content_security_policy, nonce};
use crate::stream::as_of;
use crate::{Web, gate, providers, relaunch, repository};

/// The form of the home page, submitted without script.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LaunchForm {
    provider: String,
    repo: String,
    #[serde(rename = "ref")]
    git_ref: String,
    path: String,
    path_type: String,
    as_of: String,
}

/// `GET /`.
pub(crate) async fn home(web: web::Data<Web>) -> HttpResponse {
    home_with(&web, StatusCode::OK, FormValues::default())
}

fn home_with(web: &Web, status: StatusCode, form: FormValues) -> HttpResponse {
    let page = HomePage { shell: web.shell(), form };
    respond(status, &page.shell.nonce, web.pages.render_home(&page))
}

/// `GET /about`.
pub(crate) async fn about(web: web::Data<Web>) -> HttpResponse {
    let page = AboutPage { shell: web.shell(), message: None };
    respond(StatusCode::OK, &page.shell.nonce, web.pages.render_about(&page))
}

/// `GET /launch?…`: the home page's form without script; answers with a redirect to the link it makes.
pub(crate) async fn launch_form(web: web::Data<Web>, form: web::Query<LaunchForm>) -> HttpResponse {
    let form = form.into_inner();
    match launch_link(&form, &web.config) {
        Ok(link) => {
            HttpResponse::SeeOther().insert_header((LOCATION, format!("{}{link}", web.config.base_path()))).finish()
        }
        Err(error) => {
            let is_empty = form.repo.trim().is_empty();
            let error =
                if is_empty { "Give the repository's name or its address.".to_owned() } else { error.to_string() };
            let values = FormValues {
                provider: form.provider,
                repository: form.repo,
                git_ref: form.git_ref,
                path: form.path,
                path_type: form.path_type,
                as_of: form.as_of,
                error: Some(error),
            };
            home_with(&web, StatusCode::BAD_REQUEST, values)
        }
    }
}

/// `v2/<provider>/<spec>[?<kind>=<path>][&as_of=<day>]` for a filled-in form.
fn launch_link(form: &LaunchForm, config: &crate::Config) -> Result<String, SpecError> {
    let provider: Provider = form.provider.parse()?;
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let repo = form.repo.trim().trim_end_matches('/');
    let host = providers::host(provider, config);
    let name = host.and_then(|host| repo.strip_prefix(host)).unwrap_or(repo).trim_matches('/');
    let reference = if form.git_ref.trim().is_empty() { "HEAD" } else { form.git_ref.trim() };
    let raw = match provider {
        _ if !provider.has_refs() => escape(name),
        Provider::Gl | Provider::Git => format!("{}/{}", escape(name), escape(reference)),
        _ => format!("{}/{}", name.trim_end_matches(".git"), escape(reference)),
    };
    let spec = RepoSpec::parse(provider.id(), &raw)?;
    let kind = match form.path_type.as_str() {
        "url" => "urlpath",
        "file" => "filepath",
        _ => "labpath",
    };
    let path = form.path.trim();
    let mut query = Vec::new();
    if !path.is_empty() {
        query.push(format!("{kind}={}", escape(path)));
    }
    // As typed: the page it leads to says what is wrong with it.
    if !form.as_of.trim().is_empty() {
        query.push(format!("as_of={}", escape(form.as_of.trim())));
    }
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!("v2/{spec}{mark}{}", query.join("&")))
}

/// `GET /v2/<provider>/<spec>`: the page that watches a build and goes to the session.
pub(crate) async fn loading(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    let base = web.config.base_path();
    let tail = request.uri().path().strip_prefix(&format!("{base}v2/")).unwrap_or_default();
    let (provider, raw_spec) = tail.split_once('/').unwrap_or((tail, ""));
    let spec = match RepoSpec::parse(provider, raw_spec) {
        Ok(spec) => spec,
        Err(error) => return bad_link(&web, &error),
    };
    let repository_url = providers::page(&spec, &web.config);
    let mut shell = web.shell();
    let token = web.tokens.mint(provider, raw_spec, &gate::host_of(request.headers()), Timestamp::now());
    if let Value::Object(config) = &mut shell.page_config {
        config.insert("buildToken".to_owned(), token.into());
    }
    let page = LoadingPage {
        shell,
        provider: provider.to_owned(),
        provider_name: spec.provider.display_name().to_owned(),
        spec: raw_spec.trim_end_matches('/').to_owned(),
        repository: spec.repository.clone(),
        git_ref: spec.provider.has_refs().then(|| spec.reference.to_string()),
        as_of: as_of(request.query_string()).and_then(|day| day.parse::<AsOf>().ok()).map(|day| day.to_string()),
        repository_url: Some(repository_url),
        build_log_url: None,
        builds_url: format!("{base}{}", repository::path(&spec)),
    };
    let mut response = respond(StatusCode::OK, &page.shell.nonce, web.pages.render_loading(&page));
    if let Some(cookie) = relaunch::new_cookie(&request, &web.config) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// `GET /repo/<user>/<name>[/…]`: the oldest kind of Binder link.
pub(crate) async fn legacy_repo(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    let base = web.config.base_path();
    let tail = request.uri().path().strip_prefix(&format!("{base}repo/")).unwrap_or_default();
    let mut parts = tail.splitn(3, '/');
    let (Some(user), Some(name)) = (parts.next(), parts.next()) else { return not_found(&web) };
    let urlpath =
        parts.next().filter(|rest| !rest.is_empty()).map(|rest| format!("?urlpath=%2F{rest}")).unwrap_or_default();
    let raw = format!("{user}/{name}/master");
    match RepoSpec::parse("gh", &raw) {
        Ok(spec) => HttpResponse::Found().insert_header((LOCATION, format!("{base}v2/{spec}{urlpath}"))).finish(),
        Err(error) => bad_link(&web, &error),
    }
}

pub(crate) fn bad_link(web: &Web, error: &SpecError) -> HttpResponse {
    let (status, title) = match error {
        SpecError::UnknownProvider(_) => (StatusCode::NOT_FOUND, "There is no such kind of repository here"),
        _ => (StatusCode::BAD_REQUEST, "This link does not name a repository"),
    };
    let hint = "Go to the start page and paste the repository's address there; it makes the right link.";
    error_page(web, status, title, &error.to_string(), Some(hint))
}

/// The answer to every path that is not one of ours.
pub(crate) fn not_found(web: &Web) -> HttpResponse {
    error_page(web, StatusCode::NOT_FOUND, "This page does not exist", "Nothing is at this address.", None)
}

/// The answer to someone of a network that is not served.
pub(crate) fn banned(web: &Web, network: &str) -> HttpResponse {
    error_page(web, StatusCode::FORBIDDEN, "You are not served here", &gate::banned(network).message, None)
}

/// The answer to someone who asks for what is not shown here.
pub(crate) fn forbidden(web: &Web, fault: &Fault) -> HttpResponse {
    let title = "This repository is not served here";
    error_page(web, StatusCode::FORBIDDEN, title, &fault.message, fault.hint.as_deref())
}

/// The default route.
pub(crate) async fn fallback(web: web::Data<Web>) -> HttpResponse {
    not_found(&web)
}

pub(crate) fn error_page(
    web: &Web,
    status: StatusCode,
    title: &str,
    message: &str,
    hint: Option<&str>,
) -> HttpResponse {
    let page = ErrorPage {
        shell: web.shell(),
        status: status.as_u16(),
        title: title.to_owned(),
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
        relaunch_url: None,
    };
    respond(status, &page.shell.nonce, web.pages.render_error(&page))
}

pub(crate) fn respond(status: StatusCode, nonce: &str, page: Result<String, bindery_frontend::Error>) -> HttpResponse {
    match page {
        Ok(html) => HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header(("Content-Security-Policy", content_security_policy(nonce)))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("Referrer-Policy", "no-referrer"))
            .body(html),
        Err(error) => {
            tracing::error!("a page could not be rendered: {error}");
            HttpResponse::InternalServerError().body("This page could not be rendered. The fault is ours.")
        }
    }
}

impl Web {
    pub(crate) fn shell(&self) -> Shell {
        let public_url = self.config.public_url();
        Shell {
            base_url: self.config.base_path(),
            page_config: json!({
                "aboutMessage": "", "badgeBaseUrl": public_url, "bannerHtml": "", "baseUrl": self.config.base_path(),
                "binderVersion": env!("CARGO_PKG_VERSION"), "logoUrl": format!("{}static/logo.svg", self.config.base_path()),
                "logoWidth": "320px", "repoProviders": providers::display(&self.config),
            }),
            public_url,
            nonce: nonce(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            banner: self.config.banner.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LaunchForm, launch_link};
    use crate::Config;

    fn link(provider: &str, repo: &str, git_ref: &str, path: &str) -> String {
        link_of_day(provider, repo, git_ref, path, "")
    }

    fn link_of_day(provider: &str, repo: &str, git_ref: &str, path: &str, as_of: &str) -> String {
        let form = LaunchForm {
            provider: provider.into(),
            repo: repo.into(),
            git_ref: git_ref.into(),
            path: path.into(),
            path_type: "lab".into(),
            as_of: as_of.into(),
        };
        launch_link(&form, &Config::default()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_form_becomes_the_link_a_badge_would_have() {
        assert_eq!(link("gh", "https://github.com/a/b.git/", "", ""), "v2/gh/a/b/HEAD");
        assert_eq!(link("gh", "a/b", "release/v1", "x y.ipynb"), "v2/gh/a/b/release/v1?labpath=x%20y%2Eipynb");
        assert_eq!(link("gl", "https://gitlab.com/g/s/p", "main", ""), "v2/gl/g%2Fs%2Fp/main");
        assert_eq!(link("git", "https://example.org/a/b.git", "", ""), "v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb/HEAD");
        assert_eq!(link("cb", "https://codeberg.org/a/b", "v1", ""), "v2/cb/a/b/v1");
        assert_eq!(link("gist", "https://gist.github.com/u/0a1b", "", ""), "v2/gist/u/0a1b/HEAD");
        assert_eq!(link("zenodo", "https://doi.org/10.5281/zenodo.7", "x", ""), "v2/zenodo/10.5281/zenodo.7");
    }

    #[test]
    fn a_form_may_ask_for_the_packages_of_a_day() {
        assert_eq!(link_of_day("gh", "a/b", "", "", " 2021-03-01 "), "v2/gh/a/b/HEAD?as_of=2021%2D03%2D01");
        assert_eq!(link_of_day("gh", "a/b", "", "x", "commit"), "v2/gh/a/b/HEAD?labpath=x&as_of=commit");
    }

    #[test]
    fn a_form_that_names_no_repository_says_so() {
        assert!(link("gh", "", "", "").contains("not a repository name") || link("gh", "", "", "").contains("form"));
        assert!(link("git", "file:///etc/passwd", "", "").contains("not by"));
    }
}
