//! The rows of required behaviour that a plan shows by itself.

use bindery_core::{Fault, FaultBy, MemoryTree};

use crate::base::tests::stack;
use crate::plan::{Action, PythonInstall};
use crate::{BuildPlan, PlanOptions, plan, render_environment, render_session};

fn options(pythons: &[&str]) -> PlanOptions {
    PlanOptions {
        platform: "linux/amd64".to_owned(),
        pythons: pythons.iter().map(|version| (*version).to_owned()).collect(),
        ..PlanOptions::default()
    }
}

fn planned(files: &[(&str, &str)]) -> BuildPlan {
    plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &options(&["3.13", "3.12"])).unwrap()
}

fn refused(files: &[(&str, &str)]) -> Fault {
    plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &options(&["3.13", "3.12"])).unwrap_err().into()
}

/// The ids of a plan's steps, those on the content marked.
fn steps(plan: &BuildPlan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{}{}", step.id, if step.needs_content { "*" } else { "" })).collect()
}

fn ignored<'a>(plan: &'a BuildPlan, file: &str) -> Option<&'a str> {
    plan.ignored.iter().find(|one| one.file == file).map(|one| one.reason.as_str())
}

/// What the step is lent, as text.
fn lent(plan: &BuildPlan, path: &str) -> String {
    let files = [render_environment(plan).files, render_session(plan, "env:key").files].concat();
    let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}: {files:?}"));
    String::from_utf8(file.content.clone()).unwrap()
}

const BUILD: &str = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";

#[test]
fn a03_a_setup_py_is_installed_once_and_on_top_of_the_content() {
    let plan = planned(&[("requirements.txt", "-e .\n"), ("setup.py", "")]);
    assert_eq!(steps(&plan), ["content*", "requirements*"]);
    let plan = planned(&[("requirements.txt", "six\n"), ("setup.py", "")]);
    assert_eq!(steps(&plan), ["requirements", "content*", "project*"]);
    let plan = planned(&[("setup.py", ""), ("setup.cfg", "[metadata]\nname = x\n")]);
    assert_eq!(steps(&plan), ["content*", "project*"]);
    assert_eq!(plan.buildpacks, ["python"]);
    assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
}

#[test]
fn a_setup_cfg_of_tools_alone_is_named_and_not_installed() {
    let plan = planned(&[("setup.cfg", "[flake8]\nmax-line-length = 100\n")]);
    assert_eq!(steps(&plan), ["content*"]);
    assert!(ignored(&plan, "setup.cfg").unwrap().contains("configures tools"));
    assert_eq!(plan.buildpacks, ["default"]);
}

#[test]
fn a17_requires_python_chooses_an_allowed_python() {
    let python = |range: &str| {
        let text = format!("[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \"{range}\"\n");
        let plan = planned(&[("pyproject.toml", &text)]);
        plan.python.map(|python| (python.version, python.source)).unwrap()
    };
    for (range, expected) in [
        (">=3.10", "3.11.2"),
        (">=3.11.2,<3.12", "3.11.2"),
        ("==3.13.*", "3.13"),
        (">3.11", "3.11.2"),
        (">=3.12,<3.13", "3.12"),
    ] {
        assert_eq!(python(range), (expected.to_owned(), "pyproject.toml:4".to_owned()), "{range}");
    }
    let fault = refused(&[("pyproject.toml", "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=4\"\n")]);
    assert_eq!((fault.by, fault.place().as_deref()), (FaultBy::User, Some("pyproject.toml:4")));
    for what in [">=4", "3.11.2", "3.13, 3.12"] {
        assert!(fault.message.contains(what), "{fault}");
    }
}

#[test]
fn a18_two_files_that_ask_for_different_pythons_are_both_named() {
    let fault = refused(&[
        ("runtime.txt", "python-3.11\n"),
        ("pyproject.toml", "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.12\"\n"),
    ]);
    assert_eq!(fault.by, FaultBy::User);
    for what in ["runtime.txt:1", "pyproject.toml:4", "no Python is both"] {
        assert!(fault.message.contains(what), "{fault}");
    }
}

#[test]
fn a19_a_project_without_a_build_system_gives_its_dependencies_and_is_not_built() {
    let text = "[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"numpy>=2\", \"six\"]\n[project.optional-dependencies]\nplot = [\"matplotlib\"]\n[dependency-groups]\ndev = [\"pytest\"]\n";
    let plan = planned(&[("pyproject.toml", text), ("x.py", "")]);
    assert_eq!(steps(&plan), ["python-packages", "content*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/dependencies.txt"), "numpy>=2\nsix\n");
    assert!(plan.notes.iter().any(|note| note.contains("dev, plot")), "{:?}", plan.notes);
}

#[test]
fn a_project_with_a_build_system_has_its_dependencies_installed_before_the_content() {
    let text = format!("[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"six\"]\n{BUILD}");
    let plan = planned(&[("pyproject.toml", &text), ("x.py", "")]);
    assert_eq!(steps(&plan), ["python-packages", "content*", "project*"]);
    let how = plan.steps.iter().find_map(|step| match step.action {
        Action::InstallPython { how, .. } if step.id == "project" => Some(how),
        _ => None,
    });
    assert_eq!(how, Some(PythonInstall::Project));
    let dynamic = format!("[project]\nname = \"x\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n{BUILD}");
    assert_eq!(steps(&planned(&[("pyproject.toml", &dynamic)])), ["content*", "project*"]);
    // A path means nothing before the content is there.
    let local = format!("[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"a @ ./a\"]\n{BUILD}");
    assert_eq!(steps(&planned(&[("pyproject.toml", &local)])), ["content*", "project*"]);
}

#[test]
fn requirements_beside_a_project_decide_and_the_project_comes_too() {
    let text = format!("[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"six\"]\n{BUILD}");
    let plan = planned(&[("requirements.txt", "numpy\n"), ("pyproject.toml", &text)]);
    assert_eq!(steps(&plan), ["requirements", "content*", "project*"]);
    let plan = planned(&[
        ("requirements.txt", "numpy\n"),
        ("pyproject.toml", "[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"six\"]\n"),
    ]);
    assert_eq!(steps(&plan), ["requirements", "content*"]);
    assert_eq!(ignored(&plan, "pyproject.toml"), Some("requirements.txt decides the Python packages"));
}

#[test]
fn a_pyproject_of_tools_alone_is_named() {
    let plan = planned(&[("pyproject.toml", "[tool.black]\nline-length = 100\n")]);
    assert!(ignored(&plan, "pyproject.toml").unwrap().contains("describes neither"));
    assert_eq!(plan.buildpacks, ["default"]);
}

#[test]
fn project_files_outside_a_configuration_directory_are_named() {
    let plan = planned(&[("binder/requirements.txt", "six"), ("setup.py", ""), ("pyproject.toml", "[project]\n")]);
    for file in ["setup.py", "pyproject.toml"] {
        assert!(ignored(&plan, file).unwrap().contains("binder/ exists"), "{file}");
    }
}

const HASH: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

const UV_LOCK: &str = "version = 1\nrequires-python = \">=3.11\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { editable = \"packages/a\" }\n\
    [[package]]\nname = \"root\"\nversion = \"1\"\nsource = { editable = \".\" }\ndependencies = [{ name = \"a\" }, { name = \"six\" }]\n\
    [[package]]\nname = \"six\"\nversion = \"1.17.0\"\nsource = { registry = \"https://index.example.org/simple\" }\n";

fn project(more: &str) -> String {
    format!(
        "[project]\nname = \"root\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"six\"]\n{more}"
    )
}

#[test]
fn a20_a_uv_lock_is_installed_before_the_content_and_what_lies_in_the_repository_on_top() {
    let (root, member) = (project(BUILD), project(BUILD).replace("root", "a"));
    let files = [
        ("uv.lock", UV_LOCK),
        ("pyproject.toml", &root),
        ("packages/a/pyproject.toml", &member),
        ("requirements.txt", "numpy"),
    ];
    let plan = planned(&files);
    assert_eq!(steps(&plan), ["python-packages", "content*", "project*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/uv.lock"), UV_LOCK);
    assert_eq!(lent(&plan, ".bindery/python-packages/packages/a/pyproject.toml"), member);
    assert_eq!(lent(&plan, ".bindery/project/local.txt"), "-e ./packages/a\n-e .\n");
    assert_eq!(ignored(&plan, "requirements.txt"), Some("uv.lock, a lock file, decides the Python packages"));
    assert_eq!(plan.python.unwrap().source, "pyproject.toml:4");
    let rendered = render_environment(&planned(&files)).dockerfile;
    assert!(rendered.contains("export --python /opt/conda/bin/python --locked --no-emit-local"), "{rendered}");
    // What has to be run to be described waits for the content.
    let dynamic = "[project]\nname = \"a\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n";
    let plan = planned(&[("uv.lock", UV_LOCK), ("pyproject.toml", &root), ("packages/a/pyproject.toml", dynamic)]);
    assert_eq!(steps(&plan), ["content*", "python-packages*", "project*"]);
    assert_eq!(refused(&[("uv.lock", UV_LOCK)]).file.as_deref(), Some("uv.lock"));
}

#[test]
fn a_uv_lock_of_no_package_has_nothing_on_top_of_the_content() {
    let lock = UV_LOCK.replace("{ editable = \".\" }", "{ virtual = \".\" }").replace("{ name = \"a\" }, ", "");
    let plan = planned(&[
        ("uv.lock", &lock),
        ("pyproject.toml", &project("")),
        ("packages/a/pyproject.toml", &project(BUILD)),
    ]);
    assert_eq!(steps(&plan), ["python-packages", "content*"]);
}

#[test]
fn a21_a_pylock_is_given_to_the_installer_as_it_is() {
    let text = "lock-version = \"1.0\"\nrequires-python = \">=3.12\"\n[[packages]]\nname = \"six\"\nversion = \"1\"\n";
    let plan = planned(&[("pylock.toml", text), ("requirements.txt", "numpy"), ("pyproject.toml", &project(BUILD))]);
    assert_eq!(steps(&plan), ["kernel-python", "python-packages", "content*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/pylock.toml"), text);
    assert!(ignored(&plan, "requirements.txt").unwrap().contains("pylock.toml"));
    assert_eq!(plan.python.unwrap().version, "3.13");
    let local = format!("{text}directory = {{ path = \".\" }}\n");
    let plan = planned(&[("pylock.toml", &local)]);
    assert_eq!(steps(&plan), ["kernel-python", "content*", "python-packages*"]);
    let session = render_session(&plan, "env:key").dockerfile;
    assert!(session.contains("-r pylock.toml"), "{session}");
}

#[test]
fn a22_poetry_and_pdm_locks_give_exact_packages_and_then_the_project() {
    let poetry = format!(
        "[[package]]\nname = \"six\"\nversion = \"1.16.0\"\noptional = false\ngroups = [\"main\"]\nfiles = [{{file = \"x\", hash = \"{HASH}\"}}]\n\
         [[package]]\nname = \"pytest\"\nversion = \"8\"\noptional = false\ngroups = [\"dev\"]\nfiles = []\n[metadata]\nlock-version = \"2.1\"\n"
    );
    let expected = format!("six==1.16.0 \\\n    --hash={HASH}\n");
    let own = "[tool.poetry]\nname = \"my-thing\"\n[tool.poetry.dependencies]\npython = \"^3.10\"\nsix = \"*\"\n[build-system]\nrequires = [\"poetry-core\"]\n";
    let plan = planned(&[("poetry.lock", &poetry), ("pyproject.toml", own), ("my_thing/__init__.py", "")]);
    assert_eq!(steps(&plan), ["python-packages", "content*", "project*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/packages.txt"), expected);
    assert!(render_environment(&plan).dockerfile.contains("--no-deps -r"));
    assert!(plan.notes.iter().any(|note| note.contains("1 packages of other groups")), "{:?}", plan.notes);
    assert_eq!(plan.python.unwrap().source, "pyproject.toml:4");
    // A project that is a list of packages and nothing more.
    let plan = planned(&[("poetry.lock", &poetry), ("pyproject.toml", own)]);
    assert_eq!(steps(&plan), ["python-packages", "content*"]);
    assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);

    let pdm = format!(
        "[metadata]\nlock_version = \"4.5.0\"\n[[package]]\nname = \"six\"\nversion = \"1.16.0\"\ngroups = [\"default\"]\nfiles = [{{file = \"x\", hash = \"{HASH}\"}}]\n"
    );
    let plan = planned(&[("pdm.lock", &pdm), ("pyproject.toml", &project("[tool.pdm]\ndistribution = false\n"))]);
    assert_eq!(steps(&plan), ["python-packages", "content*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/packages.txt"), expected);
}

const PIPFILE: &str =
    "[packages]\nnumpy = \"*\"\n[dev-packages]\npytest = \"*\"\n[requires]\npython_version = \"3.12\"\n";

#[test]
fn a24_a_pipfile_lock_wins_over_its_pipfile_and_brings_development_packages() {
    let lock = format!(
        "{{\"_meta\": {{}}, \"default\": {{\"six\": {{\"version\": \"==1.16.0\", \"hashes\": [\"{HASH}\"]}}}}, \"develop\": {{\"iniconfig\": {{\"version\": \"==2.0.0\"}}}}}}"
    );
    let plan = planned(&[("Pipfile.lock", &lock), ("Pipfile", PIPFILE)]);
    assert_eq!(steps(&plan), ["python-packages", "content*"]);
    assert_eq!(
        lent(&plan, ".bindery/python-packages/packages.txt"),
        format!("six==1.16.0 \\\n    --hash={HASH}\niniconfig==2.0.0\n")
    );
    assert_eq!(plan.python.unwrap().source, "base image");
}

#[test]
fn a25_a_pipfile_wins_over_requirements_and_setup_py() {
    let plan = planned(&[("Pipfile", PIPFILE), ("requirements.txt", "scipy"), ("setup.py", "")]);
    assert_eq!(steps(&plan), ["kernel-python", "python-packages", "content*"]);
    assert_eq!(lent(&plan, ".bindery/python-packages/packages.txt"), "numpy\npytest\n");
    for file in ["requirements.txt", "setup.py"] {
        assert_eq!(ignored(&plan, file), Some("Pipfile decides the Python packages"), "{file}");
    }
    assert_eq!(plan.python.unwrap().version, "3.12");
}

#[test]
fn a26_paths_in_a_pipfile_are_taken_from_where_it_lies() {
    let text = "[packages]\ndummy = {path = \"..\", editable = true}\nsix = \"*\"\n";
    let plan = planned(&[("binder/Pipfile", text), ("setup.py", "")]);
    assert_eq!(steps(&plan), ["content*", "project*"]);
    let lines = lent(&plan, ".bindery/project/local.txt");
    assert!(lines.lines().any(|line| line == "-e .") && lines.lines().any(|line| line == "six"), "{lines}");
    let fault = refused(&[("Pipfile", "[packages]\nx = {path = \"nowhere\"}\n")]);
    assert_eq!((fault.by, fault.file.as_deref()), (FaultBy::User, Some("Pipfile")));
    assert_eq!(refused(&[("Pipfile", "[packages]\nx = {path = \"..\"}\n")]).file.as_deref(), Some("Pipfile"));
}

#[test]
fn the_strongest_of_several_lock_files_is_named_to_the_others() {
    let pylock = "lock-version = \"1.0\"\n[[packages]]\nname = \"six\"\nversion = \"1\"\n";
    let plan = planned(&[("pylock.toml", pylock), ("poetry.lock", "nonsense"), ("Pipfile", "nonsense")]);
    for file in ["poetry.lock", "Pipfile"] {
        assert_eq!(ignored(&plan, file), Some("pylock.toml, a lock file, decides the Python packages"), "{file}");
    }
}

#[test]
fn a05_requirements_in_utf_16_are_read() {
    let bytes: Vec<u8> = "\u{feff}six\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let tree = MemoryTree::new([("requirements.txt", bytes)]).unwrap();
    let plan = plan(&tree, &stack(), &options(&[])).unwrap();
    assert_eq!(lent(&plan, ".bindery/requirements/requirements.txt"), "six\n");
}

#[test]
fn a_day_does_not_come_between_a_lock_file_and_what_it_locks() {
    let options = PlanOptions { as_of: Some("2024-01-31".parse().unwrap()), ..options(&[]) };
    let dated = |files: &[(&str, &str)]| {
        let plan = plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &options).unwrap();
        render_environment(&plan).dockerfile.contains("UV_EXCLUDE_NEWER")
    };
    assert!(dated(&[("requirements.txt", "six")]));
    assert!(!dated(&[
        ("uv.lock", UV_LOCK),
        ("pyproject.toml", &project("")),
        ("packages/a/pyproject.toml", &project(BUILD))
    ]));
}

#[test]
fn scripts_that_list_their_own_needs_are_named() {
    let header = "#!/usr/bin/env python\n# /// script\n# dependencies = [\"six\"]\n# ///\nimport six\n";
    let plan = planned(&[("tool.py", header), ("plain.py", "import six\n"), ("sub/other.py", header)]);
    assert!(ignored(&plan, "tool.py").unwrap().contains("that script alone"));
    assert_eq!(plan.ignored.len(), 1);
}
