//! Python projects and lock files on a real engine: each row of the table of required behaviour is a test, whose name begins with the
//! row's id. Every package is small and pure.
//!
//! A second interpreter is what no test machine has, so kernels with a Python of their own are pictures of plans in `buildpacks`.

use std::path::Path;
use std::process::Command;

use bindery_tests::engine::Engine;
use bindery_tests::service::binary;

type File = (String, String);

fn file(path: &str, content: impl Into<String>) -> File {
    (path.to_owned(), content.into())
}

/// What became of a build.
struct Built {
    engine: Engine,
    prefix: String,
    /// The image, or nothing when the build failed.
    image: Option<String>,
    /// Everything it said.
    log: String,
}

impl Drop for Built {
    fn drop(&mut self) {
        let filter = format!("reference={}/*", self.prefix);
        let listed = self.engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &filter]);
        for image in listed.unwrap_or_default().lines() {
            // Another may stand on it and take it along.
            let _ = self.engine.docker(&["rmi", "--force", image]);
        }
    }
}

/// Builds these files as a person would.
fn try_build(test: &str, files: &[File]) -> Option<Built> {
    let engine = Engine::find(test)?;
    let directory = tempfile::tempdir().unwrap();
    let (content, data) = (directory.path().join("content"), directory.path().join("data"));
    for (path, text) in files {
        let path = content.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let prefix = format!("bindery-test-{}", uuid::Uuid::new_v4().simple());
    let output = Command::new(binary().unwrap())
        .args(["build", content.to_str().unwrap()])
        .env("DOCKER_HOST", &engine.docker_host)
        .env("BINDERY__DATA_DIR", &data)
        .env("BINDERY__BUILD__BASE_IMAGE", &engine.base_image)
        .env("BINDERY__REGISTRY__PREFIX", &prefix)
        .env("BINDERY__IMAGES__MIN_FREE_BYTES", "1000000")
        .env("BINDERY__IMAGES__MIN_FREE_PERCENT", "0")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let image = output.status.success().then(|| text(&output.stdout));
    Some(Built { engine, prefix, image, log: text(&output.stderr) })
}

#[track_caller]
fn build(test: &str, files: &[File]) -> Option<Built> {
    let built = try_build(test, files)?;
    assert!(built.image.is_some(), "{}", built.log);
    Some(built)
}

impl Built {
    /// What a Python program prints in the image, run at the top of the file system.
    #[track_caller]
    fn python(&self, program: &str) -> String {
        let image = self.image.as_deref().unwrap();
        let words = ["run", "--rm", "--network", "none", "--workdir", "/", image, "python", "-c", program];
        self.engine.docker(&words).unwrap().trim().to_owned()
    }
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
fn project(name: &str, more: &str) -> Vec<File> {
    let text = format!("[project]\nname = \"{name}\"\nversion = \"1\"\n{more}");
    vec![file("pyproject.toml", text), file(&format!("{name}.py"), format!("who = '{name}'\n"))]
}

#[test]
fn a19_a_project_without_a_build_system_has_its_dependencies() {
    let files = project("dummy", "dependencies = [\"six==1.17.0\"]\n[dependency-groups]\ndev = [\"toolz\"]\n");
    let Some(image) = build("a19", &files) else { return };
    assert_eq!(image.python(&versions(&["six", "dummy", "toolz"])), "1.17.0 - -");
}

#[test]
fn a_project_with_a_build_system_is_importable_from_anywhere_and_leaves_nothing_beside_its_sources() {
    let files = project("dummy", &format!("dependencies = [\"six==1.17.0\"]\n{BUILD}"));
    let Some(image) = build("a19-built", &files) else { return };
    assert_eq!(image.python(&versions(&["six", "dummy"])), "1.17.0 1");
    assert_eq!(image.python("import dummy; print(dummy.who)"), "dummy");
    assert_eq!(
        image.python("import os; print(sorted(os.listdir('/home/jovyan'))[-3:])"),
        "['dummy.py', 'pyproject.toml', 'work']"
    );
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
    let Some(image) = build("a22", &[file("poetry.lock", &lock), file("pyproject.toml", own)]) else { return };
    assert_eq!(image.python(&versions(&["iniconfig", "list"])), "2.0.0 -");
    let wrong = lock.replace("b6a85871", "b6a85872");
    let files = [file("poetry.lock", wrong), file("pyproject.toml", own)];
    let Some(failed) = try_build("a22-hash", &files) else { return };
    assert!(failed.image.is_none() && failed.log.contains("Hash mismatch"), "{}", failed.log);
}

#[test]
fn a24_a_pipfile_lock_wins_and_brings_development_packages() {
    let lock = format!(
        "{{\"_meta\": {{}}, \"default\": {{\"six\": {{\"version\": \"==1.17.0\", \"hashes\": [\"{SIX}\"]}}}}, \
         \"develop\": {{\"iniconfig\": {{\"version\": \"==2.0.0\", \"hashes\": [\"{INICONFIG}\"]}}}}}}"
    );
    let files = [file("Pipfile.lock", lock), file("Pipfile", "[packages]\ntoolz = \"*\"\n")];
    let Some(image) = build("a24", &files) else { return };
    assert_eq!(image.python(&versions(&["six", "iniconfig", "toolz"])), "1.17.0 2.0.0 -");
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
    assert!(image.python(&versions(&["six", "toolz", "dummy"])) == "1.17.0 - -");
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
    assert_eq!(image.python("import dummy; print(dummy.__file__)"), "/home/jovyan/dummy.py");
}
