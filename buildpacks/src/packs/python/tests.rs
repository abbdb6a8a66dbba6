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
