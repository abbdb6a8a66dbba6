//! `pyproject.toml`: what a plan needs of it. Building the project is the installer's business.

use std::str::FromStr as _;

use pep440_rs::VersionSpecifiers;

use crate::PlanError;
use crate::error::shown;
use crate::parse::toml::{self, Node};
use crate::parse::{poetry, requirements};

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PyProject {
    /// `requires-python`: parsed, as it is shown, and its line.
    pub(crate) python: Option<(VersionSpecifiers, String, u32)>,
    /// There is a `[project]`.
    pub(crate) project: bool,
    /// There is a `[build-system]`.
    pub(crate) build_system: bool,
    /// The project's name.
    pub(crate) name: Option<String>,
    /// Its dependencies, where they stand in the file; `None` where only building the project tells.
    pub(crate) dependencies: Option<Vec<(String, u32)>>,
    /// Whether one of them is a path.
    pub(crate) local: bool,
    /// Names of groups and of optional sets that are not installed unless something says so.
    pub(crate) optional: Vec<String>,
    /// Whether building it needs more than the file itself for its metadata.
    pub(crate) dynamic: bool,
    /// `tool.uv.package`, `tool.poetry.package-mode`, `tool.pdm.distribution`: whether it is a package at all.
    pub(crate) package: Option<bool>,
    /// `tool.poetry` says where its modules are.
    pub(crate) names_packages: bool,
    /// There is a `[tool.poetry]`.
    pub(crate) poetry: bool,
    /// There is a `[tool.uv]` with sources or a workspace, which only uv reads.
    pub(crate) uv_sources: bool,
}

impl PyProject {
    /// Whether it can be built and installed.
    pub(crate) fn is_installable(&self) -> bool {
        self.build_system && (self.project || self.poetry) && self.package != Some(false)
    }
}

const HINT: &str = "Write it as PEP 621 says, e.g. dependencies = [\"numpy>=2\"].";

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<PyProject, PlanError> {
    toml::with(file, bytes, |root| read(file, root))
}

/// Names of the project's own main dependencies, as PEP 621 or Poetry write them.
pub(crate) fn main_dependencies(file: &str, bytes: &[u8]) -> Result<Vec<String>, PlanError> {
    toml::with(file, bytes, |root| {
        let listed = root.at(&["project", "dependencies"]).map(|list| list.items()).unwrap_or_default();
        let name = |text: &str| {
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
            text.get(..end.unwrap_or(text.len())).unwrap_or_default().to_owned()
        };
        let mut out: Vec<String> = listed.iter().filter_map(Node::text).map(|text| name(text.trim())).collect();
        let tables = root.at(&["tool", "poetry", "dependencies"]).map(|table| table.entries()).unwrap_or_default();
        out.extend(tables.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != "python"));
        Ok(out)
    })
}

fn read(file: &str, root: &Node<'_>) -> Result<PyProject, PlanError> {
    let mut out = PyProject { build_system: root.get("build-system").is_some(), ..PyProject::default() };
    let tool = |path: &[&str]| root.get("tool").and_then(|tool| tool.at(path));
    out.poetry = tool(&["poetry"]).is_some();
    out.names_packages = tool(&["poetry", "packages"]).is_some();
    out.uv_sources = tool(&["uv", "sources"]).is_some() || tool(&["uv", "workspace"]).is_some();
    let switches = [["uv", "package"], ["poetry", "package-mode"], ["pdm", "distribution"]];
    out.package = switches.iter().find_map(|path| tool(path).and_then(|node| node.truth()));
    out.name = tool(&["poetry", "name"]).and_then(|name| name.text()).map(str::to_owned);
    if let Some(groups) = root.get("dependency-groups") {
        out.optional.extend(groups.entries().iter().map(|(name, _)| shown(name)));
    }
    let Some(project) = root.get("project") else {
        if let Some(python) = tool(&["poetry", "dependencies", "python"]) {
            out.python = python_of_poetry(&python);
        }
        return Ok(out);
    };
    out.project = true;
    out.name = project.text_at("name").map(str::to_owned).or(out.name);
    let dynamic: Vec<&str> =
        project.get("dynamic").map(|node| node.items()).unwrap_or_default().iter().filter_map(Node::text).collect();
    out.dynamic = !dynamic.is_empty();
    if let Some(python) = project.get("requires-python") {
        out.python = Some(requires_python(&python)?);
    }
    if let Some(sets) = project.get("optional-dependencies") {
        out.optional.extend(sets.entries().iter().map(|(name, _)| shown(name)));
    }
    if dynamic.contains(&"dependencies") {
        return Ok(out);
    }
    let mut dependencies = Vec::new();
    if let Some(list) = project.get("dependencies") {
        if !list.is_array() {
            return Err(list.wrong("dependencies is not a list.", HINT));
        }
        for item in list.items() {
            let Some(text) = item.text() else { return Err(item.wrong("A dependency is not a string.", HINT)) };
            out.local |= requirement(file, &item, text)?;
            dependencies.push((text.trim().to_owned(), item.line()));
        }
    }
    out.dependencies = Some(dependencies);
    Ok(out)
}

/// Checks that a string is one requirement; whether it is a path.
fn requirement(file: &str, node: &Node<'_>, text: &str) -> Result<bool, PlanError> {
    let bad = || node.wrong(format!("{:?} is not a requirement.", shown(text)), HINT);
    if text.contains(['\n', '\\', '#']) || text.trim_start().starts_with('-') {
        return Err(bad());
    }
    let parsed = requirements::parse(file, text.as_bytes()).map_err(|error| match error {
        PlanError::File { message, .. } => node.wrong(message, HINT),
        other => other,
    })?;
    if parsed.entries == 1 { Ok(!parsed.local.is_empty()) } else { Err(bad()) }
}

fn requires_python(node: &Node<'_>) -> Result<(VersionSpecifiers, String, u32), PlanError> {
    let text = node.text().unwrap_or_default();
    let specifiers = VersionSpecifiers::from_str(text).ok().filter(|_| !text.is_empty()).ok_or_else(|| {
        node.wrong(
            format!("requires-python = {:?} is not a range of versions.", shown(text)),
            "Write it as PEP 440 says, e.g. requires-python = \">=3.11\".",
        )
    })?;
    let text = shown(&specifiers.to_string());
    Ok((specifiers, text, node.line()))
}

/// Poetry has a grammar of its own; what it says that PEP 440 cannot is left to it.
fn python_of_poetry(node: &Node<'_>) -> Option<(VersionSpecifiers, String, u32)> {
    let text = node.text().or_else(|| node.text_at("version"))?;
    let specifiers = poetry::specifiers(text).filter(|specifiers| !specifiers.is_empty())?;
    Some((specifiers, shown(text), node.line()))
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{PyProject, parse};

    fn read(text: &str) -> PyProject {
        parse("pyproject.toml", text.as_bytes()).unwrap()
    }

    #[test]
    fn a_project_without_a_build_system_is_its_dependencies() {
        let parsed = read(
            "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.10, <3.13\"\ndependencies = [\n  \"numpy>=2\",\n  \"a @ ./a\",\n]\n\
             [project.optional-dependencies]\nplot = [\"matplotlib\"]\n[dependency-groups]\ndev = [\"pytest\"]\n",
        );
        let names: Vec<_> =
            parsed.dependencies.as_ref().unwrap().iter().map(|(name, line)| (name.as_str(), *line)).collect();
        assert_eq!(names, [("numpy>=2", 6), ("a @ ./a", 7)]);
        let (_, text, line) = parsed.python.as_ref().unwrap();
        assert_eq!((text.as_str(), *line), (">=3.10, <3.13", 4));
        assert_eq!(parsed.optional, ["dev", "plot"]);
        assert!(parsed.local && parsed.project && !parsed.is_installable());
    }

    #[test]
    fn what_can_be_built_is_told_from_what_cannot() {
        let build = "[build-system]\nrequires = [\"hatchling\"]\n";
        for (text, installable, stands_there) in [
            ("[project]\nname='x'\ndynamic=['dependencies']\n", true, false),
            ("[project]\nname='x'\ndependencies=['six']\n", true, true),
            ("[tool.poetry]\nname='x'\n", true, false),
            ("[tool.poetry]\nname='x'\npackage-mode=false\n", false, false),
            ("[project]\nname='x'\n[tool.uv]\npackage=false\n", false, true),
            ("[tool.black]\nline-length=100\n", false, false),
        ] {
            let parsed = read(&format!("{text}{build}"));
            assert_eq!((parsed.is_installable(), parsed.dependencies.is_some()), (installable, stands_there), "{text}");
        }
    }

    #[test]
    fn poetrys_own_python_is_read() {
        let parsed = read("[tool.poetry]\nname = \"x\"\n[tool.poetry.dependencies]\npython = \"^3.10\"\n");
        let (specifiers, text, line) = parsed.python.unwrap();
        assert_eq!((specifiers.to_string().as_str(), text.as_str(), line), (">=3.10, <4", "^3.10", 4));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line) in [
            ("[project\n", 1),
            ("[project]\nname = \"x\"\nrequires-python = \"^3.10\"\n", 3),
            ("[project]\nrequires-python = 3.10\n", 2),
            ("[project]\ndependencies = \"numpy\"\n", 2),
            ("[project]\ndependencies = [\n\"numpy\",\n3]\n", 4),
            ("[project]\ndependencies = [\n\"numpy\",\n\"-r other.txt\"]\n", 4),
            ("[project]\ndependencies = [\"numpy=1.2\"]\n", 2),
            ("[project]\ndependencies = [\"numpy\\n--index-url x\"]\n", 2),
            ("[project]\ndependencies = [\"\"]\n", 2),
            ("a = 1\na = 2\n", 2),
        ] {
            let fault = Fault::from(parse("pyproject.toml", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("pyproject.toml:{line}")), "{text}: {fault}");
            assert!(fault.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("pyproject.toml", &bytes);
        }

        #[test]
        fn any_values_are_survived(value in "[ -~]{0,20}", list in "[ -~]{0,20}") {
            let _ = parse("pyproject.toml", format!("[project]\nrequires-python = {value:?}\ndependencies = [{list:?}]\n").as_bytes());
        }
    }
}
