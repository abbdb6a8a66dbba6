//! `apt.txt`, `postBuild` and `start`.

use bindery_tests::engine::unique;
use bindery_tests::repos::{executable, file};

use crate::support::{Shared, Workshop, build, refuse};

/// A repository whose `start` sets a variable.
static STARTED: Shared = Shared::new();

#[test]
fn a09_apt_txt_installs_exactly_what_it_lists() {
    let Some(workshop) = Workshop::find("a09") else { return };
    let listed = "dpkg-query -W -f '${Package}=${Version} ${Status}\\n' tree hello 2>/dev/null || true";
    let first = workshop.build(&[file("apt.txt", "# tools\r\nhello # says hello\r\n\r\n")]);
    let said = first.sh(listed);
    assert!(said.starts_with("hello=") && said.ends_with("install ok installed"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let version = said.split(['=', ' ']).nth(1).unwrap();
    // Pinned to the version the archive is known to have.
    let second = workshop.build(&[file("apt.txt", format!("tree\nhello={version}#pinned\n"))]);
    assert!(second.sh("hello; tree --version").starts_with("Hello"), "{}", second.log);
    assert!(second.log.contains("Using apt.txt: Debian packages"), "{}", second.log);
}

#[test]
fn a10_what_is_no_package_name_is_refused_before_anything_runs() {
    for line in ["curl; touch /pwned", "$(id)", "--option", "-y", "CURL"] {
        let Some(failure) = refuse("a10", &[file("apt.txt", format!("tree\n{line}\n"))]) else { return };
        assert_eq!((failure.place().as_str(), &failure.fault["by"]), ("apt.txt:2", &"user".into()), "{line}");
        assert!(!failure.log.contains("Building the environment"), "{line}: {}", failure.log);
    }
}

#[test]
fn a11_post_build_runs_after_the_environment_as_the_user_among_the_files() {
    let script = "#!/bin/bash\nset -e\npython -c 'import six'\necho \"$(whoami) $PWD $(cat data.txt)\" > ~/built.txt\n";
    // Without the executable bit.
    let files = [file("postBuild", script), file("data.txt", "data"), file("requirements.txt", "six\n")];
    let Some(image) = build("a11", &files) else { return };
    assert_eq!(image.sh("cat built.txt"), "jovyan /home/jovyan data");
}

#[test]
fn a11_post_build_may_be_written_in_any_language() {
    let files = [executable("postBuild", "#!/usr/bin/env python\nopen('built.txt', 'w').write('by Python')\n")];
    let Some(image) = build("a11", &files) else { return };
    assert_eq!(image.sh("cat built.txt"), "by Python");
}

#[test]
fn a11_post_build_that_fails_fails_the_build_and_is_named() {
    let files = [executable("postBuild", "#!/bin/bash\necho last words\nexit 3\n"), unique()];
    let Some(failure) = refuse("a11", &files) else { return };
    assert_eq!((failure.place().as_str(), &failure.fault["by"]), ("postBuild", &"user".into()), "{failure:#?}");
    assert!(failure.log.contains("last words") && failure.said().contains('3'), "{failure:#?}");
}

#[test]
fn a12_what_start_exports_reaches_every_command_from_any_directory() {
    let files = || vec![executable("start", "#!/bin/bash\nexport VAR=set\nexec \"$@\"\n")];
    let Some(image) = STARTED.image("a12", files) else { return };
    for directory in ["/", "/home/jovyan", "/tmp"] {
        let ran = image.run_with(&["--workdir", directory], &["bash", "-c", "echo \"$VAR\""]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "set"), "{directory}: {ran:?}");
    }
    let server = image.start(&[]);
    let environment = "for p in /proc/[0-9]*; do if tr '\\0' ' ' < $p/cmdline | grep -q jupyter; then tr '\\0' '\\n' < $p/environ; fi; \
                       done 2>/dev/null | grep '^VAR='";
    let said = server.until(&["bash", "-c", environment]);
    assert!(said.contains("VAR=set"), "{said}");
}

#[test]
fn a13_the_exit_code_of_start_or_its_command_is_that_of_the_container() {
    let Some(workshop) = Workshop::find("a13") else { return };
    // In a shell's own words, without exec.
    let waits = workshop.build(&[executable("start", "#!/bin/bash\n\"$@\"\n")]);
    assert_eq!(waits.run(&["bash", "-c", "exit 5"]).code, Some(5));
    assert_eq!(waits.run(&["true"]).code, Some(0));
    let ends = workshop.build(&[executable("start", "#!/bin/bash\necho not today >&2\nexit 1\n")]);
    let ran = ends.run(&["true"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("not today"), "{ran:?}");
}
