//! Where content comes from: refs, submodules, large files.

use bindery_tests::engine::Engine;
use bindery_tests::git_server::{GitServer, LARGE};
use bindery_tests::repos::{Repo, RepoFile, file, submodule};

use crate::support::{Image, Workshop, inspect};

/// A Git server over a directory of repositories, and a workshop that may fetch from it.
fn site(test: &str, settings: &[(&str, &str)]) -> Option<(std::sync::Arc<Workshop>, GitServer, tempfile::TempDir)> {
    Engine::find(test)?;
    let root = tempfile::tempdir().unwrap();
    let git = GitServer::start(root.path()).unwrap();
    let authority = git.authority();
    let settings = [&[("CONTENT__ALLOW_HOSTS", authority.as_str())], settings].concat();
    Some((Workshop::with(test, &settings)?, git, root))
}

#[test]
fn a46_every_form_of_ref_gives_its_commit_without_the_history_behind_it() {
    // The first commit alone is larger than all that may be fetched.
    let Some((workshop, git, root)) = site("a46", &[("CONTENT__MAX_BYTES", "300000")]) else { return };
    let repo = Repo::create(root.path(), "refs").unwrap();
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let large = repo.commit("main", &[file("big", noise)]).unwrap();
    let first = repo.commit("main", &[file("big", "small"), file("which", "first")]).unwrap();
    let second = repo.commit("main", &[file("which", "second")]).unwrap();
    repo.branch("release/v1", &first).unwrap();
    repo.tag("v1", &second).unwrap();
    repo.annotated_tag("v2", &first).unwrap();
    let address = format!("{}/refs", git.url());
    for (reference, commit) in [
        ("HEAD", &second),
        ("main", &second),
        ("release/v1", &first),
        ("origin/release/v1", &first),
        ("v1", &second),
        ("v2", &first),
        (&first[..8], &first),
        (&first, &first),
        // The default branch, by its other name.
        ("master", &second),
    ] {
        let image = workshop
            .try_build_target(&[&address, "--ref", reference])
            .unwrap_or_else(|failure| panic!("{reference}: {failure:#?}"));
        assert_eq!(&image.inspect("{{index .Config.Labels \"io.bindery.commit\"}}"), commit, "{reference}");
        let which = if *commit == second { "second" } else { "first" };
        if reference == "HEAD" || reference == "release/v1" {
            assert_eq!(image.sh("cat which"), which, "{reference}");
        }
    }
    let failure = workshop.try_build_target(&[&address, "--ref", &large]).expect_err("it is too large");
    assert!(failure.told.contains("too large"), "{failure:#?}");
    let failure = workshop.try_build_target(&[&address, "--ref", "relase/v1"]).expect_err("there is no such ref");
    assert!(failure.told.contains("release/v1"), "{failure:#?}");
}

#[test]
fn a47_submodules_are_there_at_the_commit_that_is_recorded() {
    let Some((workshop, git, root)) = site("a47", &[("CONTENT__SUBMODULES", "true")]) else { return };
    let inner = Repo::create(root.path(), "inner").unwrap();
    let recorded = inner.commit("main", &[file("which", "recorded")]).unwrap();
    inner.commit("main", &[file("which", "later")]).unwrap();
    let modules = format!("[submodule \"inner\"]\n\tpath = lib/inner\n\turl = {}/inner\n", git.url());
    let outer = Repo::create(root.path(), "outer").unwrap();
    outer.commit("plain", &[file("top", "top")]).unwrap();
    let files = [file("top", "top"), file(".gitmodules", modules), submodule("lib/inner", &recorded)];
    outer.commit("main", &files).unwrap();
    let address = format!("{}/outer", git.url());
    let build = |reference| workshop.try_build_target(&[&address, "--ref", reference]);
    assert_eq!(build("main").unwrap().sh("cat lib/inner/which"), "recorded");
    // `work` is the base's.
    assert_eq!(build("plain").unwrap().sh("ls"), "top\nwork");
}

#[test]
fn a47_large_files_are_there_and_not_their_pointers() {
    let Some((workshop, git, root)) = site("a47", &[]) else { return };
    let content = b"a,b\n1,2\n";
    // The SHA-256 of that content.
    let sha256 = "492d5ea496056f1a6a6592241032fab764c321596317930b4fa0e1e8bc3b7470";
    let directory = root.path().join(LARGE);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(sha256), content).unwrap();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {}\n", content.len());
    let files = [file(".gitattributes", "*.csv filter=lfs diff=lfs merge=lfs -text\n"), file("data/a.csv", pointer)];
    Repo::with_files(root.path(), "large", &files).unwrap();
    let image = workshop.try_build_target(&[&format!("{}/large", git.url())]).unwrap();
    assert_eq!(image.sh("cat data/a.csv"), "a,b\n1,2");
}

#[test]
fn a49_equal_environment_files_of_different_owners_are_one_environment_image() {
    let Some((workshop, git, root)) = site("a49", &[]) else { return };
    let environment = [file("requirements.txt", "toolz==1.0.0\n"), file("apt.txt", "hello\n")];
    let of = |owner: &str, more: RepoFile| {
        let name = format!("{owner}/notebooks");
        Repo::with_files(root.path(), &name, &[environment.as_slice(), &[more]].concat()).unwrap();
        workshop.try_build_target(&[&format!("{}/{name}", git.url())]).unwrap()
    };
    let one = of("alice", file("index.ipynb", "{}"));
    let other = of("bob", file("README.md", "hello"));
    let digest = |image: &Image| inspect(&workshop.engine, &image.environment(), "{{.Id}}");
    assert!(digest(&one).starts_with("sha256:"));
    assert_eq!(digest(&one), digest(&other));
    assert!(one.log.contains("Building the environment") && !one.log.contains("Environment unchanged"), "{}", one.log);
    assert!(other.log.contains("Environment unchanged"), "{}", other.log);
    assert_ne!(one.inspect("{{.Id}}"), other.inspect("{{.Id}}"));
}
