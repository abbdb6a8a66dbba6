//! What an image says it was made of, and the same image once more from that.

use bindery_tests::repos::{executable, file};
use serde_json::Value;

use crate::support::{Image, Workshop};

/// Changed in the recorded bill to what an index also has, and to what it has not.
const PACKAGE: &str = "tabulate";

fn provenance(image: &Image) -> Value {
    let output = image.workshop.bindery(&["provenance", &image.name]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The package URLs of the bill that begin so.
fn purls(provenance: &Value, beginning: &str) -> Vec<String> {
    let components = provenance["bill_of_materials"]["components"].as_array().unwrap();
    let all = components.iter().map(|component| component["purl"].as_str().unwrap().to_owned());
    all.filter(|purl| purl.starts_with(beginning)).collect()
}

/// The same with another version of a component.
fn with_version(provenance: &Value, name: &str, version: &str) -> Value {
    let mut changed = provenance.clone();
    for component in changed["bill_of_materials"]["components"].as_array_mut().unwrap() {
        if component["name"] == name {
            let purl = component["purl"].as_str().unwrap().to_owned();
            let (front, rest) = purl.split_once('@').unwrap();
            let tail = rest.find('?').map_or("", |at| &rest[at..]);
            component["purl"] = format!("{front}@{version}{tail}").into();
            component["version"] = version.into();
        }
    }
    changed
}

#[test]
fn an_image_is_built_once_more_from_its_provenance_or_says_what_cannot_be_had() {
    let Some(workshop) = Workshop::find("provenance") else { return };
    let directory = tempfile::tempdir().unwrap();
    let files =
        [file("requirements.txt", format!("{PACKAGE}\n")), file("apt.txt", "hello\n"), file("notes.txt", "notes")];
    bindery_tests::repos::write(directory.path(), &files).unwrap();
    let path = directory.path().to_str().unwrap();
    let first = workshop.try_build_target(&[path]).unwrap();

    let recorded = provenance(&first);
    let base =
        first.workshop.engine.docker(&["image", "inspect", "-f", "{{.Id}}", &workshop.engine.base_image]).unwrap();
    assert_eq!(recorded["base"]["digest"], base.trim());
    assert_eq!(recorded["plan"]["used"][0]["file"], "requirements.txt");
    let has = first.python(&format!("from importlib.metadata import version; print(version('{PACKAGE}'))"));
    assert_eq!(purls(&recorded, &format!("pkg:pypi/{PACKAGE}@")), [format!("pkg:pypi/{PACKAGE}@{has}")]);
    assert_eq!(purls(&recorded, "pkg:deb/debian/hello@").len(), 1);
    assert!(purls(&recorded, "pkg:pypi/jupyter-server@").len() == 1, "the base's own packages are listed too");
    // The very file lies in the image, for whoever has only that.
    let inside: Value =
        serde_json::from_str(&first.sh("cat /usr/local/share/bindery/bill-of-materials.cdx.json")).unwrap();
    assert_eq!(inside, recorded["bill_of_materials"]);
    assert_eq!(first.sh("stat -c '%U %a' /usr/local/share/bindery/*"), "root 644\nroot 644");

    let beside = tempfile::tempdir().unwrap();
    let lock = beside.path().join("provenance.json").display().to_string();
    let locked = |changed: &Value| {
        std::fs::write(&lock, changed.to_string()).unwrap();
        workshop.try_build_target(&["--locked", &lock, path])
    };
    let second = locked(&recorded).unwrap();
    assert_eq!(provenance(&second)["bill_of_materials"], recorded["bill_of_materials"]);

    let older = locked(&with_version(&recorded, PACKAGE, "0.8.10")).unwrap();
    assert_eq!(older.python(&format!("from importlib.metadata import version; print(version('{PACKAGE}'))")), "0.8.10");

    // The archive has one version of it; what came in its place is named.
    let failure = locked(&with_version(&recorded, "hello", "0.1-1")).unwrap_err();
    let said = failure.said();
    assert!(said.contains("-deb/debian/hello@0.1-1, +deb/debian/hello@"), "{said}");
    assert_eq!(failure.fault["by"], "upstream");

    let mut elsewhere = recorded.clone();
    elsewhere["base"]["digest"] = "sha256:0".into();
    assert!(locked(&elsewhere).unwrap_err().told.contains("The base "));
    std::fs::write(directory.path().join("apt.txt"), "tree\n").unwrap();
    assert!(locked(&recorded).unwrap_err().told.contains("environment files are not those"));
}

#[test]
fn what_post_build_installs_is_on_record_and_so_is_what_a_dockerfile_gives() {
    let Some(workshop) = Workshop::find("provenance-content") else { return };
    let image = workshop.build(&[executable("postBuild", "#!/bin/sh\nset -e\npip install -q tabulate==0.9.0\n")]);
    assert_eq!(purls(&provenance(&image), "pkg:pypi/tabulate@"), ["pkg:pypi/tabulate@0.9.0"]);

    let dockerfile = format!("FROM {}\nRUN pip install -q tabulate==0.8.10\n", workshop.engine.base_image);
    let image = workshop.build(&[file("Dockerfile", dockerfile)]);
    let recorded = provenance(&image);
    assert_eq!(purls(&recorded, "pkg:pypi/tabulate@"), ["pkg:pypi/tabulate@0.8.10"]);
    assert_eq!(image.inspect("{{.Config.User}}"), "1000", "the user is given back");
    assert_eq!(recorded["plan"]["dockerfile"], "Dockerfile");
}
