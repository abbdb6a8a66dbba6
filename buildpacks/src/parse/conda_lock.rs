//! `conda-lock.yml` and `pixi.lock`: exactly which packages, of which platforms, from which addresses.

use crate::PlanError;
use crate::conda::CondaPackage;
use crate::error::shown;
use crate::parse::conda_explicit::package;
use crate::parse::yaml::{self, Node, Value};

/// What a lock file says for one platform.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Locked {
    /// What conda installs.
    pub(crate) packages: Vec<CondaPackage>,
    /// What pip installs after it: lines of a requirements file, and the line of each.
    pub(crate) pip: Vec<(String, u32)>,
}

const LOCK_HINT: &str = "Write the file anew with conda-lock.";
const PIXI_HINT: &str = "Write the file anew with `pixi lock`.";

/// Reads a `conda-lock.yml`: of this platform, everything that is not an optional group of its own.
pub(crate) fn conda_lock(file: &str, bytes: &[u8], platform: &str) -> Result<Locked, PlanError> {
    let tree = yaml::parse(file, bytes)?;
    let list = entries(file, &tree, "package", LOCK_HINT)?;
    let mut out = Locked::default();
    let mut platforms: Vec<&str> = Vec::new();
    for entry in list {
        let text = |key: &str| entry.get(key).and_then(Node::text);
        let Some(here) = text("platform") else { return Err(lacks(file, entry, "platform", LOCK_HINT)) };
        if !platforms.contains(&here) {
            platforms.push(here);
        }
        let group = text("category").is_some_and(|group| !["main", "dev"].contains(&group));
        let groups = entry.get("categories").and_then(Node::list);
        let other = groups.is_some_and(|groups| !groups.iter().any(|one| matches!(one.text(), Some("main" | "dev"))));
        if here != platform || group || other {
            continue;
        }
        let Some(url) = entry.get("url") else { return Err(lacks(file, entry, "url", LOCK_HINT)) };
        let Some(address) = url.text() else { return Err(lacks(file, url, "url", LOCK_HINT)) };
        let hash = |kind: &str| entry.get("hash").and_then(|hash| hash.get(kind)).and_then(scalar);
        match text("manager") {
            Some("conda") | None => {
                out.packages.push(package(file, url.line, address, hash("sha256"), hash("md5"), LOCK_HINT)?);
            }
            Some("pip") => {
                let Some(name) = text("name") else { return Err(lacks(file, entry, "name", LOCK_HINT)) };
                out.pip.push((requirement(file, url.line, name, address, hash("sha256"), LOCK_HINT)?, url.line));
            }
            Some(other) => {
                let message = format!("Packages of {:?} cannot be installed here.", shown(other));
                return Err(PlanError::line(file, entry.line, message, LOCK_HINT));
            }
        }
    }
    if out.packages.is_empty() && out.pip.is_empty() {
        return Err(nothing(file, platform, &platforms));
    }
    Ok(out)
}

/// Reads a `pixi.lock`: the default environment, for this platform.
pub(crate) fn pixi_lock(file: &str, bytes: &[u8], platform: &str) -> Result<Locked, PlanError> {
    let tree = yaml::parse(file, bytes)?;
    let known = entries(file, &tree, "packages", PIXI_HINT)?;
    let environment = tree.get("environments").and_then(|all| all.get("default"));
    let Some(environment) = environment else {
        return Err(PlanError::line(file, tree.line, "The file has no default environment.", PIXI_HINT));
    };
    let Some(Value::Map(platforms)) = environment.get("packages").map(|packages| &packages.value) else {
        return Err(lacks(file, environment, "packages", PIXI_HINT));
    };
    let mut out = Locked::default();
    let names: Vec<&str> = platforms.iter().filter_map(|(name, _)| name.text()).collect();
    let Some((_, list)) = platforms.iter().find(|(name, _)| name.text() == Some(platform)) else {
        return Err(nothing(file, platform, &names));
    };
    // By address; in versions before 6 the kind of a package and its address were keys of their own.
    let mut by_address: std::collections::BTreeMap<(&str, &str), &Node> = std::collections::BTreeMap::new();
    for entry in known {
        let address = |key: &str| entry.get(key).and_then(Node::text);
        let kind = address("kind");
        for name in ["conda", "pypi"] {
            let at = address(name)
                .or_else(|| (kind == Some(name)).then(|| address("url").or_else(|| address("path"))).flatten());
            if let Some(at) = at {
                by_address.insert((name, at), entry);
            }
        }
    }
    for one in list.list().unwrap_or_default() {
        let named = ["conda", "pypi"].into_iter().find_map(|kind| Some((kind, one.get(kind)?.text()?)));
        let Some((kind, address)) = named else {
            return Err(PlanError::line(file, one.line, "The entry names no package.", PIXI_HINT));
        };
        let entry = by_address.get(&(kind, address)).copied();
        let Some(entry) = entry else {
            return Err(PlanError::line(file, one.line, "The package is not described under `packages:`.", PIXI_HINT));
        };
        let hash = |kind: &str| entry.get(kind).and_then(scalar);
        if kind == "conda" {
            out.packages.push(package(file, entry.line, address, hash("sha256"), hash("md5"), PIXI_HINT)?);
            continue;
        }
        let line = if address.contains("://") {
            let name = entry.get("name").and_then(Node::text);
            let Some(name) = name else { return Err(lacks(file, entry, "name", PIXI_HINT)) };
            requirement(file, entry.line, name, address, hash("sha256"), PIXI_HINT)?
        } else {
            let path = if address.starts_with('.') { address.to_owned() } else { format!("./{address}") };
            let editable = entry.get("editable").is_some_and(|editable| editable.value == Value::Bool(true));
            if editable { format!("-e {path}") } else { path }
        };
        out.pip.push((line, entry.line));
    }
    Ok(out)
}

/// The list under `key`.
fn entries<'a>(file: &str, tree: &'a Node, key: &str, hint: &str) -> Result<&'a [Node], PlanError> {
    let list = tree.get(key).and_then(Node::list);
    list.ok_or_else(|| PlanError::line(file, tree.line, format!("The file has no list under `{key}:`."), hint))
}

fn lacks(file: &str, node: &Node, key: &str, hint: &str) -> PlanError {
    PlanError::line(file, node.line, format!("The entry has no usable `{key}:`."), hint)
}

fn nothing(file: &str, platform: &str, platforms: &[&str]) -> PlanError {
    let there: Vec<String> = platforms.iter().take(8).map(|name| shown(name)).collect();
    let message = match there.as_slice() {
        [] => format!("The file locks nothing for {platform}."),
        there => format!("The file locks nothing for {platform}, only for {}.", there.join(", ")),
    };
    PlanError::file(file, message, format!("Add {platform} to the platforms it is made for, and write it anew."))
}

/// Text, also where YAML took it for a number.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    }
}

/// A Python package at an address, as pip takes it.
fn requirement(
    file: &str,
    line: u32,
    name: &str,
    address: &str,
    sha256: Option<String>,
    hint: &str,
) -> Result<String, PlanError> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '`' | '<' | '>' | '$' | ';');
    let named = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) && !name.is_empty();
    let digits =
        sha256.as_ref().is_none_or(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !named || !digits || !address.chars().all(plain) || !address.contains("://") {
        return Err(PlanError::line(file, line, "The entry is not a Python package with an address.", hint));
    }
    // As part of the address: a hash of one requirement alone would oblige every other to have one.
    let hash = sha256.filter(|_| !address.contains('#')).map(|hash| format!("#sha256={hash}")).unwrap_or_default();
    Ok(format!("{name} @ {address}{hash}"))
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{conda_lock, pixi_lock};

    const SHA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn lock() -> String {
        format!(
            "version: 1\nmetadata:\n  platforms: [linux-64, osx-64]\npackage:\n\
             - name: a\n  manager: conda\n  platform: linux-64\n  url: https://example.org/c/linux-64/a-1-0.conda\n  hash: {{sha256: {SHA}}}\n  category: main\n\
             - name: a\n  manager: conda\n  platform: osx-64\n  url: https://example.org/c/osx-64/a-1-0.conda\n\
             - name: docs\n  manager: conda\n  platform: linux-64\n  url: https://example.org/c/noarch/docs-1-0.conda\n  category: docs\n\
             - name: six\n  manager: pip\n  platform: linux-64\n  url: https://example.org/six-1.16.0-py2.py3-none-any.whl\n  hash: {{sha256: {SHA}}}\n"
        )
    }

    fn pixi() -> String {
        format!(
            "version: 6\nenvironments:\n  default:\n    channels:\n    - url: https://example.org/c/\n    packages:\n      linux-64:\n      \
             - conda: https://example.org/c/noarch/a-1-0.conda\n      - pypi: https://example.org/six-1.16.0-py2.py3-none-any.whl\n      \
             - pypi: ./\n  docs:\n    packages: {{}}\npackages:\n\
             - conda: https://example.org/c/noarch/a-1-0.conda\n  sha256: {SHA}\n\
             - pypi: https://example.org/six-1.16.0-py2.py3-none-any.whl\n  name: six\n  version: 1.16.0\n  sha256: {SHA}\n\
             - pypi: ./\n  name: mine\n  editable: true\n"
        )
    }

    #[test]
    fn a_conda_lock_gives_what_it_has_for_this_platform() {
        let read = conda_lock("conda-lock.yml", lock().as_bytes(), "linux-64").unwrap();
        assert_eq!((read.packages.len(), read.packages[0].line, read.packages[0].sha256.as_deref()), (1, 8, Some(SHA)));
        let six = format!("six @ https://example.org/six-1.16.0-py2.py3-none-any.whl#sha256={SHA}");
        assert_eq!(read.pip.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), [six]);
        let fault = Fault::from(conda_lock("conda-lock.yml", lock().as_bytes(), "linux-aarch64").unwrap_err());
        assert!(fault.message.contains("linux-aarch64, only for linux-64, osx-64"), "{fault}");
    }

    #[test]
    fn a_pixi_lock_gives_its_default_environment() {
        let read = pixi_lock("pixi.lock", pixi().as_bytes(), "linux-64").unwrap();
        assert_eq!((read.packages.len(), read.packages[0].line), (1, 14));
        assert_eq!(read.pip.len(), 2);
        assert_eq!(read.pip[1].0, "-e ./");
        let older = "version: 4\nenvironments:\n  default:\n    packages:\n      linux-64:\n      - conda: https://example.org/c/noarch/a-1-0.conda\n\
                     packages:\n- kind: conda\n  name: a\n  version: '1'\n  url: https://example.org/c/noarch/a-1-0.conda\n";
        assert_eq!(pixi_lock("pixi.lock", older.as_bytes(), "linux-64").unwrap().packages.len(), 1);
        assert!(pixi_lock("pixi.lock", pixi().as_bytes(), "osx-64").is_err());
    }

    #[test]
    fn wrong_shapes_are_refused_with_their_place() {
        for text in [
            "",
            "- a\n",
            "package: 3\n",
            "package:\n- 3\n",
            "package:\n- platform: linux-64\n",
            "package:\n- platform: linux-64\n  url: x\n",
            "package:\n- platform: linux-64\n  manager: apt\n  url: https://e/a.conda\n",
            "package:\n- platform: linux-64\n  manager: pip\n  name: 'a; b'\n  url: https://e/a.whl\n",
            "package:\n- platform: linux-64\n  url: https://e/a.conda\n  hash: {sha256: zz}\n",
            "package: []\n",
        ] {
            let fault = Fault::from(conda_lock("conda-lock.yml", text.as_bytes(), "linux-64").unwrap_err());
            assert_eq!(fault.file.as_deref(), Some("conda-lock.yml"), "{text:?}");
        }
        for text in [
            "",
            "packages: []\n",
            "packages: []\nenvironments: {default: {}}\n",
            "packages: []\nenvironments: {default: {packages: {linux-64: [{conda: https://e/a.conda}]}}}\n",
            "packages: []\nenvironments: {default: {packages: {linux-64: [3]}}}\n",
            "packages: [{conda: .}]\nenvironments: {default: {packages: {linux-64: [{conda: .}]}}}\n",
        ] {
            let fault = Fault::from(pixi_lock("pixi.lock", text.as_bytes(), "linux-64").unwrap_err());
            assert_eq!(fault.file.as_deref(), Some("pixi.lock"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = conda_lock("conda-lock.yml", &bytes, "linux-64");
            let _ = pixi_lock("pixi.lock", &bytes, "linux-64");
        }

        #[test]
        fn locks_with_a_piece_cut_out_are_read_without_panic(from in 0usize..700, length in 0usize..40) {
            for text in [lock(), pixi()] {
                let mut bytes = text.into_bytes();
                let from = from.min(bytes.len());
                bytes.drain(from..(from + length).min(bytes.len()));
                let _ = conda_lock("conda-lock.yml", &bytes, "linux-64");
                let _ = pixi_lock("pixi.lock", &bytes, "linux-64");
            }
        }
    }
}
