//! Packages of another day, from the real index: the versions that could be had then, and no newer ones.

use std::sync::Arc;

use bindery_tests::repos::{RepoFile, file, write};

use crate::support::Workshop;

/// Builds `files` as of `day`; what `program` prints, run by the Python that notebooks run on.
#[track_caller]
fn as_of(workshop: &Arc<Workshop>, day: &str, files: &[RepoFile], program: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), files).unwrap();
    let target = ["--as-of", day, directory.path().to_str().unwrap()];
    let image = workshop.try_build_target(&target).unwrap_or_else(|failure| panic!("{}", failure.told));
    let server = image.python("import jupyter_server, requests; print(requests.__version__ > '2.31')");
    assert_eq!(server, "True", "the server keeps its own packages");
    let ran = image.run(&["bash", "-c", "exec \"$KERNEL_PYTHON_PREFIX\"/bin/python -c \"$0\"", program]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.out
}

#[test]
fn loose_pins_get_the_versions_of_the_day() {
    let Some(workshop) = Workshop::with("packages of a day", &[("BUILD__PROBE", "true")]) else { return };
    let program =
        "import idna, requests, urllib3, ipykernel; print(requests.__version__, urllib3.__version__, idna.__version__)";
    let files = [file("requirements.txt", "requests\n")];
    assert_eq!(as_of(&workshop, "2023-06-01", &files, program), "2.31.0 2.0.2 3.4");
}

#[test]
fn packages_older_than_the_python_are_those_of_the_day_and_the_kernel_still_starts() {
    let Some(workshop) = Workshop::with("packages before the Python", &[("BUILD__PROBE", "true")]) else { return };
    // docopt has no wheel: it is built by tools that know this Python.
    let program = "import docopt, requests, urllib3, ipykernel.kernelapp as k; print(requests.__version__, urllib3.__version__, docopt.__version__)";
    let files = [file("requirements.txt", "requests\ndocopt\n")];
    assert_eq!(as_of(&workshop, "2021-06-01", &files, program), "2.25.1 1.26.5 0.6.2");
}
