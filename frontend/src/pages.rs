//! The templates, and one function for each page.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use crate::context::{AboutPage, ErrorPage, HomePage, LoadingPage, Provider, RepositoryPage, Shell};
use crate::escape;

/// A page could not be written. Both are mistakes of ours, never of a visitor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template asks for a value its context does not have, or does not parse.
    #[error("page template failed: {0}")]
    Template(#[from] minijinja::Error),
    /// `page_config.repoProviders` is not a list of providers.
    #[error("page configuration has no usable repoProviders: {0}")]
    Providers(serde_json::Error),
}

/// All pages, their templates parsed once. Cheap to share: rendering takes `&self`.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
}

const TEMPLATES: [(&str, &str); 7] = [
    ("layout.html.j2", include_str!("../templates/layout.html.j2")),
    ("home.html.j2", include_str!("../templates/home.html.j2")),
    ("loading.html.j2", include_str!("../templates/loading.html.j2")),
    ("repository.html.j2", include_str!("../templates/repository.html.j2")),
    ("share.html.j2", include_str!("../templates/share.html.j2")),
    ("error.html.j2", include_str!("../templates/error.html.j2")),
    ("about.html.j2", include_str!("../templates/about.html.j2")),
];

impl Pages {
    /// Parses the compiled-in templates.
    ///
    /// # Errors
    /// [`Error::Template`] when one does not parse, which a test of this crate excludes.
    pub fn new() -> Result<Self, Error> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.set_formatter(escape::html);
        templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source)?;
        }
        Ok(Self { templates })
    }

    /// The start page.
    ///
    /// # Errors
    /// [`Error::Providers`] when `page_config.repoProviders` is not a list of [`Provider`], else [`Error::Template`].
    pub fn render_home(&self, page: &HomePage) -> Result<String, Error> {
        let listed = page.shell.page_config.get("repoProviders").cloned().unwrap_or_default();
        let providers: Vec<Provider> = serde_json::from_value(listed).map_err(Error::Providers)?;
        let chosen = providers.iter().find(|p| p.id == page.form.provider).or_else(|| providers.first());
        self.render(
            "home.html.j2",
            &page.shell,
            context! { form => value(&page.form), chosen => value(chosen), providers => value(&providers) },
        )
    }

    /// The page that follows a build and launch.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn render_loading(&self, page: &LoadingPage) -> Result<String, Error> {
        let repository_url = page.repository_url.as_deref().filter(|url| is_web(url));
        self.render("loading.html.j2", &page.shell, context! { page => value(page), repository_url })
    }

    /// The page of a repository.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn render_repository(&self, page: &RepositoryPage) -> Result<String, Error> {
        let repository_url = page.repository_url.as_deref().filter(|url| is_web(url));
        let mut builds = page.builds.clone();
        for build in builds.iter_mut().filter(|build| !is_web(&build.revision_url)) {
            build.revision_url = String::new();
        }
        let own = context! { page => value(page), repository_url, builds => value(builds) };
        self.render("repository.html.j2", &page.shell, own)
    }

    /// A page that says no.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn render_error(&self, page: &ErrorPage) -> Result<String, Error> {
        self.render("error.html.j2", &page.shell, context! { page => value(page) })
    }

    /// What this service is.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn render_about(&self, page: &AboutPage) -> Result<String, Error> {
        self.render("about.html.j2", &page.shell, context! { page => value(page) })
    }

    fn render(&self, template: &str, shell: &Shell, own: Value) -> Result<String, Error> {
        let config = Value::from_safe_string(escape::json(&shell.page_config));
        let all = context! { shell => value(shell), config, ..own };
        Ok(self.templates.get_template(template)?.render(all)?)
    }
}

/// Every page struct serialises without fail; were one not to, strict templates name the missing value.
fn value<T: Serialize>(of: T) -> Value {
    Value::from(Serde(of))
}

/// A link made of a stranger's URL may only be one a browser fetches, never one it runs.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::{BadgeCode, BuildRow, EnvironmentRows, FormValues, Row};

    const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}";

    fn shell() -> Shell {
        Shell {
            base_url: "/hub/".into(),
            public_url: "https://bindery.example/hub/".into(),
            nonce: "bm9uY2U".into(),
            page_config: json!({
                "baseUrl": "/hub/",
                "repoProviders": [
                    {"displayName": "GitHub", "id": "gh", "spec": {"validateRegex": "[^/]+/[^/]+/.+"},
                     "detect": {"regex": "^(https?://github.com/)?(?<repo>.*[^/])/?"},
                     "repo": {"label": "GitHub repository name or URL", "placeholder": "user/repo", "urlEncode": false},
                     "ref": {"enabled": true, "default": "HEAD"}},
                    {"displayName": "Git", "id": "git", "repo": {"label": "Git address", "placeholder": "https://"},
                     "ref": {"enabled": true}},
                ],
            }),
            version: "0.1.0".into(),
            banner: None,
        }
    }

    fn loading() -> LoadingPage {
        LoadingPage {
            shell: shell(),
            provider: "gh".into(),
            provider_name: "GitHub".into(),
            spec: "user/repo/HEAD".into(),
            repository: "user/repo".into(),
            git_ref: Some("HEAD".into()),
            as_of: None,
            repository_url: Some("https://github.com/user/repo".into()),
            build_log_url: None,
            builds_url: "/hub/repositories/gh/user/repo".into(),
        }
    }

    fn repository(text: &str) -> RepositoryPage {
        let (some, text) = (Some(text.to_owned()), text.to_owned());
        let row = Row { name: text.clone(), value: text.clone(), why: some.clone() };
        let badge = BadgeCode { link: text.clone(), markdown: text.clone(), rst: text.clone(), html: text.clone() };
        let build = BuildRow {
            at: "2026-11-23T02:52:12Z".into(),
            at_text: "2026-11-23 02:52 UTC".into(),
            git_ref: some.clone(),
            revision: text.clone(),
            revision_url: text.clone(),
            as_of: some.clone(),
            result: "failed".into(),
            result_name: "Failed".into(),
            took: Some("3 min 05 s".into()),
            fault: some.clone(),
            log_url: "/hub/builds/b-1/log".into(),
            launch_url: text.clone(),
        };
        let environment = EnvironmentRows {
            revision: some.clone(),
            languages: vec![row.clone()],
            used: vec![row.clone()],
            ignored: vec![row],
            notes: vec![text.clone()],
            base: text.clone(),
            base_digest: text.clone(),
            bindery: text.clone(),
            dockerfile: some.clone(),
            packages: Some(3),
            records_url: "/hub/builds/b-1".into(),
        };
        RepositoryPage {
            shell: shell(),
            provider_name: text.clone(),
            repository: text.clone(),
            repository_url: some,
            launch_url: text,
            builds: vec![build],
            environment: Some(environment),
            badge,
        }
    }

    fn error() -> ErrorPage {
        ErrorPage {
            shell: shell(),
            status: 404,
            title: "This page does not exist".into(),
            message: "Nothing is here.".into(),
            hint: None,
            relaunch_url: None,
        }
    }

    /// Every page, with `text` in every place a stranger's words can reach.
    fn all_pages(text: &str) -> Vec<(&'static str, String)> {
        let pages = Pages::new().unwrap();
        let some = || Some(text.to_owned());
        let mut shell = shell();
        shell.banner = some();
        shell.page_config["aboutMessage"] = json!(text);
        let form = FormValues {
            provider: text.into(),
            repository: text.into(),
            git_ref: text.into(),
            path: text.into(),
            path_type: text.into(),
            as_of: text.into(),
            error: some(),
        };
        let (url, day, text) = (some(), some(), text.to_owned());
        let loading = LoadingPage {
            shell: shell.clone(),
            provider: text.clone(),
            provider_name: text.clone(),
            spec: text.clone(),
            repository: text.clone(),
            git_ref: day.clone(),
            as_of: day,
            repository_url: url.clone(),
            build_log_url: url.clone(),
            builds_url: text.clone(),
        };
        let error = ErrorPage {
            shell: shell.clone(),
            status: 500,
            title: text.clone(),
            message: text.clone(),
            hint: url.clone(),
            relaunch_url: url.clone(),
        };
        vec![
            ("home", pages.render_home(&HomePage { shell: shell.clone(), form }).unwrap()),
            ("loading", pages.render_loading(&loading).unwrap()),
            (
                "repository",
                pages.render_repository(&RepositoryPage { shell: shell.clone(), ..repository(&text) }).unwrap(),
            ),
            ("error", pages.render_error(&error).unwrap()),
            ("about", pages.render_about(&AboutPage { shell, message: url }).unwrap()),
        ]
    }

    #[test]
    fn hostile_text_never_becomes_markup_on_any_page() {
        for (name, html) in all_pages(HOSTILE) {
            assert!(!html.contains("<script>alert"), "{name}: {html}");
            assert!(!html.contains("<img src=x"), "{name}: {html}");
            assert!(!html.contains("49"), "{name} evaluated a template inside a value");
        }
    }

    #[test]
    fn pages_hold_nothing_the_content_security_policy_refuses() {
        for (name, html) in all_pages("plain") {
            let scripts: Vec<&str> = html.match_indices("<script").map(|(at, _)| &html[at..at + 40]).collect();
            assert_eq!(scripts.len(), 2, "{name}: {scripts:?}");
            assert!(scripts[0].starts_with("<script nonce=\"bm9uY2U\">"), "{name}: {scripts:?}");
            assert!(scripts[1].starts_with("<script type=\"module\" src="), "{name}: {scripts:?}");
            for refused in ["<style", " style=", " onclick=", " onload=", " onsubmit=", "javascript:", "http-equiv"] {
                assert!(!html.contains(refused), "{name} holds {refused}");
            }
        }
    }

    #[test]
    fn configuration_is_the_first_script_in_the_form_binderhub_clients_parse() {
        for (name, html) in all_pages("a </script> \u{2028} b") {
            let start = html.find("<script").unwrap();
            let rest = &html[html[start..].find('>').unwrap() + start + 1..];
            let body = &rest[..rest.find("</script>").unwrap()];
            let value = body.strip_prefix("window.pageConfig = ").and_then(|b| b.strip_suffix(';')).unwrap();
            let config: serde_json::Value = serde_json::from_str(value).unwrap();
            assert_eq!(config["baseUrl"], "/hub/", "{name}");
            assert_eq!(config["aboutMessage"], "a </script> \u{2028} b", "{name}");
        }
    }

    #[test]
    fn home_form_works_without_script_and_starts_with_the_first_provider() {
        let html =
            Pages::new().unwrap().render_home(&HomePage { shell: shell(), form: FormValues::default() }).unwrap();
        assert!(html.contains(r#"action="/hub/launch" method="get""#), "{html}");
        for field in ["provider", "repo", "ref", "path", "path_type"] {
            assert!(html.contains(&format!("name=\"{field}\"")), "{field} is not sent");
        }
        for id in
            ["repository", "ref", "path", "provider", "btn-launch", "launch-url", "btn-copy-url", "badge-markdown"]
        {
            assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(html.contains(r#"<option value="gh" selected>GitHub</option>"#), "{html}");
        assert!(html.contains(r#"<option value="git">Git</option>"#), "{html}");
        assert!(html.contains("GitHub repository name or URL"));
    }

    #[test]
    fn home_form_comes_back_as_it_was_sent_with_the_reason() {
        let form = FormValues {
            provider: "git".into(),
            repository: "nonsense".into(),
            path: "a.ipynb".into(),
            path_type: "url".into(),
            error: Some("Give a full address.".into()),
            ..FormValues::default()
        };
        let html = Pages::new().unwrap().render_home(&HomePage { shell: shell(), form }).unwrap();
        for part in [
            r#"<option value="git" selected>"#,
            r#"value="nonsense""#,
            r#"value="a.ipynb""#,
            r#"<option value="url" selected>"#,
            r#"aria-invalid="true""#,
            ">Give a full address.</p>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn home_without_providers_in_the_configuration_is_an_error_that_says_so() {
        let mut shell = shell();
        shell.page_config = json!({});
        let refused = Pages::new().unwrap().render_home(&HomePage { shell, form: FormValues::default() });
        assert!(matches!(refused, Err(Error::Providers(_))), "{refused:?}");
    }

    #[test]
    fn loading_page_has_the_parts_its_script_fills_and_the_raw_log_for_those_without() {
        let mut page = loading();
        page.provider = "gl".into();
        page.spec = "group%2Fsub%2Frepo/main".into();
        let html = Pages::new().unwrap().render_loading(&page).unwrap();
        for part in [
            r#"id="build-state""#,
            r#"id="build-log""#,
            r#"id="failure" class="sheet failure" aria-labelledby="failure-title" hidden"#,
            r#"id="failure-output" hidden"#,
            r#"id="failure-message""#,
            r#"data-phase="waiting""#,
            r#"data-spec="group%2Fsub%2Frepo/main""#,
            r#"href="/hub/build/gl/group%2Fsub%2Frepo/main""#,
            r#"<meta property="og:title" content="GitHub: user/repo">"#,
            r#"href="https://github.com/user/repo""#,
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("build-log-url"), "{html}");
    }

    #[test]
    fn a_record_of_an_archive_has_no_ref_to_show() {
        let pages = Pages::new().unwrap();
        let html = pages.render_loading(&LoadingPage { git_ref: None, ..loading() }).unwrap();
        assert!(!html.contains("<code>HEAD") && html.contains(r#"data-before="Version ""#), "{html}");
        assert!(pages.render_loading(&loading()).unwrap().contains("<code>HEAD</code>"));
    }

    #[test]
    fn a_repository_address_that_is_no_web_page_is_text_not_a_link() {
        for url in ["javascript:alert(1)", "ssh://git@host/repo", "data:text/html,x", " https://x", ""] {
            let page = LoadingPage { repository_url: Some(url.into()), ..loading() };
            let html = Pages::new().unwrap().render_loading(&page).unwrap();
            assert!(html.contains(r#"<h1 class="repository">user/repo</h1>"#), "{url:?}: {html}");
        }
    }

    #[test]
    fn the_page_of_a_repository_shows_its_builds_and_links_only_what_is_a_web_page() {
        let pages = Pages::new().unwrap();
        let html = pages.render_repository(&repository("javascript:x")).unwrap();
        for part in [
            r#"<h1 class="repository">javascript:x</h1>"#,
            r#"<time datetime="2026-11-23T02:52:12Z">2026-11-23 02:52 UTC</time>"#,
            "3 min 05 s",
            r#"href="/hub/builds/b-1/log""#,
            r#"href="/hub/builds/b-1/provenance""#,
            "data-copy=\"badge-rst\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains(r#"<a class="revision" href="javascript:"#), "{html}");
        let none = RepositoryPage { builds: Vec::new(), environment: None, ..repository("user/repo") };
        let html = pages.render_repository(&none).unwrap();
        assert!(html.contains("has not been built here"), "{html}");
    }

    #[test]
    fn error_page_offers_a_relaunch_only_where_there_is_one() {
        let pages = Pages::new().unwrap();
        let without = pages.render_error(&error()).unwrap();
        assert!(!without.contains("Launch it again") && !without.contains("class=\"hint\""), "{without}");
        let page = ErrorPage {
            relaunch_url: Some("/hub/v2/gh/user/repo/HEAD".into()),
            hint: Some("It was idle.".into()),
            ..error()
        };
        let with = pages.render_error(&page).unwrap();
        assert!(with.contains(r#"href="/hub/v2/gh/user/repo/HEAD">Launch it again"#) && with.contains("It was idle."));
    }
}
