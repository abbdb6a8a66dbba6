//! R, Julia, Nix, development containers and notebooks. No machine that tests this has CRAN or Julia's registry in reach: what is proven here is the plan and the
//! Dockerfile, not a build. R with what Debian has is built for real in `tests/tests/environment_files/r.rs`.

use super::*;

const RENV: &str = "{\n\"R\": {\"Version\": \"4.1.2\"},\n\"Packages\": {\"digest\": {\"Version\": \"0.6.29\", \"Source\": \"Repository\"}}}";
const DESCRIPTION: &str = "Package: waves\nVersion: 0.1.0\nImports: digest (>= 0.6), stats\n";

pictures! {
    a32_picture_of_r_in_runtime_with_a_date_and_an_install_script: [
        ("runtime.txt", "r-4.2-2024-01-31\n"), ("install.R", "install.packages(c('digest', 'dplyr'))\n"), ("data.csv", "1"),
    ];
    a33_picture_of_an_r_package: [("DESCRIPTION", DESCRIPTION), ("NAMESPACE", "export(f)\n"), ("R/f.R", "f <- function() 1\n")];
    a34_picture_of_a_renv_lock: [("renv.lock", RENV)];
    a37_picture_of_a_julia_project_with_a_manifest: [
        ("Project.toml", "[deps]\nExample = \"7876af07-990d-54b4-ab0e-23690620f79a\"\n[compat]\njulia = \"1.6\"\n"),
        ("Manifest.toml", "julia_version = \"1.9.4\"\nmanifest_format = \"2.0\"\n[[deps.Example]]\nversion = \"0.5.3\"\n"),
    ];
    picture_of_python_r_julia_and_debian_packages_together: [
        ("binder/requirements.txt", "numpy\n"), ("binder/install.R", "install.packages('digest')\n"),
        ("binder/Project.toml", "[compat]\njulia = \"1.10\"\n"), ("binder/apt.txt", "curl\n"), ("binder/postBuild", SCRIPT),
        ("default.nix", ""),
    ];
}

fn base_with(label: &str, value: &str) -> BaseImage {
    let mut base = stack();
    base.labels.push((label.to_owned(), value.to_owned()));
    base
}

fn on(base: &BaseImage, files: &[(&str, &str)]) -> Result<BuildPlan, Fault> {
    plan(&tree(files), base, &options()).map_err(Fault::from)
}

fn ids(plan: &BuildPlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn a32_an_r_the_base_has_is_taken_and_another_refused_naming_what_it_has() {
    let debian = base_with("io.bindery.apt.r", "4.2.2");
    let files = |version: &'static str| [("runtime.txt", version), ("install.R", "")];
    for version in ["r-4.2", "r-4.2.1", "r-4", "r-2024-01-31", "r-4.2-2024-01-31"] {
        let plan = on(&debian, &files(version)).unwrap();
        assert_eq!(plan.buildpacks, ["r"], "{version}");
        assert_eq!(plan.r.unwrap().version, "4.2.2");
    }
    let fault = on(&debian, &files("r-4.3")).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("r-not-available", Some("runtime.txt:1")));
    assert!(fault.message.contains("4.3") && fault.message.contains("4.2.2"), "{fault}");
    // Where the base does not say, the build finds out.
    let plan = planned(&files("r-4.3"));
    let text = render_environment(&plan).dockerfile;
    assert!(text.contains("case \"$have\" in 4.3|4.3.*)") && text.contains("runtime.txt:1 asks for R 4.3"), "{text}");
}

#[test]
fn a32_an_install_script_alone_is_r_and_never_a_silent_python() {
    for files in [
        [("install.R", "install.packages('digest')"), ("README.md", "")],
        [("install.R", ""), ("runtime.txt", "python-3.11")],
        [("README.md", ""), ("runtime.txt", "r-4.2")],
    ] {
        let plan = planned(&files);
        assert!(plan.r.is_some() && ids(&plan).contains(&"r"), "{files:?}");
    }
}

#[test]
fn a33_a_description_without_a_namespace_gives_what_it_needs_and_says_so() {
    let plan = planned(&[("DESCRIPTION", DESCRIPTION)]);
    assert_eq!(ids(&plan), ["r", "r-packages", "content"]);
    assert!(plan.notes.iter().any(|note| note.contains("NAMESPACE")), "{:?}", plan.notes);
}

#[test]
fn a34_a_locked_package_is_required_and_one_a_script_names_is_left_to_it() {
    let plan = planned(&[("renv.lock", RENV), ("install.R", "install.packages('dplyr')")]);
    let files = render_environment(&plan).files;
    let list = files.iter().find(|file| file.path == ".bindery/r-packages/packages.tsv").unwrap();
    assert_eq!(String::from_utf8_lossy(&list.content), "digest\t\t0.6.29\trequired\ndplyr\t\t\twanted\n");
    assert!(plan.notes.iter().any(|note| note.contains("renv.lock was written with R 4.1.2")), "{:?}", plan.notes);
}

#[test]
fn a35_an_install_script_runs_on_top_of_the_content_with_what_it_names_already_there() {
    let plan = planned(&[("install.R", "install.packages('digest')\nread.csv('data.csv')\n"), ("data.csv", "1")]);
    assert_eq!(ids(&plan), ["r", "r-packages", "content", "install-r"]);
    assert!(plan.steps.iter().all(|step| step.needs_content == matches!(step.id.as_str(), "content" | "install-r")));
    assert!(plan.steps.iter().all(|step| step.id == "content" || step.file.as_deref() == Some("install.R")));
}

#[test]
fn the_day_asked_for_is_part_of_the_address_of_r_packages() {
    let profile = |files: &[(&str, &str)], cran: &str| {
        let mut options = options();
        cran.clone_into(&mut options.sources.cran);
        let plan = plan(&tree(files), &stack(), &options).unwrap();
        let files = render_environment(&plan).files;
        let file = files.into_iter().find(|file| file.path == ".bindery/r-system/Rprofile.site").unwrap();
        (String::from_utf8_lossy(&file.content).into_owned(), plan.notes)
    };
    let (text, _) = profile(&[("runtime.txt", "r-4.2-2024-01-31")], "https://x/{codename}/{date}");
    assert!(text.contains("CRAN = \"https://x/{codename}/2024-01-31\""), "{text}");
    let (text, _) = profile(&[("runtime.txt", "r-4.2")], "https://x/{date}");
    assert!(text.contains("CRAN = \"https://x/latest\""), "{text}");
    let (text, notes) = profile(&[("runtime.txt", "r-4.2-2024-01-31")], "https://x/");
    assert!(text.contains("CRAN = \"https://x/\""), "{text}");
    assert!(notes.iter().any(|note| note.contains("no effect on R packages")), "{notes:?}");
    let (text, _) = profile(&[("runtime.txt", "r-4.2")], "https://x/\"); system(\"id");
    assert!(text.contains("CRAN = \"https://x/\\\"); system(\\\"id\""), "{text}");
}

#[test]
fn a_base_that_brings_r_is_given_none() {
    let plan = on(&base_with("io.bindery.r", "4.4.1"), &[("install.R", "install.packages('digest')")]).unwrap();
    let text = render_environment(&plan).dockerfile;
    assert!(!text.contains("apt-get") && !text.contains("R_LIBS_USER"), "{text}");
    assert!(text.contains("Rprofile.site"));
    assert_eq!(plan.r.unwrap().source, "base image");
}

#[test]
fn a_base_known_to_bring_r_is_asked_for_its_version_in_the_build() {
    let files = [("runtime.txt", "r-4.4")];
    let planned = plan(&tree(&files), &base_with("io.bindery.apt.r", "4.2"), &options());
    assert!(planned.is_err() && crate::asks_for_r(&planned), "another base may have it");
    assert!(!crate::asks_for_r(&plan(&tree(&[("requirements.txt", "numpy")]), &stack(), &options())));
    let text = render_environment(&on(&crate::bringing_r(stack()), &files).unwrap()).dockerfile;
    assert!(text.contains("getRversion") && !text.contains("apt-get"), "{text}");
}

#[test]
fn a36_the_newest_julia_a_project_allows_is_planned() {
    let version = |compat: &str| {
        let text = format!("[compat]\njulia = \"{compat}\"\n");
        planned(&[("Project.toml", &text)]).julia.unwrap()
    };
    assert_eq!(version("~1.6.2").version, "1.6.7");
    assert_eq!(version("=1.3").version, "1.3.0");
    assert_eq!(version("1.6, 1.9").version, version("1").version);
    assert_eq!(version("~1.8, ~1.9").source, "Project.toml:2");
    let any = planned(&[("Project.toml", "[deps]\n")]).julia.unwrap();
    assert_eq!((any.version, any.source.as_str()), (version("1").version, "the newest release"));
}

#[test]
fn a36_no_release_that_fits_is_refused_with_the_requirement_and_what_there_is() {
    let fault = refused(&[("Project.toml", "[compat]\njulia = \"~9.1\"\n")]);
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("julia-not-available", Some("Project.toml:2")));
    assert!(fault.message.contains("~9.1") && fault.hint.unwrap().contains("1.0.0 to 1."), "{}", fault.message);
    let fault = refused(&[("runtime.txt", "julia-1.6"), ("Project.toml", "[compat]\njulia = \"1.9\"\n")]);
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("conflicting-versions", Some("runtime.txt:1")));
    assert!(fault.message.contains("Project.toml:2"), "{}", fault.message);
}

#[test]
fn a37_the_julia_of_a_manifest_wins_over_what_a_project_allows() {
    let manifest = ("Manifest.toml", "julia_version = \"1.7.1\"\nmanifest_format = \"2.0\"\n");
    let plan = planned(&[("Project.toml", "[compat]\njulia = \"1.9\"\n"), manifest]);
    let julia = plan.julia.unwrap();
    assert_eq!((julia.version.as_str(), julia.source.as_str()), ("1.7.1", "Manifest.toml:1"));
    assert!(
        plan.notes.iter().any(|note| note.contains("Project.toml:2") && note.contains("1.7.1")),
        "{:?}",
        plan.notes
    );
    let fault = refused(&[("Project.toml", ""), manifest, ("runtime.txt", "julia-1.9")]);
    assert_eq!(fault.place().as_deref(), Some("runtime.txt:1"));
    assert!(fault.message.contains("Manifest.toml:1"), "{}", fault.message);
}

#[test]
fn a38_a_require_file_is_refused_with_what_to_write_instead() {
    let fault = refused(&[("REQUIRE", "julia 0.6\nIJulia\n")]);
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("unsupported-environment", Some("REQUIRE")));
    assert!(fault.hint.unwrap().contains("Project.toml"));
    let plan = planned(&[("REQUIRE", "julia 0.6\n"), ("Project.toml", "")]);
    assert_eq!(plan.ignored[0].file, "REQUIRE");
}

#[test]
fn julia_packages_that_are_paths_wait_for_the_content() {
    let manifest = "julia_version = \"1.9.4\"\nmanifest_format = \"2.0\"\n[[deps.Own]]\npath = \"lib/Own\"\n";
    let plan = planned(&[("Project.toml", ""), ("Manifest.toml", manifest), ("lib/Own/Project.toml", "")]);
    assert!(!render_environment(&plan).dockerfile.contains("julia-project"));
    assert!(!render_session(&plan, "x").dockerfile.contains("environments/repository"));
    assert!(plan.notes.iter().any(|note| note.contains("Manifest.toml:4")), "{:?}", plan.notes);
}

#[test]
fn every_julia_file_beside_the_used_ones_is_named() {
    let plan = planned(&[("JuliaProject.toml", ""), ("Project.toml", ""), ("Manifest.toml", "")]);
    let ignored: Vec<_> = plan.ignored.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(ignored, ["Project.toml"]);
    let plan = planned(&[("Manifest.toml", ""), ("requirements.txt", "numpy")]);
    assert_eq!(plan.ignored[0].file, "Manifest.toml");
}

#[test]
fn nix_alone_is_refused_and_beside_others_named() {
    for name in ["default.nix", "shell.nix", "flake.nix"] {
        let fault = refused(&[(name, "{}"), ("README.md", "")]);
        assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("unsupported-environment", Some(name)));
        assert!(fault.hint.unwrap().contains("Dockerfile"));
    }
    let plan = planned(&[("flake.nix", "{}"), ("flake.lock", "{}"), ("requirements.txt", "numpy")]);
    let ignored: Vec<_> = plan.ignored.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(ignored, ["flake.nix", "flake.lock"]);
    assert!(plan.ignored[0].reason.contains("Nix is not built here"));
}

const R_NOTEBOOK: &str = r#"{"cells": [], "metadata": {"kernelspec": {"name": "ir", "language": "R"}}, "nbformat": 4}"#;
const DEV_CONTAINER: &str = r#"{ // for editing
  "image": "mcr.microsoft.com/devcontainers/python:3.11",
  "features": {"ghcr.io/rocker-org/devcontainer-features/apt-packages:1": {"packages": "curl,jq"}, "x/ollama:1": {}},
  "containerEnv": {"GREETING": "it's $(touch /pwned)", "PATH": "/x", "P": "${localEnv:P}"},
  "postCreateCommand": "echo done > done.txt",
}"#;

#[test]
fn picture_of_a_development_container() {
    let tree =
        tree(&[(".devcontainer/devcontainer.json", DEV_CONTAINER), (".devcontainer/gpu/devcontainer.json", "{}")]);
    insta::assert_snapshot!(picture(&tree, &stack(), &options()));
}

#[test]
fn a_development_container_gives_way_to_every_other_file() {
    for (other, text) in
        [("requirements.txt", "numpy"), ("install.R", ""), ("Dockerfile", "FROM x\n"), ("postBuild", SCRIPT)]
    {
        let plan = planned(&[(other, text), (".devcontainer/devcontainer.json", DEV_CONTAINER)]);
        assert_eq!(plan.ignored.len(), 1, "{other}");
        assert!(plan.ignored[0].reason.contains(other), "{:?}", plan.ignored);
    }
    let plan = planned(&[("binder/README", ""), (".devcontainer/devcontainer.json", "nonsense")]);
    assert!(plan.ignored[0].reason.contains("binder/ exists"), "{:?}", plan.ignored);
}

#[test]
fn the_dockerfile_of_a_development_container_decides_when_it_is_built_from_the_repository() {
    let with = |context: &str| {
        let text = format!("{{\"build\": {{\"dockerfile\": \"Dockerfile\", \"context\": \"{context}\"}}}}");
        planned(&[(".devcontainer/devcontainer.json", &text), (".devcontainer/Dockerfile", "FROM x\n")])
    };
    assert_eq!(with("..").dockerfile.as_deref(), Some(".devcontainer/Dockerfile"));
    for context in [".", "../..", "/", "../data"] {
        let plan = with(context);
        assert!(
            !plan.is_dockerfile() && plan.ignored.iter().any(|it| it.file.ends_with("devcontainer.json")),
            "{context}"
        );
    }
}

#[test]
fn notebooks_of_another_language_get_their_kernel_where_nothing_else_is_said() {
    let plan = planned(&[("lessons/one.ipynb", R_NOTEBOOK), ("b.ipynb", "junk"), ("deep/er/x.ipynb", R_NOTEBOOK)]);
    assert_eq!(plan.buildpacks, ["notebook"]);
    assert_eq!(ids(&plan), ["r", "content"]);
    assert_eq!(plan.used[0].file, "lessons/one.ipynb");
    assert!(planned(&[("a.ipynb", R_NOTEBOOK), ("requirements.txt", "numpy")]).r.is_none());
    assert!(planned(&[("a/b/c.ipynb", R_NOTEBOOK)]).r.is_none());
    let python = R_NOTEBOOK.replace("\"R\"", "\"python\"");
    assert_eq!(planned(&[("a.ipynb", &python)]).buildpacks, ["default"]);
    let julia = R_NOTEBOOK.replace("\"R\"", "\"julia\"");
    let plan = planned(&[("a.ipynb", &julia), ("b.ipynb", R_NOTEBOOK)]);
    assert_eq!(ids(&plan), ["r", "julia", "julia-packages", "content"]);
}

#[test]
fn the_python_of_a_development_container_is_asked_for() {
    let with = |image: &str, version: &str| {
        let text = format!(
            "{{\n\"image\": \"{image}\",\n\"features\": {{\"ghcr.io/devcontainers/features/python:1\": {{\"version\": \"{version}\"}}}}}}"
        );
        plan(&tree(&[(".devcontainer.json", &text)]), &stack(), &options()).map_err(Fault::from)
    };
    let chosen = with("mcr.microsoft.com/devcontainers/python:1-3.11-bookworm", "latest").unwrap().python.unwrap();
    assert_eq!(chosen.source, ".devcontainer.json:2");
    assert_eq!(with("debian:12", "3.11").unwrap().python.unwrap().source, ".devcontainer.json:3");
    assert_eq!(with("debian:12", "os-provided").unwrap().python.unwrap().source, "base image");
    let fault = with("mcr.microsoft.com/devcontainers/python:3.12", "latest").unwrap_err();
    assert_eq!(fault.place().as_deref(), Some(".devcontainer.json:2"));
}

#[test]
fn servers_for_r_come_with_r_where_the_site_names_them_and_never_otherwise() {
    let package = |name: &str| Some(format!("https://x/{name}.deb#sha256={}", "0".repeat(64)).parse().unwrap());
    let mut site = options();
    (site.sources.rstudio, site.sources.shiny) = (package("rstudio"), package("shiny"));
    let with_r = plan(&tree(&[("runtime.txt", "r-4.2")]), &stack(), &site).unwrap();
    assert_eq!(
        ids(&with_r),
        ["r", "rstudio", "shiny", "rstudio-proxy", "shiny-proxy", "r-packages", "content"],
        "what needs R comes after it"
    );
    insta::assert_snapshot!(render_environment(&with_r).dockerfile);
    let without = plan(&tree(&[("requirements.txt", "numpy")]), &stack(), &site).unwrap();
    assert!(!ids(&without).iter().any(|id| id.contains("rstudio") || id.contains("shiny")));
    let key = |site: &PlanOptions| plan(&tree(&[("runtime.txt", "r-4.2")]), &stack(), site).unwrap().environment_key;
    assert_ne!(key(&site), key(&options()));
}
