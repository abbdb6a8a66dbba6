//! A browser that asks for the same once more gets the session it has.

use bindery_core::{SessionEvent, StopReason};
use bindery_web::Config;

use crate::client::{Frame, send};
use crate::crew::numbered;
use crate::site::Site;

const LINK: &str = "gh/owner/name/HEAD";

async fn brisk(relaunch_seconds: u64) -> Site {
    Site::with(Config { linger_seconds: 0, relaunch_seconds, ..Config::default() }, Vec::new()).await
}

/// The cookie a new browser gets with the page of a link.
async fn browser(site: &Site) -> String {
    let page = site.get(&format!("/v2/{LINK}")).await;
    let cookie = page.header("set-cookie").unwrap().to_owned();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/;"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

async fn visit(site: &Site, link: &str, cookie: &str) -> Vec<Frame> {
    site.watch_with(&format!("/build/{link}"), &[("cookie", cookie)]).await.events_to_the_end().await
}

fn url(events: &[Frame]) -> String {
    let last = events.last().unwrap();
    assert_eq!(last.phase(), "ready", "{events:?}");
    last.value()["url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_browser_gets_its_session_again_and_no_other_does() {
    let site = brisk(3600).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let (alice, bob) = (browser(&site).await, browser(&site).await);
    assert_ne!(alice, bob);
    let first = url(&visit(&site, LINK, &alice).await);
    // By another ref that means the same commit too.
    assert_eq!(url(&visit(&site, "gh/owner/name/main", &format!("a=b; {alice}")).await), first);
    assert_ne!(url(&visit(&site, LINK, &bob).await), first);
    assert_ne!(url(&visit(&site, "gh/owner/other/HEAD", &alice).await), first, "another repository");
    assert_eq!(site.sessions().await, 3);
    for nobody in ["bindery-browser=x", "bindery-browser=00000000000000000000000000000000", "other=1"] {
        assert_ne!(url(&visit(&site, LINK, nobody).await), url(&visit(&site, LINK, nobody).await), "{nobody}");
    }
    let known = send(site.address, "GET", &format!("/v2/{LINK}"), &[("cookie", &alice)]).await;
    assert_eq!(known.header("set-cookie"), None, "it keeps its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_the_session_comes_up_waits_for_that_session() {
    let site = brisk(0).await;
    let _builder = site.builder(numbered(1));
    let mut wanted = site.wanted().await;
    let alice = browser(&site).await;
    let target = format!("/build/{LINK}");
    let left = site.watch_with(&target, &[("cookie", &alice)]).await;
    let session = wanted.next().await;
    drop(left);
    let mut again = site.watch_with(&target, &[("cookie", &alice)]).await.begun().await;
    wanted.say(&session, "still starting").await;
    wanted.ready(&session).await;
    let events = again.events_to_the_end().await;
    assert!(url(&events).ends_with(&session.base_path()));
    assert!(events.iter().any(|event| event.message() == "still starting\n"));
    assert_eq!(site.sessions().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_over_or_not_of_just_now_is_not_given_again() {
    let site = brisk(0).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let alice = browser(&site).await;
    let first = url(&visit(&site, LINK, &alice).await);
    assert_ne!(url(&visit(&site, LINK, &alice).await), first, "it is ready since before");

    let site = brisk(3600).await;
    let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
    let first = url(&visit(&site, LINK, &alice).await);
    let session = site.stores.sessions.list().await.unwrap().remove(0);
    let gone = SessionEvent::Gone { reason: StopReason::Lost };
    site.stores.sessions.apply(session.id, gone).await.unwrap();
    assert_ne!(url(&visit(&site, LINK, &alice).await), first);
}
