//! What becomes of repositories that bring an environment of conda's.

use bindery_core::{Fault, MemoryTree};

use crate::base::tests::stack;
use crate::{Action, BuildPlan, CondaInstall, CondaOptions, PlanOptions, PythonTarget, plan, render_environment};

fn options() -> PlanOptions {
    PlanOptions { platform: "linux/amd64".to_owned(), pythons: vec!["3.12".to_owned()], ..PlanOptions::default() }
}

fn planned(files: &[(&str, &str)]) -> BuildPlan {
    plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &options()).unwrap()
}

fn refused(files: &[(&str, &str)]) -> Fault {
    plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &options()).unwrap_err().into()
}

fn conda(plan: &BuildPlan) -> Option<&CondaInstall> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::InstallConda(what) => Some(what),
        _ => None,
    })
}

fn ids(plan: &BuildPlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// The plan of an `environment.yml` with these dependencies.
fn with(dependencies: &[&str]) -> BuildPlan {
    let list: String = dependencies.iter().map(|one| format!("  - {one}\n")).collect();
    planned(&[("environment.yml", &format!("dependencies:\n{list}"))])
}

#[test]
fn a27_python_and_pip_alone_never_touch_conda() {
    let text = "name: x\nchannels: [defaults]\ndependencies:\n  - python=3.11\n  - pip\n  - ipykernel\n  - jupyterlab\n  - pip:\n    \
                - numpy==2.1.0\n    - -r more.txt\n";
    let plan = planned(&[("environment.yml", text), ("more.txt", "six\n")]);
    assert_eq!(ids(&plan), ["pip-list", "content"]);
    assert_eq!(plan.python.as_ref().unwrap().source, "environment.yml:4");
    let lent = render_environment(&plan).files;
    let text = |name: &str| {
        let file = lent.iter().find(|file| file.path == name).unwrap();
        String::from_utf8(file.content.clone()).unwrap()
    };
    // On the lines it has in its own file.
    let list = text(".bindery/pip-list/environment.yml.txt");
    assert_eq!(list.lines().nth(8), Some("numpy==2.1.0"));
    assert_eq!(list.trim(), "numpy==2.1.0\n-r more.txt");
    assert_eq!(text(".bindery/pip-list/more.txt"), "six\n");
    assert!(!with(&["pip"]).has_environment_steps());
}

#[test]
fn a27_versions_of_what_pip_can_install_are_asked_of_pip() {
    let plan = with(&["python", "setuptools<60", "wheel", "notebook=6", "ipywidgets >=7, <9", "pip: [six]"]);
    let lent = render_environment(&plan).files;
    let list = lent.iter().find(|file| file.path.ends_with("environment.yml.txt")).unwrap();
    let list = String::from_utf8(list.content.clone()).unwrap();
    let lines: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["setuptools<60", "wheel", "notebook==6.*", "ipywidgets>=7,<9", "six"]);
}

#[test]
fn a27_local_paths_of_a_pip_list_are_relative_to_its_file_and_wait_for_the_content() {
    let text = "dependencies:\n- pip:\n  - -e ..\n  - ./pkg\n";
    let files = [("binder/environment.yml", text), ("setup.py", ""), ("binder/pkg/setup.py", "")];
    let plan = planned(&files);
    let step = plan.steps.iter().find(|step| step.id == "pip-list").unwrap();
    assert!(step.needs_content);
    let Action::InstallPython { directory, .. } = &step.action else { panic!("{step:?}") };
    assert_eq!(directory, "binder");
    let fault = refused(&files[..2]);
    assert_eq!(fault.place().as_deref(), Some("binder/environment.yml:4"));
    // A bad line is named where it stands.
    let fault = refused(&[("environment.yml", "dependencies:\n- pip:\n  - numpy\n  - numpy=1\n")]);
    assert_eq!(fault.place().as_deref(), Some("environment.yml:4"));
}

#[test]
fn a29_every_way_to_ask_for_a_python_is_honoured_without_conda() {
    for asked in
        ["python>=3.12", "conda-forge::python=3.12", "python 3.12", "python=3.12", "python==3.12", "python 3.12.*"]
    {
        let plan = with(&[asked]);
        assert_eq!(plan.python.as_ref().unwrap().version, "3.12", "{asked}");
        assert_eq!(plan.python.as_ref().unwrap().source, "environment.yml:2");
        assert_eq!(ids(&plan), ["kernel-python", "content"], "{asked}");
    }
    let fault = refused(&[("environment.yml", "dependencies:\n  - python=3.9\n")]);
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("python-not-available", Some("environment.yml:2")));
}

#[test]
fn a29_every_way_to_ask_for_a_python_is_honoured_with_conda() {
    for (asked, told) in [
        ("python>=3.12", "python>=3.12"),
        ("conda-forge::python=3.12", "https://conda.anaconda.org/conda-forge::python=3.12"),
        ("python 3.12", "python=3.12"),
        ("python==3.12", "python=3.12"),
        ("python=3.12.4", "python=3.12.4"),
        ("python=3.11|3.12", "python=3.11|3.12"),
    ] {
        let plan = with(&[asked, "numpy"]);
        assert_eq!(conda(&plan).unwrap().specs, [told, "numpy"], "{asked}");
        assert_eq!(ids(&plan), ["conda", "content"], "the solver alone chooses the Python: {asked}");
    }
}

#[test]
fn a30_a_python_that_does_not_exist_is_refused_with_its_line() {
    for more in ["", "  - numpy\n"] {
        let fault = refused(&[("environment.yml", &format!("dependencies:\n  - python=4\n{more}"))]);
        assert_eq!(
            (fault.code.as_str(), fault.place().as_deref()),
            ("python-not-available", Some("environment.yml:2"))
        );
    }
}

#[test]
fn a31_the_environment_wins_over_requirements_and_says_so() {
    for dependency in ["numpy", "pip: [six]"] {
        let text = format!("dependencies:\n- {dependency}\n");
        let files = [("environment.yml", text.as_str()), ("requirements.txt", "scipy\n"), ("environment.yaml", "x")];
        let plan = planned(&files);
        let ignored: Vec<&str> = plan.ignored.iter().map(|one| one.file.as_str()).collect();
        assert_eq!(ignored, ["environment.yaml", "requirements.txt"]);
        assert!(plan.ignored.iter().all(|one| one.reason.starts_with("environment.yml ")), "{:?}", plan.ignored);
        assert!(!ids(&plan).contains(&"requirements"));
    }
    let text = "dependencies:\n- pip:\n  - -r requirements.txt\n";
    let plan = planned(&[("environment.yml", text), ("requirements.txt", "scipy\n")]);
    assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
}

#[test]
fn what_conda_makes_decides_the_python_alone() {
    let plan = planned(&[("environment.yml", "dependencies: [numpy]\n"), ("runtime.txt", "python-3.12\n")]);
    assert_eq!(ids(&plan), ["conda", "content"]);
    assert_eq!(plan.ignored[0].file, "runtime.txt");
}

#[test]
fn a_day_is_the_solvers_too() {
    let files = [("environment.yml", "dependencies: [numpy]\n"), ("runtime.txt", "python-3.12-2023-06-01\n")];
    assert_eq!(conda(&planned(&files)).unwrap().date.as_deref(), Some("2023-06-01T23:59:59Z"));
    let plan = planned(&[("spec-file.txt", &explicit()), files[1]]);
    assert_eq!(conda(&plan).unwrap().date, None, "a lock file says what is installed");
}

#[test]
fn what_pip_adds_follows_conda_into_its_environment() {
    let text = "dependencies:\n- numpy\n- pip:\n  - six\n";
    let plan = planned(&[("environment.yml", text)]);
    assert_eq!(ids(&plan), ["conda", "pip-list", "content"]);
    let Action::InstallPython { target, .. } = &plan.steps[1].action else { panic!("{plan:?}") };
    assert_eq!(*target, PythonTarget::Conda);
}

#[test]
fn channels_become_addresses() {
    let text = "channels: [nodefaults, conda-forge, bioconda/label/x, defaults, 'https://conda.anaconda.org/pytorch/']\n\
                dependencies: [numpy, 'fastai::fastai']\n";
    let tree = MemoryTree::new([("environment.yml", text)]).unwrap();
    let read = |alias: &str| {
        let conda = CondaOptions { channel_alias: alias.to_owned(), ..CondaOptions::default() };
        let plan = plan(&tree, &stack(), &PlanOptions { conda, ..options() }).unwrap();
        let what = super::tests::conda(&plan).unwrap().clone();
        assert!(plan.notes.iter().any(|note| note.contains("environment.yml:1: conda-forge takes the place of")));
        (what.channels, what.specs, plan.environment_key)
    };
    let (channels, specs, key) = read("https://conda.anaconda.org");
    let names = ["conda-forge", "bioconda/label/x", "pytorch", "fastai"];
    assert_eq!(channels, names.map(|name| format!("https://conda.anaconda.org/{name}")));
    assert_eq!(specs, ["numpy", "https://conda.anaconda.org/fastai::fastai"]);
    let (mirrored, _, other) = read("https://mirror.example/");
    assert_eq!(mirrored, names.map(|name| format!("https://mirror.example/{name}")));
    assert_ne!(key, other);
    let plain = planned(&[("environment.yml", "dependencies: [numpy]")]);
    assert_eq!(conda(&plain).unwrap().channels, ["https://conda.anaconda.org/conda-forge"]);
}

#[test]
fn a_channel_of_the_repository_is_read_on_top_of_its_content() {
    let text = "channels: [./channel]\ndependencies: [beta]\n";
    let files = [("binder/environment.yml", text), ("binder/channel/noarch/repodata.json", "{}")];
    let plan = planned(&files);
    assert_eq!(conda(&plan).unwrap().channels, ["content:binder/channel"]);
    assert_eq!(ids(&plan), ["content", "conda"]);
    for (channel, line) in
        [("./missing", 1), ("../../channel", 1), ("/etc", 1), ("file:///etc", 1), ("ftp://x/y", 1), ("s3://x", 1)]
    {
        let text = format!("channels: ['{channel}']\ndependencies: [beta]\n");
        let fault = refused(&[("binder/environment.yml", &text), files[1]]);
        assert_eq!((fault.file.as_deref(), fault.line), (Some("binder/environment.yml"), Some(line)), "{channel}");
    }
}

#[test]
fn the_key_follows_what_is_installed_and_a_credential_is_never_shown() {
    let key = |text: &str| planned(&[("environment.yml", text)]).environment_key.unwrap();
    let same = key("dependencies: [numpy]");
    assert_eq!(same, key("name: other\n# a comment\ndependencies:\n  - numpy\n"));
    assert_eq!(same, planned(&[("binder/environment.yml", "dependencies: [numpy]")]).environment_key.unwrap());
    assert_ne!(same, key("dependencies: ['numpy=1.26']"));
    let secret = |token: &str| format!("channels: ['https://example.org/t/{token}/x']\ndependencies: [numpy]\n");
    assert_ne!(key(&secret("canary")), key(&secret("other")));
    let shown = serde_json::to_string(&planned(&[("environment.yml", &secret("canary"))])).unwrap();
    assert!(!shown.contains("canary") && shown.contains("example.org"), "{shown}");
}

const SHA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn explicit() -> String {
    format!("@EXPLICIT\nhttps://conda.anaconda.org/conda-forge/noarch/a-1-0.conda#{SHA}\n")
}

#[test]
fn a_lock_file_wins_over_what_is_loose() {
    let pixi = format!(
        "version: 6\nenvironments:\n  default:\n    packages:\n      linux-64:\n      - conda: https://e.example/c/noarch/a-1-0.conda\n\
         packages:\n- conda: https://e.example/c/noarch/a-1-0.conda\n  sha256: {SHA}\n"
    );
    let lock = format!(
        "package:\n- name: a\n  manager: conda\n  platform: linux-64\n  url: https://e.example/c/noarch/a-1-0.conda\n  hash: {{sha256: {SHA}}}\n\
         - name: six\n  manager: pip\n  platform: linux-64\n  url: https://e.example/six-1-py3-none-any.whl\n"
    );
    let loose = ("environment.yml", "dependencies: [a]\n");
    let project = ("pixi.toml", "[dependencies]\na = '*'\n");
    for (winner, content) in [
        ("pixi.lock", &pixi),
        ("conda-lock.yml", &lock),
        ("spec-file.txt", &explicit()),
        ("conda-linux-64.lock", &explicit()),
    ] {
        let plan = planned(&[loose, project, (winner, content)]);
        let what = conda(&plan).unwrap();
        assert_eq!((what.packages.len(), what.specs.len()), (1, 0), "{winner}");
        assert_eq!(plan.used[0].file, winner);
        let mut ignored: Vec<&str> = plan.ignored.iter().map(|one| one.file.as_str()).collect();
        ignored.sort_unstable();
        assert_eq!(ignored, ["environment.yml", "pixi.toml"], "{winner}");
        assert_eq!(ids(&plan).contains(&"pip-list"), winner == "conda-lock.yml");
    }
    let plan = planned(&[loose, project]);
    assert_eq!((plan.used[0].file.as_str(), conda(&plan).unwrap().specs[0].as_str()), ("pixi.toml", "a"));
}

#[test]
fn explicit_specs_leave_the_pip_list_beside_them_in_force() {
    let loose = ("binder/environment.yml", "dependencies: [a, {pip: [six]}]\n");
    let plan = planned(&[("binder/spec-file.txt", &explicit()), loose]);
    assert_eq!(ids(&plan), ["conda", "pip-list", "content"]);
    assert!(plan.ignored.is_empty());
    // The list is the file's own, whatever it is called elsewhere.
    let plan = planned(&[("spec-file.txt", "numpy=1=0\n"), ("conda-linux-aarch64.lock", &explicit())]);
    assert_eq!(plan.buildpacks, ["default"]);
    assert_eq!(plan.ignored.len(), 2, "{:?}", plan.ignored);
}

#[test]
fn a_package_for_another_platform_or_from_elsewhere_is_refused_with_its_line() {
    for url in [
        "https://e.example/c/osx-64/a-1-0.conda",
        "ftp://e.example/c/noarch/a-1-0.conda",
        "./missing/noarch/a-1-0.conda",
        "file:///etc/a.conda",
    ] {
        let fault = refused(&[("spec-file.txt", &format!("@EXPLICIT\n{url}\n"))]);
        assert_eq!(fault.place().as_deref(), Some("spec-file.txt:2"), "{url}");
    }
    let file = ("channel/noarch/a-1-0.tar.bz2", "x");
    let plan = planned(&[("spec-file.txt", "@EXPLICIT\n./channel/noarch/a-1-0.tar.bz2\n"), file]);
    assert_eq!(conda(&plan).unwrap().packages[0].url, "content:channel/noarch/a-1-0.tar.bz2");
    assert_eq!(ids(&plan), ["content", "conda"]);
    assert!(plan.notes.iter().any(|note| note.contains("have no hash")));
}

#[test]
fn a_mirror_serves_lock_files_too_and_hashes_are_part_of_the_key() {
    let at = |alias: &str, text: &str| {
        let tree = MemoryTree::new([("spec-file.txt", text)]).unwrap();
        let conda = CondaOptions { channel_alias: alias.to_owned(), ..CondaOptions::default() };
        plan(&tree, &stack(), &PlanOptions { conda, ..options() }).unwrap()
    };
    let one = at("https://mirror.example", &explicit());
    assert_eq!(conda(&one).unwrap().packages[0].url, "https://mirror.example/conda-forge/noarch/a-1-0.conda");
    let same = at("https://mirror.example", &format!("# other lines\n{}", explicit()));
    let other = at("https://mirror.example", &explicit().replace("aaaa", "bbbb"));
    assert_eq!(one.environment_key, same.environment_key);
    assert_ne!(one.environment_key, other.environment_key);
}
