//! The versions that a bill of materials names, for a plan that is to install those and no others.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::conda::{CondaPackage, in_content};
use crate::parse::apt::is_package;
use crate::parse::conda_explicit;
use crate::{Contract, PlanError};

const HINT: &str = "Give the file as `bindery provenance` or /builds/…/provenance gave it.";

/// The versions of one image. What an installer cannot be told in advance is found out afterwards: see [`Lock::differences`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Every component, as its package URL and the environment it is in.
    components: BTreeSet<(String, String)>,
    /// Lines of a constraints file, by environment.
    python: Vec<(String, String)>,
    /// `name=version` of Debian packages.
    debian: Vec<String>,
    conda: Vec<CondaPackage>,
}

impl Lock {
    /// The lock of a bill of materials in `CycloneDX`'s JSON form. `file` is what faults call it.
    ///
    /// # Errors
    /// The user's, where a component is none that an image of ours has.
    pub fn of_bill(file: &str, bill: &Value, contract_home: &str) -> Result<Self, PlanError> {
        let bad = |message: String| PlanError::line(file, 1, message, HINT);
        let components = bill.get("components").and_then(Value::as_array);
        let components = components.ok_or_else(|| bad("There is no bill of materials in it.".to_owned()))?;
        let mut lock = Self { components: keys(bill), python: Vec::new(), debian: Vec::new(), conda: Vec::new() };
        for component in components {
            let text = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or_default();
            let (purl, name, version) = (text("purl"), text("name"), text("version"));
            let refused = || bad(format!("{:?} is not a package as an image of ours has it.", short(purl)));
            if purl.starts_with("pkg:pypi/") && property(component, "bindery:local").is_none() {
                let environment = property(component, "bindery:environment").unwrap_or_default().to_owned();
                let line = requirement(name, version, address(component)).ok_or_else(refused)?;
                lock.python.push((environment, line));
            } else if purl.starts_with("pkg:deb/") {
                let word = format!("{name}={version}");
                lock.debian.push(Some(word).filter(|word| is_package(word)).ok_or_else(refused)?);
            } else if purl.starts_with("pkg:conda/") {
                let url = address(component).ok_or_else(refused)?;
                // A channel that lies in the repository is found there again.
                let url = match url.strip_prefix("file://").and_then(|path| path.strip_prefix(contract_home)) {
                    Some(path) => in_content(path.trim_start_matches('/')),
                    None => url.to_owned(),
                };
                lock.conda.push(conda_explicit::package(file, 1, &url, sha256(component), None, HINT)?);
            }
        }
        Ok(lock)
    }

    /// What another bill has that this lock has not, with `+`, and the other way round, with `-`, sorted by package.
    #[must_use]
    pub fn differences(&self, bill: &Value) -> Vec<String> {
        let other = keys(bill);
        let more = other.difference(&self.components).map(|(purl, _)| (purl, '+'));
        let less = self.components.difference(&other).map(|(purl, _)| (purl, '-'));
        let mut all: Vec<(&String, char)> = more.chain(less).collect();
        all.sort();
        all.into_iter().map(|(purl, sign)| format!("{sign}{}", short(purl))).collect()
    }

    /// The identity of these versions, in hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (purl, environment) in &self.components {
            hash.update(format!("{purl}\0{environment}\n"));
        }
        hex::encode(hash.finalize())
    }

    /// A constraints file for the kernel's Python, which is the base's where no other was made.
    pub(crate) fn constraints(&self, contract: &Contract) -> String {
        let kernel = contract.kernel_prefix();
        let own = self.python.iter().any(|(environment, _)| *environment == kernel);
        let wanted = if own { &kernel } else { &contract.prefix };
        let lines = self.python.iter().filter(|(environment, _)| environment == wanted);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }

    /// apt's preferences: these versions, even where that means an older one.
    pub(crate) fn preferences(&self) -> String {
        let pins = self.debian.iter().filter_map(|word| word.split_once('='));
        pins.map(|(name, version)| format!("Package: {name}\nPin: version {version}\nPin-Priority: 1001\n\n")).collect()
    }

    /// Exactly the conda packages.
    pub(crate) fn conda(&self) -> &[CondaPackage] {
        &self.conda
    }
}

fn keys(bill: &Value) -> BTreeSet<(String, String)> {
    let components = bill.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let key = |component: &Value| {
        let purl = component.get("purl")?.as_str()?.to_owned();
        Some((purl, property(component, "bindery:environment").unwrap_or_default().to_owned()))
    };
    components.iter().filter_map(key).collect()
}

fn property<'a>(component: &'a Value, name: &str) -> Option<&'a str> {
    let properties = component.get("properties")?.as_array()?;
    let found = properties.iter().find(|property| property.get("name").and_then(Value::as_str) == Some(name));
    found?.get("value")?.as_str()
}

fn address(component: &Value) -> Option<&str> {
    component.get("externalReferences")?.as_array()?.first()?.get("url")?.as_str()
}

fn sha256(component: &Value) -> Option<String> {
    let hash = component.get("hashes")?.as_array()?.first()?;
    Some(hash.get("content")?.as_str()?.to_owned())
}

/// A line of a constraints file.
fn requirement(name: &str, version: &str, address: Option<&str>) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 200 || !name.chars().all(word) {
        return None;
    }
    match address {
        Some(url) => {
            let known =
                ["https://", "http://", "git+https://", "git+http://"].iter().any(|scheme| url.starts_with(scheme));
            let plain = url.len() <= 2000 && url.chars().all(|c| c.is_ascii_graphic());
            (known && plain).then(|| format!("{name} @ {url}"))
        }
        None => pep440_rs::Version::from_str(version).ok().map(|version| format!("{name}=={version}")),
    }
}

/// A package URL as a message may show it.
fn short(purl: &str) -> String {
    let text = purl.strip_prefix("pkg:").unwrap_or(purl).split('?').next().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Lock;
    use crate::base::contract;
    use crate::base::tests::stack;

    fn bill(components: Value) -> Value {
        json!({"bomFormat": "CycloneDX", "components": components})
    }

    fn component(purl: &str, environment: &str) -> Value {
        let (_, rest) = purl.rsplit_once('/').unwrap();
        let (name, version) = rest.split_once('@').unwrap();
        let version = version.split('?').next().unwrap();
        json!({"purl": purl, "name": name, "version": version,
               "properties": [{"name": "bindery:environment", "value": environment}]})
    }

    #[test]
    fn each_installer_is_told_the_versions_in_its_own_form() {
        let vcs = json!({"purl": "pkg:pypi/tool@1", "name": "tool", "version": "1",
            "externalReferences": [{"type": "vcs", "url": "git+https://example.org/tool@0123"}],
            "properties": [{"name": "bindery:environment", "value": "/opt/conda"}]});
        let conda = json!({"purl": "pkg:conda/zlib@1", "name": "zlib", "version": "1",
            "hashes": [{"alg": "SHA-256", "content": "a".repeat(64)}],
            "externalReferences": [{"type": "distribution", "url": "file:///home/jovyan/c/noarch/zlib-1-0.conda"}]});
        let local = json!({"purl": "pkg:pypi/own@1", "name": "own", "version": "1",
            "properties": [{"name": "bindery:local", "value": "true"}]});
        let bill = bill(json!([
            component("pkg:pypi/six@1.16.0", "/opt/conda"),
            component("pkg:deb/debian/jq@1.6", ""),
            vcs,
            conda,
            local
        ]));
        let lock = Lock::of_bill("lock.json", &bill, "/home/jovyan").unwrap();
        let contract = contract(&stack()).unwrap();
        assert_eq!(lock.constraints(&contract), "six==1.16.0\ntool @ git+https://example.org/tool@0123\n");
        assert_eq!(lock.preferences(), "Package: jq\nPin: version 1.6\nPin-Priority: 1001\n\n");
        assert_eq!(lock.conda()[0].url, "content:c/noarch/zlib-1-0.conda");
        assert!(lock.differences(&bill).is_empty());
    }

    #[test]
    fn a_kernel_of_its_own_is_held_to_its_own_versions() {
        let contract = contract(&stack()).unwrap();
        let kernel = contract.kernel_prefix();
        let bill =
            bill(json!([component("pkg:pypi/six@1.16.0", "/opt/conda"), component("pkg:pypi/six@1.9.0", &kernel)]));
        assert_eq!(Lock::of_bill("x", &bill, "/home/jovyan").unwrap().constraints(&contract), "six==1.9.0\n");
    }

    #[test]
    fn differences_name_what_is_missing_and_what_is_new() {
        let lock = bill(json!([
            component("pkg:pypi/six@1.16.0", "/opt/conda"),
            component("pkg:deb/debian/jq@1.6?arch=amd64", "")
        ]));
        let lock = Lock::of_bill("x", &lock, "/home/jovyan").unwrap();
        let now = bill(json!([
            component("pkg:pypi/six@1.17.0", "/opt/conda"),
            component("pkg:deb/debian/jq@1.6?arch=amd64", "")
        ]));
        assert_eq!(lock.differences(&now), ["-pypi/six@1.16.0", "+pypi/six@1.17.0"]);
    }

    #[test]
    fn what_no_image_of_ours_has_is_refused() {
        let rows = [
            json!({"purl": "pkg:pypi/x@1", "name": "x\n-r /etc/passwd", "version": "1"}),
            json!({"purl": "pkg:pypi/x@1", "name": "x", "version": "1; import os"}),
            json!({"purl": "pkg:pypi/x@1", "name": "x", "version": "1", "externalReferences": [{"url": "file:///etc"}]}),
            json!({"purl": "pkg:pypi/x@1", "name": "x", "version": "1", "externalReferences": [{"url": "https://a\nb"}]}),
            json!({"purl": "pkg:deb/debian/x@1", "name": "xy", "version": "1\nPin: y"}),
            json!({"purl": "pkg:deb/debian/x@1", "name": "--option", "version": "1"}),
            json!({"purl": "pkg:conda/x@1", "name": "x", "version": "1"}),
            json!({"purl": "pkg:conda/x@1", "externalReferences": [{"url": "https://a/$(id).conda"}]}),
        ];
        for row in rows {
            assert!(Lock::of_bill("x", &bill(json!([row])), "/home/jovyan").is_err(), "{row}");
        }
        for none in [json!({}), json!([]), json!(null), json!({"components": "x"})] {
            assert!(Lock::of_bill("x", &none, "/home/jovyan").is_err(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_component_gives_one_line_or_a_fault(name in ".*", version in ".*", url in proptest::option::of(".*")) {
            let mut row = json!({"purl": "pkg:pypi/x@1", "name": name, "version": version});
            if let Some(url) = url {
                row["externalReferences"] = json!([{"url": url}]);
            }
            if let Ok(lock) = Lock::of_bill("x", &bill(json!([row])), "/home/jovyan") {
                prop_assert_eq!(lock.python.len(), 1);
                prop_assert!(!lock.python[0].1.contains(['\n', '\r']));
            }
        }
    }
}
