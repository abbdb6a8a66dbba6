//! conda's environments, from a channel that is a directory of the repository itself. Its packages bring no Python, so those that
//! do are pictures of plans in `buildpacks`.

use std::path::Path;
use std::process::Command;

use bindery_tests::repos::{RepoFile, file};

use crate::support::{build, refuse};

/// Where the kernel's environment is.
const PREFIX: &str = "/opt/conda/envs/kernel";

/// The channel of `channel.py`, as `channel/` of a repository.
fn channel() -> Vec<RepoFile> {
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("channel.py");
    let made = Command::new("python3").arg(script).arg(directory.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut files = Vec::new();
    for subdir in ["noarch", "linux-64", "linux-aarch64"] {
        for entry in std::fs::read_dir(directory.path().join(subdir)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("channel/{subdir}/{}", path.file_name().unwrap().to_str().unwrap());
            files.push(file(&name, std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// A repository of the channel and these files.
fn repository(files: &[(&str, &str)]) -> Vec<RepoFile> {
    let mut all = channel();
    all.extend(files.iter().map(|(path, content)| file(path, content)));
    all
}

/// The packages of the environment, as its own records list them.
const LIST: &str = "import glob, json; print(sorted((r['name'], r['version']) for r in map(json.load, \
                    map(open, glob.glob('/opt/conda/envs/kernel/conda-meta/*.json')))))";

#[test]
fn a27_an_environment_yml_of_python_and_pip_alone_never_touches_conda() {
    let text = "name: x\nchannels: [defaults]\ndependencies:\n  - python>=3.9\n  - pip\n  - pip:\n    - six==1.16.0\n    - -e ./pkg\n";
    let setup = "from setuptools import setup\nsetup(name='mine', version='1', py_modules=['mine'])\n";
    let files = [
        file("binder/environment.yml", text),
        file("binder/pkg/setup.py", setup),
        file("binder/pkg/mine.py", "who = 'me'\n"),
    ];
    let Some(image) = build("a27", &files) else { return };
    assert_eq!(image.python("import six, mine; print(six.__version__, mine.who)"), "1.16.0 me");
    assert_eq!(image.sh(&format!("ls -d {PREFIX} 2>/dev/null || echo none")), "none");
}

#[test]
fn a28_an_environment_is_solved_and_installed_from_the_channels_it_names() {
    let text = "channels: [./channel]\ndependencies: [beta, delta]\nvariables: {WHO: it's me}\n";
    let Some(image) = build("a28", &repository(&[("environment.yml", text)])) else { return };
    // The newest alpha would not do for beta.
    assert_eq!(image.python(LIST), "[('alpha', '1.0'), ('beta', '1.0'), ('delta', '1.0')]");
    assert_eq!(image.sh(&format!("{PREFIX}/bin/beta")), "beta 1.0");
    // A terminal has it all in front.
    let said = image.sh("bash -ic 'alpha; echo $WHO $DELTA_DATA' 2>/dev/null");
    assert_eq!(said, format!("alpha 1.0\nit's me {PREFIX}/share/delta"));
    // And so has the kernel, which stays the base's where the environment has no Python.
    let program = "import os, shutil; print(shutil.which('alpha'), os.environ['DELTA_DATA'], os.environ['WHO'])";
    assert_eq!(image.kernel(program), format!("{PREFIX}/bin/alpha {PREFIX}/share/delta it's me"));
    // Group-writable, as everything below the prefix is.
    assert_eq!(image.sh(&format!("find {PREFIX} ! -type l ! -perm -g+w | head")), "");
}

#[test]
fn a28_packages_that_do_not_go_together_are_refused_naming_both() {
    let text = "channels: [./channel]\ndependencies:\n  - delta\n  - beta\n  - gamma\n";
    let Some(failure) = refuse("a28", &repository(&[("environment.yml", text)])) else { return };
    assert_eq!(failure.fault["file"], "environment.yml", "{failure:#?}");
    assert!([Some(4), Some(5)].contains(&failure.fault["line"].as_u64()), "{failure:#?}");
    // The solver's own words, as it wrote them.
    for said in ["beta", "gamma", "cannot be installed together", "alpha >=2", "alpha <2"] {
        assert!(failure.log.contains(said), "{said}: {}", failure.log);
    }
    let text = text.replace("gamma", "omega>=3");
    let Some(failure) = refuse("a28", &repository(&[("environment.yml", &text)])) else { return };
    assert_eq!(failure.place(), "environment.yml:5", "{failure:#?}");
    assert!(failure.log.contains("no channel has omega"), "{}", failure.log);
}

#[test]
fn a30_an_environment_yml_of_the_wrong_shape_is_refused_with_its_line() {
    for (text, place) in [
        ("- numpy\n", "environment.yml:1"),
        ("name: x\ndependencies:\n", "environment.yml:2"),
        ("dependencies:\n  - python=4\n", "environment.yml:2"),
        ("dependencies:\n  - numpy\n\t- scipy\n", "environment.yml:3"),
    ] {
        let Some(failure) = refuse("a30", &[file("environment.yml", text)]) else { return };
        assert_eq!(
            (failure.place().as_str(), failure.fault["by"].as_str()),
            (place, Some("user")),
            "{text:?}: {failure:#?}"
        );
    }
}

#[test]
fn a31_an_environment_yml_wins_over_requirements_and_the_log_says_so() {
    let text = "dependencies:\n  - pip:\n    - six==1.16.0\n";
    let files = [file("environment.yml", text), file("requirements.txt", "toolz\n")];
    let Some(image) = build("a31", &files) else { return };
    assert_eq!(
        image.python("import six, importlib.util as u; print(six.__version__, u.find_spec('toolz'))"),
        "1.16.0 None"
    );
    assert!(image.log.contains("Not using requirements.txt: environment.yml"), "{}", image.log);
}

#[test]
fn a_lock_file_installs_exactly_what_it_lists_and_only_that() {
    let files = channel();
    let sha = |name: &str| {
        let directory = tempfile::tempdir().unwrap();
        bindery_tests::repos::write(directory.path(), &files).unwrap();
        let sum = Command::new("sha256sum").arg(directory.path().join(name)).output().unwrap();
        String::from_utf8(sum.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let package = "channel/noarch/alpha-2.0-0.tar.bz2";
    let right = sha(package);
    let lock = format!("# platform: linux-64\n@EXPLICIT\n./{package}#sha256:{right}\n");
    let loose = ("environment.yml", "channels: [./channel]\ndependencies: [alpha]\n");
    let Some(image) = build("lock", &repository(&[("spec-file.txt", &lock), loose])) else { return };
    assert_eq!(image.python(LIST), "[('alpha', '2.0')]");
    assert!(image.log.contains("Not using environment.yml: spec-file.txt"), "{}", image.log);

    let flip = if right.starts_with('0') { "1" } else { "0" };
    let wrong = lock.replace(&right, &format!("{flip}{}", right.get(1..).unwrap()));
    let Some(failure) = refuse("lock", &repository(&[("spec-file.txt", &wrong), loose])) else { return };
    assert_eq!(failure.fault["file"], "spec-file.txt", "{failure:#?}");
    assert!(failure.log.contains("hash mismatch") && failure.log.contains("spec-file.txt:3"), "{}", failure.log);
}

#[test]
fn a_day_leaves_out_what_was_published_later() {
    let text = "channels: [./channel]\ndependencies: [alpha]\n";
    let Some(today) = build("day", &repository(&[("environment.yml", text)])) else { return };
    assert_eq!(today.python(LIST), "[('alpha', '3.0')]");
    let then = today.workshop.build(&repository(&[("environment.yml", text), ("runtime.txt", "python-2020-06-01\n")]));
    assert_eq!(then.python(LIST), "[('alpha', '2.0')]");
}
