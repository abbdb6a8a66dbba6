//! One repository of each kind, as plan and as Dockerfiles; then what must be refused, ignored or keyed.

use std::collections::BTreeSet;
use std::sync::mpsc;

use bindery_core::{BaseImage, EntryKind, Fault, MemoryTree, Tree, TreeEntry, TreeError};

use crate::base::tests::stack;
use crate::{BuildPlan, PlanOptions, plan, render_dockerfile_repo, render_environment, render_session};

const SCRIPT: &str = "#!/bin/bash\nexec \"$@\"\n";

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    MemoryTree::new(files.iter().copied()).unwrap()
}

fn options() -> PlanOptions {
    PlanOptions { platform: "linux/amd64".to_owned(), ..PlanOptions::default() }
}

fn planned(files: &[(&str, &str)]) -> BuildPlan {
    plan(&tree(files), &stack(), &options()).unwrap()
}

fn refused(files: &[(&str, &str)]) -> Fault {
    plan(&tree(files), &stack(), &options()).unwrap_err().into()
}

/// Plan and Dockerfiles as one text.
fn picture(tree: &MemoryTree, base: &BaseImage, options: &PlanOptions) -> String {
    let plan = plan(tree, base, options).unwrap();
    let mut shown = serde_json::to_value(&plan).unwrap();
    // The same in each.
    shown.as_object_mut().unwrap().remove("contract");
    let mut out = serde_json::to_string_pretty(&shown).unwrap();
    let mut add = |name: &str, rendered: crate::Rendered| {
        out.push_str(&format!(
            "\n\n==== {name} (tree at {:?}, needed: {})\n",
            rendered.tree_prefix, rendered.needs_tree
        ));
        for (key, value) in &rendered.build_args {
            out.push_str(&format!("build argument {key}={value}\n"));
        }
        out.push_str(&rendered.dockerfile);
        for file in rendered.files.iter().filter(|file| !is_ours(&file.path)) {
            out.push_str(&format!("---- {}\n{}", file.path, String::from_utf8_lossy(&file.content)));
        }
    };
    if plan.is_dockerfile() {
        add("its own Dockerfile", render_dockerfile_repo(&plan, tree).unwrap());
    } else {
        add("environment", render_environment(&plan));
        add("session", render_session(&plan, "bindery/environment:key"));
    }
    out
}

/// Whether a lent file is a program of this crate's.
fn is_ours(path: &str) -> bool {
    path.ends_with(".py") || path.ends_with(".R")
}

macro_rules! pictures {
    ($($name:ident: $files:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(picture(&tree(&$files), &stack(), &options()));
            }
        )*
    };
}

mod languages;

pictures! {
    picture_of_a_repository_with_no_environment: [("README.md", "hello")];
    picture_of_requirements: [("requirements.txt", "# science\nnumpy==2.1.0\npandas\n"), ("setup.py", "")];
    picture_of_requirements_with_includes: [
        ("binder/requirements.txt", "-r more.txt\n-c pins/c.txt\n--pre\nnumpy\n"),
        ("binder/more.txt", "six\n"),
        ("binder/pins/c.txt", "six==1.16.0\n"),
    ];
    picture_of_local_requirements: [
        ("requirements.txt", "-e .\nsubdir/pkg\n"), ("setup.py", ""), ("subdir/pkg/pyproject.toml", ""),
    ];
    picture_of_apt: [("apt.txt", "# tools\ncurl\nwget=1.21.3-1+deb12u1 # pinned\n")];
    picture_of_runtime: [("runtime.txt", "python-3.11.9-2024-01-31\n"), ("requirements.txt", "numpy")];
    picture_of_post_build: [("postBuild", SCRIPT)];
    picture_of_start: [("start", SCRIPT)];
    picture_of_everything_in_a_binder_directory: [
        (".binder/apt.txt", "curl"), (".binder/requirements.txt", "numpy"), (".binder/runtime.txt", "python-3"),
        (".binder/postBuild", SCRIPT), (".binder/start", SCRIPT), ("requirements.txt", "old"), ("environment.yml", "x"),
    ];
    picture_of_a_dockerfile: [
        ("Dockerfile", "FROM quay.io/jupyter/minimal-notebook:2025-01-06\nRUN --mount=type=cache,target=/root/.cache pip install x\nCOPY . ${HOME}\nUSER ${NB_UID}\n"),
        ("requirements.txt", "numpy"), ("postBuild", "x"), ("environment.yml", ""),
    ];
    picture_of_a_uv_lock: [
        ("uv.lock", "version = 1\n[[package]]\nname = \"six\"\nversion = \"1.17.0\"\nsource = { registry = \"https://index.example.org\" }\n\
                     [[package]]\nname = \"root\"\nversion = \"1\"\nsource = { editable = \".\" }\ndependencies = [{ name = \"six\" }]\n"),
        ("pyproject.toml", "[project]\nname = \"root\"\nversion = \"1\"\ndependencies = [\"six\"]\n[build-system]\nrequires = []\n"),
    ];
    picture_of_a_pylock: [("pylock.toml", "lock-version = \"1.0\"\n[[packages]]\nname = \"six\"\nversion = \"1\"\n")];
    a29_picture_of_a_conda_environment_with_its_python: [
        ("environment.yml", "name: x\nchannels:\n  - conda-forge\n  - defaults\ndependencies:\n  - python=3.12\n  - numpy >=1.26, <3\n  - bioconda::samtools\n  - pip\n  - pip:\n    - six==1.16.0\nvariables:\n  MODE: teaching\n"),
        ("requirements.txt", "scipy"),
    ];
    picture_of_a_conda_environment_without_conda_packages: [
        ("environment.yml", "dependencies:\n  - python>=3.11\n  - pip\n  - pip:\n    - numpy==2.1.0\n    - -e .\n"), ("setup.py", ""),
    ];
    picture_of_a_conda_lock: [
        ("conda-lock.yml", "package:\n- name: numpy\n  manager: conda\n  platform: linux-64\n  url: https://conda.anaconda.org/conda-forge/linux-64/numpy-2.1.0-py312_0.conda\n  hash: {sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n- name: six\n  manager: pip\n  platform: linux-64\n  url: https://example.org/six-1.16.0-py2.py3-none-any.whl\n  hash: {sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}\n"),
        ("environment.yml", "dependencies: [numpy]\n"),
    ];
    picture_of_environments_that_are_not_supported_yet: [
        ("pyproject.toml", ""), ("requirements-dev.txt", ""),
        ("Requirements.txt", ""), ("docs/requirements.txt", ""), ("Containerfile", ""),
    ];
}

#[test]
fn picture_with_a_ca_bundle_and_a_cache_scope() {
    let tree = tree(&[("requirements.txt", "numpy"), ("apt.txt", "curl"), ("postBuild", SCRIPT)]);
    let options = PlanOptions { ca_bundle: true, cache_scope: "owner-1;$(id)".to_owned(), ..options() };
    insta::assert_snapshot!(picture(&tree, &stack(), &options));
}

#[test]
fn picture_of_a_dockerfile_with_a_ca_bundle() {
    let text = "# escape=`\nFROM debian AS build\nRUN echo one `\n  # inside\n  two\nFROM scratch\nCOPY --from=build /a /b\nCOPY [\"a b\", \"/c/\"]\n\
                RUN --mount=source=x,target=/x --mount=type=cache,id=bindery-python,target=/y [\"a\", \"b\"]\n";
    let options = PlanOptions { ca_bundle: true, cache_scope: "owner".to_owned(), ..options() };
    insta::assert_snapshot!(picture(&tree(&[("binder/Dockerfile", text), ("Dockerfile", "junk")]), &stack(), &options));
}

#[test]
fn picture_of_a_base_that_does_not_say_its_python() {
    let mut base = stack();
    base.labels.clear();
    insta::assert_snapshot!(picture(&tree(&[("runtime.txt", "python-3.12")]), &base, &options()));
}

#[test]
fn a14_picture_of_a_kernel_with_a_python_of_its_own() {
    let files =
        [("runtime.txt", "python-3.12"), ("requirements.txt", "numpy"), ("apt.txt", "curl"), ("postBuild", SCRIPT)];
    let options = PlanOptions {
        pythons: vec!["3.12".to_owned()],
        python_mirror: Some("https://mirror.example.org/python".to_owned()),
        ..options()
    };
    insta::assert_snapshot!(picture(&tree(&files), &stack(), &options));
}

#[test]
fn both_configuration_directories_are_refused_naming_both() {
    let fault = refused(&[("binder/a", ""), (".binder/a", "")]);
    assert_eq!(fault.code, "both-config-dirs");
    assert!(fault.message.contains("binder/") && fault.message.contains(".binder/"));
}

#[test]
fn a_configuration_directory_without_environment_files_still_hides_the_top_and_says_so() {
    let plan = planned(&[("binder/README", ""), ("requirements.txt", "numpy")]);
    assert_eq!(plan.buildpacks, ["default"]);
    assert_eq!(plan.ignored[0].file, "requirements.txt");
    assert!(plan.ignored[0].reason.contains("binder/ exists"));
    assert!(plan.notes.iter().any(|note| note.contains("binder/ has no environment files")), "{:?}", plan.notes);
}

#[test]
fn a_python_the_base_does_not_have_is_refused_naming_what_it_has() {
    let fault = refused(&[("runtime.txt", "\npython-3.12")]);
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("python-not-available", Some("runtime.txt:2")));
    assert!(fault.message.contains("3.12") && fault.message.contains("3.11.2"), "{fault}");
    assert!(fault.hint.unwrap().contains("python-3.11"));
}

#[test]
fn a_dockerfile_wins_over_files_that_would_be_refused() {
    let plan = planned(&[("Dockerfile", "FROM x\n"), ("runtime.txt", "nonsense"), ("apt.txt", "$(id)")]);
    assert_eq!(plan.buildpacks, ["dockerfile"]);
    assert_eq!(plan.ignored.len(), 2);
    assert!(plan.environment_key.is_none());
}

#[test]
fn links_in_place_of_environment_files_are_refused_without_their_target() {
    for name in ["apt.txt", "requirements.txt", "runtime.txt", "postBuild", "start", "Dockerfile", "binder", ".binder"]
    {
        for (kind, target) in [(EntryKind::Symlink, "/proc/self/canary"), (EntryKind::Submodule, "canary")] {
            let mut tree = tree(&[("README.md", "")]);
            tree.insert(name, kind, target.as_bytes()).unwrap();
            let fault = Fault::from(plan(&tree, &stack(), &options()).unwrap_err());
            assert_eq!((fault.code.as_str(), fault.file.as_deref()), ("environment-file-not-regular", Some(name)));
            assert!(!fault.to_string().contains("canary"));
        }
    }
    let mut tree = tree(&[("binder/README.md", "")]);
    tree.insert("binder/apt.txt", EntryKind::Symlink, b"../../canary").unwrap();
    let fault = Fault::from(plan(&tree, &stack(), &options()).unwrap_err());
    assert_eq!(fault.file.as_deref(), Some("binder/apt.txt"));
    let mut tree = MemoryTree::new([("requirements.txt", "-r base.txt")]).unwrap();
    tree.insert("base.txt", EntryKind::Symlink, b"/etc/canary").unwrap();
    let fault = Fault::from(plan(&tree, &stack(), &options()).unwrap_err());
    assert_eq!(fault.file.as_deref(), Some("base.txt"));
}

#[test]
fn a_directory_in_place_of_an_environment_file_is_refused() {
    assert_eq!(refused(&[("requirements.txt/a", "")]).code, "environment-file-not-regular");
}

#[test]
fn an_environment_file_over_a_mebibyte_is_refused() {
    let large = "#".repeat(1024 * 1024 + 1);
    let fault = refused(&[("requirements.txt", &large)]);
    assert_eq!((fault.code.as_str(), fault.file.as_deref()), ("environment-file-too-large", Some("requirements.txt")));
    let fits = "#".repeat(1024 * 1024);
    assert!(planned(&[("requirements.txt", &fits)]).notes.iter().any(|note| note.contains("lists no packages")));
}

#[test]
fn includes_that_are_missing_or_outside_are_refused_with_their_line() {
    for target in ["missing.txt", "../outside.txt", "/etc/passwd", "~/x", "$HOME/x", "."] {
        let fault = refused(&[("requirements.txt", &format!("numpy\n-r {target}\n"))]);
        assert_eq!(fault.place().as_deref(), Some("requirements.txt:2"), "{target}");
    }
}

#[test]
fn an_include_that_climbs_finds_its_file_where_the_repository_has_it() {
    let plan = planned(&[("binder/requirements.txt", "-r ../binder/a.txt\n"), ("binder/a.txt", "numpy\n")]);
    let paths: Vec<_> = render_environment(&plan).files.into_iter().map(|file| file.path).collect();
    assert_eq!(paths[1..], [".bindery/requirements/binder/a.txt", ".bindery/requirements/binder/requirements.txt"]);
}

#[test]
fn includes_that_include_each_other_end() {
    let plan = planned(&[("requirements.txt", "-r a.txt\n"), ("a.txt", "-r requirements.txt\nnumpy\n")]);
    assert_eq!(plan.used.len(), 2);
    assert!(plan.has_environment_steps());
}

#[test]
fn a_path_to_install_from_that_is_not_there_is_refused_with_its_line() {
    let fault = refused(&[("requirements.txt", "numpy\n./pkg\n")]);
    assert_eq!(fault.place().as_deref(), Some("requirements.txt:2"));
}

#[test]
fn only_local_requirements_wait_for_the_content() {
    let needs = |files: &[(&str, &str)]| {
        planned(files).steps.iter().find(|step| step.id == "requirements").unwrap().needs_content
    };
    assert!(!needs(&[("requirements.txt", "numpy\n-r a.txt"), ("a.txt", "six")]));
    assert!(needs(&[("requirements.txt", "-e ."), ("setup.py", "")]));
    assert!(needs(&[("requirements.txt", "numpy\n-r a.txt"), ("a.txt", "./pkg"), ("pkg/setup.py", "")]));
}

#[test]
fn the_key_follows_the_environment_and_nothing_else() {
    let key = |files: &[(&str, &str)], base: &BaseImage, options: &PlanOptions| {
        plan(&tree(files), base, options).unwrap().environment_key.unwrap()
    };
    let (base, site) = (stack(), options());
    let files = [("requirements.txt", "numpy\n"), ("apt.txt", "curl\n")];
    let same = key(&files, &base, &site);
    let with = |more: (&'static str, &'static str)| [files.as_slice(), &[more]].concat();

    assert_eq!(same, key(&with(("README.md", "new")), &base, &site), "other content");
    assert_eq!(same, key(&with(("postBuild", SCRIPT)), &base, &site), "a step on the content");
    assert_eq!(same, key(&with(("Gemfile", "")), &base, &site), "an ignored file");
    let moved = [("binder/requirements.txt", "numpy\r\n"), ("binder/apt.txt", "# the same\ncurl")];
    assert_eq!(same, key(&moved, &base, &site), "another directory, other line ends");
    let mut renamed = stack();
    "elsewhere/stack:1".clone_into(&mut renamed.name);
    assert_eq!(same, key(&files, &renamed, &site), "another name of the same base");
    assert_eq!(same, key(&files, &base, &PlanOptions { cache_scope: "x".to_owned(), ..options() }), "another cache");

    assert_ne!(same, key(&[("requirements.txt", "numpy>1\n"), ("apt.txt", "curl\n")], &base, &site));
    assert_ne!(same, key(&[("requirements.txt", "numpy\n"), ("apt.txt", "curl\nwget\n")], &base, &site));
    assert_ne!(same, key(&[("requirements.txt", "numpy\n")], &base, &site));
    assert_ne!(same, key(&files, &BaseImage { id: "sha256:other".to_owned(), ..stack() }, &site));
    assert_ne!(same, key(&files, &base, &PlanOptions { platform: "linux/arm64".to_owned(), ..options() }));
    assert_ne!(same, key(&files, &base, &PlanOptions { ca_bundle: true, ..options() }));
    assert_ne!(same, key(&files, &base, &as_of("2021-03-01")));
    assert_ne!(key(&files, &base, &as_of("2021-03-02")), key(&files, &base, &as_of("2021-03-01")));
    let named = with(("runtime.txt", "python-2021-03-01"));
    assert_eq!(key(&named, &base, &site), key(&files, &base, &as_of("2021-03-01")), "wherever the day is named");
}

fn as_of(day: &str) -> PlanOptions {
    PlanOptions { as_of: Some(day.parse().unwrap()), ..options() }
}

#[test]
fn a_date_that_a_file_names_decides_what_is_installed() {
    let files = [
        ("runtime.txt", "\npython-3.11-2024-01-31"),
        ("requirements.txt", "numpy"),
        ("apt.txt", "curl"),
        ("postBuild", SCRIPT),
    ];
    let plan = planned(&files);
    let chosen = plan.as_of.as_ref().unwrap();
    assert_eq!((chosen.date.to_string().as_str(), chosen.source.as_str()), ("2024-01-31", "runtime.txt:2"));
    assert!(plan.notes.iter().any(|note| note.contains("2024-01-31 (runtime.txt:2)")), "{:?}", plan.notes);
    let (environment, session) = (render_environment(&plan).dockerfile, render_session(&plan, "x").dockerfile);
    let line = "export UV_EXCLUDE_NEWER=2024-01-31T23:59:59Z";
    for (text, step) in [(&environment, "step=requirements"), (&session, "step=post-build")] {
        let run = text.split("RUN ").find(|run| run.contains(step)).unwrap();
        assert!(run.contains(line), "{run}");
    }
    // Debian's packages have no such thing; their step must not differ from day to day.
    assert_eq!(environment.matches(line).count() + session.matches(line).count(), 3);
    assert!(!render_environment(&planned(&files[1..])).dockerfile.contains("EXCLUDE_NEWER"));
}

#[test]
fn a_date_that_is_asked_for_wins_and_the_plan_names_both() {
    let files = [("runtime.txt", "python-3.11-2024-01-31"), ("requirements.txt", "numpy")];
    let plan = plan(&tree(&files), &stack(), &as_of("2023-06-01")).unwrap();
    let chosen = plan.as_of.as_ref().unwrap();
    assert_eq!((chosen.date.to_string().as_str(), chosen.source.as_str()), ("2023-06-01", "asked for"));
    let said = |words: [&str; 3]| plan.notes.iter().any(|note| words.iter().all(|word| note.contains(word)));
    assert!(said(["runtime.txt:1", "2024-01-31", "2023-06-01"]), "{:?}", plan.notes);
    assert!(render_environment(&plan).dockerfile.contains("UV_EXCLUDE_NEWER=2023-06-01T23:59:59Z"));
}

#[test]
fn a_date_says_that_a_dockerfile_decides_by_itself() {
    let plan = plan(&tree(&[("Dockerfile", "FROM x\n")]), &stack(), &as_of("2023-06-01")).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("2023-06-01 has no effect")), "{:?}", plan.notes);
}

#[test]
fn a_plan_never_shows_the_content_of_requirements() {
    let plan = planned(&[("requirements.txt", "--extra-index-url https://user:canary@example.org/simple\nnumpy\n")]);
    assert!(!serde_json::to_string(&plan).unwrap().contains("canary"));
}

#[test]
fn a_file_of_the_repository_may_be_named_like_a_directory_of_the_base() {
    let mut tree = tree(&[("work", "a file"), (".local/x", "")]);
    tree.insert(".cache", EntryKind::Symlink, b"/etc").unwrap();
    let plan = plan(&tree, &stack(), &options()).unwrap();
    let session = render_session(&plan, "x").dockerfile;
    assert!(session.contains("rm -rf -- /home/jovyan/.cache /home/jovyan/work\n"), "{session}");
}

#[test]
fn a44_a_dockerignore_keeps_files_out_of_the_image_but_not_those_the_plan_uses() {
    let top = planned(&[(".dockerignore", "*\n"), ("postBuild", SCRIPT), ("data.csv", "")]);
    assert_eq!(top.ignore_file.as_deref(), Some(".dockerignore"));
    assert_eq!(render_session(&top, "x").keep, ["postBuild"]);
    assert_eq!(render_environment(&top).ignore_file, None);
    let inside = planned(&[("binder/.dockerignore", "*\n"), (".dockerignore", "x\n"), ("binder/start", SCRIPT)]);
    assert_eq!(inside.ignore_file.as_deref(), Some("binder/.dockerignore"));
    // As other engines call it.
    assert_eq!(planned(&[(".containerignore", "x")]).ignore_file.as_deref(), Some(".containerignore"));
    assert_eq!(planned(&[("binder/start", SCRIPT), (".dockerignore", "x")]).ignore_file, None);
}

/// A tree that tells what is read of it.
struct Watched {
    tree: MemoryTree,
    read: mpsc::Sender<String>,
}

impl Tree for Watched {
    fn entries(&self) -> &[TreeEntry] {
        self.tree.entries()
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        self.read.send(path.to_owned()).unwrap();
        self.tree.read(path, limit)
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.read.send(path.to_owned()).unwrap();
        self.tree.link_target(path)
    }
}

#[test]
fn a_thousand_files_are_planned_alike_every_time_without_reading_any_but_the_environment() {
    let mut files: Vec<(String, &str)> = (0..1000).map(|n| (format!("data/{}/{n}.csv", n % 7), "x")).collect();
    files.extend((0..20).map(|n| (format!("nested/{n}/requirements.txt"), "nothing")));
    let environment = [
        ("requirements.txt", "numpy\n-r more/base.txt\n"),
        ("more/base.txt", "six\n"),
        ("apt.txt", "curl\n"),
        ("runtime.txt", "python-3.11\n"),
        ("postBuild", SCRIPT),
        ("start", SCRIPT),
        (".dockerignore", "*.tmp\n"),
    ];
    files.extend(environment.map(|(name, content)| (name.to_owned(), content)));
    let (read, told) = mpsc::channel();
    let watched = Watched { tree: MemoryTree::new(files.clone()).unwrap(), read };
    let first = plan(&watched, &stack(), &options()).unwrap();
    assert_eq!(
        told.try_iter().collect::<BTreeSet<String>>(),
        environment.iter().map(|(name, _)| (*name).to_owned()).collect()
    );
    assert_eq!(first.used.len(), environment.len());
    // In another order, and again.
    files.reverse();
    let other = MemoryTree::new(files).unwrap();
    for again in [plan(&other, &stack(), &options()).unwrap(), plan(&watched, &stack(), &options()).unwrap()] {
        assert_eq!(serde_json::to_string(&first).unwrap(), serde_json::to_string(&again).unwrap());
        assert_eq!(render_environment(&first), render_environment(&again));
        assert_eq!(render_session(&first, "x"), render_session(&again, "x"));
    }
}

#[test]
fn picture_of_another_user_directory_and_appendix() {
    let session = crate::SessionOptions::default().user("ada", 1234).unwrap().directory("/srv/repo").unwrap();
    let options = PlanOptions { session: session.appendix("RUN id\nLABEL a=b"), ..options() };
    let files = [("requirements.txt", "six"), ("postBuild", SCRIPT), ("start", SCRIPT)];
    insta::assert_snapshot!(picture(&tree(&files), &stack(), &options));
}

#[test]
fn a_user_and_directory_that_are_the_base_s_own_change_nothing() {
    let own = crate::SessionOptions::default().user("jovyan", 1000).unwrap().directory("/home/jovyan/").unwrap();
    let files = [("requirements.txt", "six"), ("postBuild", SCRIPT)];
    let same = plan(&tree(&files), &stack(), &PlanOptions { session: own, ..options() }).unwrap();
    assert_eq!(same, planned(&files));
    let other = crate::SessionOptions::default().user("ada", 1000).unwrap();
    let other = plan(&tree(&files), &stack(), &PlanOptions { session: other, ..options() }).unwrap();
    assert_eq!(other.environment_key, same.environment_key, "the environment is shared by users of any name");
    assert_eq!(other.content_directory(), "/home/ada");
}

#[test]
fn a_dockerfile_gets_user_directory_and_appendix() {
    let session = crate::SessionOptions::default().user("ada", 1234).unwrap().directory("/srv/repo").unwrap();
    let options = PlanOptions { session: session.appendix("RUN last"), ..options() };
    let tree = tree(&[("Dockerfile", "FROM x:1\nARG NB_USER\nRUN one")]);
    let plan = plan(&tree, &stack(), &options).unwrap();
    let rendered = render_dockerfile_repo(&plan, &tree).unwrap();
    assert!(rendered.dockerfile.ends_with("\nRUN one\nRUN last\n"), "{}", rendered.dockerfile);
    let arguments: Vec<String> = rendered.build_args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(arguments, ["NB_USER=ada", "NB_UID=1234", "REPO_DIR=/srv/repo"]);
}
