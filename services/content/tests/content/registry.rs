//! Images that are built already, asked of a registry of ours.

use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::hostile::Hostile;
use crate::support::{fault, paths};
use bindery_content::{Config, HostedContent};
use bindery_core::seams::ContentProvider;
use bindery_core::{Fault, FaultBy, RepoSpec, ResolvedRef};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = r#"{"schemaVersion": 2}"#;

fn digest() -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(MANIFEST)))
}

/// A registry with the image `team/a:1`, asked by a site that launches `images` of it.
struct Registry {
    server: Hostile,
    asked: Arc<Mutex<Vec<String>>>,
    content: HostedContent,
    _data: tempfile::TempDir,
}

impl Registry {
    fn new(images: &[&str], answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let base: Arc<OnceLock<String>> = Arc::default();
        let known = Arc::clone(&base);
        let server = Hostile::start(move |request, stream| {
            heard.lock().unwrap().push(request.replace(" HTTP/1.1", ""));
            stream.write_all(answer(request, known.wait()).as_bytes())
        });
        base.set(server.url()).unwrap();
        let images = images.iter().map(|image| image.replace("HOST", &server.authority())).collect();
        let config =
            Config { allow_hosts: vec![server.authority()], images, ref_cache_seconds: 0, ..Config::default() };
        let data = tempfile::tempdir().unwrap();
        let content = HostedContent::new(config, data.path().to_owned()).unwrap();
        Self { server, asked, content, _data: data }
    }

    fn plain(images: &[&str]) -> Self {
        Self::new(images, |request, _| match request.split(' ').nth(1).unwrap() {
            path if path == "/v2/team/a/manifests/1" || path == format!("/v2/team/a/manifests/{}", digest()) => {
                reply("200 OK", "", MANIFEST)
            }
            _ => reply("404 Not Found", "", "{}"),
        })
    }

    /// The image of that name at this registry.
    fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.server.authority())
    }

    async fn resolve(&self, image: &str) -> Result<ResolvedRef, Fault> {
        let spec = RepoSpec::parse("image", &self.name(image).replace('/', "%2F")).unwrap();
        self.content.resolve(&spec).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_the_image_it_means_now_and_that_is_what_is_built() {
    let registry = Registry::plain(&["HOST/team/*"]);
    let resolved = registry.resolve("team/a:1").await.unwrap();
    let fixed = registry.name(&format!("team/a@{}", digest()));
    assert_eq!(resolved.revision.as_str(), digest().replace(':', "-"));
    assert_eq!(resolved.identity, format!("https://{}", registry.name("team/a")));
    let pinned = format!("v2/image/{}", fixed.replace('/', "%2F").replace(':', "%3A").replace('@', "%40"));
    assert_eq!(resolved.persistent_request(), pinned);
    let (tree, report) = registry.content.fetch(&resolved).await.unwrap();
    assert_eq!(paths(&*tree), ["Dockerfile"]);
    let dockerfile = String::from_utf8(tree.read("Dockerfile", 1000).unwrap()).unwrap();
    assert_eq!(dockerfile.lines().last(), Some(format!("FROM {fixed}").as_str()));
    assert_eq!((report.entries, report.received), (1, 0));
    assert_eq!(registry.asked(), ["GET /v2/team/a/manifests/1"], "a fixed image need not be asked for");
    // The link that always means it does.
    let again = registry.resolve(&format!("team/a@{}", digest())).await.unwrap();
    assert_eq!((again.revision, again.identity), (resolved.revision, resolved.identity));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_the_site_does_not_name_is_refused_before_anyone_is_asked() {
    for images in [&[][..], &["HOST/team/b"], &["HOST/teams/*"], &["quay.io/*"]] {
        let registry = Registry::plain(images);
        let refused = fault(registry.resolve("team/a:1").await);
        assert_eq!((refused.by, refused.code.as_str()), (FaultBy::User, "not-allowed"), "{images:?}");
        assert!(refused.hint.unwrap().contains("content.images"));
        assert_eq!(registry.asked(), [""; 0], "{images:?}");
    }
    // Nor is it built for one who asked while it was named.
    let before = Registry::plain(&["HOST/team/a"]);
    let resolved = before.resolve("team/a:1").await.unwrap();
    let after = Registry::plain(&[]);
    assert_eq!(fault(after.content.fetch(&resolved).await).code, "not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_said_to_be_missing() {
    let registry = Registry::plain(&["HOST/*"]);
    for image in ["team/a:2", "team/b:1"] {
        let missing = fault(registry.resolve(image).await);
        assert_eq!((missing.by, missing.code.as_str()), (FaultBy::User, "repository-not-found"), "{image}");
        assert!(missing.message.contains(&registry.name(image)), "{}", missing.message);
    }
}

/// Asks for leave to read `realm`-wards, and shows the image to who has it.
fn guarded(images: &[&str], realm: &'static str) -> Registry {
    Registry::new(images, move |request, base| {
        let path = request.split(' ').nth(1).unwrap();
        if path.starts_with("/leave?") {
            return reply("200 OK", "", r#"{"token": "t0ken"}"#);
        }
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"{}\",service=\"us\"\r\n", realm.replace("BASE", base));
        match request.ends_with(" Bearer t0ken") {
            true => reply("200 OK", "", MANIFEST),
            false => reply("401 Unauthorized", &challenge, "{}"),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_may_want_to_give_everybody_leave_to_read_first() {
    let registry = guarded(&["HOST/team/a"], "BASE/leave?x=y");
    assert_eq!(registry.resolve("team/a:1").await.unwrap().revision.as_str(), digest().replace(':', "-"));
    let asked = registry.asked();
    assert_eq!(asked[1], "GET /leave?x=y&scope=repository%3Ateam%2Fa%3Apull&service=us", "{asked:?}");
    assert_eq!((asked[0].as_str(), asked.len()), ("GET /v2/team/a/manifests/1", 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_is_asked_for_only_where_the_site_may_go_and_nobody_listens() {
    for (realm, code) in [
        ("no address", "host-answer-unreadable"),
        ("http://registry.example.org/leave", "host-answer-unreadable"),
        ("file:///etc/passwd", "host-answer-unreadable"),
        ("https://127.0.0.2:1/leave", "host-not-allowed"),
    ] {
        let refused = fault(guarded(&["HOST/team/a"], realm).resolve("team/a:1").await);
        assert_eq!(refused.code, code, "{realm}: {refused}");
    }
    // One that wants an account keeps its images for some.
    let private =
        Registry::new(&["HOST/*"], |_, _| reply("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "{}"));
    assert_eq!(fault(private.resolve("team/a:1").await).code, "repository-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_sends_something_else_is_not_believed() {
    let other = format!("team/a@sha256:{}", "0".repeat(64));
    let registry = Registry::new(&["HOST/*"], |_, _| reply("200 OK", "", MANIFEST));
    let refused = fault(registry.resolve(&other).await);
    assert_eq!((refused.by, refused.message.contains("another image")), (FaultBy::Upstream, true), "{refused}");
    let registry = Registry::new(&["HOST/*"], |_, base| {
        reply("302 Found", &format!("Location: {base}/v2/team/b/manifests/1\r\n"), "")
    });
    assert_eq!(fault(registry.resolve("team/a:1").await).code, "bad-redirect");
    let registry = Registry::new(&["HOST/*"], |_, _| reply("200 OK", "", &" ".repeat(5 << 20)));
    assert_eq!(fault(registry.resolve("team/a:1").await).code, "repository-too-large");
}
