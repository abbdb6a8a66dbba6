//! `requirements.txt`, in every form people write it.

use std::collections::BTreeSet;

use bindery_tests::registry::Registry;
use bindery_tests::repos::{RepoFile, file, write};

use crate::index::Index;
use crate::support::{Workshop, build, inspect};

/// A package in a directory.
fn package(directory: &str, name: &str) -> Vec<RepoFile> {
    let at = |path: &str| if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") };
    let setup = format!("from setuptools import setup\nsetup(name='{name}', version='1', py_modules=['{name}'])\n");
    vec![file(&at("setup.py"), setup), file(&at(&format!("{name}.py")), format!("who = '{name}'\n"))]
}

#[test]
fn a02_packages_are_a_layer_of_their_own_that_a_readme_does_not_touch() {
    let Some(workshop) = Workshop::find("a02") else { return };
    let requirements = file("requirements.txt", "numpy\n");
    let first = workshop.build(&[requirements.clone(), file("README.md", "one")]);
    let second = workshop.build(&[requirements, file("README.md", "two")]);
    assert_eq!(first.python("import numpy; print(numpy.arange(3).sum())"), "3");
    assert_eq!(second.sh("cat README.md"), "two");
    assert_eq!(first.environment(), second.environment());
    assert!(second.log.contains("Environment unchanged"), "{}", second.log);
    let layers = |image: &str| -> Vec<String> {
        let listed = inspect(&workshop.engine, image, "{{range .RootFS.Layers}}{{.}} {{end}}");
        listed.split_whitespace().map(str::to_owned).collect()
    };
    let environment = layers(&first.environment());
    for image in [&first, &second] {
        assert_eq!(layers(&image.name).get(..environment.len()), Some(environment.as_slice()));
    }
    // Somewhere above it. The very last layer is the image's record, which may be the same.
    assert_ne!(layers(&first.name), layers(&second.name));
}

#[test]
fn a03_an_editable_install_of_the_repository_waits_for_its_files() {
    let files = [package("", "dummy"), vec![file("requirements.txt", "-e .\n")]].concat();
    let Some(image) = build("a03", &files) else { return };
    let shown =
        image.run_with(&["--workdir", "/"], &["python", "-c", "import dummy; print(dummy.who, dummy.__file__)"]);
    assert_eq!(shown.out, "dummy /home/jovyan/dummy.py", "{shown:?}");
}

#[test]
fn a04_every_form_of_local_reference_is_installed() {
    let files = [
        package("dotted", "dotted"),
        package("sub/plain", "plain"),
        package("sub/address", "address"),
        vec![
            file("requirements.txt", "-r more/base.txt\n-c constraints.txt\n./dotted\nsub/plain\n"),
            file("more/base.txt", "address @ file:sub/address\nsix\n"),
            file("constraints.txt", "six==1.16.0\n"),
        ],
    ];
    let Some(image) = build("a04", &files.concat()) else { return };
    let program = "import dotted, plain, address, six; print(dotted.who, plain.who, address.who, six.__version__)";
    let shown = image.run_with(&["--workdir", "/"], &["python", "-c", program]);
    assert_eq!(shown.out, "dotted plain address 1.16.0", "{shown:?}");
}

#[test]
fn a05_a_file_in_utf_16_is_read() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend("six==1.16.0\r\ntoolz\r\n".encode_utf16().flat_map(u16::to_le_bytes));
    let Some(image) = build("a05", &[file("requirements.txt", bytes)]) else { return };
    assert_eq!(image.python("import six, toolz; print(six.__version__)"), "1.16.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a50_repositories_that_share_most_wheels_download_and_push_them_once() {
    let Some(index) = Index::find("a50") else { return };
    let registry = Registry::start().await.unwrap();
    let settings = [("BUILD__CACHE_SHARING", "site"), ("REGISTRY__URL", &registry.url())];
    let Some(workshop) = Workshop::with("a50", &settings) else { return };
    let wheel = |number: u32| format!("shared_{}_{number}-1.0-py3-none-any.whl", index.run);
    let build = |numbers: std::ops::Range<u32>| {
        let packages = numbers.map(|number| format!("shared-{}-{number}\n", index.run)).collect::<String>();
        let directory = tempfile::tempdir().unwrap();
        let text = format!("--index-url {}\n{packages}", index.url());
        write(directory.path(), &[file("requirements.txt", text)]).unwrap();
        let target = ["--push", directory.path().to_str().unwrap()];
        workshop.try_build_target(&target).unwrap_or_else(|failure| panic!("{}", failure.told))
    };
    let first = build(0..9);
    let (fetched, received) = (index.fetched(), registry.received().unwrap());
    assert_eq!(fetched.iter().cloned().collect::<BTreeSet<_>>(), (0..9).map(wheel).collect());
    assert!(!received.is_empty(), "the log of the registry is not as it was");

    let second = build(1..10);
    let program = format!("import shared_{0}_1, shared_{0}_9 as new; print(new.who)", index.run);
    assert_eq!(second.python(&program), format!("shared_{}_9 1.0", index.run));
    let again: BTreeSet<String> = index.fetched().split_off(fetched.len()).into_iter().collect();
    assert_eq!(again, BTreeSet::from([wheel(9)]));
    let sent = registry.received().unwrap().split_off(received.len());
    assert!(!sent.is_empty() && sent.iter().all(|digest| !received.contains(digest)), "{received:#?}\n{sent:#?}");
    assert_ne!(first.environment(), second.environment());
}
