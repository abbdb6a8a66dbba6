//! R as Debian has it: the kernel, packages, a lock file, a package of the repository's own. What would come from CRAN is a picture
//! of a plan in `buildpacks`.

use bindery_tests::repos::{RepoFile, file};

use crate::support::{Image, Shared, build, inspect, refuse};

/// One image for the rows that need no environment of their own.
static TOGETHER: Shared = Shared::new();

fn together() -> Vec<RepoFile> {
    vec![
        file("runtime.txt", "r-4.2-2024-01-31\n"),
        file(
            "DESCRIPTION",
            "Package: waves\nVersion: 0.1.0\nTitle: Waves\nImports: digest (>= 0.6), stats\nLicense: MIT\n",
        ),
        file("NAMESPACE", "export(crest)\n"),
        file("R/crest.R", "crest <- function() digest::digest(1, algo = 'md5')\n"),
        file(
            "renv.lock",
            r#"{"R": {"Version": "4.1.2"}, "Packages": {"jsonlite": {"Package": "jsonlite", "Version": "1.7.0", "Source": "Repository"}}}"#,
        ),
        file("heights.csv", "metres\n1\n2\n"),
        file(
            "install.R",
            "heights <- read.csv('heights.csv')\ninstall.packages('jsonlite')\nlibrary(jsonlite)\nwriteLines(toJSON(sum(heights$metres)), 'sum.json')\n",
        ),
    ]
}

/// What R prints; it must succeed.
fn r(image: &Image, program: &str) -> String {
    let ran = image.run(&["Rscript", "-e", program]);
    assert_eq!(ran.code, Some(0), "{program}: {ran:#?}");
    ran.out
}

#[test]
fn a32_r_in_runtime_txt_gives_r_with_its_kernel() {
    let Some(image) = TOGETHER.image("a32_r_in_runtime_txt", together) else { return };
    // What the plan took from the base's label is what its distribution brought.
    let label = "{{index .Config.Labels \"io.bindery.apt.r\"}}";
    let stated = inspect(&image.workshop.engine, &image.workshop.engine.base_image, label);
    assert_eq!(r(&image, "cat(as.character(getRversion()))"), stated);
    assert!(image.sh("jupyter kernelspec list 2>/dev/null").contains("/opt/conda/share/jupyter/kernels/ir"));
    // The kernel computes, and Python's is still there.
    let program = "from jupyter_client.manager import start_new_kernel\n\
                   for name, code in (('ir', 'cat(1 + 1)'), ('python3', 'print(1 + 1, end=\"\")')):\n\
                   \x20   manager, client = start_new_kernel(kernel_name=name, startup_timeout=100)\n\
                   \x20   hook = lambda message: print(message['content'].get('text', ''), end='')\n\
                   \x20   client.execute_interactive(code, timeout=100, output_hook=hook)\n\
                   \x20   manager.shutdown_kernel(now=True)\n";
    assert_eq!(image.python(program), "22");
    assert!(r(&image, "cat(getOption('repos'))").ends_with("/bookworm/2024-01-31"));
    assert_eq!(image.sh("touch \"$R_LIBS_USER\"/mine && echo may"), "may");
}

#[test]
fn a32_an_r_the_distribution_does_not_have_fails_and_says_which_it_has() {
    let Some(failure) = refuse("a32_an_r_the_distribution_does_not_have", &[file("runtime.txt", "r-4.5\n")]) else {
        return;
    };
    assert_eq!((failure.place().as_str(), failure.fault["code"].as_str()), ("runtime.txt:1", Some("r-not-available")));
    assert!(failure.said().contains("asks for R 4.5; this site has R 4.2.2"), "{failure:#?}");
}

#[test]
fn a33_the_package_a_repository_is_can_be_loaded() {
    let Some(image) = TOGETHER.image("a33_the_package_a_repository_is", together) else { return };
    assert_eq!(r(&image, "library(waves); cat(crest())").len(), 32);
}

#[test]
fn a34_locked_packages_are_those_of_the_distribution_and_the_log_says_so() {
    let Some(image) = TOGETHER.image("a34_locked_packages", together) else { return };
    assert_eq!(r(&image, "library(jsonlite); cat(toJSON(1, auto_unbox = TRUE))"), "1");
    assert_eq!(r(&image, "cat(as.character(packageVersion('jsonlite')))"), "1.8.4");
    let log = &image.log;
    assert!(log.contains("renv.lock was written with R 4.1.2") && log.contains("differs from the lock"), "{log}");
}

#[test]
fn a34_a_locked_package_that_is_nowhere_fails_the_build_and_is_named() {
    let lock = r#"{"Packages": {"nosuchpackage": {"Package": "nosuchpackage", "Version": "1.0"}}}"#;
    let Some(failure) = refuse("a34_a_locked_package_that_is_nowhere", &[file("renv.lock", lock)]) else { return };
    assert!(failure.told.contains("could not be installed: nosuchpackage"), "{failure:#?}");
    assert_eq!(failure.place(), "renv.lock:1");
}

#[test]
fn a35_an_install_script_reads_the_repositorys_data_and_finds_its_packages_there() {
    let Some(image) = TOGETHER.image("a35_an_install_script", together) else { return };
    assert_eq!(image.sh("cat sum.json"), "[3]");
    assert_eq!(image.sh("ls \"$R_LIBS_USER\""), "waves", "nothing was installed a second time");
}

#[test]
fn notebooks_of_r_alone_give_its_kernel() {
    let notebook = r#"{"cells": [], "metadata": {"kernelspec": {"name": "ir", "language": "R"}}, "nbformat": 4, "nbformat_minor": 5}"#;
    let Some(image) = build("notebooks_of_r_alone", &[file("lesson.ipynb", notebook)]) else { return };
    assert!(image.sh("jupyter kernelspec list 2>/dev/null").contains("kernels/ir"));
}
