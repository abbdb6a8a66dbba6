//! Zip and tar files that mean harm, as records of an archive.

use crate::support::archive::Archive;
use crate::support::packed::{Member, member, tar_entry, tar_gz, zip};
use crate::support::{fault, paths};
use bindery_core::seams::ContentProvider;
use bindery_core::{Fault, FaultBy};
use serde_json::json;
use tar::EntryType;

/// What becomes of a record that is this one file.
async fn unpacked(name: &str, content: Vec<u8>) -> Result<Vec<String>, Fault> {
    let archive =
        Archive::with(|config| (config.max_bytes, config.max_blob, config.max_entries) = (1 << 20, 1 << 20, 1000));
    archive.json(
        "/api/records/1",
        json!({"id": 1, "files": [{"key": name, "size": content.len(), "links": {"self": format!("{}/content", archive.url())}}]}),
    );
    archive.file("/content", content);
    let result = archive.fetch("zenodo", "10.5281/zenodo.1").await;
    assert_eq!(archive.left_on_disk(), 0);
    result.map(|(tree, _)| paths(&*tree).into_iter().map(str::to_owned).collect())
}

fn regular(name: &str) -> Vec<u8> {
    tar_entry(name, EntryType::Regular, "", b"x")
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_leave_the_tree_refuse_the_record() {
    for name in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "//etc/passwd",
        "./../x",
        "a//b",
        "C:\\x",
        "..\\x",
        "a\\..\\x",
        "a/.GIT/config",
        "git~1/x",
        "a/\u{7}b",
    ] {
        let both = [
            unpacked("a.zip", zip(&[member("ok", "1"), member(name, "x")])).await,
            unpacked("a.tar.gz", tar_gz(&[regular("ok"), regular(name)])).await,
        ];
        for refused in both {
            assert_eq!(fault(refused).code, "unusable-path", "{name}");
        }
    }
    let not_text = Member { name: b"caf\xe9".to_vec(), ..member("", "x") };
    assert_eq!(fault(unpacked("a.zip", zip(&[not_text])).await).code, "unusable-path");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_only_written_oddly_are_taken() {
    let files = tar_gz(&[tar_entry("./", EntryType::Directory, "", b""), regular("./a"), regular("././b/c")]);
    assert_eq!(unpacked("a.tgz", files).await.unwrap(), ["a", "b/c"]);
    // Letter case tells files apart, as it does in git and in images.
    assert_eq!(
        unpacked("a.zip", zip(&[member("A", "1"), member("a", "2"), member("é", "3")])).await.unwrap(),
        ["A", "a", "é"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_there_once_and_is_one_thing() {
    let twice = [
        unpacked("a.zip", zip(&[member("a", "1"), member("a", "2")])).await,
        unpacked("a.tar.gz", tar_gz(&[regular("a"), regular("./a")])).await,
        unpacked("a.zip", zip(&[member("a", "1"), member("a/b", "2")])).await,
        // A link to somewhere, and then a file behind it.
        unpacked("a.tar.gz", tar_gz(&[tar_entry("d", EntryType::Symlink, "/etc", b""), regular("d/passwd")])).await,
        unpacked("a.zip", zip(&[Member { mode: 0o120_777, ..member("d", "/etc") }, member("d/passwd", "x")])).await,
    ];
    for refused in twice {
        assert_eq!(fault(refused).code, "unusable-path");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_links_and_never_what_they_point_at() {
    let archive = Archive::new();
    let content = tar_gz(&[
        tar_entry("out", EntryType::Symlink, "/etc/passwd", b""),
        regular("file"),
        tar_entry("again", EntryType::Link, "file", b""),
    ]);
    archive.json(
        "/api/records/1",
        json!({"id": 1, "files": [{"key": "a.tar.gz", "links": {"self": format!("{}/c", archive.url())}}]}),
    );
    archive.file("/c", content);
    let (tree, _) = archive.fetch("zenodo", "10.5281/zenodo.1").await.unwrap();
    assert_eq!(paths(&*tree), ["again", "file", "out"]);
    assert!(tree.read("out", 1000).is_err());
    assert_eq!(tree.link_target("out").unwrap(), b"/etc/passwd");
    assert_eq!(tree.read("again", 10).unwrap(), b"x");
    for target in ["/etc/passwd", "../x", "nothing", "out"] {
        let hard = tar_gz(&[tar_entry("h", EntryType::Link, target, b"")]);
        assert_eq!(fault(unpacked("a.tar.gz", hard).await).code, "unusable-path", "{target}");
    }
    let endless = Member { mode: 0o120_777, ..member("l", vec![b'x'; 5000]) };
    assert_eq!(fault(unpacked("a.zip", zip(&[endless])).await).code, "repository-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_pipes_refuse_the_record() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        assert_eq!(fault(unpacked("a.tar.gz", tar_gz(&[tar_entry("d", kind, "", b"")])).await).code, "unusable-path");
    }
    for mode in [0o020_644, 0o060_644, 0o010_644, 0o140_644] {
        assert_eq!(fault(unpacked("a.zip", zip(&[Member { mode, ..member("d", "") }])).await).code, "unusable-path");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_cost_no_more_than_the_limit() {
    let large = vec![0; 2 << 20];
    assert_eq!(fault(unpacked("a.zip", zip(&[member("a", large.clone())])).await).code, "repository-too-large");
    // One that says it is small unpacks to one byte more than it says, and no further.
    let liar = Member { claims: Some(10), ..member("a", large) };
    assert_eq!(fault(unpacked("a.zip", zip(&[liar])).await).code, "repository-damaged");
    let many: Vec<Member> = (0..1001).map(|n| member(&n.to_string(), "")).collect();
    assert_eq!(fault(unpacked("a.zip", zip(&many)).await).code, "repository-too-large");
    let deep = "a/".repeat(100);
    assert_eq!(fault(unpacked("a.zip", zip(&[member(&format!("{deep}x"), "")])).await).code, "repository-too-large");
    // Hard links to one large file.
    let links: Vec<Vec<u8>> = std::iter::once(tar_entry("f", EntryType::Regular, "", &vec![1; 300_000]))
        .chain((0..10).map(|n| tar_entry(&format!("l{n}"), EntryType::Link, "f", b"")))
        .collect();
    assert_eq!(fault(unpacked("a.tar.gz", tar_gz(&links)).await).code, "repository-too-large");
    // Headers that never come to a file.
    let comment = tar_entry("g", EntryType::XGlobalHeader, "", &vec![b'x'; 6_000_000]);
    assert_eq!(fault(unpacked("a.tar.gz", tar_gz(&[comment])).await).code, "repository-too-large");
    let name = tar_entry("././@LongLink", EntryType::GNULongName, "", &vec![b'x'; 1_000_000]);
    assert_eq!(fault(unpacked("a.tar.gz", tar_gz(&[name])).await).code, "repository-damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_zip_file_that_overlap_refuse_it() {
    // Many entries of the directory, all of them the same bytes.
    let content: Vec<u8> = (0..3000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let one = zip(&[member("0", content)]);
    let end = one.len() - 22;
    let directory = u32::from_le_bytes(one[end + 16..end + 20].try_into().unwrap()) as usize;
    let mut bomb = one[..directory].to_vec();
    let mut size = 0_u32;
    for n in 0..9_u8 {
        let mut entry = one[directory..end].to_vec();
        *entry.last_mut().unwrap() = b'0' + n;
        size += u32::try_from(entry.len()).unwrap();
        bomb.extend(entry);
    }
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&9_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&9_u16.to_le_bytes());
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    bomb.extend(tail);
    let refused = fault(unpacked("a.zip", bomb).await);
    assert_eq!(refused.code, "repository-damaged");
    assert!(refused.message.contains("overlap"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_so() {
    let locked = Member { flags: 1, ..member("a", "x") };
    assert_eq!(fault(unpacked("a.zip", zip(&[locked])).await).code, "repository-unsupported");
    let good = zip(&[member("a", "content of a file"), member("b", "more")]);
    for cut in [10, good.len() / 2, good.len() - 1] {
        assert_eq!(fault(unpacked("a.zip", good[..cut].to_vec()).await).code, "repository-damaged", "{cut}");
    }
    let mut wrong = good.clone();
    // Inside the first member's content.
    wrong[34] ^= 0x40;
    assert_eq!(fault(unpacked("a.zip", wrong).await).code, "repository-damaged");
    let whole = tar_gz(&[regular("a"), regular("b")]);
    assert_eq!(fault(unpacked("a.tar.gz", whole[..whole.len() / 2].to_vec()).await).code, "repository-damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_names_are_put_together() {
    let long = format!("{}/file", "d".repeat(200));
    let gnu =
        [tar_entry("././@LongLink", EntryType::GNULongName, "", format!("{long}\0").as_bytes()), regular("short")];
    assert_eq!(unpacked("a.tar.gz", tar_gz(&gnu)).await.unwrap(), ["file"]);
    let record = format!("path={long}\n");
    let length = record.len() + 4;
    let pax = [
        tar_entry("x", EntryType::XHeader, "", format!("{length} {record}").as_bytes()),
        regular("short"),
        regular("top"),
    ];
    assert_eq!(unpacked("a.tar.gz", tar_gz(&pax)).await.unwrap(), [long.as_str(), "top"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_makes_unpacking_fail_of_itself() {
    let archive =
        Archive::with(|config| (config.max_bytes, config.max_blob, config.max_entries) = (1 << 20, 1 << 20, 100));
    let link = Member { mode: 0o120_777, deflate: false, ..member("d/l", "a") };
    let zipped = zip(&[member("d/a", "some content, some content"), link]);
    let long = tar_entry("././@LongLink", EntryType::GNULongName, "", b"d/name\0");
    let pax = tar_entry("x", EntryType::XHeader, "", b"12 path=d/b\n");
    let mut plain = [long, regular("x"), pax, regular("x"), tar_entry("h", EntryType::Link, "d/b", b"")].concat();
    plain.extend([0; 1024]);
    for (name, good) in [("a.zip", zipped), ("a.tar", plain)] {
        let file = json!({"key": name, "links": {"self": format!("{}/content", archive.url())}});
        let id = u64::try_from(good.len()).unwrap();
        archive.json(&format!("/api/records/{id}"), json!({"id": id, "files": [file]}));
        let resolved = archive.resolve("zenodo", &format!("10.5281/zenodo.{id}")).await.unwrap();
        archive.file("/content", good.clone());
        assert!(archive.content.fetch(&resolved).await.is_ok(), "{name}");
        // Of a tar file's padding, only some.
        let places = (0..good.len()).filter(|at| name == "a.zip" || good[*at] != 0 || at % 64 == 0);
        for at in places {
            for change in [0x01, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= change;
                archive.file("/content", bad);
                if let Err(refused) = archive.content.fetch(&resolved).await {
                    assert_ne!(refused.by, FaultBy::Us, "{name} at {at}: {refused:?}");
                }
            }
        }
    }
}
