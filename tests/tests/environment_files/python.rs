//! Python projects and lock files. Every package is small and pure; those of the locks that name where they come from are in an index
//! that `tests/index.py` makes.

use std::sync::Arc;

use bindery_tests::repos::{RepoFile, file};

use crate::index::Index;
use crate::support::{Image, Workshop};

/// A workshop whose images are tried before they are called built.
fn workshop(test: &str) -> Option<Arc<Workshop>> {
    Workshop::with(test, &[("BUILD__PROBE", "true")])
}

#[track_caller]
fn build(test: &str, files: &[RepoFile]) -> Option<Image> {
    Some(workshop(test)?.build(files))
}

/// What a Python program prints in the image, run at the top of the file system.
#[track_caller]
fn python(image: &Image, program: &str) -> String {
    let ran = image.run_with(&["--workdir", "/"], &["python", "-c", program]);
    assert_eq!(ran.code, Some(0), "{program}: {ran:#?}");
    ran.out
}

/// The hashes of the wheels of `six` 1.17.0 and `iniconfig` 2.0.0.
const SIX: &str = "sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";
const INICONFIG: &str = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374";

const BUILD: &str = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";

/// Prints the version of each, or `-` for one that is not there.
fn versions(names: &[&str]) -> String {
    format!(
        "import importlib.metadata as m\ndef v(n):\n    try:\n        return m.version(n)\n    except m.PackageNotFoundError:\n        return '-'\n\
         print(*[v(n) for n in {names:?}])"
    )
}

/// A project of one module.
fn project(name: &str, more: &str) -> Vec<RepoFile> {
    let text = format!("[project]\nname = \"{name}\"\nversion = \"1\"\n{more}");
    vec![file("pyproject.toml", text), file(&format!("{name}.py"), format!("who = '{name}'\n"))]
}

#[test]
fn a19_a_project_without_a_build_system_has_its_dependencies() {
    let files = project("dummy", "dependencies = [\"six==1.17.0\"]\n[dependency-groups]\ndev = [\"toolz\"]\n");
    let Some(image) = build("a19", &files) else { return };
    assert_eq!(python(&image, &versions(&["six", "dummy", "toolz"])), "1.17.0 - -");
}

#[test]
fn a_project_with_a_build_system_is_importable_from_anywhere_and_leaves_nothing_beside_its_sources() {
    let files = project("dummy", &format!("dependencies = [\"six==1.17.0\"]\n{BUILD}"));
    let Some(image) = build("a19-built", &files) else { return };
    assert_eq!(python(&image, &versions(&["six", "dummy"])), "1.17.0 1");
    assert_eq!(python(&image, "import dummy; print(dummy.who)"), "dummy");
    assert_eq!(
        python(&image, "import os; print(sorted(os.listdir('/home/jovyan'))[-3:])"),
        "['dummy.py', 'pyproject.toml', 'work']"
    );
}

/// A workspace with an extra and a group of tools, all from `index`; its root needs these.
fn workspace(index: &Index, needs: &str) -> Vec<RepoFile> {
    let url = index.url();
    let root = format!(
        "requires-python = \">=3.11\"\ndependencies = [{needs}]\n[dependency-groups]\ndev = [\"ibis\"]\n{BUILD}\
         [tool.setuptools]\npy-modules = [\"whole\"]\n[tool.uv.workspace]\nmembers = [\"packages/member\"]\n\
         [tool.uv.sources]\nmember = {{ workspace = true }}\n[[tool.uv.index]]\nurl = \"{url}\"\n"
    );
    let member = format!("requires-python = \">=3.11\"\ndependencies = [\"kite[tail]\"]\n{BUILD}");
    let member = project("member", &member).into_iter().map(|file| file.below("packages/member"));
    project("whole", &root).into_iter().chain(member).collect()
}

#[test]
fn a20_a_uv_lock_with_a_workspace_extras_and_a_group_is_what_is_there() {
    let (Some(index), Some(workshop)) = (Index::find("a20"), workshop("a20")) else { return };
    let files = workspace(&index, "\"heron\", \"member\"");
    // Of two versions the older one.
    let lock = index.sh(&files, "uv lock -q --upgrade-package heron==1.0 --upgrade-package ibis==1.0; cat uv.lock");
    let image = workshop.build(&[files.as_slice(), &[file("uv.lock", &lock)]].concat());
    let names = ["heron", "ibis", "kite", "wing", "whole", "member"];
    assert_eq!(python(&image, &versions(&names)), "1.0 1.0 1.0 1.0 1 1");
    let program = "import whole, member; print(whole.__file__, member.__file__)";
    assert_eq!(python(&image, program), "/home/jovyan/whole.py /home/jovyan/packages/member/member.py");

    let failed = workshop.try_build(&[files.as_slice(), &[file("uv.lock", wrong_hash(&lock))]].concat());
    let failed = failed.expect_err("another file than the locked one");
    assert!(failed.log.contains("Hash mismatch"), "{}", failed.log);
    // A lock of what the project asked for before.
    let more = workspace(&index, "\"heron\", \"member\", \"wing\"");
    let failed = workshop.try_build(&[more.as_slice(), &[file("uv.lock", &lock)]].concat());
    let failed = failed.expect_err("the lock is not of this project");
    assert!(failed.log.contains("uv.lock") && failed.log.contains("needs to be updated"), "{}", failed.log);
}

#[test]
fn a21_a_pylock_is_installed_exactly_and_its_hashes_are_checked() {
    let (Some(index), Some(workshop)) = (Index::find("a21"), workshop("a21")) else { return };
    let script = format!(
        "uv pip compile -q --python-version 3.11 --default-index {} --format pylock.toml --no-header needs.in",
        index.url()
    );
    let lock = index.sh(&[file("needs.in", "heron==1.0\nkite[tail]\n")], &script);
    let loose = file("requirements.txt", "heron==2.0\nibis\n");
    let image = workshop.build(&[file("pylock.toml", &lock), loose.clone()]);
    assert_eq!(python(&image, &versions(&["heron", "kite", "wing", "ibis"])), "1.0 1.0 1.0 -");
    assert!(image.log.contains("Not using requirements.txt: pylock.toml"), "{}", image.log);
    let failed = workshop.try_build(&[file("pylock.toml", wrong_hash(&lock)), loose]);
    let failed = failed.expect_err("another file than the locked one");
    assert!(failed.log.contains("Hash mismatch"), "{}", failed.log);
}

/// A lock file whose first hash is of another file.
fn wrong_hash(lock: &str) -> String {
    let place = lock.find("sha256").unwrap();
    let digits = lock.get(place..).unwrap().char_indices().skip(6).find(|(_, c)| c.is_ascii_hexdigit()).unwrap();
    let (at, old) = (place + digits.0, digits.1);
    let new = if old == '0' { "1" } else { "0" };
    format!("{}{new}{}", lock.get(..at).unwrap(), lock.get(at + 1..).unwrap())
}

#[test]
fn a22_what_poetry_locks_is_what_is_there() {
    let lock = format!(
        "[[package]]\nname = \"six\"\nversion = \"1.17.0\"\noptional = false\ngroups = [\"dev\"]\nfiles = [{{file = \"x\", hash = \"{SIX}\"}}]\n\n\
         [[package]]\nname = \"iniconfig\"\nversion = \"2.0.0\"\noptional = false\ngroups = [\"main\"]\nfiles = [{{file = \"x\", hash = \"{INICONFIG}\"}}]\n\n\
         [metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\n"
    );
    let own =
        "[tool.poetry]\nname = \"list\"\nversion = \"1\"\n[tool.poetry.dependencies]\npython = \"^3.9\"\nsix = \"*\"\n";
    let Some(image) = build("a22", &[file("poetry.lock", lock.as_str()), file("pyproject.toml", own)]) else { return };
    assert_eq!(python(&image, &versions(&["iniconfig", "list"])), "2.0.0 -");
    let wrong = lock.replace("b6a85871", "b6a85872");
    let files = [file("poetry.lock", wrong), file("pyproject.toml", own)];
    let failed = image.workshop.try_build(&files).expect_err("another file than the locked one");
    assert!(failed.log.contains("Hash mismatch"), "{}", failed.log);
}

#[test]
fn a22_what_pdm_locks_is_what_is_there() {
    let lock = format!(
        "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.0\"\n\n[[package]]\nname = \"iniconfig\"\nversion = \"2.0.0\"\n\
         groups = [\"default\"]\nfiles = [{{file = \"x\", hash = \"{INICONFIG}\"}}]\n"
    );
    let own = project("list", "dependencies = [\"iniconfig\"]\n[tool.pdm]\ndistribution = false\n");
    let files = [own.as_slice(), &[file("pdm.lock", lock)]].concat();
    let Some(image) = build("a22", &files) else { return };
    assert_eq!(python(&image, &versions(&["iniconfig", "list"])), "2.0.0 -");
}

#[test]
fn a24_a_pipfile_lock_wins_and_brings_development_packages() {
    let lock = format!(
        "{{\"_meta\": {{}}, \"default\": {{\"six\": {{\"version\": \"==1.17.0\", \"hashes\": [\"{SIX}\"]}}}}, \
         \"develop\": {{\"iniconfig\": {{\"version\": \"==2.0.0\", \"hashes\": [\"{INICONFIG}\"]}}}}}}"
    );
    let files = [file("Pipfile.lock", lock), file("Pipfile", "[packages]\ntoolz = \"*\"\n")];
    let Some(image) = build("a24", &files) else { return };
    assert_eq!(python(&image, &versions(&["six", "iniconfig", "toolz"])), "1.17.0 2.0.0 -");
}

#[test]
fn a25_a_pipfile_is_all_that_is_installed() {
    let setup = "from setuptools import setup\nsetup(name='dummy', version='1', py_modules=['dummy'])\n";
    let files = [
        file("Pipfile", "[packages]\nsix = \"==1.17.0\"\n[dev-packages]\niniconfig = \"*\"\n"),
        file("requirements.txt", "toolz\n"),
        file("setup.py", setup),
        file("dummy.py", ""),
    ];
    let Some(image) = build("a25", &files) else { return };
    assert!(python(&image, &versions(&["six", "toolz", "dummy"])) == "1.17.0 - -");
    assert!(image.log.contains("Not using requirements.txt: Pipfile decides"), "{}", image.log);
}

#[test]
fn a26_a_path_in_a_pipfile_is_taken_from_where_it_lies() {
    let setup = "from setuptools import setup\nsetup(name='dummy', version='1', py_modules=['dummy'])\n";
    let files = [
        file("binder/Pipfile", "[packages]\ndummy = {path = \"..\", editable = true}\n"),
        file("setup.py", setup),
        file("dummy.py", "who = 'dummy'\n"),
    ];
    let Some(image) = build("a26", &files) else { return };
    assert_eq!(python(&image, "import dummy; print(dummy.__file__)"), "/home/jovyan/dummy.py");
}
