//! Security reference B3: small repositories that would grow large. Each ends in a typed error and not by its limit of
//! time, which is far from what any of them takes on a busy machine and from the hours that expanding it would, and this whole
//! process stays small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "helpers of tests may fail by panicking too"
)]

#[path = "content/support/mod.rs"]
mod support;

use std::io::Write;

use bindery_content::{Config, HostedContent};
use bindery_core::Fault;
use bindery_core::seams::ContentProvider;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use support::git_server::Behaviour;
use support::hostile::{Hostile, PACK_HEADER, advertisement, serving_pack, side_band};
use support::repos::Repo;
use support::{Site, allowing, fault, git_spec};

const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The largest this process has been, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn stayed_small(site_data: &std::path::Path) {
    assert!(peak_memory() < 256 << 20, "{} MiB", peak_memory() >> 20);
    // Nothing but the lock is left.
    for run in std::fs::read_dir(site_data.join("content")).unwrap() {
        let left: Vec<_> = std::fs::read_dir(run.unwrap().path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}

fn patient(authority: &str) -> Config {
    Config { fetch_seconds: 600, resolve_seconds: 600, ..allowing(authority) }
}

/// What fetching `main` from a misbehaving server ends in.
async fn fetched_from(server: &Hostile, adjust: impl FnOnce(&mut Config)) -> Fault {
    let data = tempfile::tempdir().unwrap();
    let mut config = patient(&server.authority());
    adjust(&mut config);
    let content = HostedContent::new(config, data.path().to_owned()).unwrap();
    let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await.unwrap();
    let fault = fault(content.fetch(&resolved).await);
    stayed_small(data.path());
    fault
}

/// A tree of `width` entries, all the same object.
fn wide(repo: &Repo, mode: &str, id: &str, width: usize, name: &str) -> String {
    let mut tree = Vec::new();
    for i in 0..width {
        tree.extend(format!("{mode} {name}{i:03}\0").bytes());
        tree.extend(hex::decode(id).unwrap());
    }
    repo.object("tree", &tree).unwrap()
}

/// `levels` of trees, each `width` times the one below, over one small file.
fn tree_bomb(site: &Site, name: &str, levels: usize, width: usize, part: &str) {
    let repo = Repo::create(site.root.path(), name).unwrap();
    let mut id = repo.object("blob", b"boom").unwrap();
    for level in 0..levels {
        id = wide(&repo, if level == 0 { "100644" } else { "40000" }, &id, width, part);
    }
    repo.commit_tree(&id).unwrap();
}

fn site() -> Site {
    Site::with(Behaviour::default(), |config| config.fetch_seconds = 600)
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_ten_levels_of_ten_links_to_one_tree_are_stopped_while_walking() {
    let site = site();
    tree_bomb(&site, "bomb", 10, 10, "d");
    let fault = fault(site.fetch("bomb", "HEAD").await);
    assert_eq!(fault.code, "repository-too-large", "{fault}");
    assert!(fault.hint.unwrap().contains("content.max_entries"));
    stayed_small(site.data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_directories_without_files_count_too() {
    let site = site();
    let repo = Repo::create(site.root.path(), "bomb").unwrap();
    let mut id = repo.object("tree", b"").unwrap();
    for _ in 0..10 {
        id = wide(&repo, "40000", &id, 10, "d");
    }
    repo.commit_tree(&id).unwrap();
    assert_eq!(fault(site.fetch("bomb", "HEAD").await).code, "repository-too-large");
    stayed_small(site.data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_nest_is_not_walked_to_its_bottom() {
    let site = site();
    tree_bomb(&site, "nest", 300, 1, "d");
    let fault = fault(site.fetch("nest", "HEAD").await);
    assert!(fault.hint.unwrap().contains("content.max_depth"));
    stayed_small(site.data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_long_paths_do_not_fill_memory() {
    let site = site();
    let repo = Repo::create(site.root.path(), "long").unwrap();
    let mut id = repo.object("blob", b"boom").unwrap();
    for level in 0..16 {
        let width = if level < 6 { 10 } else { 1 };
        id = wide(&repo, if level == 0 { "100644" } else { "40000" }, &id, width, &"x".repeat(245));
    }
    repo.commit_tree(&id).unwrap();
    let fault = fault(site.fetch("long", "HEAD").await);
    assert_eq!(fault.code, "repository-too-large", "{fault}");
    stayed_small(site.data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_one_file_used_a_thousand_times_counts_a_thousand_times() {
    let site = Site::with(Behaviour::default(), |config| {
        config.fetch_seconds = 600;
        config.max_bytes = 100 << 20;
    });
    let repo = Repo::create(site.root.path(), "copies").unwrap();
    let blob = repo.object("blob", &vec![0; 1 << 20]).unwrap();
    let tree = wide(&repo, "100644", &blob, 1000, "copy");
    repo.commit_tree(&tree).unwrap();
    let fault = fault(site.fetch("copies", "HEAD").await);
    assert!(
        fault.message.contains("100 MiB") && fault.hint.unwrap().contains("content.max_bytes"),
        "{}",
        fault.message
    );
    stayed_small(site.data.path());
}

/// The header of a pack of `count` objects.
fn pack_header(count: u32) -> Vec<u8> {
    [b"PACK".as_slice(), &2_u32.to_be_bytes(), &count.to_be_bytes()].concat()
}

/// The header of an object of that kind and size.
fn object_header(kind: u8, mut size: u64) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | (size & 15) as u8];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((size & 127) as u8);
        size >>= 7;
    }
    bytes
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = n > 127;
        bytes.push((n & 127) as u8 | if more { 0x80 } else { 0 });
        n >>= 7;
        if !more {
            return bytes;
        }
    }
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_packs_that_inflate_are_stopped_at_their_declarations() {
    let zeros = deflate(&vec![0; 8 << 20]);
    let object = |kind, size, content: &[u8]| [object_header(kind, size), content.to_vec()].concat();
    let pack = |objects: &[Vec<u8>]| [pack_header(objects.len() as u32), objects.concat(), vec![0; 20]].concat();
    let delta = |result: u64, body: &[u8]| {
        let content = [varint(8 << 20), varint(result), body.to_vec()].concat();
        [object_header(7, content.len() as u64), vec![0xaa; 20], deflate(&content)].concat()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a file of a terabyte", pack(&[object(3, 1 << 40, &zeros)]), "repository-too-large"),
        ("a file just over the limit", pack(&[object(3, (500 << 20) + 1, &zeros)]), "repository-too-large"),
        ("a directory of a gigabyte", pack(&[object(2, 1 << 30, &zeros)]), "repository-too-large"),
        ("a commit of a gigabyte", pack(&[object(1, 1 << 30, &zeros)]), "repository-too-large"),
        ("more than it says", pack(&[object(3, 10, &zeros)]), "repository-damaged"),
        ("less than it says", pack(&[object(3, 9 << 20, &zeros)]), "repository-damaged"),
        ("a delta that makes a terabyte", pack(&[delta(1 << 40, &[0x90, 1])]), "repository-too-large"),
        (
            "a delta without sizes",
            pack(&[[object_header(7, 1), vec![0xaa; 20], deflate(&[0x80])].concat()]),
            "repository-damaged",
        ),
        ("deltas that add up", pack(&vec![delta(400 << 20, &[0x90, 1]); 10]), "repository-too-large"),
        ("four thousand million objects", pack_header(u32::MAX), "repository-too-large"),
        ("an unknown kind", pack(&[object(5, 1, &zeros)]), "repository-damaged"),
        ("a size without end", [pack_header(1), vec![0xff; 64]].concat(), "repository-damaged"),
        ("not compressed", pack(&[object(3, 100, &[0x55; 100])]), "repository-damaged"),
        ("cut short", pack_header(1), "repository-damaged"),
        ("bytes after its end", [pack(&[]), vec![1; 100]].concat(), "repository-damaged"),
        ("a wrong checksum", pack(&[object(3, 1, &deflate(b"x"))]), "repository-damaged"),
        ("a delta of nothing", pack(&[delta(10, &[0x90, 10])]), "repository-damaged"),
        ("no pack", b"HELLO, this is not a pack at all".to_vec(), "repository-damaged"),
    ];
    for (what, pack, code) in cases {
        let server = serving_pack(COMMIT, pack);
        let fault = fetched_from(&server, |_| {}).await;
        assert_eq!(fault.code, code, "{what}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_pack_without_end_is_cut_at_the_byte_limit() {
    let refs = advertisement(COMMIT);
    let server = Hostile::start(move |request, stream| {
        if request.starts_with("GET") {
            return stream.write_all(&refs);
        }
        stream.write_all(PACK_HEADER)?;
        stream.write_all(b"0008NAK\n")?;
        // Stored, not compressed, blocks of one huge file.
        stream.write_all(&side_band(&[pack_header(1), object_header(3, 100 << 20), vec![0x78, 0x01]].concat()))?;
        let block = [&[0, 0xff, 0x7f, 0x00, 0x80][..], &[7; 0x7fff]].concat();
        loop {
            stream.write_all(&side_band(&block))?;
        }
    });
    let fault = fetched_from(&server, |config| config.max_bytes = 4 << 20).await;
    assert_eq!(fault.code, "repository-too-large", "{fault}");
    assert!(fault.message.contains("4 MiB"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_list_of_refs_without_end_is_cut() {
    let server = Hostile::start(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n",
        )?;
        stream.write_all(b"001e# service=git-upload-pack\n0000")?;
        // Names of the longest kind, to reach the limit of bytes and not that of refs.
        let long = "x".repeat(60_000);
        for i in 0_u64.. {
            let line = format!("{COMMIT} refs/heads/{i:020}{long}\n");
            write!(stream, "{:04x}{line}", line.len() + 4)?;
        }
        Ok(())
    });
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(patient(&server.authority()), data.path().to_owned()).unwrap();
    let fault = fault(content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await);
    assert_eq!(fault.code, "repository-too-large", "{fault}");
    stayed_small(data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_compressed_answer_does_not_get_past_the_byte_limit() {
    let body = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"001e# service=git-upload-pack\n0000").unwrap();
        for i in 0..70 {
            let line = format!("{COMMIT} refs/heads/{i}{}\n", "x".repeat(65_000));
            write!(encoder, "{:04x}{line}", line.len() + 4).unwrap();
        }
        let line = format!("{COMMIT} refs/heads/end{}\n", "x".repeat(65_000));
        for _ in 0..1200 {
            write!(encoder, "{:04x}{line}", line.len() + 4).unwrap();
        }
        encoder.finish().unwrap()
    };
    assert!(body.len() < 1 << 20);
    let server = Hostile::start(move |_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Encoding: \
             gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)
    });
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(patient(&server.authority()), data.path().to_owned()).unwrap();
    let fault = fault(content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await);
    assert_eq!(fault.code, "repository-too-large", "{fault}");
    stayed_small(data.path());
}
