//! Pages, links, badges and their headers.

use std::collections::HashSet;

use bindery_web::Config;
use serde_json::Value;

use crate::client::{Answer, send};
use crate::site::Site;

/// The value of a directive of a page's content security policy.
fn directive(answer: &Answer, name: &str) -> String {
    let policy = answer.header("content-security-policy").expect("every page has a policy");
    let found = policy.split(';').map(str::trim).find_map(|part| part.strip_prefix(&format!("{name} ")));
    found.unwrap_or_else(|| panic!("no {name} in {policy}")).to_owned()
}

fn nonce(answer: &Answer) -> String {
    let scripts = directive(answer, "script-src");
    let (_, rest) = scripts.split_once("'nonce-").unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_address_has_the_status_it_should() {
    let site = Site::new().await;
    let rows = [
        ("/", 200),
        ("/about", 200),
        ("/v2/gh/owner/name/HEAD", 200),
        ("/v2/gh/owner/name/HEAD/", 200),
        ("/v2/gh/owner/name/feature%2Fx?labpath=a.ipynb", 200),
        ("/v2/gl/group%2Fsub%2Fproject/main", 200),
        ("/v2/gl/group/project/main", 200),
        ("/v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb/HEAD", 200),
        ("/v2/gh/owner/name", 400),
        ("/v2/gh/owner/name/a..b", 400),
        ("/v2/git/file%3A%2F%2F%2Fetc/HEAD", 400),
        ("/v2/nope/owner/name/HEAD", 404),
        ("/v2/gh", 404),
        ("/random", 404),
        ("/static/none.js", 404),
        ("/static/..%2f..%2fCargo.toml", 404),
        ("/builds/b-00000000000000000000000000000000", 404),
        ("/builds/b-00000000000000000000000000000000/log", 404),
        ("/builds/..%2f..%2fetc%2fpasswd/log", 404),
        ("/build/gh", 404),
    ];
    for (path, status) in rows {
        let answer = site.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let text = answer.text().await;
        assert!(text.starts_with("<!doctype html>") && text.contains("<h1"), "{path}");
    }
    assert_eq!(site.builds().await, 0, "looking at a page starts nothing");
    assert!(site.asked.0.lock().is_empty(), "looking at a page contacts nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_runs_its_own_script_only() {
    let site = Site::new().await;
    let mut nonces = HashSet::new();
    let paths = ["/", "/about", "/v2/gh/owner/name/HEAD", "/v2/gh/owner/name", "/random", "/launch?provider=x"];
    for path in paths.into_iter().chain(["/repositories/gh/owner/name"]) {
        let answer = site.get(path).await;
        assert_eq!(directive(&answer, "default-src"), "'none'", "{path}");
        assert_eq!(directive(&answer, "frame-ancestors"), "'none'", "{path}");
        assert_eq!(directive(&answer, "require-trusted-types-for"), "'script'", "{path}");
        assert_eq!(directive(&answer, "trusted-types"), "lit-html", "{path}");
        assert!(!answer.header("content-security-policy").unwrap().contains("unsafe"), "{path}");
        let nonce = nonce(&answer);
        assert!(nonces.insert(nonce.clone()), "a nonce is used once");
        let text = answer.text().await;
        for tag in text.split("<script").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            assert!(tag.contains("src=") || tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: {tag}");
        }
        for handler in [" onclick=", " onload=", " style=", "javascript:"] {
            assert!(!text.contains(handler), "{path} has {handler}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_configuration_is_the_first_script_of_the_head() {
    let site = Site::new().await;
    for path in ["/", "/v2/gh/owner/name/HEAD"] {
        let text = site.get(path).await.text().await;
        let head = text.split("</head>").next().unwrap();
        let script = head.split("<script").nth(1).unwrap().split_once('>').unwrap().1;
        let json = script.split("</script>").next().unwrap();
        let json = json.trim().strip_prefix("window.pageConfig = ").unwrap().strip_suffix(';').unwrap();
        let config: Value = serde_json::from_str(json).unwrap();
        let keys = [
            "aboutMessage",
            "badgeBaseUrl",
            "bannerHtml",
            "baseUrl",
            "binderVersion",
            "logoUrl",
            "logoWidth",
            "repoProviders",
        ];
        for key in keys {
            assert!(config.get(key).is_some(), "{path}: no {key}");
        }
        assert_eq!(config["badgeBaseUrl"], format!("http://{}/", site.address));
        assert_eq!(config["repoProviders"][0]["id"], "gh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_a_link_or_banner_stays_text() {
    let banner = "</script><script>alert(1)</script><img src=x onerror=alert(1)>";
    let site = Site::with(Config { banner: Some(banner.to_owned()), ..Config::default() }, Vec::new()).await;
    let attack = "%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    let paths = [
        "/".to_owned(),
        format!("/v2/gh/owner/name/{attack}"),
        format!("/v2/gh/{attack}/x/y"),
        format!("/v2/{attack}/x/y"),
        format!("/v2/git/https%3A%2F%2Fexample.org%2F{attack}/HEAD"),
        format!("/launch?provider=gh&repo={attack}&ref={attack}&path={attack}"),
        format!("/{attack}"),
    ];
    for path in paths {
        let text = site.get(&path).await.text().await;
        assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_its_body() {
    let site = Site::new().await;
    for path in [
        "/",
        "/about",
        "/v2/gh/owner/name/HEAD",
        "/v2/nope/x",
        "/random",
        "/badge_logo.svg",
        "/static/app.js",
        "/health",
    ] {
        let get = site.get(path).await;
        let head = send(site.address, "HEAD", path, &[]).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.leftover().await.is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_refused() {
    let site = Site::new().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/", "/v2/gh/owner/name/HEAD", "/build/gh/owner/name/HEAD", "/launch", "/health"] {
            let status = send(site.address, method, path, &[("content-length", "0")]).await.status;
            assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
    assert_eq!(site.builds().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn badges_and_files_are_known_by_their_tag() {
    let site = Site::new().await;
    let rows = [
        ("/badge_logo.svg", "image/svg+xml"),
        ("/badge.svg", "image/svg+xml"),
        ("/assets/images/badge.svg", "image/svg+xml"),
        ("/logo_social.png", "image/png"),
        ("/favicon.ico", "image/svg+xml"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/app.css", "text/css; charset=utf-8"),
        ("/static/logo.svg", "image/svg+xml"),
    ];
    for (path, kind) in rows {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        let tag = answer.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        assert!(!answer.leftover().await.is_empty(), "{path}");
        for known in [tag.clone(), format!("\"other\", {tag}")] {
            let answer = send(site.address, "GET", path, &[("if-none-match", &known)]).await;
            assert_eq!((answer.status, answer.header("etag")), (304, Some(tag.as_str())), "{path}");
            assert!(answer.leftover().await.is_empty(), "{path}: an unchanged file is not sent");
        }
        assert_eq!(send(site.address, "GET", path, &[("if-none-match", "\"other\"")]).await.status, 200, "{path}");
    }
    assert_eq!(site.get("/badge.svg").await.text().await, site.get("/assets/images/badge.svg").await.text().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_links_and_forms_lead_to_todays_links() {
    let site = Site::new().await;
    let rows = [
        ("/repo/owner/name", 302, "/v2/gh/owner/name/master"),
        ("/repo/owner/name/", 302, "/v2/gh/owner/name/master"),
        ("/repo/owner/name/notebooks/x.ipynb", 302, "/v2/gh/owner/name/master?urlpath=%2Fnotebooks/x.ipynb"),
        ("/launch?provider=gh&repo=https%3A%2F%2Fgithub.com%2Fowner%2Fname", 303, "/v2/gh/owner/name/HEAD"),
        (
            "/launch?provider=gh&repo=owner%2Fname&ref=v1&path=a%20b.ipynb&path_type=lab",
            303,
            "/v2/gh/owner/name/v1?labpath=a%20b%2Eipynb",
        ),
        ("/launch?provider=gl&repo=group%2Fproject&path=x&path_type=url", 303, "/v2/gl/group%2Fproject/HEAD?urlpath=x"),
        (
            "/launch?provider=git&repo=https%3A%2F%2Fexample.org%2Fa%2Fb&path=x.ipynb&path_type=file",
            303,
            "/v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb/HEAD?filepath=x%2Eipynb",
        ),
    ];
    for (path, status, location) in rows {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (status, Some(location)), "{path}");
        assert_eq!(site.get(location).await.status, 200, "{location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_links_and_forms_never_lead_elsewhere() {
    let site = Site::new().await;
    let paths = [
        "/repo/owner",
        "/repo//evil.example",
        "/repo/%2F%2Fevil.example/x",
        "/repo/..%2f/x",
        "/launch?provider=gh&repo=%2F%2Fevil.example%2Fx",
        "/launch?provider=gh&repo=%0d%0alocation:%20https://evil.example",
        "/launch?provider=git&repo=javascript%3Aalert(1)",
        "/launch?provider=%2F%2Fevil.example&repo=a%2Fb",
        "/launch",
        "/launch?provider=gh&repo=",
    ];
    for path in paths {
        let answer = site.get(path).await;
        match answer.header("location") {
            Some(location) => assert!(location.starts_with("/v2/"), "{path}: {location}"),
            None => assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_used_comes_back_as_it_was_filled_in() {
    let site = Site::new().await;
    let answer = site.get("/launch?provider=git&repo=file%3A%2F%2F%2Fhome%2Fme&ref=dev&path=n.ipynb").await;
    assert_eq!(answer.status, 400);
    let text = answer.text().await;
    assert!(text.contains("file:///home/me") || text.contains("file:&#x2f;&#x2f;&#x2f;home&#x2f;me"), "{text}");
    assert!(text.contains("not by"), "it says why: {text}");
    let empty = site.get("/launch?provider=gh&repo=&ref=dev").await.text().await;
    assert!(empty.contains("s name or its address."), "{empty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_compressed_for_those_who_ask() {
    let site = Site::new().await;
    let answer = send(site.address, "GET", "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")));
    let headers = [("accept-encoding", "gzip"), ("accept", "text/event-stream")];
    let mut answer = send(site.address, "GET", "/build/nope/x", &headers).await;
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_all_it_needs_is_less_than_a_hundred_kilobytes() {
    let site = Site::new().await;
    for page in ["/", "/about", "/v2/gh/owner/name/HEAD", "/repositories/gh/owner/name", "/random"] {
        let html = site.get(page).await.text().await;
        let quoted = html.split('"').filter(|part| part.starts_with("/static/")).map(str::to_owned);
        let files: HashSet<String> = quoted.chain([page.to_owned()]).collect();
        assert!(files.contains("/static/app.js") && files.contains("/static/app.css"), "{files:?}");
        let mut weight = 0;
        for file in &files {
            let answer = send(site.address, "GET", file, &[("accept-encoding", "gzip")]).await;
            weight += answer.leftover().await.len();
        }
        assert!(weight > 10_000 && weight < 100_000, "{page} weighs {weight} bytes with {files:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_stands_below_the_path_of_the_public_address() {
    let config = Config { public_url: Some("https://hub.example.org/binder".to_owned()), ..Config::default() };
    let site = Site::with(config, Vec::new()).await;
    let _crew = (site.builder(Vec::new()), site.launcher());
    for path in ["/binder/", "/binder/v2/gh/owner/name/HEAD", "/binder/versions", "/binder/badge_logo.svg"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    assert_eq!(site.get("/v2/gh/owner/name/HEAD").await.status, 404);
    let answer = site.get("/binder/repo/owner/name").await;
    assert_eq!(answer.header("location"), Some("/binder/v2/gh/owner/name/master"));
    let text = site.get("/binder/").await.text().await;
    assert!(text.contains("/binder/static/app.js") && !text.contains("\"/static/"), "{text}");
    let events = site.watch("/binder/build/gh/owner/name/HEAD").await.events().await;
    let ready = events.last().unwrap();
    assert_eq!(ready.value()["binder_launch_host"], "https://hub.example.org/binder/");
    assert_eq!(ready.value()["binder_request"], "v2/gh/owner/name/HEAD");
}
