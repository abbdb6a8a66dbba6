//! Hosts that are slow, silent or gone, and visitors who leave.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::git_server::GitServer;
use crate::support::hostile::{Hostile, PACK_HEADER, advertisement};
use crate::support::repos::{Repo, file};
use crate::support::{allowing, fault, git_spec};
use bindery_content::{Config, HostedContent};
use bindery_core::seams::ContentProvider;
use bindery_core::{Fault, FaultBy};

const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn content(config: Config) -> (HostedContent, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    (HostedContent::new(config, data.path().to_owned()).unwrap(), data)
}

async fn fetch(content: &HostedContent, server: &Hostile) -> Fault {
    fault(content.fetch(&content.resolve(&git_spec(&format!("{}/r", server.url()), COMMIT)).await.unwrap()).await)
}

/// Answers the request for objects with a header and then whatever `then` does.
fn halting(then: impl Fn(&mut std::net::TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Hostile {
    let refs = advertisement(COMMIT);
    Hostile::start(move |request, stream| {
        if request.starts_with("GET") {
            return stream.write_all(&refs);
        }
        stream.write_all(PACK_HEADER)?;
        stream.write_all(b"0008NAK\n")?;
        then(stream)
    })
}

/// Until the other side has had enough.
fn wait_for_the_end(stream: &mut std::net::TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = stream.read(&mut [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_host_that_falls_silent_is_given_up() {
    let server = halting(|stream| {
        wait_for_the_end(stream);
        Ok(())
    });
    let mut config = allowing(&server.authority());
    config.low_speed_seconds = 1;
    let (content, _data) = content(config);
    let fault = fetch(&content, &server).await;
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::Upstream, "host-too-slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_host_that_drips_is_given_up() {
    let server = halting(|stream| {
        // A byte at a time, as fast as a read timeout of the other side forgives.
        let (_keep, never) = mpsc::channel::<()>();
        loop {
            stream.write_all(b"0006\x02.")?;
            let _ = never.recv_timeout(Duration::from_millis(50));
        }
    });
    let mut config = allowing(&server.authority());
    config.low_speed_seconds = 1;
    let (content, _data) = content(config);
    let fault = fetch(&content, &server).await;
    assert_eq!(fault.code, "host-too-slow");
    assert!(fault.message.contains("1000 bytes per second"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_fetch_ends_when_its_time_is_up() {
    let server = halting(|stream| {
        loop {
            stream.write_all(b"0006\x02.")?;
        }
    });
    let mut config = allowing(&server.authority());
    config.fetch_seconds = 1;
    let (content, _data) = content(config);
    let fault = fetch(&content, &server).await;
    assert_eq!(fault.code, "host-too-slow");
    assert!(fault.message.contains("longer than 1 second"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_answers_is_given_up() {
    let server = Hostile::start(|_, stream| {
        wait_for_the_end(stream);
        Ok(())
    });
    let mut config = allowing(&server.authority());
    config.resolve_seconds = 1;
    let (content, _data) = content(config);
    let fault = fault(content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await);
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::Upstream, "host-too-slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_place_is_an_error_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::with_files(root.path(), "r", &[file("a", "1".repeat(5000)), file("b/c", "2")]).unwrap();
    let commit = repo.id("main").unwrap();
    let pack = {
        let git_dir = format!("--git-dir={}", repo.path().display());
        let mut child = Command::new("git")
            .args([&git_dir, "pack-objects", "--stdout", "-q", "--revs"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(commit.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    };
    let whole = crate::support::hostile::pack_answer(&pack);
    let body = PACK_HEADER.len();
    for cut in (body..whole.len() - 4).step_by(17) {
        let part = whole[..cut].to_vec();
        let refs = advertisement(&commit);
        let server = Hostile::start(move |request, stream| {
            stream.write_all(if request.starts_with("GET") { &refs } else { &part })
        });
        let (content, data) = content(allowing(&server.authority()));
        let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), &commit)).await.unwrap();
        let fault = fault(content.fetch(&resolved).await);
        assert!(
            matches!(
                fault.code.as_str(),
                "repository-damaged" | "not-a-git-server" | "commit-not-found" | "host-unreachable"
            ),
            "{cut}: {fault}"
        );
        let run = std::fs::read_dir(data.path().join("content")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(std::fs::read_dir(run).unwrap().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_leaves_stops_the_transfer_and_frees_its_seat() {
    let (started, starts) = mpsc::channel();
    let started = parking_lot::Mutex::new(started);
    let (ended, ends) = mpsc::channel();
    let ended = parking_lot::Mutex::new(ended);
    let server = halting(move |stream| {
        let _ = started.lock().send(());
        wait_for_the_end(stream);
        let _ = ended.lock().send(());
        Ok(())
    });
    let root = tempfile::tempdir().unwrap();
    Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    let good = GitServer::start(root.path()).unwrap();
    let mut config = allowing(&server.authority());
    config.allow_hosts.push(good.authority());
    config.concurrent_fetches = 1;
    let (content, _data) = content(config);

    let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), COMMIT)).await.unwrap();
    let content = std::sync::Arc::new(content);
    let leaving = tokio::spawn({
        let content = std::sync::Arc::clone(&content);
        async move { content.fetch(&resolved).await.map(drop) }
    });
    tokio::task::spawn_blocking(move || starts.recv_timeout(Duration::from_secs(20)).unwrap()).await.unwrap();
    leaving.abort();
    // The connection ends although neither the host's silence nor the time limit is up: both are set at half a minute.
    tokio::task::spawn_blocking(move || ends.recv_timeout(Duration::from_secs(20)).unwrap()).await.unwrap();
    let resolved = content.resolve(&git_spec(&format!("{}/r", good.url()), "HEAD")).await.unwrap();
    let (tree, _) = content.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"1");
}

/// `git daemon` for as many connections as come.
fn git_daemon(root: &std::path::Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let base = format!("--base-path={}", root.display());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let input = Stdio::from(OwnedFd::from(stream.try_clone().unwrap()));
            let mut command = Command::new("git");
            command.args(["daemon", "--inetd", "--export-all", &base]).stdin(input).stdout(OwnedFd::from(stream));
            let mut child = command.stderr(Stdio::null()).spawn().unwrap();
            drop(command);
            std::thread::spawn(move || child.wait());
        }
    });
    authority
}

#[tokio::test(flavor = "multi_thread")]
async fn the_git_protocol_works_where_a_site_allows_it() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "a/r.git").unwrap();
    let first = repo.commit("main", &[file("a", "1")]).unwrap();
    repo.commit("main", &[file("a", "2")]).unwrap();
    let authority = git_daemon(root.path());
    let spec = |reference| git_spec(&format!("git://{authority}/a/r"), reference);

    let (refusing, _data) = content(allowing(&authority));
    assert_eq!(fault(refusing.resolve(&spec("HEAD")).await).code, "scheme-not-allowed");

    let mut config = allowing(&authority);
    config.allow_schemes.push("git".to_owned());
    let (content, _data) = content(config);
    let (tree, _) = content.fetch(&content.resolve(&spec("HEAD")).await.unwrap()).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"2");
    // This protocol hands out tips only: the old commit is found in the history of the branch.
    let (tree, _) = content.fetch(&content.resolve(&spec(&first)).await.unwrap()).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"1");
    let missing = fault(content.resolve(&git_spec(&format!("git://{authority}/nope"), "HEAD")).await);
    assert_eq!(missing.code, "repository-not-found", "{missing}");
}
