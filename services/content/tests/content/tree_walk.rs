//! Security reference B1 and B2: what a repository's trees may hold.

use std::process::{Command, Stdio};

use crate::support::hostile::serving_pack;
use crate::support::repos::{Repo, file, symlink};
use crate::support::{Site, allowing, fault, git_spec, paths};
use bindery_content::{HostedContent, Limits, local_tree};
use bindery_core::seams::ContentProvider;
use bindery_core::{EntryKind, Fault, FaultBy, Tree, TreeError};
use proptest::prelude::*;

const CANARY: &str = "CANARY-a9f3e1";

/// A pack of exactly those objects, however they hang together.
fn pack_of(repo: &Repo, ids: &[String]) -> Vec<u8> {
    let mut child = Command::new("git")
        .arg(format!("--git-dir={}", repo.path().display()))
        .args(["pack-objects", "--stdout", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), ids.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let mut bytes = format!("{mode} ").into_bytes();
    bytes.extend(name);
    bytes.push(0);
    bytes.extend(hex::decode(id).unwrap());
    bytes
}

/// A repository being made object by object.
struct Workshop {
    _root: tempfile::TempDir,
    repo: Repo,
    objects: Vec<String>,
}

impl Workshop {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let repo = Repo::create(root.path(), "r").unwrap();
        Self { _root: root, repo, objects: Vec::new() }
    }

    fn object(&mut self, kind: &str, content: &[u8]) -> String {
        let id = self.repo.object(kind, content).unwrap();
        self.objects.push(id.clone());
        id
    }

    /// The result of fetching a commit of `tree` from a server that hands out what was made here.
    async fn fetch(&mut self, tree: &str) -> Result<Vec<String>, Fault> {
        let commit = self.repo.commit_tree(tree).unwrap();
        self.objects.push(commit.clone());
        let server = serving_pack(&commit, pack_of(&self.repo, &self.objects));
        let data = tempfile::tempdir().unwrap();
        let content = HostedContent::new(allowing(&server.authority()), data.path().to_owned()).unwrap();
        let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await?;
        let (tree, _) = content.fetch(&resolved).await?;
        Ok(paths(&*tree).into_iter().map(str::to_owned).collect())
    }
}

fn links() -> Vec<(&'static str, String)> {
    vec![
        ("apt.txt", "/proc/self/environ".to_owned()),
        ("Dockerfile", "../../../../root/.docker/config.json".to_owned()),
        ("requirements.txt", "secret.txt".to_owned()),
        ("runtime.txt", "runtime.txt".to_owned()),
        ("environment.yml", "loop.yml".to_owned()),
        ("loop.yml", "environment.yml".to_owned()),
        ("postBuild", "./a/../secret.txt".to_owned()),
        ("start", "/dev/zero".to_owned()),
        ("install.R", "missing".to_owned()),
        ("binder", "/etc".to_owned()),
        (".binder", "a".to_owned()),
        ("a/setup.py", "../secret.txt".to_owned()),
        ("long", "x/".repeat(3000)),
    ]
}

fn links_are_never_followed(tree: &dyn Tree) {
    for (name, target) in links() {
        assert_eq!(tree.entry(name).unwrap().kind, EntryKind::Symlink, "{name}");
        let error = tree.read(name, 1 << 20).unwrap_err();
        assert!(matches!(error, TreeError::NotAFile(_)), "{name}");
        let shown = format!("{error} {error:?} {}", bindery_core::Fault::user("x", error.to_string()));
        assert!(!shown.contains(CANARY) && (target.len() < 15 || !shown.contains(&target)), "{shown}");
        match tree.link_target(name) {
            Ok(found) => assert_eq!(found, target.as_bytes()),
            Err(error) => assert!(target.len() > 4096 && matches!(error, TreeError::TooLarge { .. }), "{name}"),
        }
        // Nothing lies behind a link, not even a path that a filesystem would find there.
        assert!(!tree.has_directory(name) && tree.entry(&format!("{name}/passwd")).is_none());
        assert!(matches!(tree.read(&format!("{name}/passwd"), 100), Err(TreeError::Missing(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_link_in_any_shape_is_never_read_as_a_file() {
    let site = Site::new();
    let mut files = vec![file("secret.txt", CANARY), file("a/kept", "x")];
    // git's own tools cannot hold the overlong one in a path, but in an object.
    files.extend(links().iter().map(|(name, target)| symlink(name, target)));
    Repo::with_files(site.root.path(), "r", &files).unwrap();
    let (tree, _) = site.fetch("r", "HEAD").await.unwrap();
    links_are_never_followed(&*tree);
    assert_eq!(tree.read("secret.txt", 100).unwrap(), CANARY.as_bytes());
}

#[test]
fn b1_nor_in_a_directory_on_disk() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("passwd"), CANARY).unwrap();
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir_all(at("a/b")).unwrap();
    std::fs::create_dir_all(at(".git")).unwrap();
    std::fs::write(at(".git/config"), CANARY).unwrap();
    std::fs::write(at("secret.txt"), CANARY).unwrap();
    std::fs::write(at("a/b/file"), "content").unwrap();
    std::fs::write(at("a/passwd"), "plain").unwrap();
    for (name, target) in links().into_iter().filter(|(_, target)| target.len() < 4096) {
        std::os::unix::fs::symlink(target, at(name)).unwrap();
    }
    let tree = local_tree(root.path(), Limits::default()).unwrap();
    for (name, _) in links().into_iter().filter(|(_, target)| target.len() < 4096) {
        assert!(matches!(tree.read(name, 1 << 20), Err(TreeError::NotAFile(_))), "{name}");
        assert!(!tree.has_directory(name));
    }
    assert_eq!(tree.link_target("binder").unwrap(), b"/etc");
    assert_eq!(tree.read("a/b/file", 10).unwrap(), b"content");
    assert!(paths(&*tree).iter().all(|path| !path.contains(".git")));

    // A directory that becomes a link after it was listed leads nowhere either.
    std::fs::rename(at("a"), at("moved")).unwrap();
    std::os::unix::fs::symlink(outside.path(), at("a")).unwrap();
    let error = tree.read("a/passwd", 100).unwrap_err();
    assert!(matches!(error, TreeError::Unreadable { .. }), "{error}");
    // A file that becomes a link, or grows, or shrinks.
    std::fs::remove_file(at("secret.txt")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("passwd"), at("secret.txt")).unwrap();
    assert!(matches!(tree.read("secret.txt", 100), Err(TreeError::Unreadable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_names_that_could_be_taken_for_something_else_refuse_the_repository() {
    let names: Vec<Vec<u8>> = vec![
        b"..".to_vec(),
        b".".to_vec(),
        b"".to_vec(),
        b".git".to_vec(),
        b".GIT".to_vec(),
        b".Git".to_vec(),
        b"git~1".to_vec(),
        b"GIT~1".to_vec(),
        b".git.".to_vec(),
        b".git ".to_vec(),
        b".git...".to_vec(),
        b".git::$INDEX_ALLOCATION".to_vec(),
        ".g\u{200c}it".into(),
        ".\u{200d}git".into(),
        ".git\u{feff}".into(),
        b"a/b".to_vec(),
        b"/etc/passwd".to_vec(),
        b"../x".to_vec(),
        b"a\\b".to_vec(),
        b"..\\x".to_vec(),
        b"a\nb".to_vec(),
        b"a\rb".to_vec(),
        b"a\x1b[31mb".to_vec(),
        b"a\x7f".to_vec(),
        "a\u{85}b".into(),
        b"\xff\xfe".to_vec(),
        b"caf\xe9".to_vec(),
        b"\xc0\xae\xc0\xae".to_vec(),
        vec![b'a'; 256],
        vec![b'a'; 5000],
    ];
    for (index, name) in names.into_iter().enumerate() {
        for mode in if index < 4 { &["100644", "40000", "120000"][..] } else { &["100644"] } {
            let mut workshop = Workshop::new();
            let inner = match *mode {
                "40000" => workshop.object("tree", b""),
                _ => workshop.object("blob", CANARY.as_bytes()),
            };
            let tree = workshop.object("tree", &entry(mode, &name, &inner));
            let fault = fault(workshop.fetch(&tree).await);
            let shown = String::from_utf8_lossy(&name).into_owned();
            assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "unusable-path"), "{mode} {shown:?}: {fault}");
            assert!(!fault.to_string().contains(['\n', '\r', '\u{1b}']) && fault.to_string().len() < 500, "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_trees_that_contradict_themselves_refuse_the_repository() {
    let blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let two = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("the same file twice", two(entry("100644", b"a", blob), entry("100644", b"a", blob)), "unusable-path"),
        ("a file and a link", two(entry("100644", b"a", blob), entry("120000", b"a", blob)), "unusable-path"),
        ("a file and a directory", two(entry("100644", b"a", blob), entry("40000", b"a", empty)), "unusable-path"),
        (
            "twice, apart",
            [entry("100644", b"a", blob), entry("100644", b"a.b", blob), entry("40000", b"a", empty)].concat(),
            "unusable-path",
        ),
        ("unsorted", two(entry("100644", b"b", blob), entry("100644", b"a", blob)), "repository-damaged"),
        ("mode 100600", entry("100600", b"a", blob), "repository-damaged"),
        ("mode 100777", entry("100777", b"a", blob), "repository-damaged"),
        ("setuid", entry("104755", b"a", blob), "repository-damaged"),
        ("a device", entry("60644", b"a", blob), "repository-damaged"),
        ("a socket", entry("140000", b"a", blob), "repository-damaged"),
        ("a padded mode", entry("040000", b"a", empty), "repository-damaged"),
        ("a signed mode", entry("+100644", b"a", blob), "repository-damaged"),
        ("no mode", entry("", b"a", blob), "repository-damaged"),
        ("a directory that is a file", entry("40000", b"a", blob), "repository-damaged"),
        ("a file that is a directory", entry("100644", b"a", empty), "repository-damaged"),
        ("an object that is not there", entry("100644", b"a", &"1".repeat(40)), "repository-damaged"),
        ("cut short", entry("100644", b"a", blob)[..20].to_vec(), "repository-damaged"),
        ("no end of a name", b"100644 a".to_vec(), "repository-damaged"),
        ("no space", b"100644".to_vec(), "repository-damaged"),
    ];
    for (what, tree, code) in cases {
        let mut workshop = Workshop::new();
        workshop.object("blob", b"");
        workshop.object("tree", b"");
        let tree = workshop.object("tree", &tree);
        let fault = fault(workshop.fetch(&tree).await);
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, code), "{what}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_path_over_four_kilobytes_refuses_the_repository() {
    let mut workshop = Workshop::new();
    let mut inner = workshop.object("blob", b"");
    for level in 0..20 {
        let mode = if level == 0 { "100644" } else { "40000" };
        inner = workshop.object("tree", &entry(mode, &[b'a'; 250], &inner));
    }
    assert_eq!(fault(workshop.fetch(&inner).await).code, "unusable-path");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_commit_that_is_none_refuses_the_repository() {
    for content in ["", "tree \n", "tree zz\n", "parent x\n", "tree 4b825dc642cb6eb9a060e54bf8d69288fbee49\n"] {
        let mut workshop = Workshop::new();
        workshop.object("tree", b"");
        let commit = workshop.object("commit", content.as_bytes());
        let server = serving_pack(&commit, pack_of(&workshop.repo, &workshop.objects));
        let data = tempfile::tempdir().unwrap();
        let content = HostedContent::new(allowing(&server.authority()), data.path().to_owned()).unwrap();
        let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await.unwrap();
        assert_eq!(fault(content.fetch(&resolved).await).code, "repository-damaged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_objects_that_are_not_what_their_id_says_are_not_found() {
    // The server claims a commit and hands out another.
    let mut workshop = Workshop::new();
    let tree = workshop.object("tree", b"");
    let other = workshop.repo.commit_tree(&tree).unwrap();
    workshop.objects.push(other);
    let server = serving_pack(&"a".repeat(40), pack_of(&workshop.repo, &workshop.objects));
    let data = tempfile::tempdir().unwrap();
    let content = HostedContent::new(allowing(&server.authority()), data.path().to_owned()).unwrap();
    let resolved = content.resolve(&git_spec(&format!("{}/r", server.url()), "HEAD")).await.unwrap();
    assert_eq!(fault(content.fetch(&resolved).await).code, "commit-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_and_merely_odd_names_are_kept_as_they_are() {
    let site = Site::new();
    let names = [
        ".github/workflows/x.yml",
        ".gitignore",
        "a b/c d",
        "ä/ö.txt",
        "日本語.md",
        "--help",
        "~",
        "$HOME",
        "a'b\"c",
        "x:y",
        "CON",
    ];
    let files: Vec<_> = names.iter().map(|name| file(name, *name)).collect();
    Repo::with_files(site.root.path(), "r", &files).unwrap();
    let (tree, _) = site.fetch("r", "HEAD").await.unwrap();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(paths(&*tree), expected);
    for name in names {
        assert_eq!(tree.read(name, 100).unwrap(), name.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn b2_no_tree_is_accepted_that_fsck_would_refuse(
        entries in proptest::collection::vec(
            ("100644|100755|120000|40000|160000|100664|100600|040000|0", "[ab.gitGIT~1 /]{0,5}|\\.git|\\.\\.|a|b"),
            0..5,
        ),
        sort in any::<bool>(),
    ) {
        let mut workshop = Workshop::new();
        let blob = workshop.object("blob", b"");
        let empty = workshop.object("tree", b"");
        let mut entries = entries;
        if sort {
            entries.sort_by_key(|(mode, name)| if mode.ends_with("40000") { format!("{name}/") } else { name.clone() });
        }
        let tree: Vec<u8> = entries
            .iter()
            .flat_map(|(mode, name)| {
                let id = match mode.as_str() { "40000" | "040000" => &empty, _ => &blob };
                entry(mode, name.as_bytes(), id)
            })
            .collect();
        let tree = workshop.object("tree", &tree);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let accepted = runtime.block_on(workshop.fetch(&tree)).is_ok();
        if accepted {
            // Of 100664 fsck says, when strict, that it is not written any more; git reads it as 100644, and so do we.
            let fsck = workshop.repo.git(&["-c", "fsck.badFilemode=ignore", "fsck", "--strict", "--no-dangling"], b"");
            // A submodule's commit is elsewhere, which is no concern of fsck's.
            prop_assert!(fsck.is_ok(), "{entries:?}: {fsck:?}");
        }
    }
}
