use bindery_core::{BaseImage, Fault, FaultBy, MemoryTree};

use super::{PythonFallback, is_python_version};
use crate::base::tests::stack;
use crate::plan::{Action, PythonTarget};
use crate::{BuildPlan, PlanError, PlanOptions, plan, render_environment, render_session};

const OFFERED: [&str; 4] = ["3.9", "3.13", "3.12.4", "3.10"];

fn base(python: &str) -> BaseImage {
    let mut base = stack();
    base.labels = vec![("io.bindery.python".to_owned(), python.to_owned())];
    base
}

fn options(pythons: &[&str]) -> PlanOptions {
    PlanOptions {
        platform: "linux/amd64".to_owned(),
        pythons: pythons.iter().map(|version| (*version).to_owned()).collect(),
        ..PlanOptions::default()
    }
}

fn settle(files: &[(&str, &str)], base: &BaseImage, options: &PlanOptions) -> Result<BuildPlan, PlanError> {
    plan(&MemoryTree::new(files.iter().copied()).unwrap(), base, options)
}

fn version(files: &[(&str, &str)]) -> (String, Option<String>) {
    let plan = settle(files, &base("3.11"), &options(&OFFERED)).unwrap();
    (plan.python.as_ref().unwrap().version.clone(), plan.kernel_prefix())
}

fn refused(files: &[(&str, &str)], pythons: &[&str]) -> Fault {
    settle(files, &base("3.11"), &options(pythons)).unwrap_err().into()
}

const KERNEL: Option<&str> = Some("/opt/conda/envs/kernel");

#[test]
fn a14_runtime_txt_gives_the_version_it_names() {
    for (text, expected, kernel) in [
        ("python-3.11", "3.11", None),
        ("python-3.13", "3.13", KERNEL),
        ("python-3.9", "3.9", KERNEL),
        // Any Python 3 is asked for, so the server's own does.
        ("python-3", "3.11", None),
    ] {
        let got = version(&[("runtime.txt", text)]);
        assert_eq!((got.0.as_str(), got.1.as_deref()), (expected, kernel), "{text}");
    }
}

#[test]
fn a15_runtime_txt_with_a_patch_release_pins_the_series_and_says_so() {
    for (text, expected) in [("python-3.11.9", "3.11"), ("python-3.12.9", "3.12.4")] {
        let plan = settle(&[("runtime.txt", text)], &base("3.11"), &options(&OFFERED)).unwrap();
        assert_eq!(plan.python.unwrap().version, expected);
        assert!(plan.notes.iter().any(|note| note.contains("patch")), "{:?}", plan.notes);
    }
}

#[test]
fn a16_malformed_runtime_txt_is_the_authors_fault_with_line_and_grammar() {
    for text in ["python3.8", "", "abc", "python-3.11-2024-02-30"] {
        let fault = refused(&[("runtime.txt", text)], &OFFERED);
        assert_eq!(fault.by, FaultBy::User, "{text}");
        assert_eq!(fault.place().as_deref(), Some("runtime.txt:1"), "{text}");
        assert!(fault.hint.unwrap().contains("python-3.11"), "{text}");
    }
}

#[test]
fn a23_python_version_files_are_honoured() {
    assert_eq!(version(&[(".python-version", "3.13\n")]).0, "3.13");
    assert_eq!(version(&[(".python-version", "3.11.4\n3.13\n")]).0, "3.11");
    assert_eq!(version(&[(".python-version", ">=3.12\n")]).0, "3.13");
    assert_eq!(version(&[("binder/.python-version", "3.10")]).0, "3.10");
    assert_eq!(version(&[(".python-version", "system\n")]), ("3.11".to_owned(), None));
    let plan = settle(&[(".python-version", "3.13")], &base("3.11"), &options(&OFFERED)).unwrap();
    assert_eq!(plan.python.unwrap().source, ".python-version:1");
    assert!(plan.ignored.is_empty());
}

#[test]
fn without_a_wish_it_is_the_bases_own() {
    let plan = settle(&[("requirements.txt", "six")], &base("3.11.2"), &options(&OFFERED)).unwrap();
    let python = plan.python.unwrap();
    assert_eq!((python.version.as_str(), python.source.as_str()), ("3.11.2", "base image"));
}

#[test]
fn a_version_the_site_could_have_is_the_sites_fault_and_one_that_is_not_is_the_authors() {
    let fault = refused(&[("runtime.txt", "\npython-3.14")], &OFFERED);
    assert_eq!((fault.by, fault.code.as_str(), fault.retry), (FaultBy::Us, "python-not-available", false));
    assert_eq!(fault.place().as_deref(), Some("runtime.txt:2"));
    for what in ["3.14", "3.11", "3.13, 3.12.4, 3.10, 3.9"] {
        assert!(fault.message.contains(what), "{fault}");
    }
    assert!(fault.hint.unwrap().contains("build.pythons"));
    for text in ["python-2", "python-2.7", "python-3.5", "python-3.29", "python-4"] {
        let fault = refused(&[("runtime.txt", text)], &OFFERED);
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "python-not-available"), "{text}");
        assert!(fault.message.contains("can fetch 3.13, 3.12.4, 3.10, 3.9"), "{fault}");
        assert_eq!(fault.hint.as_deref(), Some("Write python-3.11 or remove the file."));
    }
    let fault = refused(&[(".python-version", "3.29")], &[]);
    assert_eq!(fault.hint.as_deref(), Some("Let .python-version:1 allow Python 3.11."));
}

#[test]
fn two_files_that_no_python_satisfies_are_refused_naming_both() {
    // Whatever the site has.
    for pythons in [OFFERED.as_slice(), &["3.12"], &["3.13"], &[]] {
        let fault = refused(&[("runtime.txt", "python-3.12"), (".python-version", "3.13")], pythons);
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "python-not-available"));
        for what in ["runtime.txt:1", "3.12", ".python-version:1", "3.13", "no Python is both"] {
            assert!(fault.message.contains(what), "{fault}");
        }
    }
    // Two that a Python there is would meet, but not here.
    let fault = refused(&[("runtime.txt", "python-3"), (".python-version", ">=3.12")], &[]);
    assert_eq!((fault.by, fault.place().as_deref()), (FaultBy::Us, Some(".python-version:1")));
    assert_eq!(version(&[("runtime.txt", "python-3"), (".python-version", "3.13")]).0, "3.13");
}

#[test]
fn the_nearest_version_takes_the_place_of_a_missing_one_where_the_site_says_so() {
    let nearest = |text: &str| {
        let options = PlanOptions { python_fallback: PythonFallback::Nearest, ..options(&["3.9", "3.12"]) };
        settle(&[("runtime.txt", text)], &base("3.11"), &options)
    };
    for (text, expected) in
        [("python-3.14", "3.12"), ("python-3.10", "3.11"), ("python-3.8", "3.9"), ("python-3.6", "3.9")]
    {
        let plan = nearest(text).unwrap();
        assert_eq!(plan.python.as_ref().unwrap().version, expected, "{text}");
        assert!(plan.notes[0].contains("nearest") && plan.notes[0].contains("runtime.txt:1"), "{:?}", plan.notes);
    }
    // Another major version is another language.
    assert!(nearest("python-2.7").is_err());
}

#[test]
fn packages_go_to_the_kernels_environment_before_and_after_the_content() {
    let files = [("runtime.txt", "python-3.13"), ("requirements.txt", "-e .\nsix\n"), ("setup.py", "")];
    let plan = settle(&files, &base("3.11"), &options(&OFFERED)).unwrap();
    let targets: Vec<PythonTarget> = plan
        .steps
        .iter()
        .filter_map(|step| match step.action {
            Action::InstallPython { target, .. } => Some(target),
            _ => None,
        })
        .collect();
    assert_eq!(targets, [PythonTarget::Kernel]);
    assert_eq!(plan.steps[0].id, super::KERNEL_STEP);
    let session = render_session(&plan, "env:key").dockerfile;
    assert!(session.contains("--python /opt/conda/envs/kernel/bin/python"), "{session}");
}

#[test]
fn the_mirrors_address_is_lent_and_is_no_text_of_plan_or_dockerfile() {
    let mirror = Some("https://user:canary@mirror.example.org/python".to_owned());
    let options = PlanOptions { python_mirror: mirror, ..options(&OFFERED) };
    let plan = settle(&[("runtime.txt", "python-3.13")], &base("3.11"), &options).unwrap();
    let rendered = render_environment(&plan);
    assert!(!rendered.dockerfile.contains("canary") && !serde_json::to_string(&plan).unwrap().contains("canary"));
    assert!(rendered.files.iter().any(|file| file.path == ".bindery/python-mirror"));
    let other = settle(&[("runtime.txt", "python-3.13")], &base("3.11"), &self::options(&OFFERED)).unwrap();
    assert_eq!(plan.environment_key, other.environment_key, "the same Python from elsewhere is the same environment");
}

#[test]
fn a_base_that_does_not_say_its_python_is_asked_in_the_build() {
    let mut base = stack();
    base.labels.clear();
    let plan = settle(&[(".python-version", ">=3.10,<3.13")], &base, &options(&OFFERED)).unwrap();
    let Action::CheckPython { allowed, .. } = &plan.steps[0].action else { panic!("{:?}", plan.steps) };
    assert_eq!(allowed, &["3.10", "3.11", "3.12"]);
    assert!(settle(&[("README.md", "")], &base, &options(&OFFERED)).unwrap().python.is_none());
}

#[test]
fn only_a_series_or_a_release_is_a_version_for_the_settings() {
    for (text, good) in
        [("3.12", true), ("3.12.4", true), ("3", false), ("", false), ("3.12; id", false), ("py", false)]
    {
        assert_eq!(is_python_version(text), good, "{text}");
    }
}

fn of_day(files: &[(&str, &str)], base: &BaseImage, pythons: &[&str], day: &str) -> BuildPlan {
    settle(files, base, &PlanOptions { as_of: Some(day.parse().unwrap()), ..options(pythons) }).unwrap()
}

const LOOSE: [(&str, &str); 1] = [("requirements.txt", "requests\n")];

#[test]
fn packages_of_a_day_go_apart_from_the_server_s_on_the_base_s_python_when_it_was_out() {
    let plan = of_day(&LOOSE, &base("3.11.2"), &OFFERED, "2023-06-01");
    assert_eq!(plan.python.as_ref().unwrap().version, "3.11.2");
    assert_eq!(plan.kernel_prefix().as_deref(), KERNEL);
    let text = render_environment(&plan).dockerfile;
    assert!(text.contains("venv --allow-existing --python /opt/conda/bin/python"), "{text}");
    assert!(!text.contains("python install") && !text.contains("--reinstall"), "{text}");
    // The kernel is of that day too, or it would keep newer packages.
    assert_eq!(text.matches("UV_EXCLUDE_NEWER=2023-06-01T23:59:59Z").count(), 2);
    assert!(!plan.notes.iter().any(|note| note.contains("came out")), "{:?}", plan.notes);
}

#[test]
fn the_python_of_the_day_is_taken_from_those_to_be_had() {
    for (day, expected) in [("2021-06-01", "3.9"), ("2021-12-01", "3.10"), ("2022-11-01", "3.11")] {
        let plan = of_day(&LOOSE, &base("3.11"), &OFFERED, day);
        assert_eq!(plan.python.as_ref().unwrap().version, expected, "{day}");
    }
    let plan = of_day(&LOOSE, &base("3.11"), &OFFERED, "2021-06-01");
    assert_eq!(plan.python.unwrap().source, "asked for");
    // A file that names one wins over the day.
    let files = [LOOSE[0], ("runtime.txt", "python-3.12")];
    assert_eq!(of_day(&files, &base("3.11"), &OFFERED, "2021-06-01").python.unwrap().version, "3.12.4");
}

#[test]
fn a_python_newer_than_the_day_is_said_to_be_and_gets_tools_that_know_it() {
    let plan = of_day(&LOOSE, &base("3.11"), &[], "2021-06-01");
    assert!(plan.notes.iter().any(|note| note.contains("3.11 came out on 2022-10-24")), "{:?}", plan.notes);
    let text = render_environment(&plan).dockerfile;
    assert!(text.contains("--reinstall --exclude-newer-package setuptools=2023-10-24"), "{text}");
    assert!(text.contains("env -u UV_EXCLUDE_NEWER \"$uv\" pip install"), "{text}");
    assert_eq!(text.matches("export UV_EXCLUDE_NEWER").count(), 1, "the kernel is of today");
}

#[test]
fn a_day_without_packages_to_install_leaves_the_base_alone() {
    let plan = of_day(&[("apt.txt", "curl\n")], &base("3.11"), &OFFERED, "2021-06-01");
    assert_eq!((plan.kernel_prefix(), plan.python.unwrap().version.as_str()), (None, "3.11"));
}
