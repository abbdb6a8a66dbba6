//! A stream that dropped goes on where it was: no line lost, none doubled, nothing started twice.

use bindery_core::Fault;
use bindery_web::Config;

use crate::client::{Frame, output};
use crate::crew::numbered;
use crate::site::Site;

const LINK: &str = "/build/gh/owner/name/HEAD";

async fn brisk() -> Site {
    Site::with(Config { linger_seconds: 0, ..Config::default() }, Vec::new()).await
}

/// How a client says where it was.
#[derive(Clone, Copy)]
enum By {
    Header,
    Query,
}

impl Site {
    async fn resume(&self, by: By, id: &str) -> crate::client::Answer {
        match by {
            By::Header => self.watch_with(LINK, &[("last-event-id", id)]).await,
            By::Query => self.watch(&format!("{LINK}?last_event_id={id}")).await,
        }
    }
}

fn id(event: &Frame) -> &str {
    event.id.as_deref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_build_the_next_line_comes_next() {
    for by in [By::Header, By::Query] {
        let site = brisk().await;
        let _launcher = site.launcher();
        let mut stream = site.watch(LINK).await;
        let job = site.claim().await;
        job.lines(&numbered(10)).await;
        let mut all = Vec::new();
        for _ in 0..6 {
            all.push(stream.event().await.unwrap());
        }
        drop(stream);
        let mut stream = site.resume(by, id(&all[5])).await;
        site.until_streams(1).await;
        job.lines(&numbered(20)[10..]).await;
        job.built().await;
        all.extend(stream.events_to_the_end().await);
        assert_eq!(output(&all), numbered(20));
        assert_eq!(all.last().unwrap().phase(), "ready");
        assert_eq!((site.builds().await, site.sessions().await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_build_the_launch_comes_next() {
    let site = brisk().await;
    let (_builder, _launcher) = (site.builder(numbered(4)), site.launcher());
    let events = site.watch(&format!("{LINK}?build_only=true")).await.events_to_the_end().await;
    let built = events.iter().find(|event| event.phase() == "built").unwrap();
    let after = site.resume(By::Header, id(built)).await.events_to_the_end().await;
    assert_eq!(crate::client::phases(&after), ["launching", "ready"]);
    assert_eq!((site.builds().await, site.sessions().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_launch_it_is_the_same_launch() {
    for by in [By::Header, By::Query] {
        let site = brisk().await;
        let _builder = site.builder(numbered(1));
        let mut wanted = site.wanted().await;
        let mut stream = site.watch(LINK).await;
        let session = wanted.next().await;
        let mut last = stream.event().await.unwrap();
        while last.phase() != "launching" {
            last = stream.event().await.unwrap();
        }
        for turn in 0..30 {
            drop(stream);
            stream = site.resume(by, id(&last)).await;
            wanted.say(&session, &format!("turn {turn}")).await;
            last = stream.event().await.unwrap();
            assert_eq!(last.message(), format!("turn {turn}\n"));
        }
        wanted.ready(&session).await;
        let rest = stream.events_to_the_end().await;
        let ready = rest.last().unwrap();
        assert_eq!(ready.value()["url"], format!("http://127.0.0.1:8586/user/{}/", session.id));
        assert_eq!((site.builds().await, site.sessions().await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ready_nothing_starts_again() {
    for by in [By::Header, By::Query] {
        let site = brisk().await;
        let (_builder, _launcher) = (site.builder(numbered(1)), site.launcher());
        let events = site.watch(LINK).await.events_to_the_end().await;
        for _ in 0..3 {
            let again = site.resume(by, id(events.last().unwrap())).await.events_to_the_end().await;
            assert!(again.is_empty(), "{again:?}");
        }
        assert_eq!((site.builds().await, site.sessions().await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_nothing_starts_again() {
    let site = brisk().await;
    let mut stream = site.watch(LINK).await;
    let job = site.claim().await;
    job.lines(&numbered(3)).await;
    job.failed(Fault::user("x", "a line is wrong.")).await;
    let events = stream.events_to_the_end().await;
    for (place, told) in [(events.len() - 1, 0), (events.len() - 2, 1), (0, 4)] {
        let again = site.resume(By::Header, id(&events[place])).await.events_to_the_end().await;
        assert_eq!(again.len(), told, "{again:?}");
        assert_eq!(again.iter().filter(|event| event.phase() == "failed").count(), usize::from(told > 0));
    }
    assert_eq!((site.builds().await, site.sessions().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_lost_its_image_is_mended_for_those_who_come_back_too() {
    let site = brisk().await;
    let _builder = site.builder(numbered(2));
    let mut wanted = site.wanted().await;
    let mut stream = site.watch(LINK).await;
    let session = wanted.next().await;
    let mut last = stream.event().await.unwrap();
    while last.phase() != "launching" {
        last = stream.event().await.unwrap();
    }
    drop(stream);
    let mut stream = site.resume(By::Header, id(&last)).await;
    site.until_streams(1).await;
    wanted.say(&session, "Server requested").await;
    assert_eq!(stream.event().await.unwrap().phase(), "launching");
    wanted.failed(&session, Fault::us("image-missing", "the image is not in the engine.")).await;
    let launcher = site.launcher();
    let events = stream.events_to_the_end().await;
    assert!(events.iter().all(|event| event.phase() != "failed"), "{events:?}");
    assert_eq!(events.last().unwrap().phase(), "ready");
    assert_eq!((site.builds().await, site.sessions().await), (2, 2));
    drop(launcher);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_names_nothing_is_a_new_visit() {
    let site = brisk().await;
    let (_builder, _launcher) = (site.builder(numbered(2)), site.launcher());
    let ids = [
        "",
        "7",
        "nonsense",
        "b-00000000000000000000000000000000.4",
        "l-00000000000000000000000000000000.4",
        "b-0.99999999999999999999999999",
        "%00%0d%0a",
    ];
    for (turn, id) in ids.into_iter().enumerate() {
        for by in [By::Header, By::Query] {
            let events = site.resume(by, id).await.events_to_the_end().await;
            assert_eq!(events.last().unwrap().phase(), "ready", "{turn} {id:?}: {events:?}");
        }
    }
    assert_eq!(site.builds().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_past_the_end_starts_nothing_twice() {
    let site = brisk().await;
    let (_builder, _launcher) = (site.builder(numbered(2)), site.launcher());
    let events = site.watch(LINK).await.events_to_the_end().await;
    let (topic, _) = id(events.last().unwrap()).split_once('.').unwrap();
    for place in ["1000000", "18446744073709551615"] {
        let again = site.resume(By::Header, &format!("{topic}.{place}")).await.events_to_the_end().await;
        assert!(again.len() <= 1, "{again:?}");
    }
    assert_eq!((site.builds().await, site.sessions().await), (1, 1));
}

/// Points at which to hang up, the same in every run.
fn points(count: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(usize::try_from(state % 19).unwrap())
    })
    .take(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_drops_lose_and_double_nothing() {
    let site = brisk().await;
    let _launcher = site.launcher();
    let lines = numbered(600);
    let mut stream = site.watch(LINK).await;
    let job = site.claim().await;
    let told = lines.clone();
    let building = tokio::spawn(async move {
        for some in told.chunks(3) {
            job.lines(some).await;
            tokio::task::yield_now().await;
        }
        job
    });
    let mut all: Vec<Frame> = vec![stream.event().await.unwrap()];
    let mut drops = 0;
    for (turn, count) in points(30).enumerate() {
        if all.iter().any(Frame::is_terminal) {
            break;
        }
        for _ in 0..count {
            match stream.event().await {
                Some(event) => all.push(event),
                None => break,
            }
        }
        drop(stream);
        drops += 1;
        let by = if turn % 2 == 0 { By::Header } else { By::Query };
        stream = site.resume(by, id(all.last().unwrap())).await;
    }
    assert_eq!(drops, 30);
    let job = building.await.unwrap();
    site.until_streams(1).await;
    job.built().await;
    all.extend(stream.events_to_the_end().await);
    assert_eq!(output(&all), lines);
    assert_eq!(all.iter().filter(|event| event.is_terminal()).count(), 1);
    assert_eq!(all.last().unwrap().phase(), "ready");
    assert_eq!((site.builds().await, site.sessions().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_reloads_join_the_one_build_each_from_its_start() {
    let site = brisk().await;
    let _launcher = site.launcher();
    let mut stream = site.watch(LINK).await;
    let job = site.claim().await;
    job.lines(&numbered(30)).await;
    for count in points(30) {
        for _ in 0..count {
            stream.event().await.unwrap();
        }
        drop(stream);
        stream = site.watch(LINK).await.begun().await;
    }
    site.until_streams(1).await;
    job.lines(&numbered(60)[30..]).await;
    job.built().await;
    let events = stream.events_to_the_end().await;
    assert_eq!(output(&events), numbered(60));
    assert_eq!(events.last().unwrap().phase(), "ready");
    assert_eq!((site.builds().await, site.sessions().await), (1, 1), "those who left get no session");
}
