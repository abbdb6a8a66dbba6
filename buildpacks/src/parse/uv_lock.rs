//! `uv.lock`: which of its packages lie in the repository. The rest is uv's to read.

use std::collections::BTreeMap;

use crate::PlanError;
use crate::error::shown;
use crate::parse::locked::{Origin, Package};
use crate::parse::reached::reached;
use crate::parse::toml::{self, Node};

/// What the file says of the repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UvLock {
    /// Directories of packages that lie in the repository, the root among them, as the lock writes them.
    pub(crate) members: Vec<String>,
    /// What of the repository the root needs, itself included, in the order of the file.
    pub(crate) local: Vec<Package>,
    /// How many packages come from elsewhere.
    pub(crate) others: usize,
}

struct Entry<'a> {
    name: &'a str,
    source: Option<(&'a str, &'a str)>,
    needs: Vec<&'a str>,
}

const HINT: &str = "Make it anew with uv lock.";

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<UvLock, PlanError> {
    toml::with(file, bytes, |root| {
        if root.get("version").is_none() {
            return Err(root.wrong("The file is not a lock file of uv.", HINT));
        }
        let packages = root.get("package").map(|packages| packages.items()).unwrap_or_default();
        let entries: Vec<Entry<'_>> = packages.iter().map(entry).collect::<Result<_, _>>()?;
        let is_root = |entry: &&Entry<'_>| entry.source.is_some_and(|(_, path)| path == ".");
        let reached = match entries.iter().find(is_root) {
            Some(root) => {
                let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for entry in &entries {
                    needs.entry(entry.name).or_default().extend(&entry.needs);
                }
                reached([root.name], |name| needs.remove(name).unwrap_or_default())
            }
            // A workspace whose root is no project: all of it.
            None => entries.iter().map(|entry| entry.name).collect(),
        };
        let mut out = UvLock::default();
        for entry in &entries {
            let Some((kind, path)) = entry.source else {
                out.others += 1;
                continue;
            };
            if kind != "path" {
                out.members.push(path.to_owned());
            }
            if kind != "virtual" && reached.contains(entry.name) {
                let origin = Origin::Path { path: path.to_owned(), editable: kind == "editable" };
                out.local.push(Package { name: entry.name.to_owned(), origin, ..Package::default() });
            }
        }
        Ok(out)
    })
}

fn entry<'a>(package: &Node<'a>) -> Result<Entry<'a>, PlanError> {
    let Some(name) = package.text_at("name") else { return Err(package.wrong("A package has no name.", HINT)) };
    let source = package.get("source").and_then(|source| {
        let local = ["editable", "directory", "virtual", "path"];
        local.iter().find_map(|kind| source.text_at(kind).map(|path| (*kind, path)))
    });
    if let Some((_, path)) = source
        && (path.starts_with(['/', '~']) || path.contains(['\\', ':']))
    {
        let message = format!("{} is locked to a path outside the repository.", shown(name));
        return Err(package.wrong(message, "Put the package into the repository and lock again."));
    }
    let names = |key: &str| -> Vec<&'a str> {
        let Some(node) = package.get(key) else { return Vec::new() };
        // `dependencies` is a list; the others are tables of lists.
        let lists =
            if node.is_array() { vec![node] } else { node.entries().into_iter().map(|(_, list)| list).collect() };
        lists.iter().flat_map(Node::items).filter_map(|item| item.text_at("name")).collect()
    };
    let mut needs = names("dependencies");
    needs.extend(names("optional-dependencies"));
    needs.extend(names("dev-dependencies"));
    Ok(Entry { name, source, needs })
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    const LOCK: &str = r#"version = 1
requires-python = ">=3.11"

[manifest]
members = ["a", "b", "root"]

[[package]]
name = "a"
version = "0.2"
source = { editable = "packages/a" }
dependencies = [{ name = "six" }]

[[package]]
name = "b"
version = "0.2"
source = { editable = "packages/b" }

[[package]]
name = "root"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "a" }, { name = "wheel-here" }]

[package.dev-dependencies]
dev = [{ name = "six" }]

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://index.example.org/simple" }

[[package]]
name = "wheel-here"
version = "1"
source = { path = "wheels/wheel_here-1-py3-none-any.whl" }
"#;

    #[test]
    fn what_lies_in_the_repository_and_is_needed_is_found() {
        let lock = parse("uv.lock", LOCK.as_bytes()).unwrap();
        assert_eq!(lock.members, ["packages/a", "packages/b", "."]);
        let lines: Vec<String> = lock.local.iter().map(|package| package.line().unwrap()).collect();
        assert_eq!(lines, ["-e ./packages/a", "./wheels/wheel_here-1-py3-none-any.whl"]);
        assert_eq!(lock.others, 1);
        let without_root = LOCK.replace("{ virtual = \".\" }", "{ registry = \"x\" }");
        assert_eq!(parse("uv.lock", without_root.as_bytes()).unwrap().local.len(), 3);
    }

    #[test]
    fn what_is_no_lock_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("version = 1\n[[package]]\nversion = \"1\"\n", 2),
            ("version = 1\n[[package]]\nname = \"x\"\nsource = { editable = \"/etc\" }\n", 2),
            ("version = 1\n<<<<<<< HEAD\n", 2),
        ] {
            let fault = Fault::from(parse("uv.lock", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("uv.lock:{line}")), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("uv.lock", &bytes);
        }

        #[test]
        fn any_names_are_survived(name in "[ -~]{0,8}", path in "[ -~]{0,12}") {
            let text = format!("version = 1\n[[package]]\nname = {name:?}\nsource = {{ editable = {path:?} }}\ndependencies = [{{ name = {name:?} }}]\n");
            if let Ok(lock) = parse("uv.lock", text.as_bytes()) {
                for package in lock.local {
                    let _ = package.line();
                }
            }
        }
    }
}
