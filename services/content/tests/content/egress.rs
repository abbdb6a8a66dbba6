//! Security reference A3, A4, A5: which addresses are contacted. The servers count who came.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::git_server::GitServer;
use crate::support::hostile::{Hostile, advertisement};
use crate::support::repos::{Repo, file};
use crate::support::{allowing, fault, git_spec};
use bindery_content::egress::{Gate, Lookup, is_public};
use bindery_content::{Config, Error, HostedContent};
use bindery_core::seams::ContentProvider;
use bindery_core::{Fault, FaultBy, RepoUrl};

/// Answers with what it was given, in turn, over and over.
#[derive(Debug)]
struct Scripted {
    answers: parking_lot::Mutex<VecDeque<Vec<SocketAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[SocketAddr]]) -> Arc<Self> {
        let answers = answers.iter().map(|addresses| addresses.to_vec()).collect();
        Arc::new(Self { answers: parking_lot::Mutex::new(answers), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Scripted {
    fn lookup(&self, _host: &str, _port: u16, _within: Duration) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock();
        let answer = answers.pop_front().ok_or(io::ErrorKind::NotFound)?;
        answers.push_back(answer.clone());
        Ok(answer)
    }
}

fn content(config: Config) -> (HostedContent, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    (HostedContent::new(config, data.path().to_owned()).unwrap(), data)
}

async fn refused(content: &HostedContent, url: &str) -> Fault {
    fault(content.resolve(&git_spec(url, "HEAD")).await)
}

/// The IANA IPv4 special-purpose registry: first, some and last address of each network not globally reachable.
const PRIVATE_V4: &str = "\
    0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.128.3.4 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200 \
    100.127.255.255 127.0.0.0 127.0.0.1 127.1.2.3 127.255.255.255 169.254.0.0 169.254.169.254 169.254.170.2 \
    169.254.255.255 172.16.0.0 172.16.0.1 172.20.10.1 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.192 \
    192.0.0.255 192.0.2.0 192.0.2.1 192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.0.1 \
    192.168.1.254 192.168.255.255 198.18.0.0 198.18.0.1 198.19.255.255 198.51.100.0 198.51.100.7 198.51.100.255 \
    203.0.113.0 203.0.113.9 203.0.113.255 224.0.0.0 224.0.0.1 232.1.1.1 239.255.255.250 239.255.255.255 240.0.0.0 \
    240.0.0.1 254.1.1.1 255.255.255.254 255.255.255.255";

/// The IPv6 one, addresses that wrap a private IPv4 one, and what lies outside 2000::/3, where nothing is routed.
const PRIVATE_V6: &str = "\
    :: ::1 ::2 ::7f00:1 ::a00:1 ::ffff:0.0.0.0 ::ffff:10.0.0.1 ::ffff:100.64.0.1 ::ffff:127.0.0.1 \
    ::ffff:169.254.169.254 ::ffff:172.16.0.1 ::ffff:192.168.0.1 ::ffff:198.18.0.1 ::ffff:224.0.0.1 \
    ::ffff:255.255.255.255 ::ffff:7f00:1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1 64:ff9b::0.0.0.0 64:ff9b::10.0.0.1 \
    64:ff9b::127.0.0.1 64:ff9b::169.254.169.254 64:ff9b::192.168.1.1 64:ff9b::a00:1 64:ff9b:1:: 64:ff9b:1::8.8.8.8 \
    64:ff9b:1:ffff::1 64:ff9b:0:1::1 100:: 100::1 100:0:0:1::1 2001:: 2001::1 2001:0:7f00:1:: \
    2001:0:53aa:64c:0:fbff:80ff:fffe 2001:1::1 2001:2:: 2001:2:0:ffff::1 2001:3::1 2001:4:112::1 2001:10::1 \
    2001:1f:ffff::1 2001:20::1 2001:2f:ffff::1 2001:30::1 2001:db8:: 2001:db8::1 2001:db8:ffff:ffff::1 2002:: \
    2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1 2002:c0a8:101::1 2002:808:808::1 3fff:: 3fff::1 3fff:fff:ffff::1 \
    5f00:: 5f00::1 fc00:: fc00::1 fcff:ffff::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1 fe00::1 fe80:: \
    fe80::1 fe80::a9fe:a9fe fe8f::1 febf:ffff::1 fec0::1 feff::1 ff00::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 \
    ffff::1 1::1 4000::1 5eff::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1 fa00::1 64:ff9b::100.64.0.1 \
    64:ff9b::172.31.0.1 64:ff9b::224.0.0.1 64:ff9b::255.255.255.255 ::ffff:0.0.0.1 ::ffff:192.0.2.1 \
    ::ffff:203.0.113.1";

/// The neighbours of all those, and hosts everybody knows.
const PUBLIC: &str = "\
    1.0.0.1 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 20.205.243.166 100.63.255.255 100.128.0.0 126.255.255.255 \
    128.0.0.0 140.82.112.3 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 172.65.251.78 191.255.255.255 \
    192.0.1.0 192.0.3.0 192.30.252.1 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 \
    198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000::1 2001:200::1 \
    2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2003::1 2606:4700:90:0:f22e:fbec:5bed:a9b9 \
    2606:50c0:8000::153 2620:4f:8000::1 2a01:4f8::1 3ffe:ffff::1 3fff:1000::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 \
    64:ff9b::140.82.112.3";

#[test]
fn a3_private_addresses_are_refused_in_every_spelling() {
    let private: Vec<&str> = [PRIVATE_V4, PRIVATE_V6].iter().flat_map(|text| text.split_whitespace()).collect();
    for text in &private {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
    let public: Vec<&str> = PUBLIC.split_whitespace().collect();
    for text in &public {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
    assert!(private.len() + public.len() >= 200, "{}", private.len() + public.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_no_spelling_of_loopback_reaches_a_listener() {
    let listener = Hostile::listener();
    let port = listener.address.port();
    let (content, _data) = content(Config {
        allow_schemes: vec!["https".to_owned(), "http".to_owned(), "git".to_owned()],
        ..Config::default()
    });
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.000.000.001",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①27.0.0.1",
        "127.0.0.1%2e",
    ];
    for scheme in ["http", "https", "git"] {
        for host in hosts {
            let url = format!("{scheme}://{host}:{port}/a/b");
            // Some are no address at all, which is as good.
            if url.parse::<RepoUrl>().is_err() {
                continue;
            }
            let fault = refused(&content, &url).await;
            assert!(matches!(fault.code.as_str(), "host-not-allowed" | "host-unknown"), "{url}: {fault}");
            assert!(!fault.to_string().contains("::1") || host.contains("::1") || host.contains(":1]"), "{fault}");
        }
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a_name_with_one_private_address_among_public_ones_is_refused() {
    let listener = Hostile::listener();
    let public: SocketAddr = ([140, 82, 112, 3], 443).into();
    let lookup = Scripted::new(&[&[public, listener.address]]);
    let config = Config { allow_schemes: vec!["http".to_owned()], ..Config::default() };
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::with_lookup(config, data.path().to_owned(), lookup).unwrap();
    let fault = refused(&content, "http://mixed.example/a/b").await;
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "host-not-allowed"));
    assert!(fault.to_string().contains("mixed.example") && fault.to_string().contains("content.allow_hosts"));
    // Which address it was tells a stranger about the network inside.
    assert!(!fault.to_string().contains("127.0.0.1"));
    assert_eq!(listener.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_only_the_host_and_port_an_operator_named_are_exempt() {
    let root = tempfile::tempdir().unwrap();
    Repo::with_files(root.path(), "r", &[file("a", "1")]).unwrap();
    let server = GitServer::start(root.path()).unwrap();
    let other = Hostile::listener();
    let (content, _data) = content(allowing(&server.authority()));
    assert!(content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await.is_ok());
    for url in [
        format!("{}/r", other.url()),
        format!("https://127.0.0.1:{}/r", other.address.port()),
        format!("http://127.0.0.2:{}/r", server.authority().rsplit(':').next().unwrap()),
        format!("http://localhost:{}/r", server.authority().rsplit(':').next().unwrap()),
    ] {
        let fault = refused(&content, &url).await;
        assert!(matches!(fault.code.as_str(), "scheme-not-allowed" | "host-not-allowed"), "{url}: {fault}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_plain_http_and_the_git_protocol_are_off_for_public_hosts() {
    let (content, _data) = content(Config::default());
    for url in ["http://example.org/a/b", "git://example.org/a/b"] {
        let fault = refused(&content, url).await;
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "scheme-not-allowed"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a_proxy_from_the_environment_is_not_used() {
    // A proxy would look names up past the gate. Read in a process of its own, because the environment is shared.
    let Some(url) = std::env::args().find_map(|argument| argument.strip_prefix("fetch=").map(str::to_owned)) else {
        let proxy = Hostile::listener();
        let target = Hostile::start(|_, stream| io::Write::write_all(stream, &advertisement(&"a".repeat(40))));
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["egress::a3_a_proxy_from_the_environment_is_not_used", "--exact", "--nocapture", "--skip"])
            .arg(format!("fetch={}", target.authority()))
            .envs([("HTTP_PROXY", proxy.url()), ("http_proxy", proxy.url()), ("ALL_PROXY", proxy.url())])
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        assert_eq!((proxy.connections(), target.connections()), (0, 1));
        return;
    };
    let (content, _data) = content(allowing(&url));
    content.resolve(&git_spec(&format!("http://{url}/r"), "HEAD")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_a_name_that_turns_private_after_the_check_never_gets_a_private_connection() {
    let private = Hostile::listener();
    // Public at the check, private at a second lookup, if there were one. Nothing listens at the public address here; the
    // connection fails or is refused, and that is all that may happen.
    let public: SocketAddr = ([192, 31, 196, 1], private.address.port()).into();
    let lookup = Scripted::new(&[&[public], &[private.address]]);
    let config = Config { allow_schemes: vec!["https".to_owned(), "http".to_owned()], ..Config::default() };
    let gate = Gate::new(&config, lookup.clone()).unwrap();
    for turn in 0..1000 {
        let answer = gate.addresses("rebind.example", private.address.port(), Duration::from_secs(1));
        if turn % 2 == 0 {
            assert_eq!(answer, Ok(vec![public]));
        } else {
            assert_eq!(answer, Err(Error::HostNotAllowed("rebind.example".to_owned())));
        }
    }
    assert_eq!((lookup.asked.load(Ordering::SeqCst), private.connections()), (1000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_a_private_answer_is_refused_a_thousand_times_over() {
    let private = Hostile::listener();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), private.address.port());
    let lookup = Scripted::new(&[&[private.address], &[mapped]]);
    let config =
        Config { allow_schemes: vec!["http".to_owned()], ref_cache_seconds: 0, host_burst: 2000, ..Config::default() };
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::with_lookup(config, data.path().to_owned(), lookup.clone()).unwrap();
    for _ in 0..1000 {
        let fault = refused(&content, &format!("http://rebind.example:{}/a/b", private.address.port())).await;
        assert_eq!(fault.code, "host-not-allowed");
    }
    assert_eq!((lookup.asked.load(Ordering::SeqCst), private.connections()), (1000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_each_connection_is_one_lookup_so_the_address_checked_is_the_one_used() {
    let server = Hostile::start(|_, stream| io::Write::write_all(stream, &advertisement(&"a".repeat(40))));
    let lookup = Scripted::new(&[&[server.address]]);
    let mut config = allowing("named.example");
    config.ref_cache_seconds = 0;
    config.host_burst = 1000;
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::with_lookup(config, data.path().to_owned(), lookup.clone()).unwrap();
    for _ in 0..200 {
        content.resolve(&git_spec("http://named.example/a/b", "HEAD")).await.unwrap();
    }
    assert_eq!((server.connections(), lookup.asked.load(Ordering::SeqCst)), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_redirect_to_a_private_address_or_another_scheme_is_refused() {
    let private = Hostile::listener();
    let inside = private.authority();
    let cases: Vec<(String, &str)> = vec![
        (format!("http://{inside}/x/info/refs?service=git-upload-pack"), "host-not-allowed"),
        (format!("https://{inside}/x/info/refs?service=git-upload-pack"), "host-not-allowed"),
        (
            format!("http://localhost:{}/x/info/refs?service=git-upload-pack", private.address.port()),
            "host-not-allowed",
        ),
        (format!("//{inside}/x/info/refs?service=git-upload-pack"), "host-not-allowed"),
        ("http://169.254.169.254/latest/info/refs?service=git-upload-pack".to_owned(), "host-not-allowed"),
        ("http://[::ffff:169.254.169.254]/x/info/refs?service=git-upload-pack".to_owned(), "host-not-allowed"),
        ("file:///etc/passwd".to_owned(), "bad-redirect"),
        ("file:///srv/info/refs?service=git-upload-pack".to_owned(), "bad-redirect"),
        ("git://127.0.0.1/x/info/refs?service=git-upload-pack".to_owned(), "bad-redirect"),
        ("ftp://example.org/info/refs?service=git-upload-pack".to_owned(), "bad-redirect"),
        ("http://user:password@example.org/x/info/refs?service=git-upload-pack".to_owned(), "bad-redirect"),
        ("http://example.org/login".to_owned(), "bad-redirect"),
        ("".to_owned(), "bad-redirect"),
    ];
    for (location, code) in cases {
        let to = location.clone();
        let server = Hostile::redirecting(move |_| to.clone());
        let mut config = allowing(&server.authority());
        config.allow_schemes.push("http".to_owned());
        let (content, _data) = content(config);
        let fault = refused(&content, &format!("{}/r", server.url())).await;
        assert_eq!(fault.code, code, "{location}: {fault}");
    }
    assert_eq!(private.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_moved_repository_is_followed_three_times_and_fetched_where_it_is() {
    let root = tempfile::tempdir().unwrap();
    Repo::with_files(root.path(), "new", &[file("a", "moved")]).unwrap();
    let server = GitServer::start(root.path()).unwrap();
    let target = server.url();
    // /0 -> /1 -> ... ; the third hop leaves for the real server.
    let hop = Hostile::redirecting(move |path| {
        let step: usize = path.trim_start_matches('/').split(['/', '.']).next().unwrap().parse().unwrap();
        let tail = path.split_once("/info/refs").map_or("/git-upload-pack", |_| "/info/refs?service=git-upload-pack");
        if step == 2 { format!("{target}/new{tail}") } else { format!("/{}{tail}", step + 1) }
    });
    let mut config = allowing(&server.authority());
    config.allow_hosts.push(hop.authority());
    let (content, _data) = content(config);
    let resolved = content.resolve(&git_spec(&format!("{}/0", hop.url()), "HEAD")).await.unwrap();
    let (tree, _) = content.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"moved");

    // The same for a process that did not resolve the link itself.
    let (stranger, _data) =
        self::content(Config { allow_hosts: vec![server.authority(), hop.authority()], ..Config::default() });
    let (tree, _) = stranger.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("a", 10).unwrap(), b"moved");

    let endless = Hostile::redirecting(|path| path.to_owned());
    let (content, _data) = self::content(allowing(&endless.authority()));
    let fault = refused(&content, &format!("{}/r", endless.url())).await;
    assert_eq!(fault.code, "bad-redirect");
    assert_eq!(endless.connections(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_the_dumb_protocol_is_refused() {
    let dumb = Hostile::start(|request, stream| {
        let body = if request.contains("/info/refs") {
            format!("{}\trefs/heads/main\n", "a".repeat(40))
        } else {
            "http://169.254.169.254/objects\n".to_owned()
        };
        io::Write::write_all(
            stream,
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
    });
    let (content, _data) = content(allowing(&dumb.authority()));
    let fault = refused(&content, &format!("{}/r", dumb.url())).await;
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "not-a-git-server"));
    assert_eq!(dumb.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_is_not_believed() {
    // Answers the TLS greeting with plain text, which is the least a TLS client must not accept.
    let plain = Hostile::listener();
    let (content, _data) = content(allowing(&plain.authority()));
    let fault = refused(&content, &format!("https://{}/r", plain.authority())).await;
    assert!(matches!(fault.code.as_str(), "host-not-trusted" | "host-unreachable"), "{fault}");
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    for config in [
        Config { allow_schemes: vec!["file".to_owned()], ..Config::default() },
        Config { allow_schemes: vec!["ssh".to_owned()], ..Config::default() },
        Config { allow_hosts: vec!["http://intranet/".to_owned()], ..Config::default() },
        Config { allow_hosts: vec!["*".to_owned()], ..Config::default() },
        Config { ca_bundle: Some("/nonexistent".into()), ..Config::default() },
        Config { github_url: "not an address".to_owned(), ..Config::default() },
    ] {
        let refused = HostedContent::new(config.clone(), data.path().to_owned());
        assert!(matches!(refused, Err(Error::Config { .. })), "{config:?}");
    }
}
