//! The event log's contract.

use bindery_core::seams::StoreError;
use bindery_core::{EventBody, EventId, Fault, Fence, LaunchId, Topic};
use bindery_store::Config;
use futures::StreamExt as _;

use crate::harness::{
    Place, all_events, claim, failed, ids, launch, line, read_to_end, request, short_lease, waiting, within,
};

on_both!(
    ids_have_no_gaps_when_many_append_at_once,
    a_launch_begins_with_its_first_word,
    an_append_is_all_or_none_and_in_order,
    fifty_followers_joining_at_any_time_see_every_event_once_in_order,
    a_topic_that_does_not_exist_yet_is_waited_for,
    a_follower_resumes_after_any_event,
    history_pages,
    a_log_that_is_too_long_keeps_its_end,
    nothing_follows_the_end,
    a_fence_is_of_no_use_for_another_log,
    topics_do_not_mix,
    awkward_text_comes_back_as_it_was,
);

fn end() -> EventBody {
    failed().1
}

async fn ids_have_no_gaps_when_many_append_at_once(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let tasks: Vec<_> = (0..20)
        .map(|writer| {
            let events = stores.events.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    events.append(topic, vec![line(format!("{writer} {number}")), line("x")], None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        within(task).await.unwrap();
    }
    let events = all_events(&stores, topic).await;
    assert_eq!(ids(&events), (1..=400).collect::<Vec<_>>());
    for writer in 0..20 {
        let mine: Vec<_> = events.iter().filter(|(_, text)| text.starts_with(&format!("{writer} "))).collect();
        let expected: Vec<_> = (0..10).map(|number| format!("{writer} {number}\n")).collect();
        assert_eq!(mine.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(), expected);
    }
    stores.close().await;
}

async fn a_launch_begins_with_its_first_word(place: Place) {
    let stores = place.open().await;
    let launch = LaunchId::new();
    let topic = Topic::Launch(launch);
    stores.events.begin(launch, line("first")).await.unwrap();
    let last = stores.events.append(topic, vec![line("second"), end()], None).await.unwrap();
    assert_eq!(last, EventId(3));
    let texts: Vec<_> = all_events(&stores, topic).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["first\n", "second\n", &end().message]);
    stores.close().await;
}

async fn an_append_is_all_or_none_and_in_order(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let last = stores.events.append(topic, vec![line("a"), line("b"), line("c")], None).await.unwrap();
    assert_eq!(last, EventId(3));
    assert_eq!(stores.events.append(topic, vec![], None).await.unwrap(), EventId(3));
    // Visible at once to whoever asks after it.
    let texts: Vec<_> = all_events(&stores, topic).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["a\n", "b\n", "c\n"]);
    stores.close().await;
}

async fn fifty_followers_joining_at_any_time_see_every_event_once_in_order(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let mut followers = Vec::new();
    for number in 1..=200_u64 {
        if number % 4 == 1 {
            let stores = stores.clone();
            // Some from the start, some from where they say they were.
            let after = EventId(if number % 8 == 1 { 0 } else { number / 2 });
            followers.push((after, tokio::spawn(async move { read_to_end(&stores, topic, after).await })));
        }
        let body = if number == 200 { end() } else { line(number.to_string()) };
        assert_eq!(stores.events.append(topic, vec![body], None).await.unwrap(), EventId(number));
    }
    assert_eq!(followers.len(), 50);
    for (after, follower) in followers {
        let events = within(follower).await.unwrap();
        assert_eq!(ids(&events), (after.0 + 1..=200).collect::<Vec<_>>());
    }
    // And one who comes when all is over.
    assert_eq!(read_to_end(&stores, topic, EventId::START).await.len(), 200);
    stores.close().await;
}

async fn a_topic_that_does_not_exist_yet_is_waited_for(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let mut stream = stores.events.follow(topic, EventId::START).await.unwrap();
    let first = tokio::spawn(async move { (stream.next().await.unwrap().unwrap().id, stream) });
    // The follower is there before the first event.
    tokio::task::yield_now().await;
    stores.events.append(topic, vec![line("first")], None).await.unwrap();
    let (id, stream) = within(first).await.unwrap();
    assert_eq!(id, EventId(1));
    stores.events.append(topic, vec![end()], None).await.unwrap();
    assert_eq!(within(stream.count()).await, 1);
    stores.close().await;
}

async fn a_follower_resumes_after_any_event(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let bodies = (1..10).map(|number| line(number.to_string())).chain([end()]).collect();
    stores.events.append(topic, bodies, None).await.unwrap();
    for after in 0..=10 {
        let events = read_to_end(&stores, topic, EventId(after)).await;
        assert_eq!(ids(&events), (after + 1..=10).collect::<Vec<_>>());
    }
    // A place that never was: nothing, and an end.
    assert_eq!(read_to_end(&stores, topic, EventId(11)).await, []);
    assert_eq!(read_to_end(&stores, topic, EventId(u64::MAX)).await, []);
    stores.close().await;
}

async fn history_pages(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    for chunk in 0..5 {
        let bodies = (0..5).map(|number| line((chunk * 5 + number).to_string())).collect();
        stores.events.append(topic, bodies, None).await.unwrap();
        // Some of it is on disk already, some is not.
        stores.reachable().await.unwrap();
    }
    let page = |after, limit| {
        let events = stores.events.clone();
        async move {
            let page = events.history(topic, EventId(after), limit).await.unwrap();
            page.iter().map(|event| event.id.0).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(3, 4).await, [4, 5, 6, 7]);
    assert_eq!(page(24, 10).await, [25]);
    assert_eq!(page(25, 10).await, [0_u64; 0]);
    assert_eq!(page(0, 0).await, [0_u64; 0]);
    assert_eq!(page(0, usize::MAX).await.len(), 25);
    assert!(stores.events.history(launch(), EventId::START, 10).await.unwrap().is_empty());
    stores.close().await;
}

async fn a_log_that_is_too_long_keeps_its_end(place: Place) {
    let stores = place.open_with(&Config { max_log_bytes: 4096, ..Config::default() }).await;
    let topic = launch();
    for _ in 0..100 {
        stores.events.append(topic, vec![line("x".repeat(80)), line("y".repeat(80))], None).await.unwrap();
    }
    stores.events.append(topic, vec![line("late"), end()], None).await.unwrap();
    let events = read_to_end(&stores, topic, EventId::START).await;
    assert_eq!(ids(&events), (1..=events.len() as u64).collect::<Vec<_>>());
    let notices = events.iter().filter(|(_, text)| text.contains("too long")).count();
    assert_eq!(notices, 1);
    assert!(events.len() > 10 && events.len() < 40, "{}", events.len());
    assert!(events[events.len() - 2].1.contains("too long"));
    assert_eq!(events.last().unwrap().1, end().message);
    stores.close().await;
}

async fn nothing_follows_the_end(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    stores.events.append(topic, vec![line("a"), end(), line("b")], None).await.unwrap();
    for _ in 0..3 {
        let late = stores.events.append(topic, vec![line("late")], None).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    }
    assert_eq!(ids(&all_events(&stores, topic).await), [1, 2]);
    stores.close().await;
}

async fn a_fence_is_of_no_use_for_another_log(place: Place) {
    let stores = place.open_with(&short_lease()).await;
    let one = stores.queue.submit(&request(1), waiting()).await.unwrap().id;
    let two = stores.queue.submit(&request(2), waiting()).await.unwrap().id;
    let lease = claim(&stores, "w").await.lease;
    assert_eq!(lease.record.id, one);
    for topic in [Topic::Build(two), launch()] {
        let refused = stores.events.append(topic, vec![line("x")], Some(lease.fence)).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    }
    let refused = stores.events.append(Topic::Build(one), vec![line("x")], Some(Fence(lease.fence.0 + 1))).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    stores.close().await;
}

async fn topics_do_not_mix(place: Place) {
    let stores = place.open().await;
    let (one, two) = (launch(), launch());
    stores.events.append(one, vec![line("1")], None).await.unwrap();
    stores.events.append(two, vec![line("2")], None).await.unwrap();
    stores.events.append(one, vec![end()], None).await.unwrap();
    assert_eq!(all_events(&stores, one).await, [(1, "1\n".to_owned()), (2, end().message)]);
    assert_eq!(all_events(&stores, two).await, [(1, "2\n".to_owned())]);
    stores.close().await;
}

async fn awkward_text_comes_back_as_it_was(place: Place) {
    let stores = place.open().await;
    let topic = launch();
    let texts = ["\u{0}\u{1b}[31mred\r\n", "emoji 🧵 and \u{2028}", "\"quotes\" and \\ and %s {} ARGV[1]\n", "\n"];
    let mut bodies: Vec<_> = texts.iter().map(|text| line(*text)).collect();
    bodies.push(EventBody::failed(Fault::user("x", "y: \"z\"").at("a\\b", Some(1)).hint("\u{7f}")));
    stores.events.append(topic, bodies.clone(), None).await.unwrap();
    let back = stores.events.history(topic, EventId::START, 100).await.unwrap();
    assert_eq!(back.iter().map(|event| event.body.clone()).collect::<Vec<_>>(), bodies);
    stores.close().await;
}
