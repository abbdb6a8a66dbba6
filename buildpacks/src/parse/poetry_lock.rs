//! `poetry.lock` and `pdm.lock`: the locked packages of the main group.

use std::collections::{BTreeMap, BTreeSet};

use crate::PlanError;
use crate::error::{UNSUPPORTED, shown};
use crate::parse::locked::{Origin, Package};
use crate::parse::package_name::normal_package_name;
use crate::parse::reached::reached;
use crate::parse::toml::{self, Node};

/// What a lock file gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) packages: Vec<Package>,
    /// Addresses of indexes beside the site's own.
    pub(crate) indexes: Vec<String>,
    /// How many packages belong to other groups or are optional, and are left out.
    pub(crate) left_out: usize,
}

/// Reads `poetry.lock`. `main` are the names of the project's own main dependencies, which only older lock files need.
pub(crate) fn poetry(file: &str, bytes: &[u8], main: &[String]) -> Result<Locked, PlanError> {
    toml::with(file, bytes, |root| {
        let Some(metadata) = root.get("metadata") else {
            return Err(root.wrong("The file has no [metadata], so it is not a lock file of Poetry.", POETRY_HINT));
        };
        let nodes = packages(root, POETRY_HINT)?;
        let grouped = nodes.iter().any(|(_, node)| node.get("groups").is_some());
        let categories = nodes.iter().any(|(_, node)| node.get("category").is_some());
        // Between the two there were lock files that name no group: who needs whom tells.
        let needed = (!grouped && !categories).then(|| needed(&nodes, main));
        let mut out = Locked::default();
        for (name, node) in &nodes {
            let in_main = match &needed {
                Some(needed) => needed.contains(&normal_package_name(name)),
                None if grouped => list(node, "groups").contains(&"main"),
                None => node.text_at("category") == Some("main"),
            };
            let optional = node.get("optional").and_then(|node| node.truth()).unwrap_or(false);
            if !in_main || optional {
                out.left_out += 1;
                continue;
            }
            let mut package =
                Package { name: (*name).to_owned(), marker: marker(node, "markers", "main"), ..Package::default() };
            package.hashes = hashes(node.get("files"));
            if package.hashes.is_empty() {
                package.hashes = hashes(metadata.get("files").and_then(|files| files.get(name)));
            }
            source(node, &mut package, &mut out)?;
            out.packages.push(package);
        }
        Ok(out)
    })
}

/// Reads `pdm.lock`.
pub(crate) fn pdm(file: &str, bytes: &[u8]) -> Result<Locked, PlanError> {
    toml::with(file, bytes, |root| {
        let Some(metadata) = root.get("metadata") else {
            return Err(root.wrong("The file has no [metadata], so it is not a lock file of PDM.", PDM_HINT));
        };
        let nodes = packages(root, PDM_HINT)?;
        if nodes.iter().any(|(_, node)| node.get("groups").is_none()) {
            let message = "The lock file does not say which group needs a package.";
            return Err(metadata
                .wrong(message, "Make it anew with pdm lock -S inherit_metadata, or with a newer PDM.")
                .coded(UNSUPPORTED));
        }
        let mut out = Locked::default();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (name, node) in &nodes {
            if !list(node, "groups").contains(&"default") {
                out.left_out += 1;
                continue;
            }
            let mut package =
                Package { name: (*name).to_owned(), marker: marker(node, "marker", ""), ..Package::default() };
            package.hashes = hashes(node.get("files"));
            if let Some(address) = node.text_at("git") {
                let revision = node.text_at("revision").or_else(|| node.text_at("ref")).unwrap_or("HEAD");
                package.origin = repository(address, revision, node.text_at("subdirectory"));
            } else if let Some(address) = node.text_at("url") {
                package.origin = Origin::Archive(address.to_owned());
            } else if let Some(path) = node.text_at("path") {
                let editable = node.get("editable").and_then(|node| node.truth()).unwrap_or(false);
                package.origin = Origin::Path { path: path.to_owned(), editable };
            } else {
                package.version = version(node)?;
            }
            // A package with extras stands there once more.
            let key = format!("{} {}", normal_package_name(name), package.version);
            if seen.insert(key) {
                out.packages.push(package);
            }
        }
        Ok(out)
    })
}

const POETRY_HINT: &str = "Make it anew with poetry lock.";
const PDM_HINT: &str = "Make it anew with pdm lock.";

fn packages<'a>(root: &Node<'a>, hint: &str) -> Result<Vec<(&'a str, Node<'a>)>, PlanError> {
    let nodes = root.get("package").map(|packages| packages.items()).unwrap_or_default();
    nodes
        .into_iter()
        .map(|node| {
            node.text_at("name").map(|name| (name, node)).ok_or_else(|| node.wrong("A package has no name.", hint))
        })
        .collect()
}

fn version(node: &Node<'_>) -> Result<String, PlanError> {
    match node.text_at("version") {
        Some(version) => Ok(format!("=={version}")),
        None => Err(node.wrong("A package has no version.", "Make the lock file anew.")),
    }
}

fn source(node: &Node<'_>, package: &mut Package, out: &mut Locked) -> Result<(), PlanError> {
    let Some(source) = node.get("source") else {
        package.version = version(node)?;
        return Ok(());
    };
    let address = source.text_at("url").unwrap_or_default();
    match source.text_at("type").unwrap_or_default() {
        "git" => {
            let revision =
                source.text_at("resolved_reference").or_else(|| source.text_at("reference")).unwrap_or("HEAD");
            package.origin = repository(address, revision, source.text_at("subdirectory"));
        }
        "url" => package.origin = Origin::Archive(address.to_owned()),
        "directory" => {
            let develop = node.get("develop").and_then(|node| node.truth()).unwrap_or(false);
            package.origin = Origin::Path { path: address.to_owned(), editable: develop };
        }
        "file" => package.origin = Origin::Path { path: address.to_owned(), editable: false },
        "legacy" => {
            package.version = version(node)?;
            if !address.starts_with("https://") && !address.starts_with("http://")
                || address.contains(char::is_whitespace)
            {
                return Err(source.wrong("The source of a package is not an address.", POETRY_HINT));
            }
            if !out.indexes.iter().any(|known| known == address) {
                out.indexes.push(address.to_owned());
            }
        }
        other => {
            let message =
                format!("A package comes from a source of the kind {:?}, which is not known here.", shown(other));
            return Err(source.wrong(message, POETRY_HINT).coded(UNSUPPORTED));
        }
    }
    Ok(())
}

fn repository(address: &str, revision: &str, subdirectory: Option<&str>) -> Origin {
    // `git@host:owner/name` is how people write ssh addresses.
    let address = match address.strip_prefix("git@").and_then(|rest| rest.split_once(':')) {
        Some((host, path)) if !address.contains("://") => format!("ssh://git@{host}/{path}"),
        _ => address.to_owned(),
    };
    let below = subdirectory.map(|path| format!("#subdirectory={path}")).unwrap_or_default();
    Origin::Repository(format!("git+{address}@{revision}{below}"))
}

fn list<'a>(node: &Node<'a>, key: &str) -> Vec<&'a str> {
    node.get(key).map(|list| list.items()).unwrap_or_default().iter().filter_map(Node::text).collect()
}

/// A condition: one for all groups, or one for each.
fn marker(node: &Node<'_>, key: &str, group: &str) -> Option<String> {
    let marker = node.get(key)?;
    let text = marker.text().or_else(|| marker.text_at(group))?;
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}

fn hashes(files: Option<Node<'_>>) -> Vec<String> {
    let files = files.map(|files| files.items()).unwrap_or_default();
    let mut out: Vec<String> = files.iter().filter_map(|file| file.text_at("hash")).map(str::to_owned).collect();
    out.sort();
    out.dedup();
    out
}

/// What the main dependencies lead to, in the one spelling of each name.
fn needed(nodes: &[(&str, Node<'_>)], main: &[String]) -> BTreeSet<String> {
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, node) in nodes {
        let all = node.get("dependencies").map(|needs| needs.entries()).unwrap_or_default();
        let optional = |how: &Node<'_>| how.get("optional").and_then(|node| node.truth()).unwrap_or(false);
        let always = all.iter().filter(|(_, how)| !optional(how)).map(|(need, _)| normal_package_name(need));
        needs.entry(normal_package_name(name)).or_default().extend(always);
    }
    reached(main.iter().map(|name| normal_package_name(name)), |name| needs.remove(name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Locked, pdm, poetry};

    fn lines(locked: &Locked) -> Vec<String> {
        locked.packages.iter().map(|package| package.line().unwrap().replace(" \\\n    --hash=", " #")).collect()
    }

    const HASH: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn the_main_group_of_poetrys_newer_lock_files_is_taken() {
        let text = format!(
            "[[package]]\nname = \"six\"\nversion = \"1.16.0\"\noptional = false\ngroups = [\"main\", \"dev\"]\nmarkers = {{main = \"python_version < '3.13'\"}}\nfiles = [{{file = \"x\", hash = \"{HASH}\"}}]\n\
             [[package]]\nname = \"pytest\"\nversion = \"8\"\noptional = false\ngroups = [\"dev\"]\nfiles = []\n\
             [[package]]\nname = \"extra\"\nversion = \"8\"\noptional = true\ngroups = [\"main\"]\nfiles = []\n\
             [[package]]\nname = \"a\"\nversion = \"1\"\noptional = false\ngroups = [\"main\"]\nfiles = []\ndevelop = true\n[package.source]\ntype = \"directory\"\nurl = \"libs/a\"\n\
             [[package]]\nname = \"g\"\nversion = \"1\"\noptional = false\ngroups = [\"main\"]\nfiles = []\n[package.source]\ntype = \"git\"\nurl = \"https://example.org/g.git\"\nreference = \"main\"\nresolved_reference = \"abc123\"\n\
             [[package]]\nname = \"l\"\nversion = \"1\"\noptional = false\ngroups = [\"main\"]\nfiles = []\n[package.source]\ntype = \"legacy\"\nurl = \"https://index.example.org/simple\"\n\
             [metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.11\"\n"
        );
        let locked = poetry("poetry.lock", text.as_bytes(), &[]).unwrap();
        assert_eq!(
            lines(&locked),
            [
                format!("six==1.16.0 ; python_version < '3.13' #{HASH}"),
                "-e ./libs/a".to_owned(),
                "g @ git+https://example.org/g.git@abc123".to_owned(),
                "l==1".to_owned(),
            ]
        );
        assert_eq!((locked.left_out, locked.indexes), (2, vec!["https://index.example.org/simple".to_owned()]));
    }

    #[test]
    fn older_lock_files_are_read_by_category_or_by_who_needs_whom() {
        let text = format!(
            "[[package]]\nname = \"six\"\nversion = \"1.16.0\"\ncategory = \"main\"\noptional = false\n[[package]]\nname = \"pytest\"\nversion = \"8\"\ncategory = \"dev\"\noptional = false\n\
             [metadata]\nlock-version = \"1.1\"\n[metadata.files]\nsix = [{{file = \"x\", hash = \"{HASH}\"}}]\n"
        );
        assert_eq!(lines(&poetry("poetry.lock", text.as_bytes(), &[]).unwrap()), [format!("six==1.16.0 #{HASH}")]);
        let text = "[[package]]\nname = \"Needs.It\"\nversion = \"1\"\n[package.dependencies]\nsix = \">=1\"\nother = {version = \"*\", optional = true}\n\
             [[package]]\nname = \"six\"\nversion = \"2\"\n[[package]]\nname = \"other\"\nversion = \"3\"\n[metadata]\nlock-version = \"2.0\"\n";
        let locked = poetry("poetry.lock", text.as_bytes(), &["needs-it".to_owned()]).unwrap();
        assert_eq!(lines(&locked), ["Needs.It==1", "six==2"]);
    }

    #[test]
    fn a_long_chain_of_needs_is_followed_to_its_end() {
        let package = |number: usize| {
            let next = number + 1;
            format!(
                "[[package]]\nname = \"P_{number}\"\nversion = \"1\"\n[package.dependencies]\np-{next} = \"*\"\np-0 = \"*\"\n"
            )
        };
        let text =
            (0..5000).map(package).chain(["[metadata]\nlock-version = \"2.0\"\n".to_owned()]).collect::<String>();
        let taken = |main: &str| poetry("poetry.lock", text.as_bytes(), &[main.to_owned()]).unwrap().packages.len();
        assert_eq!((taken("p.0"), taken("elsewhere")), (5000, 0));
    }

    #[test]
    fn the_default_group_of_pdms_lock_files_is_taken() {
        let text = format!(
            "[metadata]\ngroups = [\"default\", \"dev\"]\nstrategy = [\"inherit_metadata\"]\nlock_version = \"4.5.0\"\n\
             [[package]]\nname = \"six\"\nversion = \"1.16.0\"\ngroups = [\"default\"]\nmarker = \"python_version >= '3.8'\"\nfiles = [{{file = \"x\", hash = \"{HASH}\"}}]\n\
             [[package]]\nname = \"six\"\nversion = \"1.16.0\"\nextras = [\"x\"]\ngroups = [\"default\"]\nfiles = []\n\
             [[package]]\nname = \"pytest\"\nversion = \"8\"\ngroups = [\"dev\"]\nfiles = []\n"
        );
        let locked = pdm("pdm.lock", text.as_bytes()).unwrap();
        assert_eq!(lines(&locked), [format!("six==1.16.0 ; python_version >= '3.8' #{HASH}")]);
        assert_eq!(locked.left_out, 1);
    }

    #[test]
    fn what_is_no_lock_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("[[package]]\nversion = \"1\"\n[metadata]\n", 1),
            ("[metadata]\n[[package]]\nname = \"x\"\ngroups = [\"main\"]\n", 2),
            (
                "[metadata]\n[[package]]\nname = \"x\"\nversion = \"1\"\ngroups = [\"main\"]\n[package.source]\ntype = \"moon\"\n",
                6,
            ),
            ("[metadata]\n<<<<<<< HEAD\n", 2),
        ] {
            let fault = Fault::from(poetry("poetry.lock", text.as_bytes(), &[]).unwrap_err());
            assert_eq!(fault.place(), Some(format!("poetry.lock:{line}")), "{text}: {fault}");
        }
        let text = "[metadata]\n[[package]]\nname = \"x\"\nversion = \"1\"\n";
        assert_eq!(Fault::from(pdm("pdm.lock", text.as_bytes()).unwrap_err()).place().as_deref(), Some("pdm.lock:1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = poetry("poetry.lock", &bytes, &[]);
            let _ = pdm("pdm.lock", &bytes);
        }

        #[test]
        fn whatever_is_taken_is_one_requirement(name in "[ -~]{1,8}", version in "[ -~\n]{1,8}", marker in "[ -~]{0,10}", url in "[ -~]{0,12}") {
            let kind = ["git", "url", "directory", "legacy"][name.len() % 4];
            let text = format!(
                "[metadata]\n[[package]]\nname = {name:?}\nversion = {version:?}\nmarkers = {marker:?}\ngroups = [\"main\"]\n[package.source]\ntype = \"{kind}\"\nurl = {url:?}\n"
            );
            if let Ok(locked) = poetry("poetry.lock", text.as_bytes(), &[]) {
                for package in locked.packages {
                    if let Ok(line) = package.line() {
                        prop_assert_eq!(line.lines().count(), 1);
                    }
                }
            }
        }
    }
}
